"""A set without a schema, and agents whose type no policy names: what the scenario asks is known all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.load import load
from verify.findings import Findings
from verify.verify import verify

SCENARIO = """\
windtunnel: 1
name: schemaless
start: 2026-01-05T00:00:00Z
horizon: 600s
policies: {path: policies.cedar}
agents:
  pool: {principal: 'Agent::"a"', capabilities: {work: {service: 9s}}}
workflows:
  flow:
    start: step
    steps:
      step: {kind: task, agent: pool, capability: work, action: 'Action::"pay"', resource: 'Bill::"any"'}
work:
  stream: {workflow: flow, arrivals: {kind: poisson, rate: 4/min}}
"""
NAMED = '@id("named") permit (principal == User::"u", action == Action::"read", resource == File::"f");\n'


def found(folder: Path, policies: str) -> Findings:
    (folder / "scenario.yaml").write_text(SCENARIO)
    (folder / "policies.cedar").write_text(NAMED + policies)
    loaded = load(folder)
    return verify(loaded.policies, loaded)


def verdict(findings: Findings, check: str) -> set[str]:
    return {finding.verdict for finding in findings.findings if finding.check == check}


@pytest.mark.parametrize(
    ("policies", "may"),
    [
        ('@id("all") permit (principal, action == Action::"pay", resource);', "holds"),
        ('@id("all") permit (principal, action, resource);', "holds"),
        ('@id("theirs") permit (principal is User, action == Action::"pay", resource);', "violated"),
        ('@id("other") permit (principal, action == Action::"read", resource);', "violated"),
    ],
)
def test_agents_that_no_policy_names_are_asked_about(tmp_path: Path, policies: str, may: str) -> None:
    findings = found(tmp_path, policies)
    assert verdict(findings, "P303") == {may}
