"""Goodput, and whether it comes back after a fault.

Goodput is told as a share of the load: of the cases that arrive in a window of time, those that are completed, right,
and not late. So it does not move with the hour of the day. A fault that is over while goodput stays away is what
Bronson and others call a metastable failure (Metastable Failures in Distributed Systems, HotOS 2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from models.objectives import Recovery
from reports.intervals import Array, Interval, Sample, bounded, student
from reports.resilience import windows
from reports.tables import RunTables

WINDOWS: Final = 200
"""Windows that a run is cut into. An assumption; the samples of queues are as many."""
CALM: Final = 5
"""Windows with arrivals before the fault that a baseline takes at least. An assumption."""
RUN: Final = 3
"""Windows in a row that must be good for goodput to be back. An assumption: one may be good by chance."""
BACK: Final = 0.9
"""Share of the goodput before that counts as back where no objective says another. An assumption."""
LAST: Final = WINDOWS // 10
"""Windows at the end of the run that are told apart."""


@dataclass(frozen=True, slots=True)
class Goodput:
    """Cases by replication and window of arrival: how many, and how many of them end well at least and at most."""

    arrived: Array
    low: Array
    high: Array
    width: float
    """Of a window, us."""

    def share(self, replication: int, chosen: Array) -> tuple[float, float]:
        """Bounds of the goodput in the chosen windows; nan where nobody arrived."""
        arrived = self.arrived[replication, chosen].sum()
        if not arrived:
            return math.nan, math.nan
        return tuple(each[replication, chosen].sum() / arrived for each in (self.low, self.high))


@dataclass(frozen=True, slots=True)
class RecoveryOutcome:
    """Goodput before, during and after the faults of one kind at one place. Intervals are of means over
    replications."""

    kind: str
    place: str
    before: Interval
    during: Interval
    at_the_end: Interval
    """In the last tenth of the run."""
    recovery: Interval
    """Time from the end of the fault until goodput is back, us."""
    down: int
    """Replications in which it was certainly not back at the end of the run."""
    replications: int
    """Replications that had the fault, and something to compare with before it."""
    rest: float
    """Time from the end of the last fault to the end of the run, on the mean, us."""


def goodput(tables: RunTables, work: str | None = None) -> Goodput:
    """Goodput of all cases, or of one stream, from the warm-up on."""
    cases = tables.measured
    if work is not None:
        cases = cases[cases["work"] == work]
    well = (cases["outcome"] == "completed") & ~cases["wrong"] & ~cases["late"]
    unknown = (cases["outcome"] == "in-flight") & ~cases["wrong"] & ~cases["late"]
    width = tables.scenario.horizon / WINDOWS
    window = np.minimum((cases["arrived"].to_numpy() / width).astype("int64"), WINDOWS - 1)
    cell = cases["replication"].to_numpy() * WINDOWS + window

    def counts(chosen: pd.Series | None) -> Array:
        weights = None if chosen is None else chosen.to_numpy(dtype="float64")
        cells = np.bincount(cell, weights=weights, minlength=tables.replications * WINDOWS)
        return cells.reshape(tables.replications, WINDOWS)

    return Goodput(counts(None), counts(well), counts(well | unknown), width)


def baselines(course: Goodput, begins: Array, every: pd.DataFrame, warm_up: int) -> list[tuple[float, float]]:
    """Of each replication, bounds of the goodput before a time, in windows after the warm-up that no fault touches; nan
    where there are too few. `begins` is nan where the replication has no fault."""
    edges = np.arange(WINDOWS + 1) * course.width
    found = []
    for replication, begin in enumerate(begins.tolist()):
        calm = (edges[:-1] >= warm_up) & (edges[1:] <= begin)
        others = every[every["replication"] == replication]
        for starts, ends in zip(others["begin"].tolist(), others["end"].tolist(), strict=True):
            calm &= (edges[1:] <= starts) | (edges[:-1] >= ends)
        calm &= course.arrived[replication] > 0
        found.append(course.share(replication, calm) if calm.sum() >= CALM else (math.nan, math.nan))
    return found


def time_back(
    course: Goodput, replication: int, end: float, before: tuple[float, float], share: float
) -> tuple[float, float]:
    """Bounds of the time from `end` until goodput is back: at `share` of what it was `before`, for RUN windows.

    Both are nan where there is nothing to compare with; the upper one is inf where it was not back at the horizon.
    """
    if math.isnan(before[0]):
        return math.nan, math.nan
    arrived = course.arrived[replication]
    first = math.ceil(end / course.width - 1e-9)
    surely = np.where(arrived > 0, course.low[replication] >= share * before[1] * arrived, True)
    maybe = np.where(arrived > 0, course.high[replication] >= share * before[0] * arrived, True)
    at_last = _runs(surely[first:], whole=True)
    at_first = _runs(maybe[first:], whole=False)
    low = max((first + at_first - 1) * course.width - end, 0.0) if at_first else 0.0
    return low, (first + at_last) * course.width - end if at_last < WINDOWS else math.inf


def _runs(good: Array, *, whole: bool) -> int:
    """The first of RUN good windows in a row. At the end of the run fewer will do, unless they must be `whole`; no such
    window is WINDOWS if it must be, else one past the last."""
    for start in range(len(good) - RUN + 1 if whole else len(good)):
        if good[start : start + RUN].all():
            return start
    return WINDOWS if whole else len(good)


def away_after(
    objective: Recovery, course: Goodput, begins: Array, ended: pd.DataFrame, every: pd.DataFrame, warm_up: int
) -> Sample:
    """How often goodput is not back within the objective's time after its fault, in each replication."""
    before = baselines(course, begins, every, warm_up)
    low = np.array([np.nan if np.isnan(share) else 0.0 for share, _ in before])
    high = low.copy()
    for replication, end in zip(ended["replication"].tolist(), ended["end"].tolist(), strict=True):
        least, most = time_back(course, replication, end, before[replication], objective.goodput)
        low[replication] += least > objective.within
        high[replication] += most > objective.within
    return bounded(low, high)


def returns_after(
    objective: Recovery, course: Goodput, begins: Array, ended: pd.DataFrame, every: pd.DataFrame, warm_up: int
) -> tuple[Sample, Sample]:
    """How long goodput is away after the objective's fault in each replication, the longest time of several, us; and
    whether it is back after the last of them by the end of the run, 0 or 1."""
    before = baselines(course, begins, every, warm_up)
    times = [(math.nan, math.nan)] * len(before)
    back = list(times)
    horizon = course.width * WINDOWS
    for replication, own in ended.groupby("replication"):
        number = int(str(replication))
        if math.isnan(before[number][0]):
            continue
        ends = own["end"].tolist()
        times[number] = _worst_time_back(course, number, ends, before[number], objective.goodput)
        low, high = time_back(course, number, max(ends), before[number], objective.goodput)
        down = _stays_down(low, horizon - max(ends), course.width)
        back[number] = float(math.isfinite(high)), float(not down)
    return bounded(*zip(*times, strict=True)), bounded(*zip(*back, strict=True))


def assess_recovery(tables: RunTables) -> tuple[RecoveryOutcome, ...]:
    """Goodput around every kind of fault at every place that had one, sorted."""
    every = windows(tables)
    if not len(every):
        return ()
    course = goodput(tables)
    return tuple(
        _recovery(str(kind), str(place), rows, every, course, tables)
        for (kind, place), rows in every.groupby(["kind", "place"], sort=True)
    )


def _recovery(
    kind: str, place: str, rows: pd.DataFrame, every: pd.DataFrame, course: Goodput, tables: RunTables
) -> RecoveryOutcome:
    horizon = tables.scenario.horizon
    begins = first_begins(rows, tables.replications)
    before = baselines(course, begins, every, tables.scenario.warm_up)
    edges = np.arange(WINDOWS) * course.width
    during: list[tuple[float, float]] = [(math.nan, math.nan)] * tables.replications
    back = list(during)
    at_the_end = list(during)
    for replication, own in rows.groupby("replication"):
        number = int(str(replication))
        inside = np.zeros(WINDOWS, dtype=bool)
        for starts, ends in zip(own["begin"].tolist(), own["end"].tolist(), strict=True):
            inside |= (edges + course.width > starts) & (edges < ends)
        during[number] = course.share(number, inside)
        back[number] = _worst_time_back(course, number, own["end"].tolist(), before[number], BACK)
        if own["end"].max() <= edges[-LAST]:
            at_the_end[number] = course.share(number, edges >= edges[-LAST])
    last = rows.groupby("replication")["end"].max().to_dict()
    told = [number for number, (low, _) in enumerate(back) if not math.isnan(low)]
    # Of several faults the last tells: goodput that was long away after an earlier one may have come back since.
    least = {number: time_back(course, number, last[number], before[number], BACK)[0] for number in told}
    rests = {number: horizon - last[number] for number in told}
    return RecoveryOutcome(
        kind=kind,
        place=place,
        before=_share(before),
        during=_share(during),
        at_the_end=_share(at_the_end),
        recovery=student(bounded(*zip(*back, strict=True)), floor=0.0),
        down=sum(_stays_down(least[number], rest, course.width) for number, rest in rests.items()),
        replications=len(rests),
        rest=float(np.mean(list(rests.values()))) if rests else math.nan,
    )


def _stays_down(least: float, rest: float, width: float) -> bool:
    """Whether goodput was certainly away to the last: whatever comes of open cases, RUN good windows in a row never
    were."""
    return least > 0 and least > rest - RUN * width - width / 2


def first_begins(rows: pd.DataFrame, replications: int) -> Array:
    """When the first of some faults begins in each replication, nan where there is none."""
    begins: Array = np.full(replications, np.nan)
    first = rows.groupby("replication")["begin"].min()
    begins[first.index.to_numpy()] = first.to_numpy()
    return begins


def _worst_time_back(
    course: Goodput, replication: int, ends: list[float], before: tuple[float, float], share: float
) -> tuple[float, float]:
    """Bounds of the longest time to come back after any of several faults."""
    times = [time_back(course, replication, end, before, share) for end in ends]
    return max(low for low, _ in times), max(high for _, high in times)


def _share(bounds: list[tuple[float, float]]) -> Interval:
    """A goodput: told as if no open case ended well any more, which its interval leaves open."""
    low, high = zip(*bounds, strict=True)
    return student(bounded(low, high, low), floor=0.0, ceiling=1.0)
