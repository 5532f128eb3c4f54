"""Rollouts: hand-worked timelines, the shares of the stages, and the rule that takes a new model back."""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from pathlib import Path
from typing import Any

import pytest

from models.diagnostics import InputError
from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules

SECOND = 1_000_000

Flight = Callable[..., Tables]

TEXT = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 400s
currency: USD
endpoints: {api: {latency: 500ms, price: 0.02 USD}}
agents: {pool: {replicas: 9, capabilities: {work: {service: 1s, endpoint: api, detected: 0.0, cost: 0.10 USD}}}}
workflows: {flow: {start: job, steps: {job: {kind: task, agent: pool, capability: work}}}}
work: {stream: {workflow: flow, arrivals: {kind: renewal, rate: 1/s, cv: 0}}}
"""
STAGES = "stages: [{share: 0.25, lasts: 100s}, {share: 0.5, lasts: 100s}]"


def rollout(to: str, stages: str = STAGES, rule: str = "") -> str:
    more = f", roll-back: {{{rule}}}" if rule else ""
    return f"rollouts: {{up: {{of: model, agent: pool, capability: work, to: {{{to}}}, at: 100s, {stages}{more}}}}}\n"


@pytest.fixture
def fly(tmp_path: Path) -> Flight:
    def run(more: str = "", seed: int = 1, replication: int = 0) -> Tables:
        (tmp_path / "scenario.yaml").write_text(TEXT + more)
        loaded = load(tmp_path)
        flight = Replication(compile_plan(loaded), compile_rules(loaded), seed, replication)
        flight.run()
        return flight.tables("", seed)

    return run


def story(tables: Tables, *kinds: str) -> list[tuple[Any, ...]]:
    return [
        (row["time"] / SECOND, row["kind"], row["place"], row["value"], row["detail"])
        for row in tables.events.to_pylist()
        if row["kind"] in kinds
    ]


def canaries(tables: Tables) -> set[int]:
    """The cases that the new model worked on, by their arrival in seconds."""
    return {row["case"] + 1 for row in tables.events.to_pylist() if row["kind"] == "canary"}


def test_stages_begin_one_after_the_other(fly: Flight) -> None:
    assert story(fly(rollout("success: 0.5")), "stage", "rolled-back") == [
        (100, "stage", "rollout:up", 1, "0.25 of the cases"),
        (200, "stage", "rollout:up", 2, "0.5 of the cases"),
        (300, "stage", "rollout:up", 3, "1 of the cases"),
    ]


def test_shares_nest_and_nobody_before_the_first_stage_has_the_new_model(fly: Flight) -> None:
    small, large = (
        canaries(fly(rollout("success: 0.5", f"stages: [{{share: {s}, lasts: 200s}}]"))) for s in (0.1, 0.4)
    )
    assert min(large) >= 100
    assert small < large
    assert set(range(300, 398)) <= small
    early = [len([n for n in cases if n < 300]) for cases in (small, large)]
    for count, share in zip(early, (0.1, 0.4), strict=True):
        assert count == pytest.approx(200 * share, abs=4 * (200 * share * (1 - share)) ** 0.5)


def test_without_stages_every_case_that_arrives_later_has_the_new_model(fly: Flight) -> None:
    tables = fly(rollout("success: 0", "stages: []"))
    assert canaries(tables) == set(range(100, 399))
    assert {c["case"] + 1 for c in tables.cases.to_pylist() if c["wrong"]} == set(range(100, 399))


def test_the_new_model_has_its_own_time_and_cost(fly: Flight) -> None:
    tables = fly(rollout("latency: 0.5, cost: 3"))
    new = canaries(tables)
    for row in tables.cases.to_pylist():
        if row["ended"]:
            is_new = row["case"] + 1 in new
            assert row["ended"] - row["arrived"] == (750_000 if is_new else 1_500_000)
            assert row["cost"] == (360_000 if is_new else 120_000)


def test_unreadable_answers_fail_as_format(fly: Flight) -> None:
    tables = fly(rollout("unreadable: 0.5", "stages: []"))
    failed = story(tables, "attempt-failed")
    assert {line[4] for line in failed} == {"format"}
    assert len(failed) == pytest.approx(149, abs=4 * 75**0.5)


def test_too_many_wrong_answers_take_it_back(fly: Flight) -> None:
    """All wrong: the tenth label, 3 s after its answer, is that of the case which arrived at 109 and was answered 1.5 s
    later; the case that arrives at 113 is answered by the old model."""
    tables = fly(rollout("success: 0", "stages: []", "errors: 0.5, labels: 10, delay: 3s"))
    assert story(tables, "stage", "rolled-back") == [
        (100, "stage", "rollout:up", 1, "1 of the cases"),
        (113.5, "rolled-back", "rollout:up", 10, "pool.work"),
    ]
    assert canaries(tables) == set(range(100, 114))
    assert {c["case"] + 1 for c in tables.cases.to_pylist() if c["wrong"]} == set(range(100, 114))


def test_a_rule_that_bears_the_errors_takes_nothing_back(fly: Flight) -> None:
    tables = fly(rollout("success: 0.6", "stages: []", "errors: 0.99, labels: 10"))
    assert not story(tables, "rolled-back")


def test_the_share_of_runs_taken_back_is_the_binomial_one(fly: Flight) -> None:
    """One look, at the 20th and last label: taken back where more than 8 of 20 are wrong, at a chance of 0.4 each."""
    chance = sum(comb(20, k) * 0.4**k * 0.6 ** (20 - k) for k in range(9, 21))
    more = rollout("success: 0.6", "stages: []", "errors: 0.4, labels: 20").replace("at: 100s", "at: 379s")
    found = sum(bool(story(fly(more, replication=n), "rolled-back")) for n in range(120))
    assert found / 120 == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 120) ** 0.5)


def test_a_new_model_that_is_the_old_one_changes_no_case(fly: Flight) -> None:
    assert fly(rollout("success: 1")).cases.equals(fly().cases)


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("success: 0.5", "latency: 1", "the new model is as the old one"),
        ("share: 0.5", "share: 0.2", "the stage's share does not grow"),
        ("at: 100s", "at: 400s", "the rollout comes after the end of the run"),
        ("lasts: 100s}, ", "lasts: 0s}, ", "`lasts` is zero"),
        ("capability: work, to", "capability: wrk, to", "agent `pool` has no capability `wrk`"),
    ],
)
def test_what_is_wrong_with_a_rollout_is_told(tmp_path: Path, good: str, bad: str, message: str) -> None:
    text = rollout("success: 0.5")
    assert good in text
    (tmp_path / "scenario.yaml").write_text(TEXT + text.replace(good, bad, 1))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert message in [found.message for found in caught.value.diagnostics]
