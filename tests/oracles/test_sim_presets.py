"""What frameworks do by default: the waits after failed attempts and the limits of steps, event by event.

LangGraph's figures are those of langgraph 1.2.22 itself, run with `random.uniform` at 0.25: its sleeps after each
failed attempt of a node, and which recursion limits let a graph come to its end.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.load import LoadedScenario, load
from models.presets import PRESETS
from models.scenario import Scenario
from sim.chance import Draws, Purpose
from sim.compile import compile_plan
from sim.engine import Replication
from sim.plan import Jitter, RetryPlan
from sim.rules import compile_rules
from sim.tasks import backoff

HEAD = """\
windtunnel: 1
name: presets
start: 2026-01-05T00:00:00Z
horizon: 1d
agents:
  bot:
    replicas: 9
    capabilities:
      fail: {service: 1s, success: 0, detected: 1}
      do: {service: 1s}
work:
  w: {workflow: flow, arrivals: {kind: trace, file: one.csv, column: t}LIMIT}
workflows:
  flow:
    FRAMEWORK
"""
FAILING = "start: job\n    steps: {job: {kind: task, agent: bot, capability: fail, retry: RETRY}}\n"
ROUND = "start: job\n    steps: {job: {kind: task, agent: bot, capability: do, next: jobRETRY}}\n"
SEED = 11


def loaded(folder: Path, framework: str, steps: str, limit: str = "") -> LoadedScenario:
    head = HEAD.replace("FRAMEWORK", framework).replace("LIMIT", limit)
    (folder / "scenario.yaml").write_text(head + "    " + steps)
    (folder / "one.csv").write_text("t\n0\n")
    return load(folder)


def flown(scenario: LoadedScenario) -> list[dict[str, Any]]:
    replication = Replication(compile_plan(scenario), compile_rules(scenario), SEED, 0)
    replication.run()
    return replication.tables("", SEED).events.to_pylist()


def begun(events: list[dict[str, Any]]) -> list[float]:
    """When attempts begin, in seconds."""
    return [row["time"] / 1e6 for row in events if row["kind"] == "started"]


def retried(folder: Path, name: str, limit: str = "") -> list[dict[str, Any]]:
    return flown(loaded(folder, f"framework: {name}", FAILING.replace("RETRY", "framework"), limit))


# --- retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "starts", "end"),
    [
        ("crewai-1.15.30", [0, 1, 2], 3),
        ("camunda-8.10", [0, 1, 2], 3),
        ("openai-agents-0.24.0", [0], 1),
        ("microsoft-agent-framework-1.23.0", [0], 1),
    ],
)
def test_attempts_of_a_second_each_without_a_wait(tmp_path: Path, name: str, starts: list[float], end: float) -> None:
    events = retried(tmp_path, name)
    assert begun(events) == starts
    assert (events[-1]["time"] / 1e6, events[-1]["kind"], events[-1]["detail"]) == (end, "ended", "failed")


def test_temporal_waits_1_2_4_to_64_s_then_100_s_and_never_gives_up(tmp_path: Path) -> None:
    """Attempts of a second; the waits after them are 1, 2, 4, 8, 16, 32, 64, 100, 100 s."""
    events = retried(tmp_path, "temporal-1.35.0", ", deadline: 10m, on-deadline: cancel")
    assert begun(events) == [0, 2, 5, 10, 19, 36, 69, 134, 235, 336, 437, 538]
    assert (events[-1]["time"] / 1e6, events[-1]["detail"]) == (600, "expired")


def test_temporal_without_a_deadline_goes_on_to_the_horizon(tmp_path: Path) -> None:
    events = retried(tmp_path, "temporal-1.35.0")
    assert not any(row["kind"] == "ended" for row in events)
    starts = begun(events)
    assert len(starts) == 8 + (86_400 - 134 - 1) // 101, "one each 101 s from the eighth on, until the horizon"
    assert {b - a for a, b in pairwise(starts[7:])} == {101}


def test_langgraph_waits_its_interval_and_up_to_a_second_more(tmp_path: Path) -> None:
    events = retried(tmp_path, "langgraph-1.2.22")
    first, second, third = begun(events)
    drawn = Draws(SEED, 0).uniforms(Purpose.JITTER, "w/flow.job")
    added = [int(drawn.at(0, attempt) * 1e6 + 0.5) / 1e6 for attempt in range(2)]
    assert len({round(u, 3) for u in added} | {0.0}) == 3, "the draws are two, and not nothing"
    assert (first, second, third) == (0, pytest.approx(1.5 + added[0]), pytest.approx(1.5 + added[0] + 2 + added[1]))
    assert events[-1]["time"] / 1e6 == pytest.approx(third + 1)


SLEPT = [0.75, 1.25, 2.25, 4.25, 8.25, 16.25, 32.25, 64.25, 128.25, 128.25, 128.25]
"""What `RetryPolicy(max_attempts=12)` of langgraph 1.2.22 slept after each failed attempt, `random.uniform` at 0.25."""


def test_backoff_is_langgraphs_own() -> None:
    retry = PRESETS["langgraph-1.2.22"].retry
    plan = RetryPlan(12, retry.backoff, retry.factor, retry.max_backoff, Jitter.ADDED)
    assert [backoff(plan, attempt, 0.25) / 1e6 for attempt in range(1, 12)] == SLEPT
    halved = RetryPlan(12, retry.backoff, retry.factor, retry.max_backoff, Jitter.EQUAL)
    assert [backoff(halved, attempt, 0.25) / 1e6 for attempt in range(1, 12)] != SLEPT


def test_a_task_without_retry_is_not_retried_whatever_the_framework(tmp_path: Path) -> None:
    steps = FAILING.replace(", retry: RETRY", "")
    assert begun(flown(loaded(tmp_path, "framework: langgraph-1.2.22", steps))) == [0]


def test_a_framework_means_what_its_figures_mean_when_written_out(tmp_path: Path) -> None:
    """The same draws: the same log, byte for byte."""
    written = "{attempts: 3, backoff: 500ms, factor: 2, max-backoff: 128s, jitter: added}"
    by_name = retried(tmp_path, "langgraph-1.2.22")
    assert by_name == flown(loaded(tmp_path, "", FAILING.replace("RETRY", written)))
    assert by_name != flown(loaded(tmp_path, "", FAILING.replace("RETRY", written.replace("500ms", "501ms"))))


# --- limits of steps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("framework", "limit"),
    [
        ("framework: openai-agents-0.24.0", 10),
        ("framework: microsoft-agent-framework-1.23.0", 100),
        ("framework: langgraph-1.2.22", 10_006),
        ("framework: openai-agents-0.24.0\n    limit: 7", 7),
        ("limit: 3", 3),
    ],
)
def test_a_case_that_goes_round_ends_at_the_limit(tmp_path: Path, framework: str, limit: int) -> None:
    retry = ", retry: framework" if "framework" in framework else ""
    events = flown(loaded(tmp_path, framework, ROUND.replace("RETRY", retry)))
    assert begun(events) == list(range(limit))
    last = [(row["time"] / 1e6, row["kind"], row["value"], row["detail"]) for row in events[-3:]]
    assert last == [
        (limit, "entered", limit + 1, ""),
        (limit, "step-limit", limit, ""),
        (limit, "ended", None, "failed"),
    ]


PARALLEL = """\
start: both
    steps:
      both: {kind: parallel, branches: [a1, b1], join: j}
      a1: {kind: task, agent: bot, capability: do, next: a2}
      a2: {kind: task, agent: bot, capability: do, next: a3}
      a3: {kind: task, agent: bot, capability: do, next: j}
      b1: {kind: task, agent: bot, capability: do, next: j}
      j: {kind: task, agent: bot, capability: do}
"""
COMPLETED = {2: False, 3: False, 4: False, 5: True, 6: True}
"""Whether langgraph 1.2.22 came to the end of this graph, by its recursion limit."""


@pytest.mark.parametrize("recursion_limit", COMPLETED)
def test_branches_count_as_langgraph_counts_supersteps(tmp_path: Path, recursion_limit: int) -> None:
    events = flown(loaded(tmp_path, f"limit: {recursion_limit - 1}", PARALLEL))
    assert (events[-1]["detail"] == "completed") == COMPLETED[recursion_limit]


UNDONE = """\
start: a
    steps:
      a: {kind: task, agent: bot, capability: do, next: b, compensate: back}
      b: {kind: task, agent: bot, capability: do, next: c}
      c: {kind: task, agent: bot, capability: do}
      back: {kind: task, agent: bot, capability: do, next: again}
      again: {kind: task, agent: bot, capability: do}
"""


def test_a_case_over_its_limit_is_undone_and_that_is_counted_by_itself(tmp_path: Path) -> None:
    """`a` and `b` take a second each; `c` would be the third. Then `a` is undone, by two steps of a second each."""
    events = flown(loaded(tmp_path, "limit: 2", UNDONE))
    assert begun(events) == [0, 1, 2, 3]
    told = [(row["time"] / 1e6, row["kind"]) for row in events if row["place"] == "step:flow.c"]
    assert told[:2] == [(2, "entered"), (2, "step-limit")]
    assert (events[-1]["time"] / 1e6, events[-1]["kind"], events[-1]["detail"]) == (4, "ended", "failed")


HEARD = """\
start: tell
    steps:
      tell: {kind: publish, topic: news, next: a}
      a: {kind: task, agent: bot, capability: do, next: b}
      b: {kind: task, agent: bot, capability: do}
  hear:
    limit: 1
    start: c
    steps:
      c: {kind: task, agent: bot, capability: do, next: d}
      d: {kind: task, agent: bot, capability: do}
topics: {news: {attempts: 2, acknowledge-within: 30s, consumers: {workflow: hear}}}
"""


def test_a_delivery_over_the_limit_fails_and_its_case_goes_on(tmp_path: Path) -> None:
    """The message is heard twice, each time as far as `d`; the case has two steps itself, and its limit is two."""
    events = flown(loaded(tmp_path, "limit: 2", HEARD))
    told = [(row["time"] / 1e6, row["kind"]) for row in events if row["kind"] in ("step-limit", "dead-letter", "ended")]
    assert told == [(1, "step-limit"), (2, "ended"), (2, "step-limit"), (2, "dead-letter")]
    assert [row["detail"] for row in events if row["kind"] == "ended"] == ["completed"]


Tree = Any
"""A number of tasks in a row, a sequence ("then", a, b) or two branches ("both", a, b)."""
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.integers(1, 3), lambda inner: st.tuples(st.sampled_from(["then", "both"]), inner, inner), max_leaves=6
)


def longest(tree: Tree) -> int:
    if isinstance(tree, int):
        return tree
    kind, left, right = tree
    return longest(left) + longest(right) if kind == "then" else max(longest(left), longest(right))


def written(tree: Tree, to: str, steps: dict[str, str]) -> str:
    """Add the steps of a tree that leads to a step; the name of its first."""
    if isinstance(tree, int):
        for _ in range(tree):
            name = f"s{len(steps)}"
            steps[name] = f"{{kind: task, agent: bot, capability: do, next: {to}}}"
            to = name
        return to
    kind, left, right = tree
    if kind == "then":
        return written(left, written(right, to, steps), steps)
    join = f"s{len(steps)}"
    steps[join] = f"{{kind: wait, duration: 1s, next: {to}}}"
    branches = f"[{written(left, join, steps)}, {written(right, join, steps)}]"
    name = f"s{len(steps)}"
    steps[name] = f"{{kind: parallel, branches: {branches}, join: {join}}}"
    return name


@settings(max_examples=60, deadline=None)
@given(TREES, st.integers(1, 12))
def test_a_case_fails_just_where_its_longest_way_is_over_the_limit(
    tmp_path_factory: pytest.TempPathFactory, tree: Tree, limit: int
) -> None:
    steps = {"done": "{kind: end}"}
    start = written(tree, "done", steps)
    listed = "".join(f"      {name}: {step}\n" for name, step in steps.items())
    text = f"start: {start}\n    steps:\n{listed}"
    events = flown(loaded(tmp_path_factory.mktemp("tree"), f"limit: {limit}", text))
    assert (events[-1]["detail"] == "completed") == (longest(tree) <= limit)
    assert any(row["kind"] == "step-limit" for row in events) == (longest(tree) > limit)


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_dumped_reads_as_it_was(tmp_path: Path, name: str) -> None:
    scenario = retried_scenario(tmp_path, name)
    again = Scenario.model_validate_json(json.dumps(scenario.dump()))
    assert again == scenario
    assert again.workflows["flow"].steps["job"].retry == "framework"  # type: ignore[union-attr]


def retried_scenario(folder: Path, name: str) -> Scenario:
    return loaded(folder, f"framework: {name}", FAILING.replace("RETRY", "framework")).scenario


def test_unlimited_attempts_and_a_limit_of_steps_survive_a_dump(tmp_path: Path) -> None:
    steps = FAILING.replace("RETRY", "{attempts: unlimited, jitter: added}")
    scenario = loaded(tmp_path, "limit: 5", steps).scenario
    dumped = scenario.dump()["workflows"]["flow"]
    assert dumped["limit"] == 5
    assert dumped["steps"]["job"]["retry"] == {"attempts": "unlimited", "jitter": "added"}
    assert Scenario.model_validate_json(json.dumps(scenario.dump())) == scenario
