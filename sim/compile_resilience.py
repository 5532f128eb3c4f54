"""Attempts and resilience: budgets, breakers, deadlines, fallbacks: from the scenario into the plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from models.resilience import Breaker, Budget
from models.scenario import Scenario, Task
from sim.compile_steps import fallback_steps
from sim.plans.resilience import Abandoned, BreakerPlan, BudgetPlan, ResiliencePlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_resilience(loaded: LoadedScenario, names: Names) -> ResiliencePlan:
    """This part of the plan."""
    scenario = loaded.scenario
    mains = tuple(fallback_steps(scenario, names))
    own = list(_tasks(scenario, names))
    every = [*own, *((fallback, dict(own)[main]) for fallback, main in mains)]
    budgets, breakers = list(scenario.budgets), list(scenario.breakers)
    return ResiliencePlan(
        pools=tuple(int(Abandoned[pool.abandoned.upper()]) for pool in scenario.agents.values()),
        endpoints=tuple(int(Abandoned[endpoint.abandoned.upper()]) for endpoint in scenario.endpoints.values()),
        budgets=tuple(_budget(name, budget) for name, budget in scenario.budgets.items()),
        breakers=tuple(_breaker(name, breaker) for name, breaker in scenario.breakers.items()),
        budget_of=tuple((step, budgets.index(task.budget)) for step, task in every if task.budget),
        breaker_of=tuple((step, breakers.index(task.breaker)) for step, task in own if task.breaker),
        deadline_of=tuple((step, task.deadline) for step, task in every if task.deadline),
        mains=mains,
    )


def _tasks(scenario: Scenario, names: Names) -> Iterator[tuple[int, Task]]:
    for name, workflow in scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            if isinstance(step, Task):
                yield names.steps.index(f"{name}.{step_name}"), step


def _budget(name: str, budget: Budget) -> BudgetPlan:
    reserve = round(budget.least_per_second * budget.window)  # by the second times microseconds: millionths
    return BudgetPlan(name, round(budget.ratio * 1_000_000), reserve, budget.window)


def _breaker(name: str, breaker: Breaker) -> BreakerPlan:
    return BreakerPlan(
        name,
        breaker.window,
        breaker.least_calls,
        round(breaker.failure_rate * 1_000_000),
        breaker.open,
        breaker.half_open,
        frozenset(breaker.counts),
    )
