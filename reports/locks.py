"""What locks cost: how often each is taken, how many wait for it and for how long, and how long it is held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.deadlock import Member, read_members
from reports.intervals import Interval, bounded, exact, student
from reports.tables import RunTables, quantiles, ratio
from reports.waits import lock_holds, lock_waits

if TYPE_CHECKING:
    from reports.people import DeskOutcome


@dataclass(frozen=True, slots=True)
class LockOutcome:
    """One lock; all values of a keyed one together. Counts are means in one replication, times are microseconds.

    Waits and holds began after the warm-up. A lock that is free is taken after a wait of 0.
    """

    name: str
    key: str
    """The attribute that keys it; empty where there is one lock for all."""
    values: int
    """Values of a keyed lock that were ever taken, in all replications."""
    acquisitions: Interval
    waited: Interval
    """Share of those who asked for it that had to wait."""
    wait_mean: Interval
    wait_p95: Interval
    hold_mean: Interval
    longest_queue: Interval
    """Mean over replications of the most that ever waited for it, for one value of a keyed lock."""
    deadlocks: Interval
    """Deadlocks in which some member waits for it or holds it."""


def assess_locks(tables: RunTables) -> tuple[LockOutcome, ...]:
    """Outcomes of every lock, in the scenario's order."""
    if not tables.scenario.locks:
        return ()
    rings = [read_members(detail) for detail in tables.of_kind("deadlock")["detail"].tolist()]
    places = [str(place) for place in tables.events["place"].unique()]
    return tuple(_lock(name, tables, places, rings) for name in tables.scenario.locks)


def _lock(name: str, tables: RunTables, places: Iterable[str], rings: Sequence[Sequence[Member]]) -> LockOutcome:
    mine = {place for place in places if place.partition("[")[0] == f"lock:{name}"}
    every = lock_waits(tables, mine)
    taken, blocked = (_here(tables.of_kind(kind), mine) for kind in ("locked", "blocked"))
    asked, had_to_wait = tables.count(every), every[(every["low"] > 0) | (every["end"] != "started")]
    replication = every["replication"].to_numpy()
    p95 = (quantiles(replication, every[end].to_numpy(), 0.95, tables.replications) for end in ("low", "high"))
    concerned = np.array([_concerns(members, mine) for members in rings], dtype=bool)
    key = tables.scenario.locks[name].key
    return LockOutcome(
        name=name,
        key=key or "",
        values=taken["place"].nunique() if key else 1,
        acquisitions=tables.mean_count(taken),
        waited=student(exact(ratio(tables.count(had_to_wait), asked)), floor=0.0, ceiling=1.0),
        wait_mean=_mean(every, tables),
        wait_p95=student(bounded(*p95), floor=0.0),
        hold_mean=_mean(lock_holds(tables, mine), tables),
        longest_queue=student(exact(_most(blocked, tables)), floor=0.0),
        deadlocks=tables.mean_count(tables.of_kind("deadlock").loc[concerned]),
    )


def _here(events: pd.DataFrame, places: Iterable[str]) -> pd.DataFrame:
    return events[events["place"].isin(list(places))]


def _mean(spans: pd.DataFrame, tables: RunTables) -> Interval:
    """Mean over replications of the mean length of spans between their bounds."""
    number = tables.count(spans)
    return student(bounded(*(ratio(tables.total(spans, end), number) for end in ("low", "high"))), floor=0.0)


def _most(blocked: pd.DataFrame, tables: RunTables) -> list[float]:
    most = blocked.groupby("replication")["value"].max()
    return [float(most.get(number, 0)) for number in range(tables.replications)]


def _concerns(members: Sequence[Member], places: set[str]) -> bool:
    return any(member.waits in places or not places.isdisjoint(member.holds) for member in members)


def longer_lock(locks: Sequence[LockOutcome], desks: Sequence[DeskOutcome]) -> LockOutcome | None:
    """The lock with the longest queue, if that is longer than the longest at any desk."""
    if not locks:
        return None
    longest = max(locks, key=lambda lock: lock.longest_queue.estimate)
    at_desks = max((desk.longest_queue.estimate for desk in desks if desk.longest_queue.known), default=0.0)
    return longest if longest.longest_queue.estimate > at_desks else None
