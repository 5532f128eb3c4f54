"""Workflows in a run: what became of their cases, and how often each step was entered and was the last."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.intervals import Array, Interval, exact, student
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """One step. Intervals are of means in one replication."""

    step: str
    entered: Interval
    """Times that a measured case entered it."""
    ended: Interval
    """Measured cases that ended at it."""
    over_limit: Interval
    """Times that a limit of steps ended a case, or the delivery of a message, at it."""


@dataclass(frozen=True, slots=True)
class WorkflowOutcome:
    """Cases that began in one workflow, measured cases only. Intervals are of means over replications."""

    workflow: str
    cases: int
    """In all replications."""
    completed: Interval
    """Share of cases that completed."""
    wrong: Interval
    """Share of cases with a wrong effect that stands."""
    attempts: Interval
    """Mean attempts by agents on a case."""
    cost: Interval
    """Mean cost of an ended case, in the scenario's currency."""
    steps: tuple[StepOutcome, ...]
    """Its steps in the scenario's order; cases of other workflows may come to them too."""


def assess_workflows(tables: RunTables) -> tuple[WorkflowOutcome, ...]:
    """Workflows in the scenario's order."""
    keys = ["replication", "case"]
    arrived = tables.of_kind("arrived")[[*keys, "place"]]
    cases = tables.measured.merge(arrived, on=keys, how="left")
    cases = cases.assign(workflow=cases["place"].astype(str).str.extract(r"^step:([^.]*)", expand=False))
    rows = tables.of_kind("entered", "ended", "step-limit").merge(tables.measured[keys], on=keys)
    steps = _counts(rows, tables)
    return tuple(_workflow(name, cases[cases["workflow"] == name], steps, tables) for name in tables.scenario.workflows)


def _counts(rows: pd.DataFrame, tables: RunTables) -> dict[tuple[str, str], Array]:
    """Of each place and kind of event, how many each replication has."""
    groups = rows.astype({"place": str, "kind": str}).groupby(["place", "kind"], sort=False)
    return {(str(place), str(kind)): tables.count(some) for (place, kind), some in groups}


def _workflow(
    name: str, cases: pd.DataFrame, steps: dict[tuple[str, str], Array], tables: RunTables
) -> WorkflowOutcome:
    begun, ended = tables.count(cases), cases[~cases["open"]]
    none = tables.count(cases.iloc[:0])

    def share(rows: pd.Series) -> Interval:
        return student(exact(ratio(tables.count(cases[rows]), begun)), floor=0.0, ceiling=1.0)

    def seen(step: str, kind: str) -> Interval:
        return student(exact(steps.get((f"step:{name}.{step}", kind), none)), floor=0.0)

    return WorkflowOutcome(
        workflow=name,
        cases=len(cases),
        completed=share(cases["outcome"] == "completed"),
        wrong=share(cases["wrong"]),
        attempts=student(exact(ratio(tables.total(cases, "attempts"), begun)), floor=0.0),
        cost=student(exact(ratio(tables.total(ended, "cost") / 1e6, tables.count(ended))), floor=0.0),
        steps=tuple(
            StepOutcome(step, *(seen(step, kind) for kind in ("entered", "ended", "step-limit")))
            for step in tables.scenario.workflows[name].steps
        ),
    )
