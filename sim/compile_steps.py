"""Workflows become step plans, numbered through all workflows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from models.presets import retry_of, step_limit
from models.resilience import Fallback
from models.retries import Retry
from models.scenario import (
    ChoiceStep,
    DeskStep,
    End,
    Parallel,
    Publish,
    Receive,
    Scenario,
    Send,
    Step,
    SubWorkflow,
    Task,
    Wait,
    Workflow,
)
from models.steps import AgentCall
from models.workflows import exits as ways_out
from models.workflows import undone_by
from sim.compile_values import bound, law_plan
from sim.plan import NO_RETRY, UNLIMITED, Exit, Jitter, Names, Outcome, RetryPlan, StepKind, StepPlan, ends


def step_names(scenario: Scenario) -> tuple[str, ...]:
    """`workflow.step` of all steps, then `workflow.step/n` for the n-th agent that a step's attempts call, then
    `workflow.step/fallback-n` for the n-th that takes over."""
    steps = [f"{name}.{step}" for name, workflow in scenario.workflows.items() for step in workflow.steps]
    callees = (_callee(caller, n) for caller, n, _ in _calls(scenario))
    return (*steps, *callees, *(_fallback(main, n) for main, _, n, _ in _fallbacks(scenario)))


def _calls(scenario: Scenario) -> Iterator[tuple[str, int, AgentCall]]:
    """Every call of an agent, with the step that makes it and its number in the step."""
    for name, workflow in scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            for n, call in enumerate(step.calls_agents if isinstance(step, Task) else ()):
                yield f"{name}.{step_name}", n, call


def _callee(caller: str, n: int) -> str:
    return f"{caller}/{n + 1}"


def _callees(names: Names, caller: str, step: Task) -> tuple[int, ...]:
    return tuple(names.steps.index(_callee(caller, n)) for n in range(len(step.calls_agents)))


def _fallbacks(scenario: Scenario) -> Iterator[tuple[str, Task, int, Fallback]]:
    """Every fallback, with the name of its step, the step, and its number in the step."""
    for name, workflow in scenario.workflows.items():
        for step_name, step in workflow.steps.items():
            if isinstance(step, Task):
                yield from ((f"{name}.{step_name}", step, n, fallback) for n, fallback in enumerate(step.fallbacks))


def _fallback(main: str, n: int) -> str:
    return f"{main}/fallback-{n + 1}"


def fallback_steps(scenario: Scenario, names: Names) -> Iterator[tuple[int, int]]:
    """The steps that stand for fallbacks, in the order they are tried, and the step that each stands in for."""
    for main, _, n, _ in _fallbacks(scenario):
        yield names.steps.index(_fallback(main, n)), names.steps.index(main)


def step_plans(scenario: Scenario, names: Names) -> Iterator[StepPlan]:
    """The steps of all workflows and the agents they call, in the order of `Names.steps`."""
    requests = 0
    consumed = {topic.consumers.workflow for topic in scenario.topics.values()}
    # A case may come to a sub-workflow more than once, and a delivery to one of its consumers'.
    often = consumed | {inner for name in scenario.workflows for inner in scenario.within(name)}
    for name, workflow in scenario.workflows.items():
        limit = bound(step_limit(workflow))
        cyclic = _on_cycles(workflow) | undone_by(workflow)  # one step may undo several, or a loop
        for step_name, step in workflow.steps.items():
            asks = isinstance(step, Task) and step.action is not None and scenario.policies is not None
            counted = step_name in cyclic or step.limit is not None or name in often
            retry = _task_retry(workflow, step) if isinstance(step, Task) else NO_RETRY
            plan = _step(scenario, names, name, step_name, step, counted, requests if asks else -1)
            yield replace(plan, case_limit=limit, retry=retry)
            requests += asks
    for _, _, call in _calls(scenario):
        yield StepPlan(
            kind=StepKind.TASK,
            exits=(ends(Outcome.COMPLETED), ends(Outcome.FAILED)),  # never taken: its caller goes on
            counted=False,
            capability=names.capabilities.index(f"{call.agent}.{call.capability}"),
            timeout=bound(call.timeout),
            retry=_retry(call.retry),
            called=True,
        )
    for main, step, _, fallback in _fallbacks(scenario):
        workflow_name, _, step_name = main.partition(".")
        capability = names.capabilities.index(f"{fallback.agent}.{fallback.capability}")
        yield replace(
            _step(scenario, names, workflow_name, step_name, step, False, -1),
            capability=capability,
            timeout=bound(fallback.timeout),
            patience=None,
            retry=replace(_task_retry(scenario.workflows[workflow_name], step), attempts=fallback.attempts),
            callees=(),
        )


def _on_cycles(workflow: Workflow) -> set[str]:
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, step in workflow.steps.items():
        graph.add_edges_from((name, way.target) for way in ways_out(step))
    parts = (part for part in nx.strongly_connected_components(graph) if len(part) > 1)
    return {name for part in parts for name in part} | {name for name in graph if graph.has_edge(name, name)}


def _step(
    scenario: Scenario, names: Names, workflow: str, name: str, step: Step, counted: bool, request: int
) -> StepPlan:
    def to(target: str | None, otherwise: Outcome) -> int:
        return ends(otherwise) if target is None else names.steps.index(f"{workflow}.{target}")

    def plan(kind: StepKind, exits: Iterable[int], **fields: object) -> StepPlan:
        return StepPlan(
            kind=kind,
            exits=tuple(exits),
            acquire=tuple(names.locks.index(lock) for lock in step.acquire),
            release=tuple(names.locks.index(lock) for lock in step.release),
            limit=bound(step.limit),
            on_limit=to(step.on_limit, Outcome.FAILED),
            counted=counted,
            **fields,  # type: ignore[arg-type]
        )

    done = Outcome.COMPLETED
    match step:
        case Task():
            failed, denied = to(step.on_failure, Outcome.FAILED), to(step.on_deny, Outcome.DENIED)
            return plan(
                StepKind.TASK,
                (to(step.next, done), failed, denied, to(step.on_hand_off, done), failed),
                capability=names.capabilities.index(f"{step.agent}.{step.capability}"),
                request=request,
                timeout=bound(step.timeout),
                patience=law_plan(step.patience) if step.patience else None,
                callees=_callees(names, f"{workflow}.{name}", step),
                undo=-1 if step.compensate is None else names.steps.index(f"{workflow}.{step.compensate}"),
            )
        case DeskStep():
            expired = to(step.on_timeout, Outcome.EXPIRED)
            return plan(
                StepKind.DESK,
                (to(step.next, done), expired, expired, expired, expired),
                desk=names.desks.index(step.desk),
                service=law_plan(step.service) if step.service else None,
                timeout=bound(step.timeout),
                patience=law_plan(step.patience) if step.patience else None,
            )
        case Publish():
            return plan(
                StepKind.PUBLISH,
                (to(step.next, done), to(step.on_failure, Outcome.FAILED)),
                timeout=bound(step.timeout),
            )
        case ChoiceStep():
            otherwise = to(step.otherwise, done)
            arms = (to(arm.next, done) for arm in step.arms)
            shares = tuple(arm.share for arm in step.arms if arm.share is not None)
            return plan(StepKind.CHOICE, (*[otherwise] * Exit.ARM, *arms), shares=shares)
        case Parallel():
            branches = tuple(to(branch, done) for branch in step.branches)
            return plan(StepKind.PARALLEL, (to(step.join, done),), branches=branches, join=to(step.join, done))
        case Wait():
            return plan(StepKind.WAIT, (to(step.next, done),), service=law_plan(step.duration))
        case Send():
            return plan(StepKind.SEND, (to(step.next, done),), timeout=bound(step.lasts))
        case Receive():
            ways = (to(step.next, done), *[to(step.on_timeout, Outcome.EXPIRED)] * 4)
            return plan(StepKind.RECEIVE, ways, timeout=bound(step.timeout))
        case SubWorkflow():
            failed, expired = to(step.on_failure, Outcome.FAILED), to(step.on_timeout, Outcome.EXPIRED)
            exits = (to(step.next, done), failed, to(step.on_deny, Outcome.DENIED), failed, expired)
            start = names.steps.index(f"{step.workflow}.{scenario.workflows[step.workflow].start}")
            return plan(StepKind.SUB_WORKFLOW, exits, branches=(start,))
        case End():
            return plan(StepKind.END, (ends(Outcome[step.outcome.upper()]),))


def _task_retry(workflow: Workflow, task: Task) -> RetryPlan:
    return _retry(retry_of(workflow, task) or Retry())  # a checked scenario names the framework that it means


def _retry(retry: Retry) -> RetryPlan:
    jitter = Jitter[retry.jitter.upper()]
    attempts = retry.attempts if isinstance(retry.attempts, int) else UNLIMITED
    return RetryPlan(attempts, retry.backoff, retry.factor, retry.max_backoff, jitter)
