"""Compensation: steps that were undone before their case ended otherwise than completed."""

from __future__ import annotations

from dataclasses import dataclass

from models.workflows import undoing
from reports.intervals import Interval, exact, student
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class CompensationOutcome:
    """What became of undoing one step. Intervals are of means over replications."""

    step: str
    by: str
    """The first step of what undoes it."""
    undone: Interval
    """Times it was undone, in one replication."""
    failed: Interval
    """Times that undoing it ended otherwise than completed: what it had done stands."""
    took: Interval
    """Mean time that undoing it took, us."""


def assess_compensation(tables: RunTables) -> tuple[CompensationOutcome, ...]:
    """The steps that say what undoes them, in the scenario's order."""
    over = tables.of_kind("compensated")
    found = []
    for name, workflow in tables.scenario.workflows.items():
        for step, by in undoing(workflow).items():
            here = over[over["place"] == f"step:{name}.{step}"]
            done = here["detail"] == ""
            took = here.groupby("replication")["value"].mean().reindex(range(tables.replications))
            found.append(
                CompensationOutcome(
                    f"{name}.{step}",
                    f"{name}.{by}",
                    tables.mean_count(here[done]),
                    tables.mean_count(here[~done]),
                    student(exact(took.to_numpy(dtype="float64")), floor=0.0),
                )
            )
    return tuple(found)
