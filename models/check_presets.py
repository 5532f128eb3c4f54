"""What frameworks' defaults and unlimited retries must satisfy, and what a reader should know of them."""

from __future__ import annotations

from collections.abc import Iterator

from models.diagnostics import Problem, quoted
from models.presets import PRESETS, Preset, retry_of, step_limit
from models.problems import Keys
from models.retries import Retry
from models.scenario import Scenario, Task
from models.steps import Workflow
from models.units import format_duration


def check_retries(scenario: Scenario) -> Iterator[Problem]:
    """Frameworks that are meant and named, and retries that cannot go on at one instant for ever."""
    for name, workflow in scenario.workflows.items():
        keys: Keys = ("workflows", name)
        for problem in (*_framework(workflow), *_steps(scenario, workflow)):
            yield problem._replace(keys=(*keys, *problem.keys))


def _framework(workflow: Workflow) -> Iterator[Problem]:
    if workflow.framework is None or (step_limit(workflow) is not None and workflow.limit is None):
        return
    preset = PRESETS[workflow.framework]
    tasks = [step for step in workflow.steps.values() if isinstance(step, Task)]
    if preset.calls is None and not any(task.retry == "framework" for task in tasks):
        message = f"no step says `retry: framework`, and no limit of {preset.title} holds here"
        yield Problem(("framework",), message, "add `retry: framework` to a task, or drop `framework`", True)


def _steps(scenario: Scenario, workflow: Workflow) -> Iterator[Problem]:
    for name, step in workflow.steps.items():
        if not isinstance(step, Task):
            continue
        problems = [*_task(workflow, step)]
        for position, call in enumerate(step.calls_agents):
            problems += _own(call.retry, ("calls-agents", position, "retry"))
        if workflow.framework is not None:
            problems += _calls(scenario, PRESETS[workflow.framework], step)
        for problem in problems:
            yield problem._replace(keys=("steps", name, *problem.keys))


def _task(workflow: Workflow, task: Task) -> Iterator[Problem]:
    retry = retry_of(workflow, task)
    if retry is None:
        help = f"add `framework` to the workflow, such as {quoted(next(iter(PRESETS)))}"
        yield Problem(("retry",), "`retry: framework`, and the workflow names no framework", help)
    elif isinstance(task.retry, Retry):
        yield from _own(task.retry, ("retry",))
    otherwise = task.breaker or task.budget or task.patience
    if task.fallbacks and retry is not None and retry.attempts == "unlimited" and not otherwise:
        message = "after unlimited attempts nobody else comes to the turn"
        yield Problem(("fallbacks",), message, "give `retry` a number of `attempts`", True)


def _own(retry: Retry, keys: Keys) -> Iterator[Problem]:
    if retry.max_backoff < retry.backoff:
        help = f"expected at least `backoff`, {format_duration(retry.backoff)}"
        yield Problem(keys, "`max-backoff` is below `backoff`", help, True)
    if retry.attempts == "unlimited" and retry.backoff == 0:
        message = "unlimited attempts without a wait between them"
        yield Problem((*keys, "attempts"), message, "expected a `backoff` above zero, or a number of attempts")


def _calls(scenario: Scenario, preset: Preset, task: Task) -> Iterator[Problem]:
    """An attempt that a framework stops every time."""
    pool = scenario.agents.get(task.agent)
    capability = pool.capabilities.get(task.capability) if pool is not None else None
    if capability is None or capability.endpoint is None or preset.calls is None or capability.calls <= preset.calls:
        return
    message = f"{quoted(task.capability)} makes {capability.calls} calls, and {preset.title} stops an agent after "
    yield Problem(("capability",), message + str(preset.calls), "lower `calls`, or drop the `framework`")


def endless_retries(scenario: Scenario) -> Iterator[str]:
    """Steps whose unlimited attempts nothing bounds, as sentences: they are no fault, and cases may never end."""
    for name, workflow in scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            retry = retry_of(workflow, step) if isinstance(step, Task) else None
            if not isinstance(step, Task) or retry is None or retry.attempts != "unlimited":
                continue
            if step.deadline is None and step.budget is None and not _all_cases_end(scenario):
                yield (
                    f"Nothing bounds the unlimited attempts of step {quoted(step_name)} of {quoted(name)}: cases may "
                    "never end. A `deadline` of the step bounds them, or of the work with `on-deadline: cancel`."
                )


def _all_cases_end(scenario: Scenario) -> bool:
    """Whether every case is ended from outside at some time."""
    works = scenario.work.values()
    return all(work.withdrawal is not None or (work.deadline and work.on_deadline == "cancel") for work in works)
