"""Faults of the platform: how long they last, what fails meanwhile, and how soon the queues are back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from reports.intervals import Array, Interval, bounded, exact, student
from reports.tables import RunTables, ratio

FAULTS: Final = (
    "outage",
    "partition",
    "crash",
    "hang",
    "slowdown",
    "loss",
    "contract-skew",
    "certificate-expiry",
    "absence",
    "load-spike",
)
"""Kinds of events that open a window; their `value` is how long it lasts."""


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """Faults of one kind at one place. Intervals are of means over replications."""

    kind: str
    place: str
    windows: Interval
    """Windows in one replication."""
    lasting: Interval
    """Time in windows in one replication, us."""
    failed: Interval
    """Failed attempts by agents while a window lasts, in one replication."""
    failed_share: Interval
    """Share of all failed attempts that fall into a window."""
    recovery: Interval
    """Time from the end of a window until no more items wait in all queues together than before it began, us."""


def windows(tables: RunTables) -> pd.DataFrame:
    """Fault windows, overlapping ones of a place joined: `replication`, `kind`, `place`, `begin`, `end`, us.

    A window that outlasts the run ends at the horizon.
    """
    return joined(tables.of_kind(*FAULTS), tables.scenario.horizon)


def named_windows(tables: RunTables, name: str) -> pd.DataFrame:
    """The windows of the fault of this name, as `windows` has them."""
    events = tables.of_kind("fault")
    return joined(events[(events["place"] == f"fault:{name}") & (events["value"] >= 0)], tables.scenario.horizon)


def joined(events: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Windows that events open, those of one place and kind that overlap as one."""
    keys = ["replication", "kind", "place"]
    end = (events["time"] + events["value"]).clip(upper=horizon)
    rows = events[keys].astype({"kind": "str", "place": "str"}).assign(begin=events["time"], end=end)
    rows = rows.sort_values([*keys, "begin"], ignore_index=True)
    reached = rows.groupby(keys)["end"].cummax()
    before = reached.groupby([rows[key] for key in keys]).shift()
    fresh = ~(rows["begin"] <= before)
    groups = rows.assign(end=reached).groupby(fresh.cumsum())
    return groups.agg({**dict.fromkeys([*keys, "begin"], "first"), "end": "last"}).reset_index(drop=True)


def assess_resilience(tables: RunTables) -> tuple[FaultOutcome, ...]:
    """Outcomes of every kind of fault at every place that had one, sorted."""
    every = windows(tables)
    failed = tables.of_kind("attempt-failed")
    waiting = tables.samples.groupby(["replication", "time"], as_index=False).agg(queue=("queue", "sum"))
    return tuple(
        _fault(str(kind), str(place), rows, failed, waiting, tables)
        for (kind, place), rows in every.groupby(["kind", "place"], sort=True)
    )


def _fault(
    kind: str, place: str, rows: pd.DataFrame, failed: pd.DataFrame, waiting: pd.DataFrame, tables: RunTables
) -> FaultOutcome:
    inside = tables.count(failed[_inside(failed, rows)])
    low, high = _recovery(rows, waiting, tables)
    replication = rows["replication"].to_numpy()
    number = np.bincount(replication, minlength=tables.replications)

    def mean(values: Array) -> Array:
        return ratio(np.bincount(replication, weights=values, minlength=tables.replications), number)

    return FaultOutcome(
        kind=kind,
        place=place,
        windows=student(exact(number), floor=0.0),
        lasting=student(exact(tables.total(rows.assign(lasts=rows["end"] - rows["begin"]), "lasts")), floor=0.0),
        failed=student(exact(inside), floor=0.0),
        failed_share=student(exact(ratio(inside, tables.count(failed))), floor=0.0, ceiling=1.0),
        recovery=student(bounded(mean(low), mean(high)), floor=0.0),
    )


def _inside(events: pd.DataFrame, rows: pd.DataFrame) -> Array:
    """Whether each event falls into a window of its replication; the windows of one place do not overlap."""
    if not len(events) or not len(rows):
        return np.zeros(len(events), dtype=bool)
    ordered = rows.sort_values("begin")[["replication", "begin", "end"]]
    times = events[["replication", "time"]].reset_index(drop=True).reset_index(names="row").sort_values("time")
    found = pd.merge_asof(times, ordered, left_on="time", right_on="begin", by="replication").sort_values("row")
    return (found["time"] < found["end"]).to_numpy(dtype=bool)


def _recovery(rows: pd.DataFrame, waiting: pd.DataFrame, tables: RunTables) -> tuple[Array, Array]:
    """Bounds of the time to recover of each window; the high one is inf where it had not recovered at the horizon."""
    number, time, queue = (waiting[column].to_numpy() for column in ("replication", "time", "queue"))
    starts = np.searchsorted(number, np.arange(tables.replications + 1))
    bounds = [
        _recovered(time[starts[r] : starts[r + 1]], queue[starts[r] : starts[r + 1]], begin, end)
        for r, begin, end in zip(*(rows[column].tolist() for column in ("replication", "begin", "end")), strict=True)
    ]
    recovered = np.array(bounds, dtype="float64")
    unknown = np.isnan(recovered)
    rest = (tables.scenario.horizon - rows["end"]).to_numpy(dtype="float64")
    return np.where(unknown, rest, recovered), np.where(unknown, math.inf, recovered)


def _recovered(times: Array, queue: Array, begin: int, end: int) -> float:
    """Time from `end` to the first sample with no more waiting than at the last one before `begin`; nan without one."""
    before = int(np.searchsorted(times, begin, side="left"))
    level = queue[before - 1] if before else 0
    after = int(np.searchsorted(times, end, side="left"))
    back = np.flatnonzero(queue[after:] <= level)
    return float(times[after + back[0]] - end) if len(back) else math.nan
