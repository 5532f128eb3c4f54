"""Agents that call agents through one pool: the mean time until they stall, against a Markov chain solved by hand; and
calls event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from models.declared import handlers
from models.diagnostics import InputError
from models.load import LoadedScenario, load
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

HEAD = "windtunnel: 1\nname: calls\nstart: 2026-01-05T00:00:00Z\n"
STALL = """\
horizon: 300s
agents:
  pool: {replicas: 2, capabilities: {own: {service: exponential(mean=1s)}, sub: {service: exponential(mean=1s)}}}
workflows:
  round:
    start: think
    steps:
      think: {kind: wait, duration: exponential(mean=1s), next: work}
      work:
        kind: task
        agent: pool
        capability: own
        calls-agents: [{agent: pool, capability: sub}]
        limit: 10000
        next: think
work: {w: {workflow: round, arrivals: {kind: trace, file: all.csv, column: t}}}
"""
REPLICATIONS = 2000


def stall_time() -> float:
    """Mean time to deadlock of two cases and two slots, all rates 1, from both thinking.

    A case thinks (T), waits for a slot (Q), works (W, one slot), is answered by the called agent (C, two slots), or has
    called and waits (B, one slot). WB is lost: once the other works no more, it calls too, and nobody ever answers.
    """
    states = ["TT", "TW", "TC", "QC", "WW", "WB"]
    rates = {
        "TT": {"TW": 2},
        "TW": {"WW": 1, "TC": 1},
        "TC": {"TT": 1, "QC": 1},
        "QC": {"TW": 1},
        "WW": {"WB": 2},
        "WB": {"": 1},
    }
    matrix = np.zeros((6, 6))
    for row, state in enumerate(states):
        matrix[row, row] = sum(rates[state].values())
        for target, rate in rates[state].items():
            if target:
                matrix[row, states.index(target)] -= rate
    return float(np.linalg.solve(matrix, np.ones(6))[0])


def loaded(folder: Path, text: str, together: int = 1) -> LoadedScenario:
    (folder / "scenario.yaml").write_text(HEAD + text)
    (folder / "all.csv").write_text("t\n" + "2026-01-05T00:00:00\n" * together)
    return load(folder)


def events_of(scenario: LoadedScenario, number: int = 0) -> list[dict[str, Any]]:
    replication = Replication(compile_plan(scenario), compile_rules(scenario), 7, number)
    replication.run()
    return replication.tables("", 7).events.to_pylist()


def test_the_chain_solved_by_hand() -> None:
    assert stall_time() == pytest.approx(4.25)


def test_the_mean_time_to_a_stall_is_that_of_the_chain(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, STALL, 2)
    plan, rules = compile_plan(scenario), compile_rules(scenario)
    times = []
    for number in range(REPLICATIONS):
        replication = Replication(plan, rules, 20260105, number)
        replication.run()
        events = replication.tables("", 0).events
        at = events["kind"].to_pylist().index("deadlock")
        times.append(events["time"][at].as_py() / 1e6)
    assert stats.ttest_1samp(times, stall_time()).pvalue > 0.001, np.mean(times)
    assert stats.ttest_1samp(times, stall_time() * 1.1).pvalue < 0.001, "the test is sharp"


TIMELINE = """\
horizon: 300s
endpoints: {api: {latency: 2s, price: 0.01 USD}}
agents:
  lead: {capabilities: {plan: {service: 10s, endpoint: api, calls: 1}}}
  help: {capabilities: {look: {service: 5s}, read: {service: 1s, endpoint: api, calls: 2}}}
workflows:
  flow:
    start: plan
    steps:
      plan:
        kind: task
        agent: lead
        capability: plan
        calls-agents: [{agent: help, capability: look}, {agent: help, capability: read}]
        CALLER
work: {w: {workflow: flow, arrivals: {kind: trace, file: all.csv, column: t}}}
"""


def told(events: list[dict[str, Any]], *kinds: str) -> list[tuple[float, str, str, int | None, str]]:
    return [
        (row["time"] / 1e6, row["kind"], row["place"].partition(":")[2], row["value"], row["detail"])
        for row in events
        if row["kind"] in kinds
    ]


def test_a_caller_keeps_its_slot_until_the_last_answer(tmp_path: Path) -> None:
    """10 s of its own, 2 s of its endpoint, 5 s of the first called agent, 1 + 2 x 2 s of the second."""
    events = events_of(loaded(tmp_path, TIMELINE.replace("CALLER", "")))
    second = 1_000_000
    assert told(events, "started", "finished", "called", "returned", "ended") == [
        (0, "started", "lead", 0, ""),
        (12, "called", "help", 1, ""),
        (12, "started", "help", 0, ""),
        (17, "finished", "help", 5 * second, ""),
        (17, "returned", "help", 5 * second, ""),
        (17, "called", "help", 2, ""),
        (17, "started", "help", 0, ""),
        (22, "finished", "help", 5 * second, ""),
        (22, "returned", "help", 5 * second, ""),
        (22, "finished", "lead", 22 * second, ""),
        (22, "ended", "flow.plan", None, "completed"),
    ]


def test_a_caller_that_gives_up_stops_the_agent_it_called(tmp_path: Path) -> None:
    events = events_of(loaded(tmp_path, TIMELINE.replace("CALLER", "timeout: 14s")))
    assert told(events, "finished", "returned", "attempt-failed", "ended") == [
        (14, "finished", "help", 2_000_000, ""),
        (14, "returned", "help", 2_000_000, "cut off"),
        (14, "finished", "lead", 14_000_000, ""),
        (14, "attempt-failed", "lead", 1, "timeout"),
        (14, "ended", "flow.plan", None, "failed"),
    ]


def test_a_called_agent_is_retried_and_then_fails_its_caller(tmp_path: Path) -> None:
    call = "[{agent: help, capability: look, timeout: 3s, retry: {attempts: 2, backoff: 1s}}]"
    text = TIMELINE.replace("[{agent: help, capability: look}, {agent: help, capability: read}]", call)
    events = events_of(loaded(tmp_path, text.replace("CALLER", "")))
    assert told(events, "attempt-failed", "returned", "ended") == [
        (15, "attempt-failed", "help", 1, "timeout"),
        (19, "attempt-failed", "help", 2, "timeout"),
        (19, "returned", "help", 7_000_000, "failed"),
        (19, "attempt-failed", "lead", 1, "agent:help: failed"),
        (19, "ended", "flow.plan", None, "failed"),
    ]


def test_draws_of_an_attempt_are_those_without_the_calls(tmp_path: Path) -> None:
    text = TIMELINE.replace("service: 10s", "service: exponential(mean=10s)")
    with_calls = events_of(loaded(tmp_path, text.replace("CALLER", "")))
    start = text.index("        calls-agents")
    alone = text[:start] + text[text.index("        CALLER") :].replace("CALLER", "")
    without = events_of(loaded(tmp_path, alone))
    assert next(row["time"] for row in with_calls if row["kind"] == "called") == next(
        row["time"] for row in without if row["kind"] == "finished"
    )


def test_called_agents_and_their_endpoints_handle_the_data_of_the_step(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, TIMELINE.replace("CALLER", "").replace("endpoint: api, calls: 1", "")).scenario
    assert scenario.agents["lead"].capabilities["plan"].endpoint is None
    parts = [handler.part for handler in handlers(scenario, scenario.workflows["flow"].steps["plan"])]  # type: ignore[arg-type]
    assert parts == [("agents", "lead"), ("agents", "help"), ("agents", "help"), ("endpoints", "api")]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("{agent: halp, capability: look}", "unknown agent `halp`"),
        ("{agent: help, capability: lock}", "has no capability `lock`"),
        ("{agent: help, capability: look, timeout: 0s}", "`timeout` is zero"),
        ("{agent: people, capability: pass}", "a called agent cannot hand the case to people"),
    ],
)
def test_a_call_that_cannot_be_made_is_told(call: str, message: str, tmp_path: Path) -> None:
    text = TIMELINE.replace("{agent: help, capability: look}", call).replace("CALLER", "")
    handing = "  people: {capabilities: {pass: {hand-off: {needed: 0.1, recall: 1, false-alarm: 0}}}}\nworkflows:"
    with pytest.raises(InputError) as fault:
        loaded(tmp_path, text.replace("workflows:", handing))
    assert [d.message for d in fault.value.diagnostics if message in d.message]
    assert len(fault.value.diagnostics) == 1


SCALED = """\
horizon: 10m
agents:
  pool:
    replicas: 1
    SCALE
    capabilities: {own: {service: 1s}, sub: {service: 1s}}
workflows:
  once: {start: work, steps: {work: {kind: task, agent: pool, capability: own,
    calls-agents: [{agent: pool, capability: sub}]}}}
work: {w: {workflow: once, arrivals: {kind: trace, file: all.csv, column: t}}}
"""


@pytest.mark.parametrize(
    ("together", "scale", "stalls"),
    [
        (1, "", True),
        (1, "autoscale: {most: 1, target: 1, every: 5s, start-up: 5s, tolerance: 0}", True),
        (1, "autoscale: {most: 2, target: 1, every: 5s, start-up: 5s, tolerance: 0}", False),
        (2, "autoscale: {most: 2, target: 1, every: 5s, start-up: 5s, tolerance: 0}", True),
        (2, "autoscale: {most: 3, target: 1, every: 5s, start-up: 5s, tolerance: 0}", False),
    ],
)
def test_agents_that_call_their_own_pool_stall_only_where_it_cannot_grow_enough(
    tmp_path: Path, together: int, scale: str, stalls: bool
) -> None:
    events = events_of(loaded(tmp_path, SCALED.replace("SCALE", scale), together))
    ended = sum(event["kind"] == "ended" for event in events)
    recorded = any(event["kind"] == "deadlock" for event in events)
    assert (recorded, ended) == (stalls, 0 if stalls else together)
