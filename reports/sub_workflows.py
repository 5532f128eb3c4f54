"""Sub-workflows: how often steps went through them, how they ended, and how long they took."""

from __future__ import annotations

from dataclasses import dataclass

from models.scenario import SubWorkflow
from reports.intervals import Interval, exact, student
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class SubWorkflowOutcome:
    """One step that is a workflow. Intervals are of means over replications."""

    step: str
    workflow: str
    ended: Interval
    """Times it came to an end, in one replication; not those that were under way when their case ended elsewhere."""
    completed: Interval
    """Times it ended completed."""
    took: Interval
    """Mean time within it, us."""


def assess_sub_workflows(tables: RunTables) -> tuple[SubWorkflowOutcome, ...]:
    """The steps that are workflows, in the scenario's order."""
    over = tables.of_kind("sub-workflow-ended")
    found = []
    for name, workflow in tables.scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            if isinstance(step, SubWorkflow):
                here = over[over["place"] == f"step:{name}.{step_name}"]
                took = here.groupby("replication")["value"].mean().reindex(range(tables.replications))
                found.append(
                    SubWorkflowOutcome(
                        f"{name}.{step_name}",
                        step.workflow,
                        tables.mean_count(here),
                        tables.mean_count(here[here["detail"] == "completed"]),
                        student(exact(took.to_numpy(dtype="float64")), floor=0.0),
                    )
                )
    return tuple(found)
