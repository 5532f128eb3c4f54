"""P204: values that never apply, by one rule or several together, over chains; and what else the rules disagree on."""

from __future__ import annotations

import pytest

from models.cedar.decision import authorize
from models.cedar.load import policy_set
from verify.findings import Finding
from verify.query import request
from verify.verify import verify

SCHEMA = """
entity Agent; entity Thing;
action pay appliesTo { principal: [Agent], resource: [Thing], context: { n: Long, approvals?: Set<String> } };
"""


def rule(name: str, condition: str, timeout: str, severity: str, chain: str = "desk") -> str:
    notes = f'@id("{name}") @escalate("{chain}")'
    notes += f' @timeout("{timeout}")' if timeout else ""
    notes += f' @severity("{severity}")' if severity else ""
    return f"{notes} forbid(principal, action, resource) when {{ {condition} }};"


def judged(*rules: str) -> dict[tuple[str, ...], Finding]:
    text = "\n".join(("permit(principal, action, resource);", *rules))
    found = verify(policy_set(text, SCHEMA), checks=["P204"]).findings
    assert not [f for f in found if f.verdict == "undecided"]
    named = {tuple(p.name for p in f.policies): f for f in found if f.check == "P204"}
    assert len({f.id for f in named.values()}) == len(named)
    return {names: f for names, f in named.items() if f.verdict == "violated"}


@pytest.mark.parametrize(
    ("kind", "mild", "strict", "stricter"),
    [("timeout", ("10m", ""), ("5m", ""), ("3m", "")), ("severity", ("", "low"), ("", "high"), ("", "critical"))],
)
def test_a_value_is_dead_by_several_rules_together(
    kind: str, mild: tuple[str, str], strict: tuple[str, str], stricter: tuple[str, str]
) -> None:
    found = judged(
        rule("mild", "context.n > 2", *mild),
        rule("low", "context.n > 0 && context.n < 6", *strict),
        rule("high", "context.n > 5", *stricter),
        rule("aside", "context.n == 4", *stricter),
    )
    finding = found["mild", "low", "high"]
    assert f"@{kind}" in finding.message
    assert "can never apply" in finding.message
    assert finding.proof is not None


def test_a_hole_keeps_a_value_alive() -> None:
    found = judged(
        rule("mild", "context.n > 2", "10m", ""),
        rule("low", "context.n > 0 && context.n < 5", "5m", ""),
        rule("high", "context.n > 5", "3m", ""),
    )
    (finding,) = found.values()
    assert [policy.name for policy in finding.policies] == ["mild", "low", "high"]
    assert "can match together with 2 rules" in finding.message
    assert "can never apply" not in finding.message


def test_a_rule_is_told_once_with_every_later_rule_that_it_disagrees_with() -> None:
    found = judged(*(rule(f"r{n}", f"context.n > {n}", "5m", "", f"chain-{n}") for n in range(7)))
    assert [len(names) for names in found] == [7, 6, 5, 4, 3, 2]
    first = found["r0", "r1", "r2", "r3", "r4", "r5", "r6"]
    assert "with `r4`" in first.message
    assert "`r5`" not in first.message
    assert first.message.endswith("; and 2 more.")
    assert first.witness is not None


def test_the_merge_is_over_all_chains() -> None:
    text = [rule("finance", "context.n > 5", "10m", "", "finance"), rule("legal", "context.n > 1", "5m", "", "legal")]
    found = judged(*text)
    finding = found["finance", "legal"]
    assert "can never apply" in finding.message
    assert "also ask different chains (`finance` and `legal`)" in finding.message
    assert finding.suggestion is None
    policies = policy_set("\n".join(("permit(principal, action, resource);", *text)), SCHEMA)
    asked = {"principal": 'Agent::"a"', "action": 'Action::"pay"', "resource": 'Thing::"t"', "context": {"n": 6}}
    assert authorize(policies, asked, ()).timeout == 5 * 60 * 1_000_000


def test_a_stricter_rule_that_has_been_asked_already_makes_nothing_dead() -> None:
    found = judged(
        rule("first", "context.n > 1", "5m", "", "first"),
        rule("second", 'context has approvals && context.approvals.contains("first")', "10m", "", "second"),
    )
    assert not found  # `second` asks when `first` has approved, so its ten minutes apply


def test_what_a_dead_value_leaves_open_is_told_with_it() -> None:
    found = judged(
        rule("mild", "context.n > 5", "10m", "high"),
        rule("strict", "context.n > 1", "5m", "low"),
    )
    assert found.keys() == {("mild", "strict")}
    message = found["mild", "strict"].message
    assert 'its `@timeout("10m")` can never apply' in message
    assert "also set different severities (high and low; high applies)" in message


def test_chains_and_values_that_differ_are_told_at_once() -> None:
    found = judged(
        rule("a", "context.n > 5", "10m", "high", "finance"),
        rule("b", "context.n < 9", "5m", "high", "legal"),
    )
    finding = found["a", "b"]
    assert "ask different chains" in finding.message
    assert "set different time-outs" in finding.message
    assert "severities" not in finding.message
    assert finding.witness is not None
    policies = policy_set(
        "permit(principal, action, resource);"
        + rule("a", "context.n > 5", "10m", "high", "finance")
        + rule("b", "context.n < 9", "5m", "high", "legal"),
        SCHEMA,
    )
    decision = authorize(policies, request(finding.witness), finding.witness.entities)
    assert decision.chains == ("finance", "legal")
