"""Workflows within workflows: the same as their steps put in by hand, and event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.diagnostics import InputError
from models.load import LoadedScenario, load
from reports.outcomes import assess
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules
from sim.run import open_run
from sim.simulate import simulate
from verify.verify import verify

HEAD = """\
windtunnel: 1
name: nested
start: 2026-01-05T00:00:00Z
horizon: 4000s
agents:
  pool:
    replicas: 2
    capabilities: {look: {service: 9s}, long: {service: 25s}, never: {service: 3s, success: 0}}
desks: {people: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 11s}}
locks: {file: {key: part}}
work:
  w:
    workflow: main
    arrivals: {kind: poisson, rate: 150/h}
    attributes: {size: "uniform(low=0, high=100)", part: "choice(x=0.5, y=0.5)"}
"""
NESTED = """\
workflows:
  main:
    start: first
    steps:
      first: {kind: wait, duration: 2s, acquire: [file], next: check}
      check: {kind: sub-workflow, workflow: check, next: then, on-failure: mend, on-deny: no, on-timeout: late}
      then: {kind: choice, arms: [{when: 'context.size < 60', next: again}], otherwise: last}
      again: {kind: sub-workflow, workflow: inner, next: last, on-deny: last}
      mend: {kind: wait, duration: 7s, next: last}
      late: {kind: wait, duration: 8s, next: last}
      last: {kind: task, agent: pool, capability: look, release: [file]}
      no: {kind: end, outcome: denied}
  check:
    start: both
    steps:
      both: {kind: parallel, branches: [left, right], join: met}
      left: {kind: task, agent: pool, capability: long, next: met}
      right: {kind: choice, arms: [{when: 'context.size > 80', next: wrong}], otherwise: slow}
      wrong: {kind: task, agent: pool, capability: never, next: met}
      slow: {kind: wait, duration: 20s, next: met}
      met: {kind: sub-workflow, workflow: inner}
  inner:
    start: ask
    steps:
      ask: {kind: desk, desk: people, timeout: 18s, next: which}
      which: {kind: choice, arms: [{when: 'context.size < 10', next: bad}], otherwise: good}
      bad: {kind: end, outcome: denied}
      good: {kind: wait, duration: 1s}
"""
INLINED = """\
workflows:
  main:
    start: first
    steps:
      first: {kind: wait, duration: 2s, acquire: [file], next: both}
      both: {kind: parallel, branches: [left, right], join: ask}
      left: {kind: task, agent: pool, capability: long, next: ask}
      right: {kind: choice, arms: [{when: 'context.size > 80', next: wrong}], otherwise: slow}
      wrong: {kind: task, agent: pool, capability: never, next: ask, on-failure: wrongly}
      wrongly: {kind: end, outcome: failed}
      slow: {kind: wait, duration: 20s, next: ask}
      ask: {kind: desk, desk: people, timeout: 18s, next: which, on-timeout: late}
      which: {kind: choice, arms: [{when: 'context.size < 10', next: no}], otherwise: good}
      good: {kind: wait, duration: 1s, next: then}
      then: {kind: choice, arms: [{when: 'context.size < 60', next: ask2}], otherwise: last}
      ask2: {kind: desk, desk: people, timeout: 18s, next: which2}
      which2: {kind: choice, arms: [{when: 'context.size < 10', next: last}], otherwise: good2}
      good2: {kind: wait, duration: 1s, next: last}
      late: {kind: wait, duration: 8s, next: last}
      last: {kind: task, agent: pool, capability: look, release: [file]}
      no: {kind: end, outcome: denied}
"""
OWN = ("sub-workflow-ended",)
SAME = {"check", "again", "met", "wrongly", "bad", "mend"}
"""Steps that only one of the two has: at no time of their own, but `mend`."""


def loaded(folder: Path, text: str) -> LoadedScenario:
    (folder / "scenario.yaml").write_text(text)
    (folder / "one.csv").write_text("t\n0\n")
    return load(folder)


def flown(scenario: LoadedScenario) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    replication = Replication(compile_plan(scenario), compile_rules(scenario), 5, 0)
    replication.run()
    tables = replication.tables("", 5)
    return tables.events.to_pylist(), tables.cases.to_pylist()


def lives(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What happens at places that both have, without what tells of visits."""
    kept = []
    for row in events:
        name = row["place"].rpartition(".")[2].rstrip("2")
        if row["kind"] in ("arrived", "ended"):
            name = ""
        if row["kind"] not in OWN and name not in SAME:
            value = None if row["kind"] == "entered" else row["value"]
            kept.append((row["time"], row["kind"], row["case"], name, value, row["detail"]))
    return kept


def test_a_workflow_within_another_is_as_if_its_steps_stood_there(tmp_path: Path) -> None:
    """But for failures within, which one branch has and the other way of writing would need a way out of a fork for."""
    nested = NESTED.replace("on-failure: mend, ", "").replace(
        "      mend: {kind: wait, duration: 7s, next: last}\n", ""
    )
    events, cases = flown(loaded(tmp_path, HEAD + nested))
    inlined, others = flown(loaded(tmp_path, HEAD + INLINED))
    assert sorted(lives(events), key=str) == sorted(lives(inlined), key=str)
    assert [case["outcome"] for case in cases] == [case["outcome"] for case in others]
    ended = [row["detail"] for row in events if row["kind"] == "sub-workflow-ended"]
    assert {"completed", "denied", "failed", "expired"} == set(ended), "the test sees all ends"


def test_a_twin_with_another_way_out_is_another(tmp_path: Path) -> None:
    events, _ = flown(
        loaded(tmp_path, HEAD + NESTED.replace("on-deny: no, on-timeout: late", "on-deny: late, on-timeout: no"))
    )
    inlined, _ = flown(loaded(tmp_path, HEAD + INLINED))
    assert sorted(lives(events), key=str) != sorted(lives(inlined), key=str)


ONE = HEAD.replace("kind: poisson, rate: 150/h", "kind: trace, file: one.csv, column: t").replace(
    "uniform(low=0, high=100)", "SIZE"
)


def told(text: str, size: int, tmp_path: Path) -> list[tuple[float, str, str, str]]:
    events, _ = flown(loaded(tmp_path, (ONE + text).replace('"SIZE"', str(size))))
    return [
        (row["time"] / 1e6, row["kind"], row["place"].removeprefix("step:"), row["detail"])
        for row in events
        if row["kind"] in ("sub-workflow-ended", "ended", "locked", "unlocked")
        or (row["kind"] == "entered" and row["place"].startswith("step:main"))
    ]


def test_a_failed_branch_ends_the_workflow_that_it_is_in_and_not_the_case(tmp_path: Path) -> None:
    """2 s of waiting, 3 s in vain; then 7 s by `on-failure`, and 9 s of the last step."""
    assert told(NESTED, 90, tmp_path) == [
        (0, "entered", "main.first", ""),
        (0, "locked", "lock:file[x]", ""),
        (2, "entered", "main.check", ""),
        (5, "sub-workflow-ended", "main.check", "failed"),
        (5, "entered", "main.mend", ""),
        (12, "entered", "main.last", ""),
        (21, "unlocked", "lock:file[x]", ""),
        (21, "ended", "main.last", "completed"),
    ]


def test_workflows_end_from_the_inside_out(tmp_path: Path) -> None:
    """25 s of the longer branch, 11 s at the desk, 1 s; the same once more without the branches; 9 s."""
    assert told(NESTED, 20, tmp_path)[3:] == [
        (39, "sub-workflow-ended", "check.met", "completed"),
        (39, "sub-workflow-ended", "main.check", "completed"),
        (39, "entered", "main.then", ""),
        (39, "entered", "main.again", ""),
        (51, "sub-workflow-ended", "main.again", "completed"),
        (51, "entered", "main.last", ""),
        (60, "unlocked", "lock:file[x]", ""),
        (60, "ended", "main.last", "completed"),
    ]


def test_a_deadline_ends_the_case_from_within(tmp_path: Path) -> None:
    text = NESTED + ""
    cut = ONE.replace("column: t}", "column: t}\n    deadline: 30s\n    on-deadline: cancel")
    events, cases = flown(loaded(tmp_path, (cut + text).replace('"SIZE"', "20")))
    assert cases[0]["outcome"] == "expired"
    assert not [row for row in events if row["kind"] == "sub-workflow-ended"]
    assert events[-1]["time"] == 30_000_000


def test_a_limit_counts_over_the_whole_case(tmp_path: Path) -> None:
    text = NESTED.replace("timeout: 18s, next: which", "timeout: 18s, limit: 1, next: which")
    ended = [row for row in told(text, 20, tmp_path) if row[1] in ("sub-workflow-ended", "ended")]
    assert ended[-2:] == [(39, "sub-workflow-ended", "main.again", "failed"), (39, "ended", "main.again", "failed")]


def test_the_report_tells(tmp_path: Path) -> None:
    simulate(loaded(tmp_path, HEAD + NESTED), tmp_path / "run", replications=2, workers=1)
    found = assess(open_run(tmp_path / "run")).sub_workflows
    assert [(step.step, step.workflow) for step in found] == [
        ("main.check", "check"),
        ("main.again", "inner"),
        ("check.met", "inner"),
    ]
    assert all(0 < step.completed.estimate <= step.ended.estimate for step in found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("workflow: inner, next: last", "workflow: iner, next: last", "did you mean `inner`?"),
        ("good: {kind: wait, duration: 1s}", "good: {kind: sub-workflow, workflow: check}", "comes to itself"),
        ("next: then, on-failure: mend", "next: then, on-failure: mned", "did you mean `mend`?"),
        (
            "left: {kind: task, agent: pool, capability: long, next: met}",
            "left: {kind: sub-workflow, workflow: inner}",
            "completes the case at `left`",
        ),
    ],
)
def test_what_a_sub_workflow_names_is_checked(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        loaded(tmp_path, HEAD + NESTED.replace(old, new))
    assert message in str(raised.value)


GUARDED = """\
windtunnel: 1
name: guarded
start: 2026-01-05T00:00:00Z
horizon: 400s
policies: {path: rules.cedar}
sites: {here: {region: eu}, there: {region: us}}
data: {health: {regions: [eu]}}
agents: {pool: {site: there, principal: 'Agent::"a"', capabilities: {look: {service: 9s}}}}
workflows:
  main: {start: go, steps: {go: {kind: sub-workflow, workflow: inner}}}
  inner:
    start: ask
    steps:
      ask: {kind: task, agent: pool, capability: look, action: 'Action::"x"', resource: 'T::"t"', data: [health]}
work: {w: {workflow: main, arrivals: {kind: poisson, rate: 9/h}, attributes: {size: 3}}}
"""


RULE = 'permit (principal == Agent::"a", action == Action::"x", resource == T::"t") when { context.size > LEAST };'


def test_verification_sees_through(tmp_path: Path) -> None:
    """Data outside its regions (P301) and an action that is never allowed (P303) are within the inner workflow, and
    the step that needs the permission is seen there (P302)."""
    (tmp_path / "rules.cedar").write_text(RULE.replace("LEAST", "5"))
    scenario = loaded(tmp_path, GUARDED)
    found = verify(scenario.policies, scenario, checks=["P301", "P302", "P303"])
    verdicts = {finding.check: finding.verdict for finding in found.findings}
    assert verdicts == {"P301": "violated", "P302": "holds", "P303": "violated"}
    (tmp_path / "rules.cedar").write_text(RULE.replace("LEAST", "2"))
    scenario = loaded(tmp_path, GUARDED.replace("site: there", "site: here"))
    found = verify(scenario.policies, scenario, checks=["P301", "P303"])
    assert {finding.check: finding.verdict for finding in found.findings} == {"P301": "holds", "P303": "holds"}
