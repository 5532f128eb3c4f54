"""Approvals by chain and level, where one chain leads on to another."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.flow_charts import escalation_chart
from reports.html import render_html
from reports.outcomes import assess
from reports.verdict import judge
from windtunnel import api

TEXT = """\
windtunnel: 1
name: chained
start: 2026-01-05T00:00:00Z
horizon: 119m
replications: 2
policies: {path: policies.cedar}
agents:
  pool: {principal: 'Agent::"a"', capabilities: {work: {service: 1m}}}
desks:
  clerk: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 20m}
  boss: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 20m}
chains:
  alpha: {levels: [{desk: clerk, timeout: 3m}, {desk: boss, timeout: 3m}], then: middle}
  middle: {levels: [{desk: boss, timeout: 3m}], then: zeta}
  zeta: {levels: [{desk: clerk, timeout: 5m}, {desk: boss, timeout: 5m}], then: alpha}
workflows:
  flow:
    start: act
    steps:
      act: {kind: task, agent: pool, capability: work, action: 'Action::"act"', resource: 'Thing::"thing"'}
work:
  stream: {workflow: flow, arrivals: {kind: renewal, rate: 1/h, cv: 0}}
"""


def test_levels_are_those_of_their_chain_in_the_order_they_are_tried(tmp_path_factory: pytest.TempPathFactory) -> None:
    """`zeta` leads through `alpha` to `middle`, and desks are the same at equal numbers."""
    folder = tmp_path_factory.mktemp("chained")
    (folder / "scenario.yaml").write_text(TEXT)
    (folder / "policies.cedar").write_text(
        '@id("may") permit (principal, action, resource);'
        '@id("ask") @escalate("zeta") forbid (principal, action, resource);'
    )
    run = api.simulate(api.load(folder), folder / "run", workers=1)
    outcomes = assess(run)
    (chain,) = outcomes.escalation
    assert chain.chain == "zeta"
    assert [(level.chain, level.level, level.desk, level.asked.estimate) for level in chain.levels] == [
        ("zeta", 1, "clerk", 1),
        ("zeta", 2, "boss", 1),
        ("alpha", 1, "clerk", 1),
        ("alpha", 2, "boss", 1),
        ("middle", 1, "boss", 1),
    ]
    assert chain.unanswered.estimate == chain.sought.estimate == 1
    assert chain.left.estimate == 0
    page = render_html(run.scenario, None, outcomes, judge(None, outcomes))
    assert "zeta 2, boss: 1<br>alpha 1, clerk: 1<br>" in page


def test_an_approval_that_is_open_at_the_end_is_not_told_as_answered(tmp_path: Path) -> None:
    """One case comes at 1 h, has its step done at 1 h 1 min, and is looked at until 1 h 21 min."""
    (tmp_path / "policies.cedar").write_text(
        '@id("may") permit (principal, action, resource);'
        '@id("ask") @escalate("plain") forbid (principal, action, resource);'
    )
    for horizon, left, title in (
        ("70m", 1, "Of 1 approval sought from plain in one replication, 1 is left open"),
        ("90m", 0, "Of 1 approval sought from plain in one replication, every one is answered"),
    ):
        (tmp_path / "scenario.yaml").write_text(
            TEXT.replace("119m", horizon).replace("chains:", "chains:\n  plain: {levels: [{desk: clerk}]}")
        )
        outcomes = assess(api.simulate(api.load(tmp_path), tmp_path / "run", workers=1))
        (chain,) = outcomes.escalation
        assert chain.left.estimate == left
        drawn = escalation_chart(outcomes.escalation)
        assert drawn is not None
        assert drawn.title == title
