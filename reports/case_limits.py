"""Cases that miss their deadline, and cases that are withdrawn."""

from __future__ import annotations

from dataclasses import dataclass

from reports.intervals import Interval, exact, student
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class LimitOutcome:
    """Limits of one stream of cases, measured cases only. Intervals are of means over replications."""

    work: str
    late: Interval
    """Share of cases whose deadline passed before they ended."""
    withdrawn: Interval
    """Share of cases that were taken back."""


def assess_limits(tables: RunTables) -> tuple[LimitOutcome, ...]:
    """Streams that have a deadline or are withdrawn, in the scenario's order."""
    works = tables.scenario.work.items()
    return tuple(_limits(name, tables) for name, work in works if work.deadline or work.withdrawal)


def _limits(work: str, tables: RunTables) -> LimitOutcome:
    cases = tables.measured[tables.measured["work"] == work]
    count = tables.count(cases)
    late, withdrawn = cases[cases["late"]], cases[cases["outcome"] == "cancelled"]
    shares = (ratio(tables.count(rows), count) for rows in (late, withdrawn))
    return LimitOutcome(work, *(student(exact(share), floor=0.0, ceiling=1.0) for share in shares))
