"""Workflows and waiting: counted resources, calls, messages, compensation: from the scenario into the plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from models.scenario import Receive, Scenario, Send, Task
from sim.compile_steps import fallback_steps
from sim.plans.flows import FlowsPlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_flows(loaded: LoadedScenario, names: Names) -> FlowsPlan:
    """This part of the plan."""
    scenario = loaded.scenario
    units = tuple(lock.count for lock in scenario.locks.values())
    keyed = dict(_keyed(scenario, names))
    keyed |= {fallback: keyed[main] for fallback, main in fallback_steps(scenario, names) if main in keyed}
    return FlowsPlan(
        units, tuple(keyed.items()), tuple(_messages(scenario, names)), tuple(_behaviours(scenario, names))
    )


def _keyed(scenario: Scenario, names: Names) -> Iterator[tuple[int, bool]]:
    for name, workflow in scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            if isinstance(step, Task) and step.idempotency_key is not None:
                yield names.steps.index(f"{name}.{step_name}"), step.idempotency_key


def _messages(scenario: Scenario, names: Names) -> Iterator[tuple[int, str, str]]:
    for name, workflow in scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            if isinstance(step, Send | Receive):
                yield names.steps.index(f"{name}.{step_name}"), step.message, step.key or ""


def _behaviours(scenario: Scenario, names: Names) -> Iterator[tuple[int, str]]:
    for name, pool in scenario.agents.items():
        for capability, what in pool.capabilities.items():
            if what.behaviour is not None:
                yield names.capabilities.index(f"{name}.{capability}"), what.behaviour
