"""Effects of attempts, event by event: a caller that timed out repeats what it has done already, unless a key tells."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from models.load import LoadedScenario, load
from reports.outcomes import assess
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules
from sim.run import open_run
from sim.simulate import simulate

HEAD = """\
windtunnel: 1
name: effects
start: 2026-01-05T00:00:00Z
horizon: 3000s
replications: 20
endpoints: {bank: {latency: LATENCY}}
agents:
  payer:
    replicas: 2
    capabilities:
      pay: {service: 1s, endpoint: bank, calls: 2}
      note: {service: 1s, success: 0.5}
workflows:
  flow:
    start: pay
    steps:
      pay: {kind: task, agent: payer, capability: CAPABILITY, retry: {attempts: 3, backoff: 4s, factor: 1}KEYS}
work: {w: {workflow: flow, arrivals: ARRIVALS}}
objectives: {once: {kind: count, of: duplicate-effects, at-most: 0}}
"""
ONE = "{kind: trace, file: one.csv, column: t}"
MANY = "{kind: poisson, rate: 0.2/s}"


def loaded(
    folder: Path, keys: str, latency: str = "10s", capability: str = "pay", arrivals: str = ONE
) -> LoadedScenario:
    values = {"KEYS": keys, "LATENCY": latency, "CAPABILITY": capability, "ARRIVALS": arrivals}
    text = HEAD
    for name, value in values.items():
        text = text.replace(name, value)
    (folder / "scenario.yaml").write_text(text)
    (folder / "one.csv").write_text("t\n0\n")
    return load(folder)


def flown(scenario: LoadedScenario) -> list[dict[str, Any]]:
    replication = Replication(compile_plan(scenario), compile_rules(scenario), 5, 0)
    replication.run()
    return replication.tables("", 5).events.to_pylist()


def told(events: list[dict[str, Any]]) -> list[tuple[float, str, int]]:
    return [(row["time"] / 1e6, row["kind"], row["value"]) for row in events if row["kind"].startswith("effect")]


def test_an_attempt_that_times_out_in_its_last_call_has_taken_effect(tmp_path: Path) -> None:
    """1 s of work and 10 s of the first call; at 15 s the second is under way. Then 4 s of backoff, three times."""
    events = flown(loaded(tmp_path, ", timeout: 15s, idempotency-key: false"))
    assert told(events) == [(15, "effect", 1), (34, "effect-repeated", 2), (53, "effect-repeated", 3)]
    assert events[-1]["detail"] == "failed", "the case failed, and was paid three times"


def test_with_a_key_the_same_case_takes_effect_once(tmp_path: Path) -> None:
    events = flown(loaded(tmp_path, ", timeout: 15s, idempotency-key: true"))
    assert told(events) == [(15, "effect", 1), (34, "effect-suppressed", 1), (53, "effect-suppressed", 1)]


def test_an_attempt_that_times_out_before_its_last_call_has_no_effect(tmp_path: Path) -> None:
    assert told(flown(loaded(tmp_path, ", timeout: 10s, idempotency-key: false"))) == []


def test_an_attempt_that_is_answered_takes_effect_once(tmp_path: Path) -> None:
    assert told(flown(loaded(tmp_path, ", idempotency-key: false"))) == [(21, "effect", 1)]


def test_the_key_changes_nothing_but_what_is_told_of_effects(tmp_path: Path) -> None:
    law = "exponential(mean=6s)"
    runs = [
        flown(loaded(tmp_path, f", timeout: 15s{keys}", law, arrivals=MANY))
        for keys in ("", ", idempotency-key: true", ", idempotency-key: false")
    ]
    without = [
        [(row["time"], row["kind"], row["case"], row["value"]) for row in run if not row["kind"].startswith("effect")]
        for run in runs
    ]
    assert without[0] == without[1] == without[2]
    assert not told(runs[0])
    assert [time for time, _, _ in told(runs[1])] == [time for time, _, _ in told(runs[2])]


@pytest.mark.parametrize("capability", ["pay", "note"])
def test_an_effect_with_a_key_is_applied_once_and_without_one_each_time(capability: str, tmp_path: Path) -> None:
    law = "exponential(mean=6s)"
    keyed = flown(loaded(tmp_path, ", timeout: 15s, idempotency-key: true", law, capability, MANY))
    once = Counter(row["case"] for row in keyed if row["kind"] == "effect")
    assert set(once.values()) == {1}
    assert any(row["kind"] == "effect-suppressed" for row in keyed)
    assert not any(row["kind"] == "effect-repeated" for row in keyed)
    if capability == "note":
        free = flown(loaded(tmp_path, ", idempotency-key: false", law, capability, MANY))
        produced = Counter(row["case"] for row in free if row["kind"] == "finished")
        assert Counter(row["case"] for row in free if row["kind"].startswith("effect")) == produced


def test_duplicates_fail_their_objective_and_stand_in_the_outcomes(tmp_path: Path) -> None:
    law = "exponential(mean=6s)"
    for keys, passes in (("false", False), ("true", True)):
        scenario = loaded(tmp_path, f", timeout: 15s, idempotency-key: {keys}", law, arrivals=MANY)
        simulate(scenario, tmp_path / keys, workers=1)
        outcomes = assess(open_run(tmp_path / keys))
        [effect] = outcomes.effects
        assert (effect.step, effect.keyed) == ("flow.pay", passes)
        assert (effect.repeated.estimate > 0, effect.suppressed.estimate > 0) == (not passes, passes)
        assert (outcomes.objectives[0].verdict == "pass") == passes
