"""Workflows become step plans, numbered through all workflows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from models.scenario import ChoiceStep, DeskStep, End, Parallel, Scenario, Step, Task, Wait, Workflow
from models.workflows import exits as ways_out
from sim.compile_values import bound, law_plan
from sim.plan import Exit, Jitter, Names, Outcome, RetryPlan, StepKind, StepPlan, ends


def step_plans(scenario: Scenario, names: Names) -> Iterator[StepPlan]:
    """The steps of all workflows, in the order of `Names.steps`."""
    requests = 0
    for name, workflow in scenario.workflows.items():
        cyclic = _on_cycles(workflow)
        for step_name, step in workflow.steps.items():
            asks = isinstance(step, Task) and step.action is not None and scenario.policies is not None
            yield _step(names, name, step, step_name in cyclic or step.limit is not None, requests if asks else -1)
            requests += asks


def _on_cycles(workflow: Workflow) -> set[str]:
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, step in workflow.steps.items():
        graph.add_edges_from((name, way.target) for way in ways_out(step))
    parts = (part for part in nx.strongly_connected_components(graph) if len(part) > 1)
    return {name for part in parts for name in part} | {name for name in graph if graph.has_edge(name, name)}


def _step(names: Names, workflow: str, step: Step, counted: bool, request: int) -> StepPlan:
    def to(name: str | None, otherwise: Outcome) -> int:
        return ends(otherwise) if name is None else names.steps.index(f"{workflow}.{name}")

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
                (to(step.next, done), failed, denied, to(step.on_hand_off, done)),
                capability=names.capabilities.index(f"{step.agent}.{step.capability}"),
                request=request,
                timeout=bound(step.timeout),
                patience=law_plan(step.patience) if step.patience else None,
                retry=_retry(step),
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
        case End():
            return plan(StepKind.END, (ends(Outcome[step.outcome.upper()]),))


def _retry(step: Task) -> RetryPlan:
    retry = step.retry
    jitter = Jitter[retry.jitter.upper()]
    return RetryPlan(retry.attempts, retry.backoff, retry.factor, retry.max_backoff, jitter)
