"""Attempts and resilience: budgets, breakers, deadlines, fallbacks: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plans.resilience import Abandoned, ResiliencePlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_resilience(loaded: LoadedScenario, _: Names) -> ResiliencePlan:
    """This part of the plan."""
    scenario = loaded.scenario
    return ResiliencePlan(
        pools=tuple(int(Abandoned[pool.abandoned.upper()]) for pool in scenario.agents.values()),
        endpoints=tuple(int(Abandoned[endpoint.abandoned.upper()]) for endpoint in scenario.endpoints.values()),
    )
