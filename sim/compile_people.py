"""People: reviews, batches, absence: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plans.people import PeoplePlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_people(_: LoadedScenario, __: Names) -> PeoplePlan:
    """This part of the plan."""
    return PeoplePlan()
