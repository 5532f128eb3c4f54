"""Workflows as graphs: where each step leads, and what is wrong with the shape."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from models.diagnostics import Problem, quoted
from models.presets import step_limit
from models.scenario import (
    ChoiceStep,
    DeskStep,
    End,
    Parallel,
    Publish,
    Receive,
    Send,
    Step,
    SubWorkflow,
    Task,
    Wait,
    Workflow,
)

Graph = Mapping[str, tuple[str, ...]]

SHARE_ROUNDING = 1e-6
"""How far shares may be from adding up to one: they are written in decimals."""


class Exit(NamedTuple):
    """A way out of a step: the keys within the step that name it, and the step it leads to."""

    keys: tuple[str | int, ...]
    target: str


def exits(step: Step) -> Iterator[Exit]:
    """Every step that a step names, in the order of the format. A parallel names its branches, then its join."""
    match step:
        case Task():
            named = ("next", step.next), ("on-failure", step.on_failure), ("on-deny", step.on_deny)
            yield from _named(*named, ("on-hand-off", step.on_hand_off))
        case DeskStep():
            yield from _named(("next", step.next), ("on-timeout", step.on_timeout))
        case Publish():
            yield from _named(("next", step.next), ("on-failure", step.on_failure))
        case ChoiceStep():
            for position, arm in enumerate(step.arms):
                yield Exit(("arms", position, "next"), arm.next)
            yield from _named(("otherwise", step.otherwise))
        case Parallel():
            for position, branch in enumerate(step.branches):
                yield Exit(("branches", position), branch)
            yield Exit(("join",), step.join)
        case Wait():
            yield from _named(("next", step.next))
        case Send():
            yield from _named(("next", step.next))
        case Receive():
            yield from _named(("next", step.next), ("on-timeout", step.on_timeout))
        case SubWorkflow():
            yield from _named(("next", step.next), ("on-failure", step.on_failure))
            yield from _named(("on-deny", step.on_deny), ("on-timeout", step.on_timeout))
    yield from _named(("on-limit", step.on_limit))


def _named(*ways: tuple[str, str | None]) -> Iterator[Exit]:
    for key, target in ways:
        if target is not None:
            yield Exit((key,), target)


def check_workflow(name: str, workflow: Workflow) -> Iterator[Problem]:
    """What is wrong with a workflow's shape. Every name in it must exist."""
    graph = {step: tuple(way.target for way in exits(what)) for step, what in workflow.steps.items()}
    keys = ("workflows", name, "steps")
    for problem in (
        *_unreachable(workflow, graph),
        *_endless(workflow),
        *_parallels(workflow, graph),
        *_compensations(workflow, graph),
    ):
        yield problem._replace(keys=(*keys, *problem.keys))


def undoing(workflow: Workflow) -> dict[str, str]:
    """The steps that say what undoes them, and the first step of that."""
    steps = workflow.steps.items()
    return {name: step.compensate for name, step in steps if isinstance(step, Task) and step.compensate is not None}


def undone_by(workflow: Workflow) -> frozenset[str]:
    """The steps that are only done to undo others."""
    following = {name: tuple(way.target for way in exits(step)) for name, step in workflow.steps.items()}
    return frozenset(step for first in undoing(workflow).values() for step in _reach(first, following.__getitem__))


def _unreachable(workflow: Workflow, graph: Graph) -> Iterator[Problem]:
    reached = _reach(workflow.start, graph.__getitem__).keys() | undone_by(workflow)
    for step in workflow.steps:
        if step not in reached:
            help = f"lead to it from a step that {quoted(workflow.start)} reaches, or drop it"
            yield Problem((step,), f"step {quoted(step)} can never be reached", help, of_key=True)


def _reach(start: str, following: Callable[[str], Collection[str]]) -> dict[str, None]:
    """The steps reached from `start`, itself included, in order of discovery."""
    reached = {start: None}
    waiting = [start]
    while waiting:
        for target in following(waiting.pop()):
            if target not in reached:
                reached[target] = None
                waiting.append(target)
    return reached


# --- cycles -----------------------------------------------------------------------------------------------------------


def _endless(workflow: Workflow) -> Iterator[Problem]:
    """Cycles without a limit; and what a limit does not end, since a step at its limit leads to `on-limit` instead."""
    graph = {step: _unbounded(what) for step, what in workflow.steps.items()}
    ended = Task if step_limit(workflow) is not None else ()  # a cycle of other steps alone goes on
    unlimited = {
        step: ways
        for step, ways in graph.items()
        if workflow.steps[step].limit is None and not isinstance(workflow.steps[step], ended)
    }
    for cycle in _cycles({step: _within(unlimited, ways) for step, ways in unlimited.items()}):
        yield _round(workflow, cycle, "steps go round without a `limit`", "give one of them a `limit`")
    timeless = {step: ways for step, ways in graph.items() if _takes_no_time(workflow.steps[step])}
    for cycle in _cycles({step: _within(timeless, ways) for step, ways in timeless.items()}):
        if any(workflow.steps[step].limit for step in cycle):
            yield _round(workflow, cycle, "steps go round in no time", "lead `on-limit` out of the cycle")
    for step, what in workflow.steps.items():
        if what.limit is not None and not any(map(_may_end, map(workflow.steps.get, _reach(step, graph.__getitem__)))):
            message = f"once {quoted(step)} is at its limit, the case can never end"
            yield Problem((step, "on-limit"), message, "lead `on-limit` to a step that leads to an end", of_key=True)


def _unbounded(step: Step) -> tuple[str, ...]:
    """Steps that a case can go to from this one any number of times."""
    if step.limit is not None:
        return () if step.on_limit is None else (step.on_limit,)
    return tuple(way.target for way in exits(step) if way.keys not in (("join",), ("on-limit",)))


def _takes_no_time(step: Step) -> bool:
    """Whether a case can pass without the clock moving on: a choice, a message, a workflow that may be of these, or a
    step that its limit bars."""
    return isinstance(step, ChoiceStep | Publish | Send | Receive | SubWorkflow) or step.limit is not None


def _within(graph: Graph, ways: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(way for way in ways if way in graph)


def _round(workflow: Workflow, cycle: tuple[str, ...], what: str, help: str) -> Problem:
    first = min(cycle, key=list(workflow.steps).index)
    turn = cycle.index(first)
    ring = (*cycle[turn:], *cycle[:turn], first)
    return Problem((first,), f"{what}: {' -> '.join(map(quoted, ring))}", help, of_key=True)


def _may_end(step: Step | None) -> bool:
    """Whether a case can end at a step, rightly or wrongly."""
    if step is None or (step.limit is not None and step.on_limit is not None):
        return False
    if isinstance(step, End) or step.limit is not None or _completes(step) is not None:
        return True
    if isinstance(step, Publish):
        return step.on_failure is None
    if isinstance(step, Receive) and step.timeout is not None:
        return step.on_timeout is None
    if isinstance(step, SubWorkflow) and None in (step.on_failure, step.on_deny, step.on_timeout):
        return True
    return isinstance(step, Task) and (step.on_failure is None or (step.action is not None and step.on_deny is None))


def _cycles(graph: Graph) -> Iterator[tuple[str, ...]]:
    """Cycles of which no two share a step, at least one of each knot, by depth-first search with a stack of its own."""
    finished: set[str] = set()
    told: set[str] = set()
    for root in graph:
        trail = [] if root in finished else [root]
        pending = [iter(graph[root])]
        while trail:
            target = next(pending[-1], None)
            if target is None:
                finished.add(trail.pop())
                pending.pop()
            elif target in trail:
                cycle = tuple(trail[trail.index(target) :])
                if told.isdisjoint(cycle):
                    told.update(cycle)
                    yield cycle
            elif target not in finished:
                trail.append(target)
                pending.append(iter(graph[target]))


# --- compensation -----------------------------------------------------------------------------------------------------


def _compensations(workflow: Workflow, graph: Graph) -> Iterator[Problem]:
    """What undoes steps is done by nobody else, and is not undone itself."""
    forward = _reach(workflow.start, graph.__getitem__)
    undone = undoing(workflow)
    for name, first in undone.items():
        region = _reach(first, graph.__getitem__)
        shared = next((step for step in region if step in forward), None)
        again = next((step for step in region if step in undone), None)
        if shared is not None:
            message = f"what undoes {quoted(name)} comes to {quoted(shared)}, where cases come anyway"
            yield Problem((name, "compensate"), message, "give what undoes it steps of its own")
        elif again is not None:
            message = f"{quoted(again)} undoes {quoted(name)}, and has a `compensate` itself"
            yield Problem((name, "compensate"), message, f"drop the `compensate` of {quoted(again)}")


# --- parallel branches ------------------------------------------------------------------------------------------------


def _parallels(workflow: Workflow, graph: Graph) -> Iterator[Problem]:
    for name, step in workflow.steps.items():
        if isinstance(step, Parallel):
            regions = [_region(branch, step.join, graph) for branch in step.branches]
            for position, region in enumerate(regions):
                for problem in _branch(workflow, name, step, position, region):
                    yield problem._replace(keys=(name, "branches", position))
            yield from _shared(workflow, graph, name, step, regions)


def _region(branch: str, join: str, graph: Graph) -> Collection[str]:
    """The steps of a branch: everything it reaches before the join."""
    if branch == join:
        return ()
    return _reach(branch, lambda step: [target for target in graph[step] if target != join])


def _branch(workflow: Workflow, name: str, step: Parallel, position: int, region: Collection[str]) -> Iterator[Problem]:
    branch = step.branches[position]
    if branch in step.branches[:position]:
        yield Problem((), f"branch {quoted(branch)} is named twice", "branches are different steps")
    elif branch == step.join:
        yield Problem((), f"branch {quoted(branch)} is the join itself", "a branch has steps of its own")
    elif name in region:
        yield Problem((), f"branch {quoted(branch)} leads back to {quoted(name)}", f"lead it to {quoted(step.join)}")
    elif not any(way.target == step.join for inner in region for way in exits(workflow.steps[inner])):
        yield Problem((), f"branch {quoted(branch)} never reaches the join", f"lead it to {quoted(step.join)}")
    for inner in region:
        key = _completes(workflow.steps[inner])
        if key:
            message = f"branch {quoted(branch)} completes the case at {quoted(inner)}, which has no `{key}`"
            yield Problem((), message, f"lead {quoted(inner)} to {quoted(step.join)}, or to an `end`")


def _completes(step: Step) -> str | None:
    """The key whose absence lets a case end `completed` at this step, if it is absent."""
    if isinstance(step, Task | DeskStep | Publish | Wait | Send | Receive | SubWorkflow):
        return "next" if step.next is None else None
    if isinstance(step, ChoiceStep) and step.otherwise is None:
        shares = [arm.share for arm in step.arms if arm.share is not None]
        return None if shares and sum(shares) >= 1 - SHARE_ROUNDING else "otherwise"
    return None


def _shared(
    workflow: Workflow, graph: Graph, name: str, step: Parallel, regions: list[Collection[str]]
) -> Iterator[Problem]:
    """Steps of a branch that others lead to as well. An `end` may be shared: it ends the case whoever comes."""
    for branch, region in zip(step.branches, regions, strict=True):
        own = {inner for inner in region if not isinstance(workflow.steps[inner], End)}
        for source in graph.keys() - set(region):
            entry = {branch} if source == name else set()
            for target in sorted(own.intersection(graph[source]) - entry):
                message = f"{quoted(source)} leads into branch {quoted(branch)} of {quoted(name)}, to {quoted(target)}"
                help = "only the branch's own steps may lead there; give each path steps of its own"
                yield Problem((source,), message, help, of_key=True)
