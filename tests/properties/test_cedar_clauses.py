"""The conditions that a policy is taken apart into mean together what it says, and stand where they are said."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import cedarpy
from cedarpy import pst
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cedar.clauses import (
    annotation_range,
    clauses_range,
    conditions_of,
    effect_offset,
    scope_of,
    with_conditions,
)
from models.cedar.load import policy_set

NAMES = ("a", "b", "c")
GAPS = st.sampled_from(["", " ", "\n  ", " // && ) unless { no }\n"])


def wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    bracketed = inner.map(lambda text: f"({text})")
    return st.one_of(
        st.tuples(bracketed, GAPS, st.sampled_from(["&&", "||"]), GAPS, bracketed).map("".join),
        st.tuples(inner, st.just(" && "), bracketed).map("".join).map(lambda text: f"({text})"),
        st.tuples(GAPS, bracketed).map(lambda parts: f"!{parts[0]}{parts[1]}"),
        st.tuples(inner, inner, inner).map(lambda t: f"(if {t[0]} then ({t[1]}) else ({t[2]}) && true)"),
    )


CONDITIONS = st.recursive(
    st.sampled_from([f"context.{name}" for name in NAMES] + ["context has a", "!context.b", 'context.s == "&& ) }"']),
    wrapped,
    max_leaves=8,
)
WRITTEN = st.one_of(
    CONDITIONS,
    st.lists(CONDITIONS, min_size=2, max_size=3).map(" && ".join),
    st.lists(CONDITIONS, min_size=2, max_size=3).map(" || ".join),
    st.tuples(CONDITIONS, CONDITIONS, CONDITIONS).map(lambda t: f"{t[0]} || {t[1]} && {t[2]}"),
)
CLAUSES = st.lists(st.tuples(st.sampled_from(["when", "unless"]), GAPS, WRITTEN), max_size=3)


def contexts() -> list[dict[str, Any]]:
    """Each attribute true, false or absent."""
    found = []
    for values in product((True, False, None), repeat=len(NAMES)):
        given = {name: value for name, value in zip(NAMES, values, strict=True) if value is not None}
        found.append(given | {"s": "x"})
    return found


def matches(template: pst.Template) -> list[bool]:
    """Whether the policy matches, for each of the contexts."""
    permit = replace(template, id="policy0", effect="permit")
    policies = cedarpy.PolicySet.from_pst(pst.PolicySet({}, {"policy0": permit}, ()))
    return [
        cedarpy.is_authorized(
            {"principal": 'U::"u"', "action": 'Action::"x"', "resource": 'U::"u"', "context": context}, policies, []
        ).allowed
        for context in contexts()
    ]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(CLAUSES)
def test_a_policy_matches_what_meets_all_of_its_conditions(clauses: list[tuple[str, str, str]]) -> None:
    text = '@permit("x") @id("p") permit (principal, action, resource)'
    text += "".join(f"\n{kind}{gap} {{ {condition} }}" for kind, gap, condition in clauses) + ";"
    (policy,) = policy_set(text).policies
    parts = conditions_of(policy)
    assert matches(with_conditions(policy, parts)) == matches(policy.syntax)
    for part in parts:
        assert policy.text[part.start : part.end] == part.text
        line = text.split("\n")[part.place.line - 1]
        assert line[part.place.column - 1 :].startswith(part.text.split("\n")[0])


def test_conditions_are_taken_apart_as_far_as_each_of_them_must_be_met() -> None:
    text = (
        "permit(principal, action, resource) when { context.a && (context.b && (context.c || context.d)) && "
        "!(context.e || context.f) } unless { context.g || !(context.h && context.i) } "
        "when { context.j || context.k && context.l } when { if context.m then context.n else context.o && true };"
    )
    (policy,) = policy_set(text).policies
    assert [(part.kind, part.negated, part.text.replace("context.", "")) for part in conditions_of(policy)] == [
        ("when", False, "a"),
        ("when", False, "b"),
        ("when", False, "c || d"),
        ("when", True, "e"),
        ("when", True, "f"),
        ("unless", True, "g"),
        ("unless", False, "h"),
        ("unless", False, "i"),
        ("when", False, "j || k && l"),
        ("when", False, "if m then n else o && true"),
    ]


def test_the_parts_of_a_policy_are_found() -> None:
    text = (
        '@note("(permit") @id("p")\n@bare permit '
        '(principal in T::"(,", action in [Action::"x", Action::"y"], resource,)'
        " when { true };"
    )
    (policy,) = policy_set(text).policies
    assert [part.text for part in scope_of(policy)] == [
        'principal in T::"(,"',
        'action in [Action::"x", Action::"y"]',
        "resource",
    ]
    assert policy.text[effect_offset(policy) :].startswith("permit (principal")
    assert policy.text[slice(*clauses_range(policy))] == " when { true }"
    assert [annotation_range(policy, name) for name in ("id", "other")] == [(17, 25), None]
    bare = annotation_range(policy, "bare")
    assert bare is not None
    assert policy.text[slice(*bare)] == "@bare"
