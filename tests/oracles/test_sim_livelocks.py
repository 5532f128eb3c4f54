"""Livelock: cases that go on without progress are found at the instant worked out by hand, and no others."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from models.diagnostics import InputError
from models.load import LoadedScenario, load
from reports.outcomes import assess
from sim.compile import compile_plan
from sim.engine import Replication
from sim.replay import replay
from sim.rules import compile_rules
from sim.run import open_run
from sim.simulate import simulate

HEAD = """\
windtunnel: 1
name: round
start: 2026-01-05T00:00:00Z
horizon: 40000s
agents:
  pool:
    replicas: 3
    capabilities: {try: {service: 1m, success: 0, cost: 1 USD}, do: {service: 1m}, long: {service: 2h}}
desks: {people: {roster: [{days: daily, hours: "09:00-10:00", staff: 1}], service: 5m}}
"""
WORK = "work: {w: {workflow: flow, arrivals: {kind: trace, file: one.csv, column: t}}}\n"
RETRIES = """\
deadlock: {no-progress: 30mRESOLUTION}
workflows:
  flow:
    start: first
    steps:
      first: {kind: wait, duration: 5m, next: try}
      try: {kind: task, agent: pool, capability: try, retry: {attempts: 100, backoff: 9m, factor: 1}}
"""
MINUTE = 60_000_000


def loaded(folder: Path, text: str) -> LoadedScenario:
    (folder / "scenario.yaml").write_text(HEAD + text + WORK)
    (folder / "one.csv").write_text("t\n0\n")
    return load(folder)


def flown(scenario: LoadedScenario, seed: int = 5) -> list[dict[str, Any]]:
    replication = Replication(compile_plan(scenario), compile_rules(scenario), seed, 0)
    replication.run()
    return replication.tables("", seed).events.to_pylist()


def told(events: list[dict[str, Any]]) -> list[tuple[float, str, str, Any]]:
    return [
        (row["time"] / MINUTE, row["kind"], row["place"], row["detail"] if row["kind"] != "livelock" else row["value"])
        for row in events
        if row["kind"].startswith("livelock") or row["kind"] == "ended"
    ]


def retries(folder: Path, resolution: str) -> list[dict[str, Any]]:
    return flown(loaded(folder, RETRIES.replace("RESOLUTION", resolution)))


def test_retries_without_end_are_found_after_the_time_without_progress(tmp_path: Path) -> None:
    """The last progress is at 5 min. Attempts of 1 min at 5, 15, 25 and 35 min: at 35 the fourth has just failed or
    begun; what ends or times out comes before what resumes, so three have begun, and three dollars are spent."""
    events = retries(tmp_path, "")
    assert told(events) == [(35, "livelock", "step:flow.try", 30 * MINUTE)]
    [found] = [json.loads(row["detail"]) for row in events if row["kind"] == "livelock"]
    assert found == {"repeated": 2, "spent": 3_000_000, "members": [{"step": "flow.try", "attempt": 4}]}


@pytest.mark.parametrize(
    ("resolution", "over"),
    [
        (", resolution: abort", 35),
        (", resolution: timeout, timeout: 40m", 75),
        (", resolution: escalate, desk: people", 545),
    ],
)
def test_it_is_resolved_as_the_scenario_says(resolution: str, over: float, tmp_path: Path) -> None:
    """At once, 40 min later, or when the desk opens at 9 and has looked at it for 5 min."""
    how = resolution.split()[2].rstrip(",")
    assert told(retries(tmp_path, resolution))[1:] == [
        (over, "livelock-over", "step:flow.try", how),
        (over, "ended", "step:flow.try", "aborted"),
    ]


def test_progress_ends_it(tmp_path: Path) -> None:
    """The fifth attempt is the last, at 45 min; the step after it is new, and takes 9 hours by a person."""
    text = RETRIES.replace("RESOLUTION", "").replace(
        "100, backoff: 9m, factor: 1}", "5, backoff: 9m, factor: 1}, on-failure: ask"
    )
    events = flown(loaded(tmp_path, text + "      ask: {kind: desk, desk: people}\n"))
    assert told(events) == [
        (35, "livelock", "step:flow.try", 30 * MINUTE),
        (46, "livelock-over", "step:flow.ask", "progress"),
        (545, "ended", "step:flow.ask", "completed"),
    ]


SLOW = """\
deadlock: {no-progress: 30m, resolution: abort}
workflows:
  flow:
    start: a
    steps:
      a: {kind: task, agent: pool, capability: try, retry: {attempts: 3, backoff: 8m, factor: 1}, on-failure: b}
      b: {kind: task, agent: pool, capability: try, retry: {attempts: 3, backoff: 8m, factor: 1}, on-failure: c}
      c: {kind: task, agent: pool, capability: long, next: d}
      d: {kind: wait, duration: 3h, next: e}
      e: {kind: desk, desk: people, next: f}
      f: {kind: task, agent: pool, capability: do}
"""


def test_a_slow_case_that_progresses_is_none(tmp_path: Path) -> None:
    """Retries of 19 min at two steps, an attempt of 2 h, a wait of 3 h, and a desk that opens hours later."""
    assert [row[1] for row in told(flown(loaded(tmp_path, SLOW)))] == ["ended"]
    hasty = told(flown(loaded(tmp_path, SLOW.replace("30m", "18m"))))
    assert hasty[0][:3] == (18, "livelock", "step:flow.a"), "and with less patience it is one"


ROUND = """\
deadlock: {no-progress: 30m}
workflows:
  flow:
    start: a
    steps:
      a: {kind: wait, duration: 7m, limit: 100, next: b}
      b: {kind: task, agent: pool, capability: doKEY, next: a}
"""


def test_going_round_is_found_and_an_effect_is_progress(tmp_path: Path) -> None:
    """The step b is new at 7 min; its first effect is at 8 min."""
    assert told(flown(loaded(tmp_path, ROUND.replace("KEY", ""))))[0][:2] == (37, "livelock")
    keyed = told(flown(loaded(tmp_path, ROUND.replace("KEY", ", idempotency-key: false"))))
    assert keyed[0][:2] == (38, "livelock"), "a repeated effect is none"


MANY = """\
deadlock: {no-progress: 12m}
workflows:
  flow:
    start: a
    steps:
      a: {kind: task, agent: pool, capability: odd, retry: {attempts: 4, backoff: 4m}, next: b, on-failure: b}
      b: {kind: choice, limit: 9, arms: [{share: 0.6, next: a}, {share: 0.2, next: c}], otherwise: d, on-limit: d}
      c:
        kind: task
        agent: pool
        capability: odd
        retry: {attempts: 6, backoff: 1m}
        idempotency-key: false
        next: b
        on-failure: b
      d: {kind: end}
work: {w: {workflow: flow, arrivals: {kind: poisson, rate: 30/h}}}
"""


def found_in(events: list[dict[str, Any]], longest: int) -> set[tuple[int, int]]:
    """The same from the log: (case, time), by what is progress and what repeats it."""
    since: dict[int, int] = {}
    repeated: dict[int, int] = defaultdict(int)
    seen: dict[int, set[str]] = defaultdict(set)
    told_of: set[int] = set()
    attempts: dict[int, int] = defaultdict(int)
    found = set()
    for row in events:
        case, kind, now = row["case"], row["kind"], row["time"]
        for late, start in since.items():
            if late not in told_of and repeated[late] and start + longest < now:
                found.add((late, start + longest))
                told_of.add(late)
        if kind == "ended":
            since.pop(case)
        elif (kind == "entered" and row["place"] not in seen[case]) or kind == "effect":
            seen[case].add(row["place"])
            since[case], repeated[case] = now, 0
            told_of.discard(case)
            attempts[case] = 0 if kind == "entered" else attempts[case]
        else:
            again = kind == "entered"
            if kind in ("started", "queued") and not (kind == "started" and row["value"]):
                attempts[case] += 1
                again = attempts[case] > 1
            if kind == "entered":
                attempts[case] = 0
            repeated[case] += again
            if again and case not in told_of and since[case] + longest <= now:
                found.add((case, now))
                told_of.add(case)
    return found


def test_what_is_found_is_what_a_look_through_the_log_finds(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(
        HEAD.replace("do: {", "odd: {service: exponential(mean=70s), success: 0.3, detected: 1}, do: {") + MANY
    )
    for seed in range(3):
        events = flown(load(tmp_path), seed)
        found = {(row["case"], row["time"]) for row in events if row["kind"] == "livelock"}
        assert len(found) > 20
        assert found == found_in(events, 12 * MINUTE)
        assert found != found_in(events, 13 * MINUTE)


def test_the_report_the_story_and_the_objective_tell(tmp_path: Path) -> None:
    text = (
        RETRIES.replace("RESOLUTION", ", resolution: abort")
        + "objectives: {o: {kind: count, of: livelocks, at-most: 0}}\n"
    )
    simulate(loaded(tmp_path, text), tmp_path / "run", replications=2, workers=1)
    run = open_run(tmp_path / "run")
    outcomes = assess(run)
    found = outcomes.livelocks
    assert found is not None
    assert (found.found, found.replications, found.count.estimate, found.spent.estimate) == (2, 2, 1, 3)
    assert (found.lost.estimate, found.steps) == (1, (("flow.try", 2),))
    assert outcomes.deadlock.lost.estimate == 0, "what a livelock loses, no deadlock does"
    assert outcomes.objectives[0].verdict == "fail"
    story = "\n".join(str(line) for line in replay(run, 0))
    assert "has made no progress for 30m 00s, and goes on: attempt 4 at flow.try" in story


VICTIMS = """\
windtunnel: 1
name: ring
start: 2026-01-05T00:00:00Z
horizon: 3600s
agents: {pool: {replicas: 9, capabilities: {do: {service: 10s, cost: 2 USD}}}}
locks: {a: {}, b: {}}
deadlock: {resolution: abort, victim: VICTIM}
workflows:
  one:
    start: more
    steps:
      more: {kind: task, agent: pool, capability: do, acquire: [a], next: then}
      then: {kind: task, agent: pool, capability: do, next: last}
      last: {kind: wait, duration: 1s, acquire: [b]}
  two:
    start: less
    steps:
      less: {kind: task, agent: pool, capability: do, acquire: [b], next: last}
      last: {kind: wait, duration: 1s, acquire: [a]}
work:
  first: {workflow: FIRST, arrivals: {kind: trace, file: one.csv, column: t}}
  second: {workflow: SECOND, arrivals: {kind: trace, file: one.csv, column: t}}
"""


@pytest.mark.parametrize(
    ("victim", "order", "case", "spent"),
    [
        ("youngest", ("one", "two"), 1, 2),
        ("youngest", ("two", "one"), 1, 4),
        ("oldest", ("one", "two"), 0, 4),
        ("oldest", ("two", "one"), 0, 2),
        ("least-work", ("one", "two"), 1, 2),
        ("least-work", ("two", "one"), 0, 2),
    ],
)
def test_the_victim_is_the_one_that_the_scenario_names_and_costs_what_it_spent(
    victim: str, order: tuple[str, str], case: int, spent: int, tmp_path: Path
) -> None:
    """The case of workflow one has made two attempts, at 2 USD each, that of workflow two has made one."""
    text = VICTIMS.replace("VICTIM", victim).replace("FIRST", order[0]).replace("SECOND", order[1])
    (tmp_path / "scenario.yaml").write_text(text)
    (tmp_path / "one.csv").write_text("t\n0\n")
    simulate(load(tmp_path), tmp_path / "run", replications=2, workers=1)
    run = open_run(tmp_path / "run")
    assert run.cases().query("outcome == 'aborted'")["case"].tolist() == [case, case]
    deadlock = assess(run).deadlock
    assert (deadlock.lost.estimate, deadlock.cost.estimate) == (1, spent)
    assert deadlock.stuck.estimate == 0, "the resolution is found, whoever is ended"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deadlock: {victim: oldest}", "resolution `none` ends no case"),
        ("deadlock: {no-progress: 0s}", "is zero"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        loaded(tmp_path, RETRIES.replace("deadlock: {no-progress: 30mRESOLUTION}", text))
    assert message in str(raised.value)
