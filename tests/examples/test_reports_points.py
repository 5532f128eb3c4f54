"""How large a share of their questions the caches of decision points answer: counted by hand."""

from __future__ import annotations

from pathlib import Path

from models.load import load
from models.units import SECOND
from reports.outcomes import assess
from reports.sections import sections
from sim.run import open_run
from sim.simulate import simulate

SCENARIO = """\
windtunnel: 1
name: shares
start: 2026-01-05T00:00:00Z
horizon: 200s
replications: 2
policies: {path: policies.cedar}
sites: {here: {}, there: {}}
decision-point: {site: there, timeout: 1s}
decision-points: {near: {site: here, cache: {for: 35s, stale-for: 1h}}}
agents:
  mine: {site: here, replicas: 9, principal: 'Agent::"a"', capabilities: {work: {service: 1s}}}
  theirs: {site: there, replicas: 9, principal: 'Agent::"a"', capabilities: {work: {service: 1s}}}
workflows:
  flow:
    start: one
    steps:
      one: {kind: task, agent: mine, capability: work, action: Action::"act", resource: Thing::"x", next: two}
      two: {kind: task, agent: theirs, capability: work, action: Action::"act", resource: Thing::"x"}
work: {stream: {workflow: flow, arrivals: {kind: trace, file: times.csv, column: t}}}
faults: [{kind: partition, sites: [here], at: 95s, lasts: 1h}]
"""


def test_shares_are_of_the_questions_that_agents_of_the_site_ask(tmp_path: Path) -> None:
    """One question each 10 s. The centre answers at 0, 40 and 80; the cache 9 times while its answers are good, 95 s
    included, and 8 times, from 120 to 190 s, past that. Questions of the other site are not its own."""
    (tmp_path / "policies.cedar").write_text('permit (principal, action == Action::"act", resource);\n')
    (tmp_path / "times.csv").write_text("t\n" + "".join(f"{time}\n" for time in range(0, 200, 10)))
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    simulate(load(tmp_path), tmp_path / "run", workers=1)
    outcomes = assess(open_run(tmp_path / "run"))
    (point,) = outcomes.points
    assert (point.kept.estimate, point.stale.estimate) == (9, 8)
    assert (point.kept_share.estimate, point.stale_share.estimate) == (9 / 20, 8 / 20)
    assert point.oldest == 110 * SECOND
    (section,) = [section for section in sections(outcomes) if section.anchor == "points"]
    assert len(section.rows[0].cells) == len(section.columns) - 1
