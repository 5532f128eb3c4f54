"""Random policies at concrete requests: a solver that has no choice left says what cedarpy says."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cedar.load import policy_set
from models.cedar.types import RequestEnvironment
from models.cedar.uids import parse_uid
from points import pinned
from random_policies import Writer
from random_schemas import world
from random_sets import loaded
from random_stores import Inputs, Oracle
from verify import term as t
from verify.query import BUDGETS, Analysis, Found, Impossible, Unknown

quick = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
worlds = st.randoms(use_true_random=False)
WILD = 0.08


def decided(chance: random.Random, wild: float = 0.0, missing: float = 0.0, points: int = 2) -> Counter[str]:
    """Asks whether a policy matches, and errs, at concrete requests; and whether it does not. Counts the answers."""
    here = world(chance)
    writer, inputs = Writer(here, chance, wild), Inputs(here, chance)
    texts = [writer.policy()]
    oracle = Oracle(texts, here)
    analysis = Analysis(loaded(texts, here, not wild), BUDGETS["low"], missing=missing > 0)
    counts: Counter[str] = Counter()
    for _ in range(points):
        witness = inputs.input(chance.choice(analysis.reach(0)), missing)
        environment = RequestEnvironment(
            parse_uid(witness.principal).type, witness.action, parse_uid(witness.resource).type
        )
        truth = oracle.judge(witness)
        matches, succeeds = analysis.matches(environment, 0), analysis.succeeds(environment, 0)
        point = [*pinned([matches, succeeds], witness)]
        questions = (
            (matches, 0 in truth.matched, lambda case: 0 in case.matched),
            (t.not_(matches), 0 not in truth.matched, lambda case: 0 not in case.matched),
            (succeeds, 0 not in truth.errored, lambda case: 0 not in case.errored),
            (t.not_(succeeds), 0 in truth.errored, lambda case: 0 in case.errored),
        )
        for part, truly, accepts in questions:
            answer = analysis.solve(environment, [*point, part], accepts, "at a point")
            counts[type(answer).__name__] += 1
            if not isinstance(answer, Unknown):
                assert isinstance(answer, Found) == truly, (here.text, texts, witness, answer)
    assert counts["Unknown"] <= counts.total() // 4
    return counts


@given(worlds)
@quick
def test_a_solver_at_a_point_says_what_cedar_says(chance: random.Random) -> None:
    decided(chance)


@given(worlds)
@quick
def test_a_solver_at_a_point_says_what_cedar_says_where_entities_are_missing(chance: random.Random) -> None:
    decided(chance, missing=0.3)


@given(worlds)
@quick
def test_a_solver_at_a_point_says_what_cedar_says_of_ill_typed_policies(chance: random.Random) -> None:
    decided(chance, WILD, chance.choice((0.0, 0.3)))


@pytest.mark.long
@given(st.integers(0, 2**64))
@thorough
def test_a_solver_at_many_points_says_what_cedar_says(seed: int) -> None:
    chance = random.Random(seed)
    decided(chance, chance.choice((0.0, 0.0, WILD)), chance.choice((0.0, 0.3)), points=4)


def test_points_have_both_answers() -> None:
    counts = sum((decided(random.Random(seed), points=1) for seed in range(12)), Counter())
    assert counts["Found"] == counts["Impossible"] > 0
    assert counts["Unknown"] == 0


def test_conditions_that_are_asked_apart_may_miss_that_an_entity_is_there() -> None:
    """Of many conditions few are asked at first: that `k` is a tag, and not that its owner is in the store."""
    others = " && ".join(f"context.n != {number}" for number in range(1, 15))
    text = f"""
    permit(principal, action, resource) when {{ principal.hasTag("k") && {others} }};
    permit(principal, action, resource) when {{ principal.level > 0 }};
    """
    schema = """
    entity U = { level: Long } tags Long;
    action go appliesTo { principal: U, resource: U, context: { n: Long } };
    """
    policies = policy_set(text, schema)
    (environment,) = policies.schema.environments()
    analysis = Analysis(policies, BUDGETS["low"], missing=True)
    parts = [analysis.matches(environment, 0), t.not_(analysis.succeeds(environment, 1))]
    answer = analysis.solve(environment, parts, lambda case: 0 in case.matched and 1 in case.errored, "")
    assert isinstance(answer, Impossible)
