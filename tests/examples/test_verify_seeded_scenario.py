"""Seeded faults in the rules of a scenario: what it declares holds, and each slip is noticed by its check."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.load import load
from verify.findings import Finding
from verify.verify import verify

SCHEMA = """
entity Role;
entity Agent in [Role] = { level: Long };
entity Person in [Role];
entity Thing = { health: Bool };
entity Case = { asker: Person, approvers: Set<Person> };
action pay, look appliesTo {
  principal: [Agent], resource: [Thing], context: { amount: Long, place: String, approvals?: Set<String> }
};
action approve appliesTo { principal: [Person], resource: [Case], context: {} };
"""
RULES = """
@id("pay") permit(principal == Agent::"payer", action == Action::"pay", resource == Thing::"t")
when { context.amount <= 1000 };
@id("pay more") permit(principal == Agent::"master", action == Action::"pay", resource == Thing::"t");
@id("large") @escalate("board") forbid(principal, action == Action::"pay", resource)
when { context.amount > 100 };
@id("look") permit(principal == Agent::"payer", action == Action::"look", resource == Thing::"t")
when { context.place == "eu" || !resource.health };
@id("master looks") permit(principal == Agent::"master", action == Action::"look", resource == Thing::"t");
@id("stay") forbid(principal, action == Action::"look", resource)
when { resource.health && context.place != "eu" };
@id("approve") permit(principal in Role::"board", action == Action::"approve", resource)
unless { principal == resource.asker || resource.approvers.contains(principal) };
"""


def task(action: str, then: str | None, agent: str = "payer") -> dict[str, Any]:
    step = {
        "kind": "task", "agent": agent, "capability": "act", "action": f'Action::"{action}"', "resource": 'Thing::"t"',
    }  # fmt: skip
    return step if then is None else step | {"next": then}


POOL = {"capabilities": {"act": {"service": "1s"}}, "site": "hall"}
SCENARIO: dict[str, Any] = {
    "windtunnel": 1,
    "name": "seeded",
    "start": "2026-03-25T10:00:00Z",
    "horizon": "1d",
    "policies": {"path": "rules.cedar"},
    "sites": {"hall": {"region": "eu"}},
    "agents": {
        "payer": {**POOL, "principal": 'Agent::"payer"', "parent": "master"},
        "master": {**POOL, "principal": 'Agent::"master"'},
    },
    "desks": {
        "board": {
            "site": "hall",
            "roster": [{"days": "daily", "hours": "00:00-24:00", "staff": 1}],
            "service": "5m",
            "people": 'principal in Role::"board"',
        }
    },
    "chains": {"board": {"levels": [{"desk": "board"}]}},
    "risks": {"large-payment": {"actions": ['Action::"pay"'], "when": "context.amount > 400"}},
    "approvals": {
        "action": 'Action::"approve"',
        "by-asker": "principal == resource.asker",
        "again": "resource.approvers.contains(principal)",
    },
    "data": {
        "health": {
            "regions": ["eu"],
            "actions": ['Action::"look"'],
            "when": "resource.health",
            "within": 'context.place == "eu"',
        }
    },
    "workflows": {
        "w": {
            "start": "pay",
            "steps": {
                "pay": task("pay", "look"),
                "look": task("look", "check"),
                "check": task("look", "settle", "master"),
                "settle": task("pay", None, "master"),
            },
        }
    },
    "work": {
        "w": {
            "workflow": "w",
            "arrivals": {"kind": "poisson", "rate": "1/h"},
            "attributes": {"amount": "uniform(low=1, high=900)", "place": "choice(eu=0.5, us=0.5)"},
        }
    },
}
PAID = 'forbid(principal, action == Action::"pay", resource)\nwhen { context.amount > 100 }'
PAYS = '== Action::"pay", resource == Thing::"t")\nwhen'
LOOKS = 'principal == Agent::"payer", action == Action::"look", resource == Thing::"t"'
MASTER_LOOKS = 'principal == Agent::"master", action == Action::"look", resource == Thing::"t"'
UNLESS = "unless { principal == resource.asker || resource.approvers.contains(principal) }"

SLIPS = [
    # The people who approve need an approval of their own.
    ("P203", "board", PAID, "forbid(principal, action, resource)"),
    # A bound beyond the risk, one value left out, a scope too narrow.
    ("P205", "large-payment", "context.amount > 100", "context.amount > 500"),
    ("P205", "large-payment", "context.amount > 100", "context.amount > 100 && context.amount != 401"),
    ("P205", "large-payment", PAID, PAID.replace("principal,", 'principal == Agent::"master",')),
    # The asker, or a second time: a dropped operand, another operator, a dropped clause.
    ("P206", "by-asker", "principal == resource.asker || ", ""),
    ("P206", "again", " || resource.approvers.contains(principal)", ""),
    ("P206", "again", "principal == resource.asker || resource", "principal == resource.asker && resource"),
    ("P206", "by-asker", UNLESS, ""),
    # Nobody of the desk may approve: a negation, a swapped effect, `when` for `unless`.
    ("P207", "board", "|| resource.approvers", "|| !resource.approvers"),
    ("P207", "board", 'permit(principal in Role::"board"', 'forbid(principal in Role::"board"'),
    ("P207", "board", "unless { principal == resource.asker", "when { principal == resource.asker"),
    # Health data leaves: one other place for all but one, a negation, a rule that asks and does not deny.
    ("P301", "health", 'context.place != "eu"', 'context.place == "us"'),
    ("P301", "health", "resource.health && context", "!resource.health && context"),
    ("P301", "health", '@id("stay")', '@id("stay") @escalate("board")'),
    # More than the steps use, more than the parent may.
    ("P302", "payer", PAYS, '== Action::"pay", resource) when'),
    ("P302", "master", MASTER_LOOKS, MASTER_LOOKS.removesuffix(' == Thing::"t"')),
    ("P302", "payer", '"pay more") permit', '"pay more") forbid'),
    # A step that is never allowed: a bound of the wrong way, a swapped effect, a resource of another name.
    ("P303", "pay", "context.amount <= 1000", "context.amount > 1000"),
    ("P303", "pay", '"pay") permit', '"pay") forbid'),
    ("P303", "look", LOOKS, LOOKS.replace('"t"', '"s"')),
]
CHECKS = sorted({slip[0] for slip in SLIPS})


def judged(folder: Path, rules: str) -> tuple[Finding, ...]:
    (folder / "rules.cedar").write_text(rules)
    (folder / "rules.cedarschema").write_text(SCHEMA)
    (folder / "scenario.yaml").write_text(json.dumps(SCENARIO))  # JSON is YAML
    loaded = load(folder)
    return verify(loaded.policies, loaded, checks=CHECKS).findings


def violated(findings: tuple[Finding, ...]) -> Mapping[str, str]:
    """What is violated, by check: all that is said."""
    found: dict[str, str] = {}
    for finding in findings:
        if finding.verdict == "violated":
            names = " ".join(ref.name for ref in finding.policies)
            found[finding.check] = f"{found.get(finding.check, '')}\n{names}: {finding.message}"
    return found


def test_nothing_is_wrong_before(tmp_path: Path) -> None:
    findings = judged(tmp_path, RULES)
    assert {(f.check, f.message) for f in findings if f.verdict != "holds"} == set()
    assert {f.check for f in findings} == set(CHECKS)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip[0]} {slip[1]}")
def test_a_slip_is_noticed_by_its_check(tmp_path: Path, slip: tuple[str, str, str, str]) -> None:
    check, name, old, new = slip
    assert RULES.count(old) == 1
    assert name in violated(judged(tmp_path, RULES.replace(old, new)))[check]
