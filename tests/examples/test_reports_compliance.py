"""Violations are steps that took effect against policy; decisions that failed open are counted apart."""

from __future__ import annotations

import pandas as pd
import pytest

from reports.html import render_html
from reports.outcomes import Outcomes, assess
from reports.verdict import judge
from sim.run import Run
from windtunnel import api

REPLICATIONS = 5

TEXT = """\
windtunnel: 1
name: open
start: 2026-01-05T00:00:00Z
horizon: 10h
replications: 5
policies: {path: policies.cedar}
sites: {here: {}, there: {}}
decision-point: {site: there, on-unreachable: allow}
agents:
  pool: {site: here, principal: 'Agent::"a"', capabilities: {work: {service: 1m, success: 0.5}}}
workflows:
  flow:
    start: act
    steps:
      act:
        {kind: task, agent: pool, capability: work, action: 'Action::"act"', resource: 'Thing::"thing"',
         on-failure: lost}
      lost: {kind: end, outcome: failed}
work:
  stream: {workflow: flow, arrivals: {kind: poisson, rate: 12/h}, attributes: {n: "uniform(low=1, high=100)"}}
faults: [{kind: partition, sites: [there], at: 3h, lasts: 4h}]
objectives:
  lawful: {kind: count, of: violations, at-most: 1}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("open")
    (folder / "scenario.yaml").write_text(TEXT)
    (folder / "policies.cedar").write_text(
        '@id("may") permit (principal, action, resource);'
        '@id("large") forbid (principal, action, resource) when { context.n > 50 };'
    )
    return api.simulate(api.load(folder), folder / "run", workers=1)


@pytest.fixture(scope="module")
def outcomes(run: Run) -> Outcomes:
    return assess(run)


def let_through(run: Run) -> pd.DataFrame:
    """Cases that the closed point would have stopped, with what became of them."""
    decisions = run.decisions()
    opened = decisions[(decisions["decision"] == "deny") & (decisions["enforced"] == "allow")]
    return opened.merge(run.cases(), on=["replication", "case"])


def test_only_steps_that_succeed_are_violations(run: Run, outcomes: Outcomes) -> None:
    """A case has one step, so it is completed exactly where the step succeeded."""
    cases = let_through(run)
    done = cases[cases["outcome"] == "completed"]
    assert 0 < len(done) < len(cases)
    assert outcomes.compliance.violations.estimate == pytest.approx(len(done) / REPLICATIONS)
    assert outcomes.compliance.failed_open.estimate == pytest.approx(len(cases) / REPLICATIONS)
    assert outcomes.objectives[0].sample.low == tuple((done["replication"] == r).sum() for r in range(REPLICATIONS))


def test_the_report_tells_both_apart(run: Run, outcomes: Outcomes) -> None:
    page = render_html(run.scenario, None, outcomes, judge(None, outcomes))
    cases = let_through(run)
    done = (cases["outcome"] == "completed").sum() / REPLICATIONS
    assert f"let {len(cases) / REPLICATIONS:.3g} through in a replication" in page
    assert f"{done:.3g} of these then took effect" in page
