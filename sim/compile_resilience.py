"""Attempts and resilience: budgets, breakers, deadlines, fallbacks: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plans.resilience import ResiliencePlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_resilience(_: LoadedScenario, __: Names) -> ResiliencePlan:
    """This part of the plan."""
    return ResiliencePlan()
