"""When people are at their desks: weekly rosters in local time, over summer time, as exact steps.

A shift is on duty at every moment whose wall-clock time lies in its window on one of its weekdays, unless the local
date is a holiday of the desk. So a window that the
spring change skips is shorter that day, and one that the autumn change repeats is worked both times.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from models.scenario import Desk, Shift
from models.units import DAY, HOUR, MINUTE, WEEK

Steps = tuple[tuple[int, int], ...]
"""A step function: (time, value from then on), the first at 0, ascending, no value twice in a row."""

_MICROSECOND = timedelta(microseconds=1)
_PROBE = 6 * HOUR
"""Distance of the looks for clock changes. No zone has changed twice within six hours since 1970."""


class Offset(NamedTuple):
    """A stretch of simulated time, in microseconds, with one distance of local time from UTC."""

    begin: int
    end: int
    offset: timedelta


@cache
def zones() -> frozenset[str]:
    """Names of the known IANA time zones."""
    return frozenset(available_timezones())


def staffing(desk: Desk, start: datetime, horizon: int) -> Steps:
    """People on duty at a desk from `start` for `horizon` microseconds; overlapping shifts add up."""
    changes: dict[int, int] = {}
    holidays = frozenset(desk.holidays)
    for stretch in offsets(ZoneInfo(desk.timezone), start, horizon):
        for shift in desk.roster:
            for begin, end in _windows(shift, start, stretch, holidays):
                changes[begin] = changes.get(begin, 0) + shift.staff
                changes[end] = changes.get(end, 0) - shift.staff
    return _steps(changes, horizon)


def weekly_staffing(desk: Desk) -> Steps:
    """People on duty in a week without clock change and holiday: (minute from Monday 00:00 local, staff from then)."""
    changes: dict[int, int] = {}
    for shift in desk.roster:
        for day in shift.days.days:
            for minute, change in ((shift.hours.start, shift.staff), (shift.hours.end, -shift.staff)):
                moment = day * (DAY // MINUTE) + minute
                changes[moment] = changes.get(moment, 0) + change
    return _steps(changes, WEEK // MINUTE)


def is_staffed(desk: Desk, start: datetime, horizon: int) -> bool:
    """Whether anyone is ever on duty within the horizon."""
    return any(staff > 0 for _, staff in staffing(desk, start, horizon))


def offsets(zone: tzinfo, start: datetime, horizon: int) -> Iterator[Offset]:
    """The horizon cut where a zone's clocks change, to the microsecond."""
    begin, current = 0, _offset(zone, start, 0)
    for probe in range(_PROBE, horizon + _PROBE, _PROBE):
        end = min(probe, horizon)
        if _offset(zone, start, end) != current:
            change = _change(zone, start, end - _PROBE if end > _PROBE else 0, end)
            yield Offset(begin, change, current)
            begin, current = change, _offset(zone, start, end)
    if begin < horizon:
        yield Offset(begin, horizon, current)


def _offset(zone: tzinfo, start: datetime, moment: int) -> timedelta:
    local = (start.astimezone(UTC) + timedelta(microseconds=moment)).astimezone(zone)
    return local.utcoffset() or timedelta()


def _change(zone: tzinfo, start: datetime, low: int, high: int) -> int:
    """The first microsecond after `low` with the offset of `high`, by bisection."""
    after = _offset(zone, start, high)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, start, middle) == after:
            high = middle
        else:
            low = middle
    return high


def holidays_over(desk: Desk, start: datetime) -> int:
    """The microsecond from `start` at which the desk's last holiday is over, local time; 0 where that was before."""
    if not desk.holidays:
        return 0
    midnight = datetime.combine(max(desk.holidays) + timedelta(days=1), time(), ZoneInfo(desk.timezone))
    return max((midnight.astimezone(UTC) - start) // _MICROSECOND, 0)


def _windows(shift: Shift, start: datetime, stretch: Offset, holidays: Collection[date]) -> Iterator[tuple[int, int]]:
    """Times on duty within a stretch, from and until, in microseconds from `start`."""
    local_start = start.astimezone(UTC).replace(tzinfo=None) + stretch.offset
    midnight = datetime.combine((local_start + timedelta(microseconds=stretch.begin)).date(), time())
    today = (midnight - local_start) // _MICROSECOND
    while today < stretch.end:
        if midnight.weekday() in shift.days.days and midnight.date() not in holidays:
            begin = max(today + shift.hours.start * MINUTE, stretch.begin)
            end = min(today + shift.hours.end * MINUTE, stretch.end)
            if begin < end:
                yield begin, end
        midnight += timedelta(days=1)
        today += DAY


def _steps(changes: dict[int, int], horizon: int) -> Steps:
    steps = [(0, changes.get(0, 0))]
    staff = steps[0][1]
    for moment in sorted(changes.keys() - {0}):
        staff += changes[moment]
        if moment < horizon and staff != steps[-1][1]:
            steps.append((moment, staff))
    return tuple(steps)
