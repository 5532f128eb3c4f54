"""Batches that people's work gathers to."""

from __future__ import annotations

from dataclasses import dataclass

from reports.intervals import Interval, exact, student
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """Batches of one desk. Intervals are of means over replications."""

    desk: str
    batches: Interval
    """Batches in one replication."""
    items: Interval
    """Items of a batch."""
    full: Interval
    """Share of batches that were begun because they were full."""


def assess_batches(tables: RunTables) -> tuple[BatchOutcome, ...]:
    """Every desk with a `batch`, in the scenario's order."""
    return tuple(_desk(name, tables) for name, desk in tables.scenario.desks.items() if desk.batch is not None)


def _desk(name: str, tables: RunTables) -> BatchOutcome:
    gathered = tables.of_kind("gathered")
    here = gathered[gathered["place"] == f"desk:{name}"]
    count = tables.count(here)
    return BatchOutcome(
        desk=name,
        batches=tables.mean_count(here),
        items=student(exact(ratio(tables.total(here, "value"), count)), floor=0.0),
        full=student(exact(ratio(tables.count(here[here["detail"] == "size"]), count)), floor=0.0, ceiling=1.0),
    )
