"""Outcomes by workflow, step and site, against plain loops over the rows: parts add up to the whole."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.load import load
from models.units import DAY, HOUR
from reports.outcomes import Outcomes, assess
from reports.sections import sections
from sim.run import Run, open_run
from sim.simulate import simulate

ROOT = Path(__file__).parents[2]
REPLICATIONS = 2


@pytest.fixture(scope="module", params=["claims-multi-region", "incident-desk", "refund-desk"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A shipped scenario, without its faults of later days."""
    loaded = load(ROOT / "scenarios" / request.param)
    scenario = loaded.scenario.model_copy(update={"horizon": 2 * DAY, "warm_up": 6 * HOUR, "faults": ()})
    folder = tmp_path_factory.mktemp("runs") / "run"
    return open_run(simulate(replace(loaded, scenario=scenario), folder, replications=REPLICATIONS, workers=1).folder)


@pytest.fixture(scope="module")
def outcomes(run: Run) -> Outcomes:
    return assess(run)


def rows_of(run: Run) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return run.cases().to_dict("records"), run.events().to_dict("records")


def test_workflows_have_the_cases_that_began_in_them(run: Run, outcomes: Outcomes) -> None:
    cases, _ = rows_of(run)
    of_work = {name: work.workflow for name, work in run.scenario.work.items()}
    measured = [case for case in cases if case["measured"]]
    assert [found.workflow for found in outcomes.workflows] == list(run.scenario.workflows)
    assert sum(found.cases for found in outcomes.workflows) == len(measured)
    for found in outcomes.workflows:
        mine = [case for case in measured if of_work[case["work"]] == found.workflow]
        assert found.cases == len(mine)
        if not mine:  # the workflow of a topic's consumers, where no case begins
            assert not found.completed.known
            continue
        shares, costs = [], []
        for number in range(REPLICATIONS):
            each = [case for case in mine if case["replication"] == number]
            ended = [case for case in each if case["outcome"] not in ("in-flight", "stuck")]
            shares.append(sum(case["outcome"] == "completed" for case in each) / len(each))
            costs.append(sum(case["cost"] for case in ended) / 1e6 / len(ended))
        assert found.completed.estimate == pytest.approx(sum(shares) / REPLICATIONS)
        assert found.cost.estimate == pytest.approx(sum(costs) / REPLICATIONS)


def test_every_entry_and_every_end_is_told_of_its_step(run: Run, outcomes: Outcomes) -> None:
    cases, events = rows_of(run)
    measured = {(case["replication"], case["case"]) for case in cases if case["measured"]}
    counted: Counter[tuple[str, str]] = Counter(
        (event["kind"], event["place"])
        for event in events
        if event["kind"] in ("entered", "ended") and (event["replication"], event["case"]) in measured
    )
    for workflow in outcomes.workflows:
        for step in workflow.steps:
            place = f"step:{workflow.workflow}.{step.step}"
            assert step.entered.estimate == pytest.approx(counted.pop(("entered", place), 0) / REPLICATIONS)
            assert step.ended.estimate == pytest.approx(counted.pop(("ended", place), 0) / REPLICATIONS)
            assert step.over_limit.estimate == 0
    assert not counted, "no entry and no end is left over"


def test_sites_share_out_all_attempts_and_all_work_of_people(run: Run, outcomes: Outcomes) -> None:
    _, events = rows_of(run)
    if not run.scenario.sites:
        assert outcomes.sites == ()
        return
    place_of = {f"agent:{name}": pool.site or "" for name, pool in run.scenario.agents.items()}
    place_of |= {f"desk:{name}": desk.site or "" for name, desk in run.scenario.desks.items()}
    busy: dict[tuple[str, str], float] = defaultdict(float)
    counted: Counter[tuple[str, str, str]] = Counter()
    for event in events:
        kind, (what, _, _) = event["kind"], event["place"].partition(":")
        if event["place"] not in place_of or kind not in ("started", "finished", "attempt-failed"):
            continue
        site = place_of[event["place"]]
        counted[site, what, kind] += 1
        busy[site, what] += {"started": 1, "finished": -1, "attempt-failed": 0}[kind] * (2 * DAY - event["time"])
    for found in outcomes.sites:
        told = {
            ("agent", "started"): found.attempts,
            ("agent", "attempt-failed"): found.failed,
            ("desk", "started"): found.reviews,
        }
        for (what, kind), interval in told.items():
            assert interval.estimate == pytest.approx(counted.pop((found.site, what, kind), 0) / REPLICATIONS)
        assert found.agents_busy.estimate == pytest.approx(busy[found.site, "agent"] / (2 * DAY) / REPLICATIONS)
        assert found.people_busy.estimate == pytest.approx(busy[found.site, "desk"] / (2 * DAY) / REPLICATIONS)
        assert found.cut_off.estimate == 0
    assert {kind for _, _, kind in counted} <= {"finished"}, "no attempt and no piece of work is left over"


SITES = """\
windtunnel: 1
name: sites
start: 2026-01-05T00:00:00Z
horizon: 1000s
replications: 2
sites: {east: {}, west: {}, far: {}}
agents:
  here: {site: east, replicas: 3, capabilities: {work: {service: 100s}}}
  there: {site: west, capabilities: {work: {service: 50s, success: 0, detected: 1}}}
desks: {clerk: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 30s}}
workflows:
  flow:
    limit: 2
    start: a
    steps:
      a: {kind: task, agent: here, capability: work, next: b}
      b: {kind: task, agent: there, capability: work, retry: {attempts: 2, backoff: 10s}, on-failure: c}
      c: {kind: desk, desk: clerk, next: d}
      d: {kind: task, agent: here, capability: work}
work: {w: {workflow: flow, arrivals: {kind: trace, file: two.csv, column: t}}}
objectives: {within: {kind: count, of: cases-over-limit, at-most: 0}}
faults: [{kind: partition, sites: [far], at: 200s, lasts: 60s}]
"""


def test_a_run_of_two_cases_by_hand(tmp_path: Path) -> None:
    """Cases at 0 and 800 s. The first: `a` to 100 s; `b` to 150, again from 160 to 210; the clerk to 240; `d` would be
    the third task step, and two are allowed. The second: `a` to 900; `b` to 950, again from 960, at work at the end."""
    (tmp_path / "two.csv").write_text("t\n0\n800\n")
    (tmp_path / "scenario.yaml").write_text(SITES)
    outcomes = assess(open_run(simulate(load(tmp_path), tmp_path / "run", workers=1).folder))
    east, west, far, none = outcomes.sites
    assert [site.site for site in outcomes.sites] == ["east", "west", "far", ""]
    told = [[site.attempts, site.failed, site.reviews] for site in outcomes.sites]
    assert [[i.estimate for i in row] for row in told] == [[2, 0, 0], [4, 3, 0], [0, 0, 0], [0, 0, 1]]
    assert (east.agents_busy.estimate, west.agents_busy.estimate) == (pytest.approx(0.2), pytest.approx(0.19))
    assert (none.people_busy.estimate, far.cut_off.estimate) == (pytest.approx(0.03), 60_000_000)
    (flow,) = outcomes.workflows
    assert (flow.cases, flow.completed.estimate, flow.attempts.estimate) == (4, 0, 3)
    steps = {s.step: (s.entered.estimate, s.ended.estimate, s.over_limit.estimate) for s in flow.steps}
    assert steps == {"a": (2, 0, 0), "b": (2, 0, 0), "c": (1, 0, 0), "d": (1, 1, 1)}
    (within,) = outcomes.objectives
    assert (within.sample.low, within.verdict) == ((1, 1), "fail")
    (section,) = (section for section in sections(outcomes) if section.anchor == "workflows")
    assert section.headlines == ("Cases went over the limit of steps of flow at d, 1 in one replication.",)
    assert [row.head for row in section.rows] == ["flow", "a", "b", "c", "d"]
