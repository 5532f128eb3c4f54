"""What the verifier does not know it says so; what contradicts itself is an internal error, never a finding."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from models.cedar.decision import matching
from models.cedar.load import policy_set
from verify import cvc5_backend, extensions, query, z3_backend
from verify.catalogue import SPELLING
from verify.json import to_json, write_scripts
from verify.query import BUDGETS, Analysis, Case, Found, Impossible, VerifierError
from verify.symbolic import UnsupportedError
from verify.term import Term
from verify.verify import verify
from verify.z3_backend import Reply

SCHEMA = """
entity User; entity Doc;
action view appliesTo {
  principal: User, resource: Doc, context: { n: Long, m: Long, o: Long, at: datetime, price: decimal, s: String }
};
"""
TEXT = """
@id("a") permit(principal, action, resource) when { context.n > 3 };
@id("b") permit(principal, action, resource)
when {
  context.n > 5 &&
  context.price.lessThan(decimal("1.5"))
};
"""


@pytest.fixture
def unknown_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the encoding did not know `lessThan`: it knows all of the language."""

    def refuse(op: str, left: Term, right: Term) -> NoReturn:
        raise UnsupportedError("lessThan")

    monkeypatch.setattr(extensions, "binary", refuse)


@pytest.mark.usefixtures("unknown_comparison")
def test_an_unsupported_construct_is_named_with_its_line() -> None:
    findings = verify(policy_set(TEXT, SCHEMA, file="rules.cedar"))
    told = {(f.check, f.policies[0].name): f for f in findings.findings}
    assert told["P101", "b"].verdict == "undecided"
    assert "unsupported lessThan at rules.cedar:6" in told["P101", "b"].message
    assert told["P101", "a"].verdict == "holds"
    assert findings.verdict == "undecided"


@pytest.mark.usefixtures("unknown_comparison")
def test_what_holds_whatever_the_unknown_policy_does_is_still_told() -> None:
    text = TEXT + '@id("c") permit(principal, action, resource) when { context.n > 7 };'
    told = {f.policies[0].name: f for f in verify(policy_set(text, SCHEMA), checks=["P104"]).findings}
    assert told["c"].verdict == "violated"
    assert [p.name for p in told["c"].policies] == ["c", "a"]
    assert told["a"].verdict == "holds"


@pytest.mark.usefixtures("unknown_comparison")
def test_a_policy_for_another_action_hinders_nothing() -> None:
    schema = SCHEMA + "action other appliesTo { principal: User, resource: Doc, context: { at: datetime } };"
    text = """
    @id("a") permit(principal, action == Action::"view", resource) when { context.n > 3 };
    @id("b") forbid(principal, action == Action::"other", resource)
    when { context.at.durationSince(datetime("2026-01-01")) > duration("1d") };
    """
    told = {(f.check, f.policies[0].name): f.verdict for f in verify(policy_set(text, schema)).findings}
    assert {verdict for (_, name), verdict in told.items() if name == "a"} == {"holds"}


GUESSED = """
@id("number") permit(principal is User, action == Action::"view", resource is Doc) when { context.n > 3 };
@id("text") @owner("a") permit(principal is User, action == Action::"view", resource is Doc)
when { context.n == "gold" };
@id("ask") @escalate("desk") forbid(principal is User, action == Action::"view", resource is Doc)
when { context.n == 9 };
@id("clean") permit(principal is User, action == Action::"edit", resource is Doc) when { context.m > 3 };
@id("within") permit(principal is User, action == Action::"edit", resource is Doc) when { context.m > 7 };
@id("deny") @owner("b") forbid(principal is User, action == Action::"view", resource is Doc) when { context.k };
"""


def test_nothing_holds_of_a_policy_that_reads_an_attribute_of_two_types() -> None:
    findings = verify(policy_set(GUESSED, file="rules.cedar")).findings
    about = [
        f for f in findings if f.check not in SPELLING and {"number", "text", "ask"} & {p.name for p in f.policies}
    ]
    assert {f.verdict for f in about} == {"undecided"}
    assert {f.check for f in about} >= {"P101", "P102", "P104", "P105", "P106", "P201"}
    where = "`context.n` is used as Long (rules.cedar:2) and String (rules.cedar:4)"
    assert all(where in f.message and f.witness is f.proof is None for f in about)


def test_what_is_undecided_names_its_policies_and_each_reason_once() -> None:
    told = {(f.check, f.policies[0].name): f.message for f in verify(policy_set(GUESSED, file="rules.cedar")).findings}
    for check in ("P101", "P104", "P105"):
        assert told[check, "number"].startswith("undecided for `number` (rules.cedar:2): no schema says the type: ")
        assert told[check, "number"].count("no schema says") == 1


def test_what_such_a_policy_has_no_part_in_is_still_told() -> None:
    findings = verify(policy_set(GUESSED)).findings
    told = {(f.check, *(p.name for p in f.policies)): f.verdict for f in findings}
    assert told["P101", "clean"] == told["P104", "clean"] == told["P105", "clean"] == told["P101", "deny"] == "holds"
    assert told["P104", "within", "clean"] == "violated"


def test_a_guess_that_is_taken_for_the_schema_says_what_cedar_refutes() -> None:
    """What the test above guards against: the schema alone says that `text` never matches, and a request matches it."""
    policies = policy_set(GUESSED)
    taken = {f.policies[0].name: f for f in verify(replace(policies, conflicts=()), checks=["P101"]).findings}
    assert taken["text"].verdict == "violated"
    asked = {"principal": 'User::"u"', "action": 'Action::"view"', "resource": 'Doc::"d"', "context": {"n": "gold"}}
    assert 1 in matching(policies, asked)[0]


def test_a_spent_budget_is_undecided_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend in (z3_backend, cvc5_backend):
        monkeypatch.setattr(backend, "check", lambda text, rlimit: Reply("unknown", {}))
    findings = verify(policy_set('@id("a") permit(principal, action, resource) when { context.n > 3 };', SCHEMA))
    (finding, *_) = findings.findings
    assert finding.verdict == "undecided"
    assert "rlimit 10000000" in finding.message
    assert findings.verdict == "undecided"


def test_effort_sets_the_budget() -> None:
    policies = policy_set("permit(principal, action, resource) when { context.n * context.m == context.o };", SCHEMA)
    low, high = (verify(policies, effort=effort).checked["budget"] for effort in ("low", "high"))  # type: ignore[arg-type]
    assert low["z3_rlimit"] < high["z3_rlimit"]
    assert low["cvc5_rlimit"] < high["cvc5_rlimit"]
    with pytest.raises(ValueError, match="effort"):
        verify(policies, effort="extreme")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="P999"):
        verify(policies, checks=["P999"])


def test_a_second_solver_that_gives_up_marks_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cvc5_backend, "check", lambda text, rlimit: Reply("unknown", {}))
    text = '@id("a") permit(principal, action, resource) when { context.n > 3 && context.n + 1 < 4 };'
    (finding, *_) = verify(policy_set(text, SCHEMA)).findings
    assert finding.verdict == "violated"
    assert finding.proof is not None
    assert (finding.proof.solver, finding.proof.checked_by) == ("z3", "none")
    assert finding.proof.single_solver
    assert json.dumps(to_json(verify(policy_set(text, SCHEMA)))).count('"single_solver": true') >= 1


def test_a_first_solver_that_gives_up_leaves_it_to_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(z3_backend, "check", lambda text, rlimit: Reply("unknown", {}))
    text = '@id("a") permit(principal, action, resource) when { context.s like "*a" && context.n > 3 };'
    (finding, *_) = verify(policy_set(text, SCHEMA)).findings
    assert finding.verdict == "holds"
    assert finding.proof is not None
    assert (finding.proof.solver, finding.proof.checked_by) == ("cvc5", "cedarpy")


IMPOSSIBLE = (
    '@id("a") permit(principal, action, resource) when { context.n > 3 && context.m < context.n - 4 - context.n };'
)


def test_solvers_that_disagree_are_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cvc5_backend, "check", lambda text, rlimit: Reply("unsat", {}))
    with pytest.raises(VerifierError, match="contradict") as raised:
        verify(policy_set(IMPOSSIBLE, SCHEMA))
    assert "(check-sat)" in raised.value.bundle["script"]


def test_a_model_that_cedarpy_refutes_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cvc5_backend, "check", lambda text, rlimit: Reply("sat", {"context n": 0}))
    with pytest.raises(VerifierError, match="does not fulfil"):
        verify(policy_set(IMPOSSIBLE, SCHEMA))


def test_an_encoding_that_says_other_than_cedarpy_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cvc5_backend, "check", lambda text, rlimit: Reply("sat", {"context n": 0}))
    monkeypatch.setattr(query, "Valuation", lambda meaning: lambda term: True)
    with pytest.raises(VerifierError, match="cedarpy does not confirm"):
        verify(policy_set(IMPOSSIBLE, SCHEMA))


def test_a_smaller_witness_that_cedarpy_refutes_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "shrink", lambda witness, *_: replace(witness, context={**witness.context, "n": 0}))
    with pytest.raises(VerifierError, match="a smaller witness"):
        verify(policy_set(IMPOSSIBLE, SCHEMA))


def test_an_empty_set_has_no_finding() -> None:
    findings = verify(policy_set("", SCHEMA))
    assert findings.findings == ()
    assert findings.verdict == "pass"
    assert findings.checked["warnings"]


@pytest.mark.usefixtures("unknown_comparison")
def test_json_and_scripts(tmp_path: Path) -> None:
    findings = verify(policy_set(TEXT, SCHEMA, file="rules.cedar"))
    said = json.loads(json.dumps(to_json(findings)))
    assert said["schema"] == "windtunnel.findings/1"
    assert said["verdict"] == "undecided"
    assert said["checked"]["environments"] == [{"principal": "User", "action": 'Action::"view"', "resource": "Doc"}]
    assert {len(finding["id"]) for finding in said["findings"]} == {12}
    written = write_scripts(findings.scripts, tmp_path / "scripts")
    named = {f["proof"]["smt2_sha256"] for f in said["findings"] if f["proof"]} - {""}
    assert {path.stem for path in written} == named
    assert all("(check-sat)" in path.read_text() for path in written)


def test_ids_and_attributes_of_any_text_are_encoded() -> None:
    schema = """entity User; entity Doc;
    action view appliesTo { principal: User, resource: Doc, context: { "a b|c": Long, "": Bool } };"""
    text = r"""permit(principal == User::"x\"|\\\u{1F600}", action, resource)
    when { context["a b|c"] > 1 && context[""] };"""
    (first, *_) = verify(policy_set(text, schema)).findings
    assert first.verdict == "holds"
    assert first.witness is not None
    assert first.witness.context == {"a b|c": 2, "": True}


def _matched(index: int, case: Case) -> bool:
    return index in case.matched


def test_characters_beyond_smtlib_are_themselves() -> None:
    text = """
    permit(principal, action, resource) when { context.s like "*\U000e0001*" && context.s != "\U000e0001" };
    permit(principal, action, resource) when { context.s like "\U000e0001*\U000f0000" && context.s like "*\ud7ff" };
    permit(principal, action, resource) when { context.s == "\U000f0000" };
    """
    about = Analysis(policy_set(text, SCHEMA), BUDGETS["normal"])
    (environment,) = about.policies.schema.environments()
    first, second, third = (
        about.ask(environment, [about.matches(environment, index)], partial(_matched, index), "a match")
        for index in range(3)
    )
    assert isinstance(first, Found)
    assert "\U000e0001" in first.case.witness.context["s"]
    assert isinstance(second, Impossible)
    assert isinstance(third, Found)
    assert third.case.witness.context["s"] == "\U000f0000"


def test_more_of_them_than_smtlib_has_room_for_are_undecided() -> None:
    listed = ", ".join(f'"{chr(0xE0000 + number)}"' for number in range(2049))
    text = f"permit(principal, action, resource) when {{ [{listed}].contains(context.s) }};"
    (first, *_) = verify(policy_set(text, SCHEMA)).findings
    assert first.verdict == "undecided"
    assert "unsupported so many characters above U+2FFFF" in first.message
