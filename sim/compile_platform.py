"""The platform: links, topics, decision points, durability, certificates: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plans.platform import PlatformPlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_platform(_: LoadedScenario, __: Names) -> PlatformPlan:
    """This part of the plan."""
    return PlatformPlan()
