"""Shapes of workflows against networkx: what is reached, what goes round, what meets."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from models.scenario import Arm, ChoiceStep, End, Parallel, Step, Wait, Workflow
from models.workflows import check_workflow, exits

NAMES = [f"s{n}" for n in range(7)]


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """Choices and ends in any arrangement, some with limits."""
    steps: dict[str, Step] = {}
    for name in NAMES:
        targets = draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True))
        limit = draw(st.none() | st.integers(1, 3))
        arms = tuple(Arm.model_construct(share=0.4, when=None, next=target) for target in targets)
        if arms:
            steps[name] = ChoiceStep.model_construct(
                kind="choice", arms=arms, otherwise=None, limit=limit, on_limit=None
            )
        else:
            steps[name] = End.model_construct(kind="end", limit=limit, on_limit=None)
    return Workflow.model_construct(start="s0", steps=steps)


def graph(workflow: Workflow) -> nx.DiGraph[str]:
    found: nx.DiGraph[str] = nx.DiGraph()
    found.add_nodes_from(workflow.steps)
    found.add_edges_from((name, way.target) for name, step in workflow.steps.items() for way in exits(step))
    return found


def told(workflow: Workflow, words: str) -> list[str]:
    return [str(p.keys[3]) for p in check_workflow("w", workflow) if words in p.message]


@given(workflows())
def test_unreachable_is_what_networkx_does_not_reach(workflow: Workflow) -> None:
    reached = {"s0", *nx.descendants(graph(workflow), "s0")}
    assert set(told(workflow, "can never be reached")) == set(NAMES) - reached


@given(workflows())
def test_a_cycle_is_told_where_networkx_finds_one_without_a_limit(workflow: Workflow) -> None:
    unlimited = graph(workflow).subgraph(name for name, step in workflow.steps.items() if step.limit is None)
    parts = nx.strongly_connected_components(unlimited)
    knots = [part for part in parts if any(unlimited.has_edge(a, b) for a in part for b in part)]
    first = told(workflow, "without a `limit`")
    assert bool(first) == bool(knots)
    assert all(any(name in knot for name in first) for knot in knots), "each knot is named"


@given(workflows())
def test_the_cycle_that_is_told_is_one(workflow: Workflow) -> None:
    for problem in check_workflow("w", workflow):
        if "go round" in problem.message:
            ring = problem.message.split(": ")[1].replace("`", "").split(" -> ")
            assert ring[0] == ring[-1]
            assert nx.is_path(graph(workflow), ring)


@given(st.lists(st.sampled_from(["join", "a", "b", "c", "d", "e", None]), min_size=5, max_size=5))
def test_branches_that_pass_do_meet_and_stay_apart(targets: list[str | None]) -> None:
    steps: dict[str, Step] = {
        "fork": Parallel.model_construct(kind="parallel", branches=("a", "b"), join="join", limit=None, on_limit=None),
        "join": End.model_construct(kind="end", limit=None, on_limit=None),
    }
    for name, target in zip("abcde", targets, strict=True):
        steps[name] = Wait.model_construct(kind="wait", next=target, limit=1, on_limit=None)
    workflow = Workflow.model_construct(start="fork", steps=steps)
    walks = [_walk(branch, dict(zip("abcde", targets, strict=True))) for branch in "ab"]
    meet = all(walk and walk[-1] == "join" for walk in walks) and not (set(walks[0]) & set(walks[1])) - {"join"}
    outside = [n for n, t in zip("abcde", targets, strict=True) if t in walks[0] + walks[1] and t != "join"]
    alone = all(name in walks[0] + walks[1] for name in outside)
    branch_faults = [p for p in check_workflow("w", workflow) if "branch" in p.message]
    assert (branch_faults == []) == (meet and alone)


def _walk(step: str, following: dict[str, str | None]) -> list[str]:
    """The steps of a branch up to the join; empty where it ends or goes round before."""
    walked = [step]
    while walked[-1] != "join":
        target = following[walked[-1]]
        if target is None or target in walked:
            return []
        walked.append(target)
    return walked
