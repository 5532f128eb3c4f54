"""The profile `advice`: permits that ask people first, how they decide, and what the checks make of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.cedar.decision import authorize, decide
from models.cedar.load import load_policies, policy_set
from models.cedar.policies import PolicySet
from models.diagnostics import InputError
from verify.diff import diff
from verify.findings import Finding
from verify.query import request
from verify.verify import verify

SCHEMA = """
entity User; entity Doc;
action pay, view appliesTo { principal: [User], resource: [Doc], context: { amount: Long } };
"""
ADVICE = '@advice("{\\"verdict\\": \\"escalate\\", \\"reason\\": \\"large\\"}")'


def rules(*texts: str) -> PolicySet:
    written = "\n".join(f'@id("r{number}") {text}' for number, text in enumerate(texts))
    return policy_set(written, SCHEMA, profile="advice")


def ask(condition: str) -> str:
    return f'{ADVICE} permit(principal, action == Action::"pay", resource) when {{ {condition} }};'


def permit(condition: str) -> str:
    return f'permit(principal, action == Action::"pay", resource) when {{ {condition} }};'


def forbid(condition: str) -> str:
    return f'forbid(principal, action == Action::"pay", resource) when {{ {condition} }};'


def violated(policies: PolicySet, check: str) -> dict[tuple[str, ...], Finding]:
    found = verify(policies, checks=[check]).findings
    assert not [f for f in found if f.verdict == "undecided"]
    return {tuple(p.name for p in f.policies): f for f in found if f.check == check and f.verdict == "violated"}


@pytest.mark.parametrize(
    ("matched", "granted", "outcome", "determining"),
    [
        ({0}, set(), "escalate", (0,)),
        ({0}, {"human"}, "allow", (0,)),
        ({0, 1}, set(), "allow", (1,)),
        ({0, 2}, set(), "deny", (2,)),
        ({1}, set(), "allow", (1,)),
        (set(), set(), "deny", ()),
    ],
)
def test_a_permit_with_advice_asks_where_no_plain_one_matches(
    matched: set[int], granted: set[str], outcome: str, determining: tuple[int, ...]
) -> None:
    policies = rules(ask("true"), permit("true"), forbid("true"))
    decision = decide(policies, matched, frozenset(granted))
    assert (decision.outcome, decision.determining) == (outcome, determining)


@pytest.mark.parametrize("verdict", ["warn", "transform"])
def test_other_verdicts_permit(verdict: str) -> None:
    more = {"transform": {"path": "$policy_target.x", "value": None}} if verdict == "transform" else {}
    text = json.dumps(json.dumps({"verdict": verdict, **more}))
    policies = rules(f"@advice({text}) permit(principal, action, resource);")
    assert decide(policies, {0}).outcome == "allow"
    assert policies.chains == ()


# --- P201 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beside", "cover", "words"),
    [
        (["permit(principal, action, resource);"], ("r0", "r1"), "permitted without asking"),
        ([permit("context.amount > 4")], ("r0", "r1"), "permitted without asking"),
        ([permit("context.amount <= 7"), permit("context.amount > 7")], ("r0", "r1", "r2"), "permitted without asking"),
        ([permit("context.amount <= 7"), forbid("context.amount > 7")], ("r0", "r1", "r2"), "or denied outright"),
        ([forbid("context.amount > 1"), permit("context.amount > 90")], ("r0", "r1"), "denied outright"),
    ],
)
def test_what_plain_permits_let_through_is_never_asked(beside: list[str], cover: tuple[str, ...], words: str) -> None:
    found = violated(rules(ask("context.amount > 5"), *beside), "P201")
    assert found.keys() == {cover}
    assert words in found[cover].message


@pytest.mark.parametrize("beside", [[], [permit("context.amount > 7")], [permit("context.amount < 6")]])
def test_what_is_asked_has_a_request_that_escalates(beside: list[str]) -> None:
    policies = rules(ask("context.amount > 5"), *beside)
    assert not violated(policies, "P201")
    (finding,) = [f for f in verify(policies, checks=["P201"]).findings if f.check == "P201"]
    assert finding.witness is not None
    decision = authorize(policies, request(finding.witness), finding.witness.entities)
    assert (decision.outcome, decision.chains) == ("escalate", ("human",))


# --- the other checks -------------------------------------------------------------------------------------------------


def test_a_plain_permit_that_lets_some_pass_is_told_with_such_a_request() -> None:
    policies = rules(ask("context.amount > 5"), permit("context.amount <= 7"))
    found = violated(policies, "P204")
    assert found.keys() == {("r0", "r1")}
    witness = found["r0", "r1"].witness
    assert witness is not None
    assert witness.context["amount"] in (6, 7)
    assert not violated(rules(ask("context.amount > 5"), permit("context.amount <= 5")), "P204")
    denied = rules(ask("context.amount > 5"), permit("context.amount <= 7"), forbid("context.amount == 6"))
    assert violated(denied, "P204")["r0", "r1"].witness.context["amount"] == 7  # type: ignore[union-attr]


def test_a_plain_permit_is_no_stand_in_for_by_one_that_asks() -> None:
    assert not violated(rules(permit("context.amount > 9"), ask("context.amount > 5")), "P104")
    assert violated(rules(ask("context.amount > 9"), ask("context.amount > 5")), "P104").keys() == {("r0", "r1")}
    assert violated(rules(permit("context.amount > 9"), permit("context.amount > 5")), "P104").keys() == {("r0", "r1")}


def test_an_invariant_is_broken_where_a_plain_permit_lets_pass() -> None:
    invariant = '@invariant("asked") forbid(principal, action == Action::"pay", resource) when { context.amount > 5 };'

    def verdict(*texts: str) -> str:
        written = "\n".join(texts)
        policies = policy_set(written, SCHEMA, profile="advice", invariants=invariant)
        (finding,) = verify(policies, checks=["P305"]).findings
        return finding.verdict

    assert verdict(ask("context.amount > 5"), permit("context.amount <= 5")) == "holds"
    assert verdict(ask("context.amount > 5"), permit("context.amount <= 6")) == "violated"


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ([ask("true")], [permit("true")], {"D404"}),
        ([permit("true")], [ask("true")], {"D403"}),
        ([ask("true")], [ask("true"), permit("context.amount > 8")], {"D404"}),
        ([ask("true")], [ask("context.amount > 3"), ask("context.amount <= 3")], set()),
    ],
)
def test_a_change_of_advice_is_a_change_of_decisions(old: list[str], new: list[str], changes: set[str]) -> None:
    found = diff(rules(*old), rules(*new)).findings.findings
    assert {f.check for f in found if f.verdict == "violated"} == changes


# --- the annotation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("advice", "words"),
    [
        ("{", "not JSON"),
        ("[]", "no object"),
        ("{}", "`verdict`"),
        ('{"verdict": "deny"}', "`verdict`"),
        ('{"verdict": "escalate", "chain": "x"}', "no key `chain`"),
        ('{"verdict": "escalate", "reason": 3}', "`reason`"),
        ('{"verdict": "escalate", "reason": "runtime_error:x"}', "runtime_error:"),
        ('{"verdict": "transform"}', "`transform`"),
        ('{"verdict": "warn", "transform": {"path": "$policy_target", "value": 1}}', "`transform`"),
        ('{"verdict": "transform", "transform": {"path": "$other", "value": 1}}', "$policy_target"),
        ("[" * 5000, "not JSON|nested too deeply"),
        (" " * 20000, "longer than"),
    ],
)
def test_advice_of_another_shape_is_a_fault_in_its_place(advice: str, words: str) -> None:
    text = f"permit(principal, action, resource);\n@advice({json.dumps(advice)})\npermit(principal, action, resource);"
    with pytest.raises(InputError, match=words.replace("$", r"\$").replace("`", ".")) as caught:
        policy_set(text, SCHEMA, profile="advice")
    assert {fault.line for fault in caught.value.diagnostics} == {2}


def test_what_looks_like_asking_and_does_not_is_told() -> None:
    policies = rules(
        f"{ADVICE} forbid(principal, action, resource);", '@escalate("x") forbid(principal, action, resource);'
    )
    assert policies.chains == ()
    assert any("`@advice` does nothing on a forbid" in warning for warning in policies.warnings)
    assert any("`@escalate` is not read" in warning for warning in policies.warnings)


AGT = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar" / "agents" / "agt"


@pytest.mark.skipif(not AGT.is_dir(), reason="the public policy sets are not beside the project")
@pytest.mark.parametrize("file", sorted(p.relative_to(AGT).as_posix() for p in AGT.glob("**/*.cedar")))
def test_the_toolkits_own_sets_are_read_and_decided(file: str) -> None:
    policies = load_policies(AGT / file, profile="advice")
    found = verify(policies).findings
    assert not [f for f in found if f.verdict == "undecided"]
    assert policies.chains == ()  # none of them escalates: the one advice transforms
