"""Change: drifts, detectors, rollouts, compromised agents: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plans.change import ChangePlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_change(_: LoadedScenario, __: Names) -> ChangePlan:
    """This part of the plan."""
    return ChangePlan()
