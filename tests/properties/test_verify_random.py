"""Random policies under random schemas: the encoding at a concrete request says what cedarpy says of it."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import get_args

import cedarpy
import pytest
from cedarpy import pst
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreement import POLICIES, WILD, agrees
from models.cedar.syntax import walk
from random_policies import Writer
from random_schemas import world

quick = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
thorough = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
worlds = st.randoms(use_true_random=False)


@given(worlds)
@quick
def test_a_random_policy_is_well_typed(chance: random.Random) -> None:
    here = world(chance)
    result = cedarpy.validate_policies("\n".join(Writer(here, chance).policy() for _ in range(POLICIES)), here.handle)
    assert result.validation_passed, result.errors


@given(worlds)
@quick
def test_the_encoding_says_what_cedar_says(chance: random.Random) -> None:
    agrees(chance)


@given(worlds)
@quick
def test_the_encoding_says_what_cedar_says_where_entities_are_missing(chance: random.Random) -> None:
    agrees(chance, missing=0.3)


@given(worlds)
@quick
def test_the_encoding_says_what_cedar_says_of_ill_typed_policies(chance: random.Random) -> None:
    agrees(chance, WILD, chance.choice((0.0, 0.3)))


@pytest.mark.long
@given(st.integers(0, 2**64))
@thorough
def test_the_encoding_says_what_cedar_says_of_many_policies(seed: int) -> None:
    chance = random.Random(seed)
    agrees(chance, chance.choice((0.0, 0.0, WILD)), chance.choice((0.0, 0.3)))


def test_random_policies_use_every_operator() -> None:
    used: set[str] = set()
    for seed in range(150):
        writer = Writer(world(random.Random(seed)), random.Random(seed))
        for text in (writer.policy() for _ in range(POLICIES)):
            syntax = cedarpy.policies_to_pst(text).static_policies["policy0"]
            parts = (syntax.principal, syntax.action, syntax.resource, *syntax.clauses)
            nodes = [node for clause in syntax.clauses for node in walk(clause.expr)]
            used |= {type(part).__name__ for part in (*parts, *nodes)} | {getattr(node, "op", "") for node in nodes}
            used |= {"is in" for node in nodes if isinstance(node, pst.Is) and node.in_expr is not None}
            used |= {"has within"} if re.search(r"has \w\.\w", text) else set()
    operators = {*get_args(pst.UnaryOpName), *get_args(pst.BinaryOpName), "is in", "has within"}
    forms = {form.__name__ for form in get_args(pst.Expr)} - {"Slot"}  # templates have slots
    scopes = (*get_args(pst.PrincipalOrResourceConstraint), *get_args(pst.ActionConstraint), pst.When, pst.Unless)
    assert operators | forms | {form.__name__ for form in scopes} <= used


def test_random_policies_match_and_err() -> None:
    said = sum((agrees(random.Random(seed)) for seed in range(40)), Counter())
    assert said["matches"] > said["requests"] / 4
    assert said["errs"] > 0
    assert sum((agrees(random.Random(seed), WILD) for seed in range(40)), Counter())["errs"] > said["errs"]
