"""P107: requests that no policy speaks to are found, and where there are none that is proved."""

from __future__ import annotations

import pytest

from models.cedar.decision import decide, matching
from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from reports.verdict import judge
from verify.findings import Finding
from verify.query import request
from verify.verify import verify

SCHEMA = """
entity User; entity Robot; entity Doc;
action view appliesTo { principal: [User, Robot], resource: [Doc], context: { n: Long, approvals?: Set<String> } };
action edit appliesTo { principal: [User], resource: [Doc], context: { n: Long } };
"""


def judged(text: str) -> tuple[PolicySet, dict[str, Finding]]:
    """The set, and its findings by the environments they name."""
    policies = policy_set(text, SCHEMA)
    found = verify(policies, checks=["P107"]).findings
    return policies, {name.name: finding for finding in found for name in finding.policies}


VIEW, ROBOT, EDIT = 'User, Action::"view", Doc', 'Robot, Action::"view", Doc', 'User, Action::"edit", Doc'


def test_environments_that_no_policy_touches_are_told_together() -> None:
    _, found = judged('permit(principal is Robot, action == Action::"view", resource);')
    assert found[VIEW] is found[EDIT]
    assert found[VIEW].verdict == "violated"
    assert "No policy can match" in found[VIEW].message
    assert found[ROBOT].verdict == "holds"


@pytest.mark.parametrize(("bound", "verdict"), [(">= 5", "holds"), ("> 5", "violated"), (">= 6", "violated")])
def test_a_gap_between_two_bounds_is_found_to_the_very_value(bound: str, verdict: str) -> None:
    policies, found = judged(
        'permit(principal, action == Action::"edit", resource) when { context.n < 5 };'
        f'forbid(principal, action == Action::"edit", resource) when {{ context.n {bound} }};'
    )
    finding = found[EDIT]
    assert finding.verdict == verdict
    if verdict == "violated":
        assert finding.witness is not None
        matched, _ = matching(policies, request(finding.witness), finding.witness.entities)
        assert decide(policies, matched).kind == "not permitted"
        assert not matched
        assert finding.witness.context == {"n": 5}


def test_an_error_leaves_a_request_unspoken_to() -> None:
    _, found = judged('permit(principal, action == Action::"edit", resource) when { context.n + 1 > 0 || true };')
    assert found[EDIT].verdict == "violated"
    assert found[EDIT].witness is not None
    assert found[EDIT].witness.context == {"n": 2**63 - 1}


def test_a_policy_for_approved_requests_alone_speaks_to_none_at_first() -> None:
    _, found = judged(
        'permit(principal, action, resource) when { context has approvals && context.approvals.contains("x") };'
    )
    assert found[VIEW].verdict == "violated"


def test_it_never_fails_a_verdict() -> None:
    policies = policy_set('permit(principal, action == Action::"edit", resource);', SCHEMA)
    findings = verify(policies, checks=["P107"])
    assert {f.severity for f in findings.findings} == {"info"}
    assert findings.verdict == "pass"
    assert judge(findings, None, fail_on="warning").result == "pass"


def test_the_findings_of_a_set_stay_apart() -> None:
    policies = policy_set('permit(principal is User, action == Action::"view", resource) when {context.n > 0};', SCHEMA)
    findings = verify(policies, checks=["P107"]).findings
    assert len({f.id for f in findings}) == len(findings) == 2
