"""False alarms in 1000 labels: what is counted, when it is told, and what the objective and the report make of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from models.diagnostics import InputError
from models.load import load
from reports.charts import drift_chart
from reports.html import render_html
from reports.outcomes import assess
from reports.verdict import judge
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules
from sim.run import Run
from sim.simulate import simulate

SECOND = 1_000_000
TEXT = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 200s
replications: 6
policies: {path: rules.cedar}
agents:
  pool: {replicas: 9, principal: 'Agent::"a"', capabilities: {work: {service: 1500ms, success: 0.5, detected: 0}}}
workflows:
  flow:
    start: job
    steps: {job: {kind: task, agent: pool, capability: work, action: 'Action::"do"', resource: 'Thing::"any"'}}
work: {stream: {workflow: flow, arrivals: {kind: renewal, rate: 1/s, cv: 0}, attributes: {n: "uniform(low=0, high=9)"}}}
"""
EYE = "monitors: {eye: {agent: pool, capability: work, detector: {kind: ks, reference: 9, window: 9, alpha: 0.3}%s}}\n"
GOAL = "objectives: {few: {kind: false-alarms, monitor: eye, at-most: 5}}\n"
REFUSALS = "watches: refusals, detector: {kind: cusum, p0: 0.1, p1: 0.5, threshold: 9}"


ATTACK = """\
attacks:
  raid: {agent: pool, actions: ['Action::"do"'], resource: 'Thing::"any"', every: 1s, at: 30s, lasts: 9s}
"""
END = 199.999999


def eye(more: str = "") -> str:
    return EYE % (f", {more}" if more else "")


def labels(home: Path, more: str) -> list[tuple[float, str, int]]:
    (home / "rules.cedar").write_text("permit (principal, action, resource);")
    (home / "scenario.yaml").write_text(TEXT + more)
    loaded = load(home)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    flight.run()
    rows = flight.tables("", 1).events.to_pylist()
    return [(row["time"] / SECOND, row["place"], row["value"]) for row in rows if row["kind"] == "labels"]


@pytest.mark.parametrize(
    ("more", "at", "count"),
    [
        # The n-th label comes at n + 1.5 s.
        (eye(), END, 198),
        (eye() + "faults: [{kind: drift, agent: pool, capability: work, at: 100s, success: 0}]\n", 100, 98),
        (eye() + "faults: [{kind: drift, agent: pool, capability: work, at: 101500ms, success: 0}]\n", 101.5, 99),
        (
            eye() + "faults: [{kind: drift, agent: pool, capability: work, at: 9s, of: cost, factor: 2}]\n",
            199.999999,
            198,
        ),
        (eye() + "rollouts: {up: {of: model, agent: pool, capability: work, to: {cost: 2}, at: 60s}}\n", 60, 58),
        (
            eye("watches: attribute, attribute: n")
            + "faults: [{kind: drift, of: input, work: stream, attribute: n, at: 50s, to: 5}]\n",
            50,
            48,
        ),
        (
            eye().replace("capability: work, detector: {kind: ks, reference: 9, window: 9, alpha: 0.3}", REFUSALS)
            + ATTACK,
            30,
            29,  # a request is decided as it is made
        ),
    ],
)
def test_labels_are_told_when_what_is_watched_changes(tmp_path: Path, more: str, at: float, count: int) -> None:
    assert labels(tmp_path, more + GOAL) == [(at, "monitor:eye", count)]
    assert labels(tmp_path, more) == []


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "rules.cedar").write_text("permit (principal, action, resource);")
    drift = "faults: [{kind: drift, agent: pool, capability: work, at: 150s, success: 0}]\n"
    often = eye().replace(
        "kind: ks, reference: 9, window: 9, alpha: 0.3", "kind: cusum, p0: 0.1, p1: 0.5, threshold: 3"
    )
    quiet = often.replace("}}\n", "}, idle: {agent: pool, capability: work, watches: format, detector: {kind: ddm}}}\n")
    goals = GOAL.replace("}}\n", "}, none: {kind: false-alarms, monitor: idle, at-most: 0}}\n")
    (tmp_path / "scenario.yaml").write_text(TEXT + drift + quiet + goals)
    return simulate(load(tmp_path), tmp_path / "out", workers=1)


def test_the_objective_and_the_report_have_alarms_over_labels(run: Run) -> None:
    outcomes = assess(run)
    rows = run.events()
    alarms = rows[(rows["kind"] == "alarm") & (rows["place"] == "monitor:eye") & (rows["time"] < 150 * SECOND)]
    told = rows[(rows["kind"] == "labels") & (rows["place"] == "monitor:eye")]
    assert set(told["value"]) == {148}
    assert len(alarms) > 4
    rate = 1000 * len(alarms) / (6 * 148)
    few, none = outcomes.objectives
    assert few.interval.estimate == pytest.approx(rate)
    assert few.verdict == "fail"
    assert (none.interval.estimate, none.verdict) == (0.0, "pass")
    (drift,), (quiet,) = outcomes.drift, outcomes.quiet_monitors
    assert drift.false_alarm_rate is not None
    assert quiet.false_alarm_rate is not None
    assert drift.false_alarm_rate.estimate == pytest.approx(rate)
    assert quiet.false_alarm_rate.estimate == 0.0
    assert "In 1000 labels" in render_html(run.scenario, None, outcomes, judge(None, outcomes))


def test_a_drift_that_no_run_noticed_is_told_as_never_noticed(run: Run) -> None:
    outcomes = assess(run)
    (drift,) = outcomes.drift
    noticed = drift_chart(outcomes.harm[0], [replace(drift, missed=0)], "k")
    assert "is noticed after" in noticed.title
    missed = replace(drift, missed=drift.replications, alarms=(math.nan,) * drift.replications)
    assert "is never noticed: it does" in drift_chart(outcomes.harm[0], [missed], "k").title


def test_who_is_asked_for_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "rules.cedar").write_text("permit (principal, action, resource);")
    (tmp_path / "scenario.yaml").write_text(TEXT + eye() + GOAL.replace("monitor: eye", "monitor: eyes"))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert [found.message for found in caught.value.diagnostics] == ["unknown monitor `eyes`"]
