"""Data outside its regions: each attempt, call, desk visit and review there is one breach, and nothing else is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from models.load import load
from reports.outcomes import assess
from sim.simulate import simulate

SCENARIO = """\
windtunnel: 1
name: regions
start: 2026-01-05T00:00:00Z
horizon: 1000s
replications: 2
policies: {path: policies.cedar}
sites: {home: {region: eu}, away: {region: us}, other: {region: us}}
data: {health: {regions: [eu]}, money: {regions: [eu, us]}}
endpoints:
  near: {site: home, latency: 1s}
  far: {site: away, latency: 1s}
agents:
  local: {site: home, principal: 'Agent::"a"', capabilities: {ask: {endpoint: far, calls: 2}}}
  remote: {site: away, capabilities: {ask: {endpoint: near}}}
desks:
  abroad: {site: away, roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 1s}
chains: {board: {levels: [{desk: abroad}]}}
workflows:
  flow:
    start: one
    steps:
      one: {kind: task, agent: local, capability: ask, data: [health, money], next: two,
        action: 'Action::"act"', resource: 'Thing::"thing"'}
      two: {kind: task, agent: remote, capability: ask, data: [health], next: four}
      four: {kind: desk, desk: abroad, data: [health], next: five}
      five: {kind: task, agent: remote, capability: ask}
work: {stream: {workflow: flow, arrivals: {kind: renewal, rate: 1/min, cv: 0}}}
objectives: {home: {kind: count, of: residency-breaches, at-most: 0}}
"""
POLICIES = """\
permit (principal, action, resource);
@escalate("board")
forbid (principal, action, resource);
"""


def test_every_handling_outside_the_regions_is_counted_once_by_place(tmp_path: Path) -> None:
    (tmp_path / "policies.cedar").write_text(POLICIES)
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    run = simulate(load(tmp_path), tmp_path / "run")
    cases = len(run.cases()) // 2
    assert cases == 16
    rows = run.events()
    mine = rows[rows["kind"] == "residency-breach"]
    assert Counter(zip(mine["place"], mine["detail"], strict=True)) == {
        ("endpoint:far", "health in us"): 2 * 2 * cases,
        ("agent:remote", "health in us"): 2 * cases,
        ("desk:abroad", "health in us"): 2 * 2 * cases,
    }
    outcomes = assess(run)
    assert [(b.place, b.what, b.breaches.estimate) for b in outcomes.breaches] == [
        ("agent:remote", "health in us", cases),
        ("desk:abroad", "health in us", 2 * cases),
        ("endpoint:far", "health in us", 2 * cases),
    ]
    assert [(o.name, o.verdict) for o in outcomes.objectives] == [("home", "fail")]


def test_nobody_breaches_anything_where_all_is_at_home(tmp_path: Path) -> None:
    (tmp_path / "policies.cedar").write_text(POLICIES)
    (tmp_path / "scenario.yaml").write_text(SCENARIO.replace("away: {region: us}", "away: {region: eu}"))
    run = simulate(load(tmp_path), tmp_path / "run")
    outcomes = assess(run)
    assert not outcomes.breaches
    assert outcomes.objectives[0].interval.estimate == 0
