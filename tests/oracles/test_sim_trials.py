"""A rollout is taken back at the first moment at which its objective is missed by what is known then: found by
measuring the objective, as reports do, on the tables as they stood at each moment of a run without the rule."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.diagnostics import InputError
from models.load import load
from models.objectives import CaseCost, CaseShare, CaseTime
from reports.objectives import measured
from reports.tables import RunTables
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules

SECOND = 1_000_000
OLD = '@id("may") permit(principal, action, resource);\n'
NEW = OLD + '@id("no") forbid(principal, action, resource) when { context.amount > 70 };\n'
TEXT = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 400s
warm-up: 50s
policies: {{path: old.cedar}}
agents:
  pool: {{replicas: 4, principal: 'Agent::"a"', capabilities: {{work: {{service: exponential(mean=3s), {more}}}}}}}
workflows:
  flow:
    start: pay
    steps:
      pay: {{kind: task, agent: pool, capability: work, action: 'Action::"pay"', resource: 'A::"any"', next: rest}}
      rest: {{kind: wait, duration: "lognormal(median=5s, p95=40s)"}}
work:
  main: {{workflow: flow, arrivals: {{kind: poisson, rate: 1/s}}, attributes: {{amount: "uniform(low=0, high=100)"}}}}
  side: {{workflow: flow, arrivals: {{kind: poisson, rate: 12/min}}, attributes: {{amount: 0}}}}
objectives: {{goal: {{{objective}}}}}
rollouts: {{up: {{{what}, at: 30s, stages: [{{share: 0.5, lasts: 200s}}]{rule}}}}}
"""
POLICIES = "of: policies, path: new.cedar"
MODEL = "of: model, agent: pool, capability: work, to: {latency: 1.3, success: 0.7}"


def fly(home: Path, objective: str, what: str, rule: str) -> Tables:
    (home / "old.cedar").write_text(OLD)
    (home / "new.cedar").write_text(NEW)
    rule = f", roll-back: {{objective: goal, {rule}}}"
    more = "cost: 0.01 USD, detected: 0.5"
    (home / "scenario.yaml").write_text(TEXT.format(objective=objective, what=what, rule=rule, more=more))
    loaded = load(home)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 5, 0)
    flight.run()
    return flight.tables("", 5)


def taken_back(tables: Tables) -> list[tuple[int, int, str]]:
    rows = [row for row in tables.events.to_pylist() if row["kind"] == "rolled-back"]
    return [(row["time"], row["value"], row["detail"]) for row in rows]


def enrolled(tables: Tables) -> set[int]:
    return {row["case"] for row in tables.events.to_pylist() if row["kind"] == "enrolled"}


def paid(tables: Tables, moment: int) -> dict[int, int]:
    """What each case has cost up to a moment: its attempts."""
    found: dict[int, int] = {}
    for row in tables.events.to_pylist():
        if row["kind"] == "started" and row["time"] <= moment:
            found[row["case"]] = found.get(row["case"], 0) + 10_000
    return found


def first_miss(home: Path, tables: Tables, cases: int, *, may: bool) -> tuple[int, int, str]:
    """The first moment at which the objective is missed, and the cases it rests on."""
    scenario = load(home).scenario
    goal = scenario.objectives["goal"]
    assert isinstance(goal, CaseShare | CaseTime | CaseCost)
    rows = tables.cases.to_pandas()
    rows = rows[rows["case"].isin(enrolled(tables)) & rows["measured"]]
    rows = rows[rows["work"] == goal.work] if goal.work else rows
    limit = goal.at_most if isinstance(goal, CaseTime) else goal.within if isinstance(goal, CaseShare) else None
    moments = rows["ended"].dropna() if limit is None else rows["arrived"] + limit + 1
    for moment in sorted(int(m) for m in moments if m < scenario.horizon):
        known = rows[rows["arrived"] < moment].copy()
        going = known["ended"].isna() | (known["ended"] > moment)
        known.loc[going, "outcome"] = "in-flight"
        known.loc[going, "ended"] = math.nan
        if isinstance(goal, CaseCost):
            known["cost"] = known["case"].map(paid(tables, moment)).fillna(0)
        blank = pd.DataFrame()
        then = RunTables(scenario.model_copy(update={"horizon": moment}), 1, known, blank, blank, blank)
        measure = measured(goal, then)
        low, high = measure.sample.low[0], measure.sample.high[0]
        if limit is None:
            judged = int((~going).sum())
        else:
            of_them = known["outcome"].isin(["completed", "in-flight"]) | isinstance(goal, CaseShare)
            judged = int((of_them & (known["arrived"] + limit < moment)).sum())
        if measure.at_most is not None:
            missed = (high if may else low) > measure.at_most
        else:
            assert measure.at_least is not None
            missed = (low if may else high) < measure.at_least
        if missed and judged >= cases:
            return moment, judged, "goal"
    raise AssertionError("never missed")


@pytest.mark.parametrize(
    ("objective", "what", "cases"),
    [
        ("kind: case-share, within: 20s, at-least: 0.8, work: main", POLICIES, 20),
        ("kind: case-share, within: 20s, outcomes: [denied], at-most: 0.25", POLICIES, 25),
        ("kind: case-share, at-least: 0.75", POLICIES, 10),
        ("kind: case-share, outcomes: [denied], at-most: 0.2, work: main", POLICIES, 10),
        ("kind: case-share, outcomes: [completed], wrong: true, at-most: 0.1", MODEL, 15),
        ("kind: case-time, at-most: 25s, quantile: 0.8, work: main", MODEL, 20),
        ("kind: case-cost, at-most: 0.006 USD", POLICIES, 5),
    ],
)
@pytest.mark.parametrize("when", ["fails", "may-fail"])
def test_it_is_taken_back_at_the_first_miss(tmp_path: Path, objective: str, what: str, cases: int, when: str) -> None:
    # A rule that is never asked leaves the run as it is, and names its cases all the same.
    free = fly(tmp_path, objective, what, f"cases: {10**6}")
    expected = first_miss(tmp_path, free, cases, may=when == "may-fail")
    assert taken_back(fly(tmp_path, objective, what, f"cases: {cases}, when: {when}")) == [expected]
    later = fly(tmp_path, objective, what, f"cases: {expected[1] + 1}, when: {when}")
    assert taken_back(later) != [expected]


def test_from_then_on_the_old_policies_decide(tmp_path: Path) -> None:
    tables = fly(tmp_path, "kind: case-share, at-least: 0.75", POLICIES, "cases: 10")
    ((moment, _, _),) = taken_back(tables)
    rows = tables.decisions.to_pylist()
    assert {row["policies"] for row in rows if row["time"] > moment} == {"old.cedar"}
    assert {row["policies"] for row in rows if row["time"] <= moment} == {"old.cedar", "new.cedar"}
    assert not [r for r in tables.events.to_pylist() if r["kind"] in ("stage", "enrolled") and r["time"] > moment]


def test_a_stream_that_never_comes_to_the_capability_is_not_judged(tmp_path: Path) -> None:
    goal = "kind: case-share, outcomes: [completed], wrong: true, at-most: 0.1"
    alone = fly(tmp_path, goal, MODEL, "cases: 15")
    file = tmp_path / "scenario.yaml"
    beside = "  idle: {workflow: idle, arrivals: {kind: poisson, rate: 1/s}}\nobjectives:"
    text = file.read_text().replace("objectives:", beside, 1)
    file.write_text(
        text.replace("work:\n", "  idle: {start: rest, steps: {rest: {kind: wait, duration: 1s}}}\nwork:\n", 1)
    )
    loaded = load(tmp_path)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 5, 0)
    flight.run()
    tables = flight.tables("", 5)
    assert {row["work"] for row in tables.cases.to_pylist()} == {"main", "side", "idle"}
    assert len(taken_back(alone)) == 1
    assert taken_back(tables) == taken_back(alone)


GOAL = "kind: case-share, at-least: 0.5"


@pytest.mark.parametrize(
    ("objective", "what", "rule", "message"),
    [
        (GOAL, MODEL, "objective: goal", "the rule needs `cases`"),
        (GOAL, MODEL, "cases: 9", "the rule needs `objective`"),
        (GOAL, MODEL, "objective: gaol, cases: 9", "unknown objective `gaol`"),
        (GOAL, MODEL, "objective: goal, cases: 9, delay: 1s", "`delay` does not go with `objective`"),
        (GOAL, MODEL, "errors: 0.1, labels: 9, when: may-fail", "`when` does not go with `errors`"),
        (GOAL, MODEL, "errors: 0.1", "the rule needs `labels`"),
        (GOAL, POLICIES + ", mode: shadow", "objective: goal, cases: 9", "a shadow decides nothing that could"),
        (GOAL, POLICIES, "errors: 0.1, labels: 9", "labels are of a new model's answers"),
        (
            "kind: desk-load, desk: d, at-most: 1",
            MODEL,
            "objective: goal, cases: 9",
            "objective `goal` is not measured",
        ),
    ],
)
def test_what_is_wrong_with_a_rule_is_told(tmp_path: Path, objective: str, what: str, rule: str, message: str) -> None:
    (tmp_path / "old.cedar").write_text(OLD)
    (tmp_path / "new.cedar").write_text(NEW)
    text = TEXT.format(objective=objective, what=what, rule=f", roll-back: {{{rule}}}", more="success: 0.9")
    (tmp_path / "scenario.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    messages: list[Any] = [found.message for found in caught.value.diagnostics]
    assert any(found.startswith(message) for found in messages)
