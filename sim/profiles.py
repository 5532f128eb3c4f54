"""Arrival rates over calendar time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from models.rosters import offsets
from models.scenario import Arrivals, Modulated, Poisson, Renewal, Scenario, Trace, Weekly
from models.units import HOUR
from sim.plan import LAW_KINDS, ArrivalKind, ArrivalPlan, LawPlan, RatePieces

_NO_PIECES = RatePieces((), ())
_NO_LAW = LawPlan(0, (0.0,))


def arrival_plan(arrivals: Arrivals, scenario: Scenario, trace: tuple[int, ...]) -> ArrivalPlan:
    """How cases of one stream arrive; `trace` holds the times of a trace."""
    match arrivals:
        case Poisson():
            pieces = RatePieces((0,), (arrivals.rate / 1e6,))
            return ArrivalPlan(ArrivalKind.PROCESS, pieces, _NO_LAW, ())
        case Weekly():
            pieces = weekly_pieces(arrivals, scenario.start, scenario.horizon)
            return ArrivalPlan(ArrivalKind.PROCESS, pieces, _NO_LAW, ())
        case Renewal():
            return ArrivalPlan(ArrivalKind.RENEWAL, _NO_PIECES, _interval(arrivals), ())
        case Modulated():
            return ArrivalPlan(ArrivalKind.MODULATED, _NO_PIECES, _NO_LAW, ())
        case Trace():
            return ArrivalPlan(ArrivalKind.TRACE, _NO_PIECES, _NO_LAW, trace)


def _interval(arrivals: Renewal) -> LawPlan:
    """A lognormal law by mean and coefficient of variation: sigma^2 = ln(1 + cv^2), mu = ln mean - sigma^2 / 2."""
    mean = 1e6 / arrivals.rate
    if arrivals.cv == 0:
        return LawPlan(LAW_KINDS.index("constant"), (mean,))
    variance = math.log(1.0 + arrivals.cv**2)
    return LawPlan(LAW_KINDS.index("lognormal"), (math.log(mean) - variance / 2, math.sqrt(variance)))


def weekly_pieces(weekly: Weekly, start: datetime, horizon: int) -> RatePieces:
    """The rate from each time on: constant within an hour of local time, which clock changes cut and repeat."""
    hours, days = weekly.by_hour, weekly.by_weekday
    scale = weekly.rate / 1e6 * (24 / sum(hours)) * (7 / sum(days))
    times: list[int] = []
    rates: list[float] = []
    for moment, local in _local_hours(ZoneInfo(weekly.timezone), start, horizon):
        times.append(moment)
        rates.append(scale * hours[local.hour] * days[local.weekday()])
    return RatePieces(tuple(times), tuple(rates))


def _local_hours(zone: ZoneInfo, start: datetime, horizon: int) -> Iterator[tuple[int, datetime]]:
    """Every moment at which an hour of local time begins (or the clock changes), and the local time then."""
    origin = start.astimezone(UTC).replace(tzinfo=None)
    for stretch in offsets(zone, start, horizon):
        moment = stretch.begin
        while moment < stretch.end:
            local = origin + stretch.offset + timedelta(microseconds=moment)
            yield moment, local
            into_hour = local - datetime.combine(local.date(), time(local.hour))
            moment += HOUR - into_hour // timedelta(microseconds=1)
