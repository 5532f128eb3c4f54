"""Old witnesses, grafts and conditions given only as models break them: the short ways say what the long one says."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping

import cedarpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from random_policies import Writer
from random_schemas import world
from random_sets import annotated, loaded
from verify import query
from verify.catalogue import CATALOGUE
from verify.checks.common import seek
from verify.checks.policies import policy_findings
from verify.findings import Witness
from verify.json import to_json
from verify.pool import Contradictions
from verify.portfolio import Refuter, check
from verify.query import BUDGETS, Analysis, Case, request
from verify.verify import verify

CHECKS = frozenset(CATALOGUE)


def some_set(seed: int) -> PolicySet:
    """Random policies with owners and chains over a random schema."""
    chance = random.Random(seed)
    here = world(chance)
    writer = Writer(here, chance)
    return loaded([annotated(writer, number) for number in range(chance.randint(3, 6))], here)


def verdicts(policies: PolicySet) -> Mapping[tuple[str, ...], str]:
    """Verdicts by check and policy; the policies that a finding names beside it may be one choice among several."""
    return {(f.check, f.policies[0].name): f.verdict for f in verify(policies, effort="low").findings if f.policies}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_a_solver_asked_everything_from_scratch_gives_the_same_verdicts(seed: int) -> None:
    policies = some_set(seed)
    short = verdicts(policies)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Analysis, "recall", lambda *_: None)
        patch.setattr(query, "grafted", lambda *_: None)
        patch.setattr(query, "AT_ONCE", 10**9)
        patch.setattr(Analysis, "known", lambda *_: ())
        patch.setattr(Analysis, "enriched", lambda _, __, case, *___: case)
        patch.setattr(Contradictions, "among", lambda *_: None)
        patch.setattr(Refuter, "__call__", lambda *_: False)
        assert verdicts(policies) == short


def test_what_is_proved_in_one_environment_is_not_asked_again_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    actions = "".join(
        f"action a{n} appliesTo {{ principal: U, resource: U, context: {{ n: Long }} }};" for n in range(9)
    )
    never = "context.n * 3 == 4 * context.n + 1 && context.n > 5"
    text = f'@id("never") permit (principal, action, resource) when {{ {never} }};'
    asked: list[str] = []
    monkeypatch.setattr(query.portfolio, "check", lambda *args: asked.append(args[0]) or check(*args))
    policies = policy_set(text, f"entity U; {actions}")
    (found,) = [f for f in verify(policies, checks=["P101"]).findings if f.check == "P101"]
    assert found.verdict == "violated"
    assert len([text for text in asked if text.startswith("; P101")]) == 1
    assert found.proof is not None
    assert len(found.proof.environments) == 9
    assert (found.proof.solver, found.proof.checked_by) == ("z3", "cvc5")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_every_request_made_is_one_that_cedar_admits_under_the_schema(seed: int) -> None:
    policies = some_set(seed)
    analysis = Analysis(policies, BUDGETS["low"])
    list(policy_findings(analysis, CHECKS))
    for case in (case for cases in analysis._pool.by_environment().values() for case in cases):
        entities = json.dumps(case.witness.entities)
        answer = cedarpy.is_authorized(request(case.witness), policies.handle, entities, policies.schema_text)
        assert answer.decision is not cedarpy.Decision.NoDecision, (answer.diagnostics.errors, case.witness)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_what_the_terms_say_of_smaller_witnesses_cedarpy_says(seed: int) -> None:
    """Of every candidate, not only of those that are kept; from the one before and from scratch."""
    assert _astray(some_set(seed)) is None


def test_a_candidate_judged_by_another_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "changed", lambda before, after: frozenset())
    assert any(_astray(some_set(seed)) for seed in range(20))


def _astray(policies: PolicySet) -> Witness | None:
    """A request that shrinking comes by and of which terms and cedarpy say different things."""
    analysis = Analysis(policies, BUDGETS["low"])
    wrong: list[Witness] = []
    for policy in policies.policies:
        parts = {e: [analysis.matches(e, policy.index)] for e in analysis.touched(policy.index)}

        def accepts(case: Case, index: int = policy.index) -> bool:
            by_cedar = analysis.case(case.witness)
            same = frozenset(case.matched) == by_cedar.matched and frozenset(case.errored) == by_cedar.errored
            if not same or any((i in case.fitting) != (i in by_cedar.fitting) for i in range(len(policies.policies))):
                wrong.append(case.witness)
            return index in by_cedar.matched

        sought = seek(analysis, parts, parts.__getitem__, lambda case, i=policy.index: i in case.matched, "any")  # type: ignore[misc]
        if sought.found:
            analysis.shrunk(sought.found[0], sought.found[1].case, accepts)
    return next(iter(wrong), None)


def test_questions_are_answered_in_every_way() -> None:
    counts = Counter[str]()
    for seed in range(6):
        counts.update(verify(some_set(seed)).checked["questions"])
    assert min(counts[how] for how in ("recalled", "grafted", "folded", "solved")) > 0, counts


def test_the_same_set_gives_the_same_bytes_whatever_was_asked_before() -> None:
    policies = some_set(3)
    first = verify(policies)
    verify(some_set(4))
    second = verify(policies)
    assert json.dumps(to_json(first)) == json.dumps(to_json(second))
    assert first.scripts == second.scripts


def test_what_contradicts_itself_only_among_many_conditions_is_proved() -> None:
    """Conditions reach the solver as its models break them: forty rules cover one only all together."""
    rules = [f'@id("c{n}") permit(principal, action, resource) when {{ context.n == {n} }};' for n in range(40)]
    whole = '@id("all") permit(principal, action, resource) when { context.n >= 0 && context.n < 40 };'
    schema = "entity U, D; action go appliesTo { principal: U, resource: D, context: { n: Long } };"
    told = {
        f.policies[0].name: f for f in verify(policy_set("\n".join([*rules, whole]), schema), checks=["P104"]).findings
    }
    assert len(told["all"].policies) == 41
    assert told["all"].proof is not None
    assert (told["all"].proof.solver, told["all"].proof.checked_by) == ("z3", "cvc5")
    holes = policy_set("\n".join([*rules[1:], whole]), schema)
    alone = {f.policies[0].name: f for f in verify(holes, checks=["P104"]).findings}["all"]
    assert alone.verdict == "holds"
    assert alone.witness is not None
    assert alone.witness.context == {"n": 0}
