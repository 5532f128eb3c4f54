"""Pools that scale: how often, and how many replicas they have."""

from __future__ import annotations

from dataclasses import dataclass

from reports.intervals import Interval, exact, student
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class ScaleOutcome:
    """Scaling of one pool. Intervals are of means over replications."""

    place: str
    ups: Interval
    """Times that it was given replicas in one replication."""
    downs: Interval
    """Times that replicas were taken from it."""
    replicas: Interval
    """Ready replicas on the mean over time, without those that faults took away."""


def assess_scaling(tables: RunTables) -> tuple[ScaleOutcome, ...]:
    """The pools that scale, in the scenario's order."""
    pools = tables.scenario.agents.items()
    return tuple(_scaling(f"agent:{name}", pool.concurrency, tables) for name, pool in pools if pool.autoscale)


def _scaling(place: str, slots: int, tables: RunTables) -> ScaleOutcome:
    def times(kind: str) -> Interval:
        rows = tables.of_kind(kind)
        return tables.mean_count(rows[rows["place"] == place])

    samples = tables.samples[tables.samples["place"] == place]
    mean = ratio(tables.total(samples, "capacity"), slots * tables.count(samples))
    return ScaleOutcome(place, times("scaled-up"), times("scaled-down"), student(exact(mean), floor=0.0))
