"""P103: what makes a policy err is found, told as gravely as it is, and confirmed by cedarpy."""

from __future__ import annotations

import pytest

from models.cedar.decision import authorize, evaluated
from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from verify.findings import Finding
from verify.query import request
from verify.verify import verify

SCHEMA = """
entity Team in [Team] = { open: Bool };
entity User in [Team] = { tier: Long, boss: User, nick?: String } tags Long;
entity Doc = { owner: User };
action view appliesTo { principal: [User], resource: [Doc], context: { n: Long, m?: Long, cmd: String } };
"""
PERMIT = '@id("base") permit(principal, action, resource);\n'


def judged(text: str, schema: str | None = SCHEMA) -> tuple[PolicySet, dict[str, Finding]]:
    """The set, and its findings by the policies they name."""
    policies = policy_set(PERMIT + text, schema)
    found = verify(policies, checks=["P103"]).findings
    return policies, {name.name: finding for finding in found for name in finding.policies}


def rule(condition: str, head: str = "forbid", name: str = "rule") -> str:
    return f'@id("{name}") {head}(principal, action, resource) when {{ {condition} }};\n'


# The fail-open cases: beside a blanket permit, each forbid is skipped and the request is allowed.
FAIL_OPEN = {
    "in on strings, no schema": ('context.cmd in ["a", "b"]', None, "error", "type error"),
    "optional absent, no schema": ("context.n > 5", None, "warning", "attribute `n`"),
    "overflow, validated": ("context has m && context.m * 1000 > 5", SCHEMA, "error", "overflow"),
    "missing entity, validated": ("principal.tier < 3", SCHEMA, "warning", "does not exist"),
}


@pytest.mark.parametrize("case", FAIL_OPEN)
def test_a_forbid_that_fails_open_has_a_witness_that_is_let_through(case: str) -> None:
    condition, schema, severity, cause = FAIL_OPEN[case]
    policies, found = judged(rule(condition), schema)
    finding = found["rule"]
    assert (finding.verdict, finding.severity) == ("violated", severity)
    assert cause in finding.message
    assert "goes through" in finding.message
    assert finding.witness is not None
    asked = request(finding.witness)
    assert evaluated(policies, asked, finding.witness.entities)[1].keys() == {1}
    assert authorize(policies, asked, finding.witness.entities).outcome == "allow"


OVERFLOW = "context.n * 2 > 5"
ANY = "permit(principal, action, resource)"


@pytest.mark.parametrize(
    ("others", "severity", "told"),
    [
        (f'@id("few") {ANY} when {{ context.n > 0 }};', "error", "Here `few` (<text>:2) permits it."),
        (f'@id("some") {ANY} when {{ context.n < 9 }};', "error", "Here `some` (<text>:2) permits it."),
        ("", "warning", "Every request on which it errs is denied all the same"),
        (f'@id("all") {ANY}; @id("no") forbid(principal, action, resource);', "warning", "denied all the same"),
        (f'@id("none") {ANY} when {{ context.n < 9 && context.n > 0 }};', "warning", "denied all the same"),
        ('@id("ask") @escalate("desk") forbid(principal, action, resource); permit(principal, action, resource);',
         "error", "Here `desk` may approve it."),
    ],
)  # fmt: skip
def test_a_forbid_that_errs_is_as_grave_as_what_it_lets_through(others: str, severity: str, told: str) -> None:
    policies = policy_set(f"{rule(OVERFLOW)}{others}", SCHEMA)
    (finding,) = (f for f in verify(policies, checks=["P103"]).findings if f.policies[0].name == "rule")
    assert (finding.verdict, finding.severity) == ("violated", severity)
    assert told in finding.message
    assert finding.witness is not None
    asked = request(finding.witness)
    assert 0 in evaluated(policies, asked, finding.witness.entities)[1]
    assert (authorize(policies, asked, finding.witness.entities).outcome == "deny") == (severity == "warning")


@pytest.mark.parametrize("lacking", ["principal.tier < 3", "resource.owner.tier < 3"])
@pytest.mark.parametrize(
    ("others", "told"),
    [
        (f'@id("some") {ANY} when {{ context.n == 77 }};', "Here `some` (<text>:2) permits it."),
        (f'@id("some") {ANY} when {{ context.n > 5 }};\n@id("no") forbid(principal, action, resource) '
         "when { context.n < 9 };", "Here `some` (<text>:2) permits it."),
        (f'@id("all") {ANY}; @id("no") forbid(principal, action, resource);', ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_forbid_that_lacks_something_is_shown_where_it_lets_something_through(
    lacking: str, others: str, told: str
) -> None:
    policies = policy_set(f"{rule(lacking)}{others}", SCHEMA)
    (finding,) = (f for f in verify(policies, checks=["P103"]).findings if f.policies[0].name == "rule")
    assert finding.severity == "warning"
    assert finding.message.endswith(told or "goes through.")
    assert finding.witness is not None
    asked = request(finding.witness)
    assert 0 in evaluated(policies, asked, finding.witness.entities)[1]
    assert (authorize(policies, asked, finding.witness.entities).outcome == "allow") == bool(told)


def test_of_forbids_that_lack_something_the_one_that_lets_something_through_is_shown() -> None:
    first = '@id("first") forbid(principal, action, resource) when { context.n < 5 && principal.tier < 3 };'
    text = f'{first}{rule("principal.tier < 3")}@id("some") {ANY} when {{ context.n == 77 }};'
    policies = policy_set(text, SCHEMA)
    (finding,) = (f for f in verify(policies, checks=["P103"]).findings if f.verdict == "violated")
    assert [policy.name for policy in finding.policies] == ["first", "rule"]
    assert finding.message.endswith("Here `some` (<text>:2) permits it.")
    assert finding.witness is not None
    assert evaluated(policies, request(finding.witness), finding.witness.entities)[1].keys() == {1}


@pytest.mark.parametrize("approvals", ["approvals: Set<String>", "approvals?: Set<String>"])
def test_a_forbid_that_errs_is_grave_where_policies_see_who_has_approved(approvals: str) -> None:
    schema = SCHEMA.replace("n: Long", f"n: Long, {approvals}")
    assert schema != SCHEMA
    late = 'permit(principal, action, resource) when { context has approvals && context.approvals.contains("desk") };'
    (finding,) = (
        f
        for f in verify(policy_set(rule(OVERFLOW) + late, schema), checks=["P103"]).findings
        if f.policies[0].name == "rule"
    )
    assert (finding.verdict, finding.severity) == ("violated", "error")


def test_the_witness_of_a_missing_entity_is_a_store_without_it() -> None:
    _, found = judged(rule("principal.tier < 3"))
    witness = found["rule"].witness
    assert witness is not None
    present = {f'{e["uid"]["type"]}::"{e["uid"]["id"]}"' for e in witness.entities}
    assert witness.principal not in present
    assert witness.resource in present


@pytest.mark.parametrize(
    "condition",
    [
        "context.n > 5",
        "context has m && context.m > 5",
        "context has m && context.m < 1000 && context.m > -1000 && context.m * 1000 > 5",
        'principal in Team::"a"',
        "principal has nick && principal.nick == context.cmd",
        'principal.hasTag("x") && principal.getTag("x") > 5',
        "if context.n > 0 then context.n - 1 >= 0 else true",
    ],
)
def test_a_policy_that_never_errs_holds(condition: str) -> None:
    _, found = judged(rule(condition))
    assert found["rule"].verdict == "holds"
    assert "never errs" in found["rule"].message


@pytest.mark.parametrize(
    ("condition", "cause"),
    [
        ("context has m && context.m < 1000 && context.m * 1000 > 5", "overflow"),
        ("-context.n > 5", "overflow"),
        ("context.n > 5 || context.n - 1 < 0 && context.n < -5", "overflow"),
        ('principal.hasTag("x") && principal.getTag("x") + 1 > 5', "overflow"),
    ],
)
def test_what_validation_does_not_exclude_is_found(condition: str, cause: str) -> None:
    _, found = judged(rule(condition))
    assert (found["rule"].verdict, found["rule"].severity) == ("violated", "error")
    assert cause in found["rule"].message


@pytest.mark.parametrize(
    "condition",
    [
        "resource.owner.boss.tier > 5",
        'User::"root".tier > context.n',
        'Team::"a".open',
        "resource.owner.boss.boss.boss == principal",
    ],
)
def test_entities_may_be_missing_anywhere(condition: str) -> None:
    _, found = judged(rule(condition))
    assert (found["rule"].verdict, found["rule"].severity) == ("violated", "warning")
    assert "not in the store" in found["rule"].message


def test_severity_follows_the_effect() -> None:
    overflow = "context.n * 2 > 5"
    text = (
        rule(overflow, "permit", "permit")
        + rule(overflow, "forbid", "forbid")
        + rule(overflow, '@escalate("desk") forbid', "ask")
    )
    _, found = judged(text)
    assert {name: finding.severity for name, finding in found.items() if finding.verdict == "violated"} == {
        "permit": "warning",
        "forbid": "error",
        "ask": "error",
    }
    assert "nobody is asked" in found["ask"].message


def test_what_is_lacking_is_told_once_for_each_effect() -> None:
    reads = "principal.tier < 3"
    text = "".join(rule(reads, head, f"{head}{n}") for head in ("permit", "forbid") for n in range(12))
    _, found = judged(text)
    findings = {id(finding): finding for finding in found.values() if finding.verdict == "violated"}
    told = sorted((finding.severity, len(finding.policies)) for finding in findings.values())
    assert told == [("info", 12), ("warning", 12)]
    assert all("and 2 more" in finding.message for finding in findings.values())


def test_what_never_matches_because_it_always_errs_is_told_too() -> None:
    policies = policy_set(rule('context.cmd in ["a"]') + PERMIT)
    checks = {finding.check for finding in verify(policies).findings if finding.verdict == "violated"}
    assert {"P101", "P103"} <= checks


def test_a_missing_entity_answers_no_question_about_whole_stores() -> None:
    text = rule("principal.tier < 3", name="first") + rule("context.n * principal.tier > 3", name="second")
    _, found = judged(text)
    assert found["first"].severity == "warning"
    assert found["second"].severity == "error"
    witness = found["second"].witness
    assert witness is not None
    assert any(e["uid"]["type"] == "User" for e in witness.entities)
