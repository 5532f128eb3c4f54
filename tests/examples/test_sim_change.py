"""Drifts of every kind, and what alarms do: hand-worked timelines, second by second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.load import load
from sim.compile import compile_plan
from sim.detectors import DDM, Adwin, Cusum, Detector, KolmogorovSmirnov, PageHinkley, StabilityIndex
from sim.engine import Replication, Tables
from sim.rules import compile_rules

SECOND = 1_000_000

Flight = Callable[..., Tables]

TEXT = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 200s
currency: USD
endpoints: {{api: {{latency: 500ms, price: 0.02 USD}}}}
agents:
  pool:
    replicas: 9
    capabilities: {{work: {{service: 1s, endpoint: api, success: {success}, detected: 0.0, cost: 0.10 USD}}}}
desks: {{care: {{timezone: UTC, service: 3s, roster: [{{days: mon-sun, hours: "00:00-24:00", staff: 5}}]}}}}
workflows:
  flow:
    start: job
    steps:
      job: {{kind: task, agent: pool, capability: work, next: after, on-failure: by-hand}}
      by-hand: {{kind: desk, desk: care}}
      after: {{kind: wait, duration: 1s}}
work:
  stream: {{workflow: flow, arrivals: {{kind: renewal, rate: 1/s, cv: 0}}}}
faults: [{{kind: drift, agent: pool, capability: work, at: 100s, {drift}}}]
monitors:
  eye: {{agent: pool, capability: work, watches: {watches}, detector: {detector}, action: {action}}}
"""
CUSUM = "{kind: cusum, p0: 0.01, p1: 0.5, threshold: 10}"


@pytest.fixture
def fly(tmp_path: Path) -> Flight:
    def run(drift: str, watches: str, detector: str = CUSUM, action: str = "alert", success: str = "1") -> Tables:
        text = TEXT.format(drift=drift, watches=watches, detector=detector, action=action, success=success)
        (tmp_path / "scenario.yaml").write_text(text)
        loaded = load(tmp_path)
        replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
        replication.run()
        return replication.tables("", 1)

    return run


def story(tables: Tables, *kinds: str, case: int | None = None) -> list[tuple[Any, ...]]:
    return [
        (row["time"] / SECOND, row["kind"], row["place"], row["value"], row["detail"])
        for row in tables.events.to_pylist()
        if row["kind"] in kinds and (case is None or row["case"] == case)
    ]


@pytest.mark.parametrize(
    ("text", "detector"),
    [
        ("{kind: page-hinkley, threshold: 3}", PageHinkley(30, 0.005, 3.0, 0.9999)),
        ("{kind: adwin}", Adwin(0.002, 32)),
        ("{kind: cusum, p0: 0.01, p1: 0.5, threshold: 10}", Cusum(0.01, 0.5, 10.0)),
        ("{kind: ddm}", DDM(30, 3.0)),
        ("{kind: psi, reference: 50, window: 20}", StabilityIndex(50, 20, 10, 0.25)),
        ("{kind: ks, reference: 50, window: 20}", KolmogorovSmirnov(50, 20, 0.05)),
    ],
)
def test_every_detector_sees_the_labels_in_order(fly: Flight, text: str, detector: Detector) -> None:
    """Right until 100 s, then wrong: the n-th label is that of the case that arrived at n; it comes at n + 1.5."""
    tables = fly("success: 0", "errors", text)
    found = [n for n in range(1, 199) if detector.update(float(n >= 100))]
    assert found
    assert [line[3] for line in story(tables, "alarm")] == found
    assert [line[0] for line in story(tables, "alarm")] == [n + 1.5 for n in found]


def test_latency_drifts_and_is_rolled_back(fly: Flight) -> None:
    tables = fly("of: latency, factor: 3", "latency", "{kind: page-hinkley, threshold: 8}", "roll-back")
    test = PageHinkley(30, 0.005, 8.0, 0.9999)
    values = [1.5] * 99 + [4.5] * 90
    alarm = next(n for n, value in enumerate(values, 1) if test.update(value))
    assert story(tables, "drift", "alarm", "rolled-back") == [
        (100, "drift", "agent:pool", None, "pool.work: takes 3 times as long"),
        (alarm + 4.5, "alarm", "monitor:eye", alarm, ""),
        (alarm + 4.5, "rolled-back", "monitor:eye", None, "pool.work"),
    ]
    spent = {c["case"] + 1: (c["ended"] - c["arrived"]) / SECOND for c in tables.cases.to_pylist() if c["ended"]}
    assert all(spent[n] == 2.5 for n in range(1, 99))
    # The work of 99 ends with its call still to come, which the drift at 100 finds not begun: the drift comes first.
    assert spent[99] == 1 + 1.5 + 1
    assert all(spent[n] == 5.5 for n in range(100, alarm + 2))
    assert spent[alarm + 5] == 2.5


def test_costs_drift_by_a_factor(fly: Flight) -> None:
    tables = fly("of: cost, factor: 2.5", "cost", "{kind: page-hinkley, threshold: 1}")
    costs = {c["case"] + 1: c["cost"] for c in tables.cases.to_pylist() if c["ended"]}
    assert costs[50] == 120_000
    assert costs[99] == 100_000 + 50_000  # paid before the drift, but for the call
    assert costs[100] == costs[190] == 300_000
    test = PageHinkley(30, 0.005, 1.0, 0.9999)
    # The 99th label is taken after the drift: it tells what such an attempt costs now.
    values = [0.12] * 98 + [0.3] * 90
    assert story(tables, "alarm")[0][3] == next(n for n, value in enumerate(values, 1) if test.update(value))


def test_answers_that_cannot_be_read_fail_the_attempt(fly: Flight) -> None:
    tables = fly("of: format, share: 0.25", "format")
    failed = story(tables, "attempt-failed")
    assert {line[4] for line in failed} == {"format"}
    assert len(failed) == pytest.approx(25, abs=4 * (98 * 0.25 * 0.75) ** 0.5)
    test = Cusum(0.01, 0.5, 10.0)
    bad = {line[0] for line in failed}
    found = [n for n in range(1, 199) if test.update(float(n + 1.5 in bad))]
    assert [line[3] for line in story(tables, "alarm")] == found
    assert found


def test_a_new_contract_hits_some_cases_and_each_of_their_attempts(fly: Flight, tmp_path: Path) -> None:
    fly("of: contract, share: 0.25", "format")
    text = (tmp_path / "scenario.yaml").read_text()
    (tmp_path / "scenario.yaml").write_text(text.replace("on-failure:", "retry: {attempts: 4}, on-failure:"))
    loaded = load(tmp_path)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    attempts = [c["attempts"] for c in replication.tables("", 1).cases.to_pylist() if 100 <= c["case"] < 180]
    assert set(attempts) == {1, 4}
    assert attempts.count(4) == pytest.approx(20, abs=16)


def test_a_monitor_that_routes_gives_later_steps_to_people(fly: Flight) -> None:
    tables = fly("success: 0", "errors", action="route, to: care")
    alarm = story(tables, "alarm")[0][0]
    routed = story(tables, "routed")
    assert routed[0] == (alarm, "routed", "monitor:eye", None, "pool.work")
    first = int(alarm) + 1
    assert routed[1] == (first, "routed", "monitor:eye", None, "desk:care")
    assert [line[0] for line in routed[1:]] == list(range(first, 200))
    assert story(tables, "started", "finished", "entered", "ended", case=first - 1)[1:] == [
        (first, "started", "desk:care", 0, ""),
        (first + 3, "finished", "desk:care", 3 * SECOND, ""),
        (first + 3, "entered", "step:flow.after", 1, ""),
        (first + 4, "ended", "step:flow.after", None, "completed"),
    ]
    wrong = [c["case"] + 1 for c in tables.cases.to_pylist() if c["wrong"]]
    assert wrong == list(range(100, first)), "those under way when the alarm comes stay wrong"


def test_a_monitor_that_stops_fails_later_attempts(fly: Flight) -> None:
    tables = fly("success: 0", "errors", action="stop")
    alarm = story(tables, "alarm")[0][0]
    assert story(tables, "stopped") == [(alarm, "stopped", "monitor:eye", None, "pool.work")]
    failed = story(tables, "attempt-failed")
    assert [line[0] for line in failed] == list(range(int(alarm) + 1, 200))
    assert {line[4] for line in failed} == {"stopped"}


def test_an_alert_routes_and_stops_nothing(fly: Flight) -> None:
    tables = fly("success: 0", "errors")
    assert story(tables, "alarm")
    assert not story(tables, "routed", "stopped", "attempt-failed")


def test_a_drift_without_effect_changes_no_event_but_its_own(fly: Flight) -> None:
    """A factor of one and a share of none: followed attempts do what those do that nobody follows."""
    plain = fly("success: 1", "errors").events.drop(["sequence", "detail"]).to_pylist()
    for drift in ("of: latency, factor: 1", "of: cost, factor: 1", "of: format, share: 0", "of: contract, share: 0"):
        assert fly(drift, "errors").events.drop(["sequence", "detail"]).to_pylist() == plain
