"""What P205, P206 and P301 suggest to add: the finding is gone after it, and no request is let through that was not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from models.cedar.load import policy_set
from models.load import LoadedScenario, load
from verify.diff import diff
from verify.findings import Edit, Finding
from verify.verify import verify

SCHEMA = """
entity Role;
entity Agent in [Role];
entity Person in [Role];
entity Thing = { secret: Bool };
entity Case = { asker: Person };
action pay, look appliesTo { principal: [Agent], resource: [Thing], context: { amount: Long, place: String } };
action approve appliesTo { principal: [Person], resource: [Case], context: {} };
"""
PAY = '@id("pay") permit(principal, action == Action::"pay", resource);'
ASK = '@id("ask") @escalate("board") forbid(principal, action == Action::"pay", resource) when { context.amount > 99 };'
APPROVE = '@id("approve") permit(principal, action == Action::"approve", resource);'
RULES = f"{PAY}\n{ASK}\n{APPROVE} // the end\n"
PAYING = ['Action::"pay"']


def scenario(folder: Path, rules: str, more: dict[str, Any]) -> LoadedScenario:
    content = {
        "windtunnel": 1, "name": "added", "start": "2026-03-25T10:00:00Z", "horizon": "1d",
        "policies": {"path": "rules.cedar"},
        "agents": {"payer": {"principal": 'Agent::"payer"', "capabilities": {"act": {"service": "1s"}}}},
        "desks": {"board": {"roster": [{"days": "daily", "hours": "00:00-24:00", "staff": 1}], "service": "5m"}},
        "chains": {"board": {"levels": [{"desk": "board"}]}},
        "workflows": {"w": {"start": "s", "steps": {"s": {"kind": "task", "agent": "payer", "capability": "act"}}}},
        "work": {"w": {"workflow": "w", "arrivals": {"kind": "poisson", "rate": "1/h"}}},
        **more,
    }  # fmt: skip
    (folder / "rules.cedar").write_text(rules)
    (folder / "rules.cedarschema").write_text(SCHEMA)
    with (folder / "scenario.yaml").open("w") as file:
        YAML().dump(content, file)
    return load(folder)


def violated(loaded: LoadedScenario, check: str) -> list[Finding]:
    findings = verify(loaded.policies, loaded, checks=[check]).findings
    return [f for f in findings if f.verdict == "violated" and f.witness is not None]


def applied(text: str, edits: Sequence[Edit]) -> str:
    for edit in sorted(edits, key=lambda one: (one.line, one.column), reverse=True):
        at = sum(len(line) + 1 for line in text.split("\n")[: edit.line - 1]) + edit.column - 1
        assert text.startswith(edit.remove, at)
        text = text[:at] + edit.insert + text[at + len(edit.remove) :]
    return text


DECLARED: dict[str, tuple[str, dict[str, Any], str, set[str]]] = {
    "a risk": (
        "P205",
        {"risks": {"r": {"when": "context.amount > 50 // a lot", "actions": PAYING}}},
        '@id("r-asks") @escalate("board")\n'
        'forbid(principal, action in [Action::"pay"], resource)\nwhen {\ncontext.amount > 50 // a lot\n};',
        {"D403"},
    ),
    "a risk of all requests": (
        "P205",
        {"risks": {"r": {"actions": PAYING}}},
        '@id("r-asks") @escalate("board")\nforbid(principal, action in [Action::"pay"], resource);',
        {"D403"},
    ),
    "who asked": (
        "P206",
        {"approvals": {"action": 'Action::"approve"', "by-asker": "principal == resource.asker"}},
        '@id("by-asker-denied")\n'
        'forbid(principal, action in [Action::"approve"], resource)\nwhen {\nprincipal == resource.asker\n};',
        {"D402"},
    ),
    "data": (
        "P301",
        {
            "sites": {"hall": {"region": "eu"}},
            "data": {
                "d": {
                    "regions": ["eu"],
                    "when": "resource.secret",
                    "within": 'context.place == "eu"',
                    "actions": PAYING,
                }
            },
        },
        '@id("d-denied")\nforbid(principal, action in [Action::"pay"], resource)\nwhen {\nresource.secret\n}\n'
        'unless {\ncontext.place == "eu"\n};',
        {"D402"},
    ),
}


@pytest.mark.parametrize("case", DECLARED)
def test_the_finding_is_gone_once_the_suggested_forbid_is_added(case: str, tmp_path: Path) -> None:
    check, more, rule, changes = DECLARED[case]
    (finding,) = violated(scenario(tmp_path, RULES, more), check)
    assert finding.suggestion is not None
    after = applied(RULES, finding.suggestion.edits)
    assert rule in after
    assert not violated(scenario(tmp_path, after, more), check)
    found = diff(policy_set(RULES, SCHEMA), policy_set(after, SCHEMA)).findings.findings
    assert {f.check for f in found if f.verdict == "violated"} == changes


def test_the_name_of_what_is_added_is_free(tmp_path: Path) -> None:
    check, more, _, _ = DECLARED["who asked"]
    rules = RULES + '@id("by-asker-denied") forbid(principal, action == Action::"look", resource);'
    (finding,) = violated(scenario(tmp_path, rules, more), check)
    assert finding.suggestion is not None
    after = applied(rules, finding.suggestion.edits)
    assert '@id("by-asker-denied-2")' in after
    assert not violated(scenario(tmp_path, after, more), check)


@pytest.mark.parametrize(
    ("check", "more"),
    [
        ("P205", {"risks": {"r": {"when": "context.amount + 1 > 50", "actions": PAYING}}}),  # errs, and lets through
        ("P301", {"sites": {"hall": {"region": "eu"}}, "data": {"d": {
            "regions": ["eu"], "when": "true", "within": "context.amount + 1 > 50", "actions": PAYING}}}),
        ("P205", {"risks": {"r": {"actions": PAYING}}, "chains": {
            "board": {"levels": [{"desk": "board"}]}, "other": {"levels": [{"desk": "board"}]}}}),  # whom to ask?
    ],
)  # fmt: skip
def test_what_would_not_be_enough_is_not_suggested(check: str, more: dict[str, Any], tmp_path: Path) -> None:
    (finding,) = violated(scenario(tmp_path, RULES, more), check)
    assert finding.suggestion is None
