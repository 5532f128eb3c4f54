"""Findings name the request environments that they speak of."""

from __future__ import annotations

import json

from models.cedar.load import policy_set
from models.cedar.types import RequestEnvironment
from reports.json import from_json
from verify.catalogue import SPELLING
from verify.findings import Finding
from verify.json import to_json
from verify.verify import verify

SCHEMA = """
namespace Shop {
  entity User; entity Clerk; entity Order { total: Long };
  action view appliesTo { principal: [User, Clerk], resource: Order };
  action refund appliesTo { principal: [Clerk], resource: Order };
}
"""
POLICIES = """
@id("view") permit(principal, action == Shop::Action::"view", resource);
@id("none") permit(principal, action == Shop::Action::"view", resource)
when { resource.total > 1 && resource.total < 1 };
@id("clerks") permit(principal is Shop::Clerk, action, resource) when { resource.total > 5 };
@id("clerks-again") permit(principal is Shop::Clerk, action, resource) when { resource.total > 6 };
@id("cap") forbid(principal, action == Shop::Action::"refund", resource) when { resource.total > 5 };
"""
VIEWS = [
    RequestEnvironment("Shop::Clerk", 'Shop::Action::"view"', "Shop::Order"),
    RequestEnvironment("Shop::User", 'Shop::Action::"view"', "Shop::Order"),
]
REFUND = RequestEnvironment("Shop::Clerk", 'Shop::Action::"refund"', "Shop::Order")


def found(check: str, name: str) -> Finding:
    findings = verify(policy_set(POLICIES, SCHEMA)).findings
    return next(f for f in findings if f.check == check and f.policies[0].name == name)


def test_a_claim_about_every_request_names_what_the_scope_fits() -> None:
    finding = found("P101", "none")
    assert finding.verdict == "violated"
    assert list(finding.environments) == VIEWS


def test_a_claim_over_several_actions_names_the_environments_of_each() -> None:
    finding = found("P104", "clerks-again")
    assert finding.verdict == "violated"
    assert sorted(finding.environments, key=str) == sorted([VIEWS[0], REFUND], key=str)


def test_a_witness_stands_in_one_environment() -> None:
    finding = found("P104", "view")
    assert finding.witness is not None
    assert finding.environments in [(view,) for view in VIEWS]


def test_json_has_full_names() -> None:
    findings = to_json(verify(policy_set(POLICIES, SCHEMA)))["findings"]
    policy_findings = [finding for finding in findings if finding["check"] not in SPELLING]
    assert all(finding["environments"] for finding in policy_findings)
    none = next(f for f in findings if f["check"] == "P101" and f["policies"][0]["name"] == "none")
    assert none["environments"] == [
        {"principal": one.principal, "action": one.action, "resource": one.resource} for one in VIEWS
    ]
    proofs = [f["proof"] for f in findings if f["proof"]]
    assert all(set(proof) == {"solver", "checked_by", "single_solver", "smt2_sha256"} for proof in proofs)


def test_findings_kept_with_a_run_keep_them() -> None:
    findings = verify(policy_set(POLICIES, SCHEMA))
    read = from_json(json.loads(json.dumps(to_json(findings))))
    assert [finding.environments for finding in read.findings] == [f.environments for f in findings.findings]
