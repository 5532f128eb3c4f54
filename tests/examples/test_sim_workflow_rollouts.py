"""Rollouts of workflows: a case lives as it would if all took its workflow, and which it takes is told by one draw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.diagnostics import InputError
from models.load import load
from reports.outcomes import assess
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules
from sim.simulate import simulate

SECOND = 1_000_000
TEXT = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 400s
agents: {pool: {replicas: 999, capabilities: {work: {service: exponential(mean=3s), success: 0.9, detected: 0.5}}}}
locks: {door: {key: room}}
workflows:
  old:
    start: look
    steps:
      look: {kind: task, agent: pool, capability: work, retry: {attempts: 3, backoff: 1s}}
  new:
    start: think
    steps:
      think: {kind: wait, duration: exponential(mean=5s), next: choose, limit: 9, on-limit: lost}
      choose: {kind: choice, arms: [{when: 'context.size > 50', next: work}], otherwise: think}
      work: {kind: task, agent: pool, capability: work, next: lost}
      lost: {kind: end, outcome: failed}
work:
  main:
    workflow: old
    arrivals: {kind: poisson, rate: 1/s}
    attributes: {size: "uniform(low=0, high=100)", room: 1}
  side: {workflow: new, arrivals: {kind: poisson, rate: 12/min}, attributes: {size: 60}}
"""
STAGES = ", stages: [{share: 0.3, lasts: 100s}, {share: 0.6, lasts: 100s}]"


def rollout(at: str = "100s", stages: str = STAGES, rule: str = "") -> str:
    return f"rollouts: {{next: {{of: workflow, workflow: old, to: {{workflow: new}}, at: {at}{stages}{rule}}}}}\n"


Fly = Callable[..., Tables]


@pytest.fixture
def fly(tmp_path: Path) -> Fly:
    def run(more: str = "", text: str = TEXT) -> Tables:
        (tmp_path / "scenario.yaml").write_text(text + more)
        loaded = load(tmp_path)
        flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
        flight.run()
        return flight.tables("", 1)

    return run


def enrolled(tables: Tables) -> set[int]:
    return {row["case"] for row in tables.events.to_pylist() if row["kind"] == "enrolled"}


def lives(tables: Tables) -> dict[int, list[tuple[Any, ...]]]:
    """What happens to each case; nobody waits for another here."""
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in tables.events.to_pylist():
        if row["case"] is not None and row["kind"] != "enrolled":
            found[row["case"]].append((row["time"], row["kind"], row["place"], row["value"], row["detail"]))
    return found


def test_all_who_take_the_new_workflow_from_the_start_are_a_stream_that_has_it(fly: Fly) -> None:
    switched = fly(rollout("0s", ""))
    stream = fly(text=TEXT.replace("workflow: old\n", "workflow: new\n"))
    assert switched.cases.equals(stream.cases)
    assert lives(switched) == lives(stream)
    of_main = {row["case"] for row in switched.cases.to_pylist() if row["work"] == "main"}
    assert enrolled(switched) == of_main


def test_each_case_lives_as_where_all_take_its_workflow(fly: Fly) -> None:
    staged, old, new = lives(fly(rollout())), lives(fly()), lives(fly(rollout("0s", "")))
    among = enrolled(fly(rollout()))
    assert 100 < len(among) < 300
    for case, life in staged.items():
        assert life == (new if case in among else old)[case]
    assert any(old[case] != new[case] for case in among)


def test_stages_take_their_shares_and_nest(fly: Fly) -> None:
    tables = fly(rollout())
    arrived = {row["case"]: row["arrived"] / SECOND for row in tables.cases.to_pylist() if row["work"] == "main"}
    among = enrolled(tables)
    assert not [case for case in among if arrived[case] < 100]
    assert {case for case in arrived if arrived[case] >= 300} <= among
    for share, low in ((0.3, 100), (0.6, 200)):
        there = [case for case in arrived if low <= arrived[case] < low + 100]
        spread = 4 * (len(there) * share * (1 - share)) ** 0.5
        assert len(among.intersection(there)) == pytest.approx(share * len(there), abs=spread)
        whole = enrolled(fly(rollout(stages=f", stages: [{{share: {share}, lasts: 300s}}]")))
        assert among.intersection(there) == whole.intersection(there)


def test_cases_that_arrive_after_it_is_taken_back_take_the_old_workflow(fly: Fly) -> None:
    goal = "objectives: {few: {kind: case-share, outcomes: [failed], at-most: 0.1, work: main}}\n"
    rule = ", roll-back: {objective: few, cases: 5}"
    tables, free = fly(goal + rollout(rule=rule)), fly(rollout())
    ((moment, value),) = [(r["time"], r["value"]) for r in tables.events.to_pylist() if r["kind"] == "rolled-back"]
    arrived = {row["case"]: row["arrived"] for row in free.cases.to_pylist()}
    assert enrolled(tables) == {case for case in enrolled(free) if arrived[case] <= moment}
    # All of them fail, so it is the fifth end, or a later one: more than a tenth of those that have arrived.
    ends = sorted(row["ended"] for row in free.cases.to_pylist() if row["case"] in enrolled(free) and row["ended"])
    missed = [
        (at, n)
        for n, at in enumerate(ends, 1)
        if n >= 5 and n > 0.1 * len([case for case in enrolled(free) if arrived[case] <= at])
    ]
    assert (moment, value) == missed[0]
    new, old = lives(free), lives(fly())
    for case, life in lives(tables).items():
        assert life == (new if case in enrolled(tables) else old)[case]


def test_the_report_sets_new_cases_beside_old_ones(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(TEXT + "replications: 2\nwarm-up: 150s\n" + rollout())
    run = simulate(load(tmp_path), tmp_path / "out", workers=1)
    outcomes = assess(run)
    (outcome,) = outcomes.workflow_rollouts
    assert (outcome.workflow, outcome.new, outcome.rolled_back, outcome.stage) == ("old", "new", 0, 3)
    events, cases = run.events(), run.cases()
    assert outcome.cases.estimate == (events["kind"] == "enrolled").sum() / 2
    among = set(zip(*events[events["kind"] == "enrolled"][["replication", "case"]].to_numpy().T, strict=True))
    mine = cases[(cases["work"] == "main") & (cases["arrived"] >= 150 * SECOND)]
    new = mine[[pair in among for pair in zip(mine["replication"], mine["case"], strict=True)]]
    there, beside = outcomes.arms
    assert (there.new, beside.new) == (True, False)
    assert there.cases.estimate == len(new) / 2
    assert beside.cases.estimate == (len(mine) - len(new)) / 2
    wrong = [part["wrong"].mean() for _, part in new.groupby("replication")]
    assert there.wrong.estimate == pytest.approx(sum(wrong) / 2)


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("to: {workflow: new}", "to: {workflow: nwe}", "unknown workflow `nwe`"),
        ("to: {workflow: new}", "to: {workflow: old}", "the new workflow is the old one"),
        ("to: {workflow: new}", "to: {workflow: new, success: 0.5}", "a workflow has no `success`"),
        ("to: {workflow: new}", "to: {}", "the new workflow is not named"),
        ("workflow: old, ", "", "a rollout of a workflow needs `workflow`"),
        ("workflow: old, ", "workflow: odl, ", "unknown workflow `odl`"),
        ("of: workflow", "of: model", "a rollout of a model has no use for `workflow`"),
        ("of: workflow", "of: model", "a new model is no workflow"),
    ],
)
def test_what_is_wrong_with_it_is_told(tmp_path: Path, good: str, bad: str, message: str) -> None:
    assert good in rollout()
    told(tmp_path, TEXT + rollout().replace(good, bad, 1), message)


def test_the_new_workflow_is_checked_for_the_cases_that_take_it(tmp_path: Path) -> None:
    text = TEXT.replace("work: {kind: task, agent", "work: {kind: task, acquire: [door], release: [door], agent")
    text = text.replace("attributes: {size: 60}", "attributes: {size: 60, room: 2}")
    told(
        tmp_path, text.replace(", room: 1", "") + rollout(), "work `main` takes lock `door` but has no attribute `room`"
    )
    told(tmp_path, TEXT.replace('size: "uniform', 'sise: "uniform') + rollout(), "the condition does not fit the cases")
    twice = rollout().replace("}\n", ", again: {of: workflow, workflow: old, to: {workflow: new}, at: 1s}}\n")
    told(tmp_path, TEXT + twice, "`old` has a rollout already")


def told(home: Path, text: str, message: str) -> None:
    (home / "scenario.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load(home)
    assert any(found.message.startswith(message) for found in caught.value.diagnostics)
