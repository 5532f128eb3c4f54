"""What budgets, breakers, deadlines and fallbacks must satisfy."""

from __future__ import annotations

from collections.abc import Iterator

from models.diagnostics import Problem, quoted
from models.presets import retry_of
from models.problems import Keys, no_time, unknown, unknown_capability
from models.scenario import Scenario, Task
from models.steps import Workflow
from models.units import format_duration


def check_named(scenario: Scenario, keys: Keys, task: Task) -> Iterator[Problem]:
    """Names that a task uses: its budget, its breaker, the agents that take over."""
    yield from unknown((*keys, "budget"), task.budget, scenario.budgets, "budget")
    yield from unknown((*keys, "breaker"), task.breaker, scenario.breakers, "breaker")
    for position, fallback in enumerate(task.fallbacks):
        yield from unknown_capability(scenario, (*keys, "fallbacks", position), fallback.agent, fallback.capability)


def check_resilience(scenario: Scenario) -> Iterator[Problem]:
    """Budgets and breakers that can do something, and what tasks make of them."""
    for name, budget in scenario.budgets.items():
        yield from no_time(("budgets", name, "window"), budget.window)
    for name, breaker in scenario.breakers.items():
        yield from no_time(("breakers", name, "open"), breaker.open)
        if breaker.least_calls > breaker.window:
            message = f"`least-calls` is {breaker.least_calls}, and the window holds {breaker.window}"
            yield Problem(("breakers", name), message, "the breaker would never open: give it a larger `window`", True)
    for name, workflow in scenario.workflows.items():
        yield from _tasks(scenario, ("workflows", name, "steps"), workflow)


def _tasks(scenario: Scenario, keys: Keys, workflow: Workflow) -> Iterator[Problem]:
    for name, task in workflow.steps.items():
        if isinstance(task, Task):
            for problem in (*_deadline(task), *_budget(workflow, task), *_fallbacks(scenario, task)):
                yield problem._replace(keys=(*keys, name, *problem.keys))


def _deadline(task: Task) -> Iterator[Problem]:
    yield from no_time(("deadline",), task.deadline)
    if task.deadline and task.timeout is not None and task.timeout > task.deadline:
        message = f"`timeout` is longer than the `deadline`, {format_duration(task.deadline)}"
        yield Problem(("timeout",), message, "expected a time-out within the deadline")


def _budget(workflow: Workflow, task: Task) -> Iterator[Problem]:
    retry = retry_of(workflow, task)
    attempts = [1 if retry is None else retry.attempts, *(fallback.attempts for fallback in task.fallbacks)]
    if task.budget is not None and all(number == 1 for number in attempts):
        yield Problem(("budget",), "a budget without a retry", "add `retry: {attempts: ...}`, or drop `budget`", True)


def _fallbacks(scenario: Scenario, task: Task) -> Iterator[Problem]:
    """Fallbacks that act by the decision that the task has, and hand cases over only where it says where to."""
    own = scenario.agents.get(task.agent)
    for position, fallback in enumerate(task.fallbacks):
        keys: Keys = ("fallbacks", position)
        yield from no_time((*keys, "timeout"), fallback.timeout)
        pool = scenario.agents.get(fallback.agent)
        if own is None or pool is None:
            continue
        if task.action is not None and pool.principal != own.principal:
            message = f"agent {quoted(fallback.agent)} is another principal than {quoted(task.agent)}"
            help = "it would act by a decision on somebody else: make it a step of its own, behind `on-failure`"
            yield Problem((*keys, "agent"), message, help)
        capability = pool.capabilities.get(fallback.capability)
        if capability is not None and capability.hand_off is not None and task.on_hand_off is None:
            message = f"capability {quoted(fallback.capability)} hands cases off, and the step does not say where to"
            yield Problem((*keys, "capability"), message, "add `on-hand-off` to the step")
