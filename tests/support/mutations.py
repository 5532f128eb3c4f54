"""Policies changed in one place, on the syntax tree: what a slip of the pen makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import cedarpy
from cedarpy import pst

from models.cedar.syntax import children, with_children


class Mutant(NamedTuple):
    """What was done, and the text of the policy that it made."""

    kind: str
    text: str


_SWAPPED = (
    ("less", "less_eq"), ("greater", "greater_eq"), ("eq", "not_eq"), ("and", "or"), ("add", "sub"),
    ("contains_all", "contains_any"), ("decimal_less_than", "decimal_less_eq"),
    ("decimal_greater", "decimal_greater_eq"),
)  # fmt: skip
FLIPPED: Mapping[str, tuple[str, ...]] = {
    **{one: (other,) for pair in _SWAPPED for one, other in (pair, pair[::-1])},
    "less": ("less_eq", "greater"),
    "greater": ("greater_eq", "less"),
}
UNARY = {"is_ipv4": "is_ipv6", "is_ipv6": "is_ipv4", "is_loopback": "is_multicast", "to_hours": "to_days"}


def mutants(text: str) -> Iterator[Mutant]:
    """Every policy that is one change away from a policy. Some are ill typed, some mean the same."""
    syntax = cedarpy.policies_to_pst(text).static_policies["policy0"]
    for kind, changed in (*_effects(syntax), *_scopes(syntax), *_clauses(syntax), *_annotations(syntax)):
        yield Mutant(kind, written(changed))


def written(syntax: pst.Template) -> str:
    """The text of a policy."""
    policies = pst.PolicySet(templates={}, static_policies={syntax.id: syntax}, template_links=())
    return str(cedarpy.PolicySet.from_pst(policies))


_Changes = Iterator[tuple[str, pst.Template]]


def _effects(policy: pst.Template) -> _Changes:
    if "escalate" not in policy.annotations:  # an escalating permit is refused
        yield "swapped effect", replace(policy, effect="forbid" if policy.effect == "permit" else "permit")


def _scopes(policy: pst.Template) -> _Changes:
    for part in ("principal", "resource"):
        match getattr(policy, part):
            case pst.ScopeIsIn(type, group):
                yield "widened scope", replace(policy, **{part: pst.ScopeIs(type)})
                yield "widened scope", replace(policy, **{part: pst.ScopeIn(group)})
            case pst.ScopeAny():
                pass
            case _:
                yield "widened scope", replace(policy, **{part: pst.ScopeAny()})
    if not isinstance(policy.action, pst.ScopeAny):
        yield "widened scope", replace(policy, action=pst.ScopeAny())


def _clauses(policy: pst.Template) -> _Changes:
    for position, clause in enumerate(policy.clauses):
        before, after = policy.clauses[:position], policy.clauses[position + 1 :]
        yield "dropped clause", replace(policy, clauses=(*before, *after))
        other = pst.Unless if isinstance(clause, pst.When) else pst.When
        yield "when for unless", replace(policy, clauses=(*before, other(clause.expr), *after))
        for kind, expression in changed(clause.expr):
            yield kind, replace(policy, clauses=(*before, type(clause)(expression), *after))


def _annotations(policy: pst.Template) -> _Changes:
    notes = dict(policy.annotations)
    if "escalate" in notes:
        yield "other chain", replace(policy, annotations={**notes, "escalate": f"{notes['escalate']}x"})
        kept = {name: value for name, value in notes.items() if name not in ("escalate", "timeout", "severity")}
        yield "hard instead of escalating", replace(policy, annotations=kept)


def changed(expression: pst.Expr) -> Iterator[tuple[str, pst.Expr]]:
    """Every expression that is one change away."""
    yield from _here(expression)
    for position, inner in enumerate(children(expression)):
        for kind, other in changed(inner):
            yield kind, _with_child(expression, position, other)


def _with_child(expression: pst.Expr, position: int, other: pst.Expr) -> pst.Expr:
    places = iter(range(1000))
    return with_children(expression, lambda inner: other if next(places) == position else inner)


def _here(expression: pst.Expr) -> Iterator[tuple[str, pst.Expr]]:
    """Changes of the expression's own operator or constant."""
    match expression:
        case pst.BinaryOp(op, left, right):
            yield from (("flipped operator", replace(expression, op=other)) for other in FLIPPED.get(op, ()))
            if op in ("and", "or"):
                yield from (("dropped operand", kept) for kept in (left, right))
        case pst.UnaryOp("not", argument):
            yield "removed negation", argument
        case pst.UnaryOp(op) if op in UNARY:
            yield "flipped operator", replace(expression, op=UNARY[op])
        case pst.IfThenElse(condition, chosen, otherwise):
            yield "swapped branches", pst.IfThenElse(condition, otherwise, chosen)
        case pst.LongLit(value):
            yield from (
                ("changed constant", pst.LongLit(near)) for near in (value - 1, value + 1) if -(2**63) < near < 2**63
            )
        case pst.StringLit(value):
            yield "changed constant", pst.StringLit(f"{value}x")
        case pst.BoolLit(value):
            yield "changed constant", pst.BoolLit(not value)
        case pst.Like(base, pattern):
            for position, part in enumerate(pattern):
                kind = "dropped wildcard" if isinstance(part, pst.Wildcard) else "changed constant"
                yield kind, pst.Like(base, (*pattern[:position], *pattern[position + 1 :]))
        case pst.Is(base, type, group) if group is not None:
            yield "dropped operand", pst.Is(base, type, None)
