"""Supply: work, queues, scaling, endpoints, the quality of answers: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plans.supply import SupplyPlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_supply(_: LoadedScenario, __: Names) -> SupplyPlan:
    """This part of the plan."""
    return SupplyPlan()
