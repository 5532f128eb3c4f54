"""Mutants of the verifier itself: each wrong rule of the encoding is noticed by random policies, or by a replay."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cedarpy import pst

from agreement import agrees, decided
from models.cedar.load import policy_set
from verify import encode, extensions, ground, smtlib, symbolic, wellformed
from verify import term as t
from verify.encode import Encoder
from verify.languages import pattern
from verify.query import BUDGETS, Analysis, Impossible, VerifierError
from verify.symbolic import Result, Scalar

SEEDS = range(400)
"""Random sets until a wrong rule has to be noticed; most are by the first fifty, the latest by the 160th."""


def _lt(left: t.Term, right: t.Term) -> t.Term:
    return t.le(left, right)


def _always(*_: object) -> t.Term:
    return t.TRUE


def _own_attribute(record: Any, name: str) -> Any:
    found = symbolic.field(record, name)
    return None if found is None else symbolic.Field(t.TRUE, found.value)


def _swapped(op: str) -> Mapping[str, object]:
    first, second, function = extensions.BINARY[op]
    return {**extensions.BINARY, op: (first, second, lambda one, other: function(other, one))}


def _both_there(left: Any, right: Any) -> t.Term:
    if left is None or right is None:
        return t.not_((left or right).present)
    return t.and_(left.present, right.present, symbolic.equal(left.value, right.value))


def _direct_groups(self: Encoder, uid: str) -> frozenset[str]:
    return frozenset({uid, *self.schema.actions[uid].parents})


def _strict_and(first: Result, second: Result) -> Result:
    one, other = encode._as_bool(first), encode._as_bool(second)
    return Result(t.and_(one.ok, other.ok), Scalar(t.and_(encode._truth(one), encode._truth(other))))


def _only_proper(self: Encoder, entity: Scalar, ancestor: Scalar) -> t.Term:
    symbol = self._above(entity, ancestor.term.sort.name)
    return t.FALSE if symbol is None else t.leaf(symbol, entity.term, ancestor.term)


WRONG: Mapping[str, tuple[object, str, object]] = {
    "`<` as `<=`": (t, "lt", _lt),
    "`<=` the wrong way": (t, "le", lambda one, other, right=t.le: right(other, one)),
    "no overflow": (encode, "guarded", lambda number: Result(t.TRUE, Scalar(number))),
    "overflow a bit early": (t, "LONG_MAX", t.LONG_MAX - 1),
    "`+` as `-`": (t, "add", t.sub),
    "`like` without its wildcards": (
        encode,
        "pattern",
        lambda parts: pattern([part for part in parts if hasattr(part, "value")]),
    ),
    "`like` up to what follows": (encode, "pattern", lambda parts: pattern([*parts, pst.Wildcard()])),
    "`containsAll` as `containsAny`": (encode, "contains_all", symbolic.contains_any),
    "`containsAny` as `containsAll`": (encode, "contains_any", symbolic.contains_all),
    "`isEmpty` negated": (encode, "is_empty", lambda some: t.not_(symbolic.is_empty(some))),
    "sets equal where one holds the other": (symbolic, "contains_all", lambda one, other: _always()),
    "optional attributes always there": (encode, "field_of", _own_attribute),
    "tags always there": (Encoder, "_tag_present", _always),
    "`in` without itself": (Encoder, "_is_in", _only_proper),
    "groups of groups forgotten": (Encoder, "_action_groups", _direct_groups),
    "`&&` that evaluates both": (encode, "_conjoined", _strict_and),
    "records equal only where all is there": (symbolic, "_equal_fields", _both_there),
    "`isInRange` the wrong way": (extensions, "BINARY", _swapped("is_in_range")),
    "`durationSince` the wrong way": (extensions, "BINARY", _swapped("duration_since")),
    "decimals in the wrong order": (extensions, "BINARY", _swapped("decimal_less_than")),
    "durations rounded down": (extensions, "_truncated", lambda number, unit: t.div(number, unit)),
    "days of another length": (extensions, "DAY", extensions.DAY - 1),
}


def noticed(check: Callable[[random.Random], object]) -> bool:
    """Whether some random set shows that something is wrong."""
    for seed in SEEDS:
        try:
            check(random.Random(seed))
        except (AssertionError, VerifierError):
            return True
    return False


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_noticed_by_random_policies(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    where, what, wrong = WRONG[name]
    monkeypatch.setattr(where, what, wrong)
    assert noticed(agrees)


def test_missing_entities_that_are_forgotten_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "_exists", _always)
    assert noticed(lambda chance: agrees(chance, missing=0.3))


# What the terms do not show: the script that both solvers read, and what it says of sets and of the hierarchy.


@pytest.mark.parametrize(
    ("where", "what", "wrong"),
    [
        (smtlib, "_OPERATORS", {**smtlib._OPERATORS, "le": "<"}),
        (smtlib, "string_literal", lambda text, right=smtlib.string_literal: right(text[:-1])),
        (ground._Lowering, "meanings", lambda self: iter(())),
        (ground, "_holds", lambda element, collection, right=ground._holds: t.not_(right(element, collection))),
    ],
    ids=("<= as <", "strings cut", "comparisons without meaning", "elements that are none"),
)
def test_a_wrong_script_is_noticed_at_concrete_points(
    monkeypatch: pytest.MonkeyPatch, where: object, what: str, wrong: object
) -> None:
    monkeypatch.setattr(where, what, wrong)
    assert noticed(decided)


@pytest.mark.long
@pytest.mark.parametrize(("operator", "wrong"), [("add", "-"), ("sub", "+"), ("mul", "+")])
def test_a_wrong_operator_in_the_script_is_noticed_at_concrete_points(
    monkeypatch: pytest.MonkeyPatch, operator: str, wrong: str
) -> None:
    monkeypatch.setattr(smtlib, "_OPERATORS", {**smtlib._OPERATORS, operator: wrong})
    assert noticed(decided)


HIERARCHY = """
entity Team in [Team]; entity User in [Team];
action go appliesTo { principal: User, resource: Team, context: { n: Long } };
"""
NEVER = {
    "a hierarchy that is not transitive": (
        wellformed,
        "_transitive",
        lambda *_: iter(()),
        'principal in resource && resource in Team::"top" && !(principal in Team::"top")',
    ),
    "numbers of more than 64 bits": (
        wellformed,
        "_range",
        lambda *_: t.TRUE,
        "context.n >= 9223372036854775807 && context.n != 9223372036854775807",
    ),
    "a group below itself": (
        wellformed,
        "_order",
        lambda *_: iter(()),
        'resource in Team::"top" && Team::"top" in resource && resource != Team::"top"',
    ),
}


@pytest.mark.parametrize("name", NEVER)
def test_a_well_formedness_that_is_forgotten_is_noticed_by_the_replay(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    where, what, wrong, condition = NEVER[name]
    policies = policy_set(f"permit(principal, action, resource) when {{ {condition} }};", HIERARCHY)
    (environment,) = policies.schema.environments()

    def ask() -> object:
        analysis = Analysis(policies, BUDGETS["low"])
        return analysis.ask(environment, [analysis.matches(environment, 0)], lambda case: 0 in case.matched, name)

    assert isinstance(ask(), Impossible)
    monkeypatch.setattr(where, what, wrong)
    with pytest.raises((VerifierError, ValueError)):
        ask()
