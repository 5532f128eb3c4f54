"""Attempts that were held back, and work that was done for nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.intervals import Array, Interval, exact, student
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class RetryOutcome:
    """One pool or endpoint. Intervals are of means over replications; counts are of one replication."""

    place: str
    started: Interval
    """Attempts that got a slot; of endpoints not told (nan)."""
    denied: Interval
    """Retries that a budget or a deadline denied."""
    refused: Interval
    """Attempts that an open breaker refused."""
    fallbacks: Interval
    """Steps that its agents took over."""
    orphaned: Interval
    """Attempts or calls whose caller gave up, and that went on or kept their place."""
    wasted: Interval
    """Share of the time that its slots were busy, spent for nobody; of endpoints the time in one replication, us."""


@dataclass(frozen=True, slots=True)
class BreakerOutcome:
    """One circuit breaker. Intervals are of means over replications."""

    breaker: str
    opened: Interval
    """Times it opened in one replication, from half-open too."""
    open: Interval
    """Share of the run that it was open or half-open."""


def assess_retries(tables: RunTables) -> tuple[RetryOutcome, ...]:
    """Every pool and endpoint where something was held back, given up, or taken over, in the order of their names."""
    told = tables.of_kind("retry-denied", "fallback", "orphaned", "wasted", "skipped")
    failed = tables.of_kind("attempt-failed")
    refused = failed[failed["detail"] == "breaker-open"]
    places = sorted({*told["place"].astype("str"), *refused["place"].astype("str")})
    return tuple(_retries(place, _at(told, place), _at(refused, place), tables) for place in places)


def _at(rows: pd.DataFrame, place: str) -> pd.DataFrame:
    return rows[rows["place"] == place]


def _retries(place: str, told: pd.DataFrame, refused: pd.DataFrame, tables: RunTables) -> RetryOutcome:
    def mean(kind: str) -> Interval:
        return tables.mean_count(told[told["kind"] == kind])

    is_pool = place.startswith("agent:")
    wasted = tables.total(told[told["kind"] == "wasted"], "value")
    busy = tables.total(_at(tables.of_kind("finished"), place), "value")
    nothing: Array = np.full(tables.replications, np.nan)
    return RetryOutcome(
        place=place,
        started=tables.mean_count(_at(tables.of_kind("started"), place)) if is_pool else student(exact(nothing)),
        denied=mean("retry-denied"),
        refused=tables.mean_count(refused),
        fallbacks=mean("fallback"),
        orphaned=mean("orphaned"),
        wasted=student(exact(ratio(wasted, busy) if is_pool else wasted), floor=0.0),
    )


def assess_breakers(tables: RunTables) -> tuple[BreakerOutcome, ...]:
    """The breakers of the scenario, in its order."""
    turns = tables.of_kind("breaker-open", "breaker-half-open", "breaker-closed")
    return tuple(_breaker(name, _at(turns, f"breaker:{name}"), tables) for name in tables.scenario.breakers)


def _breaker(name: str, turns: pd.DataFrame, tables: RunTables) -> BreakerOutcome:
    horizon = tables.scenario.horizon
    away: Array = np.zeros(tables.replications)
    for replication, rows in turns.groupby("replication"):
        away[int(str(replication))] = sum(end - begin for begin, end in _open_spans(rows, horizon))
    return BreakerOutcome(
        breaker=name,
        opened=tables.mean_count(turns[turns["kind"] == "breaker-open"]),
        open=student(exact(away / horizon), floor=0.0, ceiling=1.0),
    )


def _open_spans(turns: pd.DataFrame, horizon: int) -> Iterator[tuple[int, int]]:
    """From each opening of a closed breaker to its closing, or to the horizon."""
    since = -1
    for time, kind in zip(turns["time"].tolist(), turns["kind"].tolist(), strict=True):
        if kind == "breaker-closed":
            yield since, time
            since = -1
        elif since < 0:
            since = time
    if since >= 0:
        yield since, horizon
