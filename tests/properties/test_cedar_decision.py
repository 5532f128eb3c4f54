"""The three-outcome decision: what holds for every set of matching policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cedar.annotations import SEVERITIES
from models.cedar.decision import authorize, decide, matching, merge
from models.cedar.load import policy_set
from models.cedar.policies import Escalation, PolicySet

CHAINS = ("finance", "legal", "security")
REQUEST: dict[str, Any] = {
    "principal": 'Agent::"a"',
    "action": 'Action::"refund"',
    "resource": 'Order::"o"',
    "context": {},
}

escalations = st.builds(
    Escalation,
    st.sampled_from(CHAINS),
    st.none() | st.sampled_from([60_000_000, 900_000_000, 3_600_000_000]),
    st.none() | st.sampled_from(SEVERITIES),
)
rules = st.tuples(st.sampled_from(["permit", "forbid"]), st.none() | escalations, st.booleans())


def _text(number: int, rule: tuple[str, Escalation | None, bool]) -> str:
    effect, escalation, holds = rule
    condition = "true" if holds else "context.absent" if number % 2 else "false"
    if effect == "permit" or escalation is None:
        return f"{effect} (principal, action, resource) when {{ {condition} }};"
    timeout = f'@timeout("{escalation.timeout // 1_000_000}s")' if escalation.timeout else ""
    severity = f'@severity("{escalation.severity}")' if escalation.severity else ""
    escalate = f'@escalate("{escalation.chain}") {timeout} {severity}'
    return f"{escalate} forbid (principal, action, resource) when {{ {condition} }};"


def _set(drawn: Sequence[tuple[str, Escalation | None, bool]]) -> PolicySet:
    return policy_set("\n".join(_text(number, rule) for number, rule in enumerate(drawn)))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(rules, max_size=8))
def test_the_matching_policies_are_those_whose_condition_is_true(drawn: list[Any]) -> None:
    matched, errored = matching(_set(drawn), REQUEST)
    assert matched == {number for number, (_, _, holds) in enumerate(drawn) if holds}
    assert errored == {number for number, (_, _, holds) in enumerate(drawn) if not holds and number % 2}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(rules, max_size=8))
def test_without_approvals_anything_but_allow_is_cedars_deny(drawn: list[Any]) -> None:
    """An enforcement point that does not know `@escalate` fails closed, and agrees on every allow."""
    policies = _set(drawn)
    plain = cedarpy.is_authorized(REQUEST, policies.handle, [])
    decision = authorize(policies, REQUEST)
    assert (decision.outcome == "allow") == plain.allowed
    if all(policy.escalation is None for policy in policies.policies):
        assert decision.outcome in ("allow", "deny")
        assert {policies.policies[i].id for i in decision.determining} == set(plain.diagnostics.reasons)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(rules, max_size=8), st.sets(st.sampled_from(CHAINS)))
def test_the_decision_follows_the_four_steps(drawn: list[Any], granted: set[str]) -> None:
    """The rule of the design, written as one expression over the drawn rules."""
    policies = _set(drawn)
    live = [policy for policy, (_, _, holds) in zip(policies.policies, drawn, strict=True) if holds]
    forbids = [policy for policy in live if policy.effect == "forbid"]
    asked = {p.escalation.chain for p in forbids if p.escalation} - granted
    expected = (
        ("deny", "forbidden") if any(p.escalation is None for p in forbids)
        else ("deny", "not permitted") if not any(p.effect == "permit" for p in live)
        else ("escalate", "escalated") if asked
        else ("allow", "allowed")
    )  # fmt: skip
    decision = decide(policies, [p.index for p in live], frozenset(granted))
    assert (decision.outcome, decision.kind) == expected
    assert set(decision.chains) == (asked if decision.outcome == "escalate" else set())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(rules, max_size=8))
def test_granting_every_chain_asked_ends_the_asking(drawn: list[Any]) -> None:
    policies = _set(drawn)
    decision = authorize(policies, REQUEST)
    after = authorize(policies, REQUEST, approvals=decision.chains)
    assert after.outcome == ("allow" if decision.outcome == "escalate" else decision.outcome)


@given(st.lists(escalations, max_size=8), st.randoms(use_true_random=False))
def test_the_merge_is_strictest_first_whatever_the_order(drawn: list[Escalation], random: Any) -> None:
    shuffled = list(drawn)
    random.shuffle(shuffled)
    merged = merge(shuffled)
    assert merged == merge(drawn)
    assert [one.chain for one in merged] == sorted({one.chain for one in drawn})
    for one in merged:
        own = [rule for rule in drawn if rule.chain == one.chain]
        assert all(one.timeout is not None and one.timeout <= rule.timeout for rule in own if rule.timeout)
        assert all(
            rule.severity is None or SEVERITIES.index(one.severity or "low") >= SEVERITIES.index(rule.severity)
            for rule in own
        )
        assert (one.timeout is None) == all(rule.timeout is None for rule in own)
        assert (one.severity is None) == all(rule.severity is None for rule in own)


# Forbids that fail open: each is skipped by Cedar, which the error bit tells.

OVERFLOW = {**REQUEST, "context": {"n": 2**63 - 1}}


@pytest.mark.parametrize(
    ("forbid", "request_", "entities"),
    [
        ('context.cmd in ["a", "b"]', {**REQUEST, "context": {"cmd": "a"}}, []),
        ("context.n > 5", REQUEST, []),
        ("context has n && context.n * 1000 > 5", OVERFLOW, []),
        ("principal.tier < 3", REQUEST, []),
    ],
    ids=["in on strings", "absent attribute", "overflow", "entity not in the store"],
)
def test_a_forbid_that_errors_does_not_match_and_is_reported(forbid: str, request_: Any, entities: Any) -> None:
    policies = policy_set(
        f"permit (principal, action, resource);\nforbid (principal, action, resource) when {{ {forbid} }};"
    )
    assert matching(policies, request_, entities) == ({0}, {1})
    assert authorize(policies, request_, entities).outcome == "allow"


# Approvals in the context

SEES_APPROVALS = """
entity Agent; entity Order;
action refund appliesTo { principal: Agent, resource: Order, context: { approvals: Set<String> } };
"""
APPROVED_BY_LEGAL = """
permit (principal, action, resource);
@escalate("finance") forbid (principal, action, resource) unless { context.approvals.contains("legal") };
"""


def test_approvals_are_seen_in_the_context_where_the_schema_has_them() -> None:
    policies = policy_set(APPROVED_BY_LEGAL, SEES_APPROVALS)
    assert authorize(policies, REQUEST).chains == ("finance",)
    assert authorize(policies, REQUEST, approvals=["legal"]).outcome == "allow"
    assert authorize(policies, REQUEST, approvals=["finance"]).outcome == "allow"


def test_a_request_that_cedar_cannot_read_is_refused() -> None:
    policies = policy_set("permit (principal, action, resource);")
    with pytest.raises(ValueError, match="untagged"):
        matching(policies, {**REQUEST, "context": {"n": 2**70}})
    with pytest.raises(ValueError, match="expected an entity uid"):
        matching(policies, {**REQUEST, "principal": "Agent"})


def test_ids_of_any_characters_are_asked_about() -> None:
    policies = policy_set(r'permit (principal == Agent::"a\n\"\\b\u{1F600}\0", action, resource);')
    text = r'Agent::"a\n\"\\b\u{1F600}\0"'
    assert authorize(policies, {**REQUEST, "principal": text}).outcome == "allow"
    assert authorize(policies, {**REQUEST, "principal": {"type": "Agent", "id": 'a\n"\\b😀\0'}}).outcome == "allow"
