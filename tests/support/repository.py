"""A git repository made on the fly: a scenario, its policies and the rules of a gate."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

SCENARIO = """\
windtunnel: 1
name: refunds
start: 2026-01-05T00:00:00Z
horizon: 10h
warm-up: 1h
replications: 6
seed: 7
policies: {path: ../policies}
agents:
  clerk: {principal: 'Agent::"clerk"', replicas: 4, capabilities: {pay: {service: exponential(mean=40s)}}}
desks:
  finance:
    roster: [{days: daily, hours: "00:00-24:00", staff: 2}]
    service: exponential(mean=6m)
    cost-per-hour: 50 USD
chains:
  finance: {levels: [{desk: finance}]}
workflows:
  refund:
    start: pay
    steps:
      pay: {kind: task, agent: clerk, capability: pay, action: 'Action::"pay"', resource: 'Shop::"shop"'}
work:
  refunds: {workflow: refund, arrivals: {kind: poisson, rate: 40/h}, attributes: {amount: "uniform(low=0, high=1000)"}}
objectives:
  refund-answered: {kind: case-share, work: refunds, outcomes: [completed, denied], within: 1h, at-least: 0.9}
"""
SCHEMA = """\
entity Agent;
entity Shop;
action "pay", "void" appliesTo { principal: [Agent], resource: [Shop], context: { amount: Long } };
"""
POLICIES = """\
@id("clerks-pay")
permit (principal == Agent::"clerk", action == Action::"pay", resource == Shop::"shop");

@id("over-cap") @escalate("finance") @timeout("4h") @severity("high")
forbid (principal, action == Action::"pay", resource) when { context.amount > 900 };
"""
RULES = """\
[gate]
forbid = ["newly-allowed", "unescalated"]

[[gate.limit]]
measure = "desks.finance.wait.p95"
rise-at-most = "30m"
"""
FLOOD = POLICIES.replace("> 900", "> 300")
"""Three times the base's cases ask for an approval."""


@dataclass(frozen=True)
class Repository:
    """A checkout with a base branch `main`."""

    root: Path

    def git(self, *words: str) -> str:
        names = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *names, *words], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def branch(self, name: str, **files: str) -> str:
        """A branch from `main` with other policies, or other files."""
        self.git("checkout", "-q", "-b", name, "main")
        for path, text in files.items():
            self.write({"policies": "fleet/policies/refunds.cedar"}.get(path, path), text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", name)
        self.git("checkout", "-q", "main")
        return name


def fleet(root: Path) -> Repository:
    """A repository with a base branch `main`."""
    root.mkdir(exist_ok=True)
    made = Repository(root)
    made.git("init", "-q", "-b", "main")
    made.write("fleet/desk/scenario.yaml", SCENARIO)
    made.write("fleet/policies/refunds.cedar", POLICIES)
    made.write("fleet/policies/fleet.cedarschema", SCHEMA)
    made.write("windtunnel.toml", RULES)
    made.write("README.md", "a fleet")
    made.git("add", "-A")
    made.git("commit", "-q", "-m", "base")
    return made
