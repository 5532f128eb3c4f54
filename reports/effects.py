"""Effects on the outside world: how many were done twice, and how many an idempotency key kept from that."""

from __future__ import annotations

from dataclasses import dataclass

from models.scenario import Task
from reports.intervals import Interval
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class EffectOutcome:
    """Effects of one step. Intervals are of means over replications."""

    step: str
    keyed: bool
    """Whether an idempotency key tells a repeated effect."""
    cases: Interval
    """Cases that it took effect for, in one replication."""
    repeated: Interval
    """Duplicate effects: further ones of a case it had taken effect for."""
    suppressed: Interval
    """Further ones that the key kept from taking effect."""


def assess_effects(tables: RunTables) -> tuple[EffectOutcome, ...]:
    """The steps that say whether their effects have a key, in the scenario's order."""
    kinds = ("effect", "effect-repeated", "effect-suppressed")
    found = []
    for name, workflow in tables.scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            if isinstance(step, Task) and step.idempotency_key is not None:
                here = (tables.of_kind(kind) for kind in kinds)
                counts = (tables.mean_count(rows[rows["place"] == f"step:{name}.{step_name}"]) for rows in here)
                found.append(EffectOutcome(f"{name}.{step_name}", step.idempotency_key, *counts))
    return tuple(found)
