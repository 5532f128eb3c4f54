"""Workflows and waiting: counted resources, calls, messages, compensation: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plans.flows import FlowsPlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_flows(loaded: LoadedScenario, _: Names) -> FlowsPlan:
    """This part of the plan."""
    return FlowsPlan(units=tuple(lock.count for lock in loaded.scenario.locks.values()))
