"""Random policies at concrete requests: a solver that has no choice left says what cedarpy says."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreement import WILD, decided
from models.cedar.load import policy_set
from verify import term as t
from verify.query import BUDGETS, Analysis, Impossible

quick = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
worlds = st.randoms(use_true_random=False)


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
