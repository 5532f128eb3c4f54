"""Cases that wait for each other, in rings and knots: how many, who, how long, and what they cost."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from reports.intervals import Interval, Sample, bounded, exact, student
from reports.livelocks import livelocked
from reports.tables import RunTables

RINGS_SHOWN: Final = 5
"""Kinds of rings kept with an example; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Member:
    """One case in a ring: it holds `holds` and waits for `waits`, which the next member holds."""

    case: int
    step: str
    holds: tuple[str, ...]
    waits: str


@dataclass(frozen=True, slots=True)
class Ring:
    """Deadlocks of one kind: the same steps waiting for the same, whatever the locks' values."""

    count: int
    replication: int
    time: int
    """Where the example happened, us."""
    members: tuple[Member, ...]
    knot: bool = False
    """Whether some of them wait for any of several slots; then no order of the members tells who waits for whom."""


@dataclass(frozen=True, slots=True)
class DeadlockOutcome:
    """Deadlocks of a run. Intervals are of means over replications."""

    resolution: str
    found: int
    """In all replications."""
    replications: int
    """Replications with any."""
    count: Interval
    stuck: Interval
    """Time from a deadlock to its resolution, us; one that is not resolved counts as at least the rest of the run."""
    lost: Interval
    """Cases that were aborted or are stuck at the horizon, in one replication."""
    cost: Interval
    """Money that these cases had cost, in one replication: it was spent for nothing."""
    rings: tuple[Ring, ...]
    """Most frequent kinds first, each with its first example."""
    kinds: int


def assess_deadlock(tables: RunTables) -> DeadlockOutcome:
    """Deadlocks, their rings and what became of them."""
    found = tables.of_kind("deadlock")
    lost = tables.cases[tables.cases["outcome"].isin(["aborted", "stuck"])]
    lost = lost.drop(livelocked(tables, lost).index)
    rings = [replace(ring, replication=tables.number(ring.replication)) for ring in _rings(found)]
    return DeadlockOutcome(
        resolution=tables.scenario.deadlock.resolution,
        found=len(found),
        replications=int((tables.count(found) > 0).sum()),
        count=tables.mean_count(found),
        stuck=student(_stuck(found, tables), floor=0.0),
        lost=tables.mean_count(lost),
        cost=student(exact(tables.total(lost, "cost") / 1e6), floor=0.0),
        rings=tuple(rings[:RINGS_SHOWN]),
        kinds=len(rings),
    )


def _rings(found: pd.DataFrame) -> tuple[Ring, ...]:
    examples: dict[tuple[tuple[str, str], ...], Ring] = {}
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    columns = (found[column].tolist() for column in ("replication", "time", "detail"))
    for replication, time, detail in zip(*columns, strict=True):
        members, knot = read_members(detail), is_knot(detail)
        kind = _kind(members, knot)
        counts[kind] += 1
        examples.setdefault(kind, Ring(0, replication, time, members, knot))
    ranked = sorted(counts, key=lambda kind: (-counts[kind], kind))
    return tuple(replace(examples[kind], count=counts[kind]) for kind in ranked)


def _kind(members: tuple[Member, ...], knot: bool) -> tuple[tuple[str, str], ...]:
    """What a deadlock is like: step and wait of each member; of a ring begun at the least, so that rotation does not
    matter, of a knot in order, with how many there are of each left out."""
    pairs = [(member.step, member.waits.partition("[")[0]) for member in members]
    if knot:
        return tuple(sorted(set(pairs)))
    return min(tuple(pairs[i:] + pairs[:i]) for i in range(len(pairs))) if pairs else ()


def read_members(detail: str) -> tuple[Member, ...]:
    """The members of a ring from a `deadlock` event's detail; empty where it is not one. Tables are not trusted."""
    try:
        ring: Any = json.loads(detail)["ring"]
        return tuple(
            Member(int(m["case"]), str(m["step"]), tuple(map(str, m["holds"])), str(m["waits-for"])) for m in ring
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()


def _victim(detail: str) -> int:
    """The member that is ended, if one is: the one that the detail names, else the youngest, that arrived last."""
    members = [member.case for member in read_members(detail)]
    named = json.loads(detail).get("victim") if members else None
    return named if named in members else max(members, default=-1)


def is_knot(detail: str) -> bool:
    """Whether a `deadlock` event's detail tells of a knot. Tables are not trusted."""
    try:
        told = json.loads(detail)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("kind") == "knot"


def _stuck(found: pd.DataFrame, tables: RunTables) -> Sample:
    """Mean time from a deadlock to its resolution in each replication; nan without deadlocks."""
    over = tables.of_kind("resolved")
    keys = ["replication", "case"]
    # A resolution names the member that would be ended; a deadlock names the one that closed the ring.
    begun = found.assign(case=[_victim(detail) for detail in found["detail"].tolist()])
    begun = begun.assign(nth=begun.groupby(keys).cumcount())
    ended = over.assign(nth=over.groupby(keys).cumcount())[[*keys, "nth", "time"]]
    both = begun.merge(ended, on=[*keys, "nth"], how="left", suffixes=("", "_over"))
    unresolved = both["time_over"].isna().to_numpy()
    lasted = (both["time_over"].fillna(tables.scenario.horizon) - both["time"]).to_numpy(dtype="float64")
    replication = both["replication"].to_numpy()
    number = np.bincount(replication, minlength=tables.replications)
    ends = (lasted, np.where(unresolved, math.inf, lasted))
    low, high = (np.bincount(replication, weights=v, minlength=tables.replications) for v in ends)
    means = [np.divide(v, number, out=np.full(len(number), np.nan), where=number > 0) for v in (low, high)]
    return bounded(*means)
