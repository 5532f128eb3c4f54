"""Terms: folding, relaxing globs, removing sets and printing leave meaning alone; both solvers read what is printed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.cedar.schema import parse_schema
from verify import cvc5_backend, z3_backend
from verify import term as t
from verify.eval import evaluate
from verify.ground import without_sets
from verify.languages import Complement, Glob, Intersection, Language, Union, complement, intersection, pattern, union
from verify.simplify import globs_in, without_globs
from verify.smtlib import script, string_literal, symbol_name
from verify.term import Symbol, Term
from verify.wellformed import constraints

TEXTS = ["", "a", "b", "ab", "ba", "a.env", 'q"\\', "ünï", "\n"]
GLOBS = [
    Glob(("a",)),
    Glob(("a", "")),
    Glob(("", "b")),
    Glob(("", ".env")),
    Glob(("", "")),
    Glob(("", "a", "")),
    Glob(("",)),
]
EMPTY = parse_schema("entity A; action go appliesTo { principal: A, resource: A };")


def unknown(name: str, sort: t.Sort) -> Term:
    return t.leaf(Symbol("context", "", (name,), "value", (), sort))


BOOLS = [unknown(f"p{n}", t.BOOL) for n in range(3)]
LONGS = [unknown(f"n{n}", t.LONG) for n in range(2)]
STRINGS = [unknown(f"s{n}", t.STRING) for n in range(2)]
SETS = [unknown(f"c{n}", t.set_sort(t.STRING)) for n in range(2)]


class Builder:
    """Builds a random formula, and beside it a function that says what it means without any folding."""

    def __init__(self, chance: random.Random) -> None:
        self.pick = lambda *some: chance.choice(some)

    def formula(self, depth: int) -> tuple[Term, Callable[[dict[Term, Any]], Any]]:
        if depth == 0:
            return self.atom()
        (a, fa), (b, fb), (c, fc) = (self.formula(depth - 1) for _ in range(3))
        return self.pick(
            (t.not_(a), lambda v: not fa(v)),
            (t.and_(a, b, c), lambda v: fa(v) and fb(v) and fc(v)),
            (t.or_(a, b, c), lambda v: fa(v) or fb(v) or fc(v)),
            (t.ite(a, b, c), lambda v: fb(v) if fa(v) else fc(v)),
            (t.eq(a, b), lambda v: fa(v) == fb(v)),
        )

    def atom(self) -> tuple[Term, Callable[[dict[Term, Any]], Any]]:
        p, n, m, s, c, d = (self.pick(*some) for some in (BOOLS, LONGS, LONGS, STRINGS, SETS, SETS))
        k, text, glob = self.pick(-1, 0, 3), self.pick(*TEXTS), self.pick(*GLOBS)
        return self.pick(
            (p, lambda v: v[p]),
            (t.TRUE, lambda v: True),
            (t.le(t.add(n, t.long(k)), m), lambda v: v[n] + k <= v[m]),
            (t.lt(t.sub(n, m), t.mul(t.long(2), t.long(k))), lambda v: v[n] - v[m] < 2 * k),
            (t.eq(n, t.long(k)), lambda v: v[n] == k),
            (t.eq(s, t.string(text)), lambda v: v[s] == text),
            (t.matches(s, glob), lambda v: glob.accepts(v[s])),
            (t.not_(t.matches(s, glob)), lambda v: not glob.accepts(v[s])),
            (t.member(s, c), lambda v: v[s] in v[c]),
            (t.subset(c, d), lambda v: v[c] <= v[d]),
            (t.disjoint(c, t.elements(t.STRING, [s, t.string(text)])), lambda v: not v[c] & {v[s], text}),
            (t.disjoint(c, d), lambda v: not v[c] & v[d]),
        )

    def values(self) -> dict[Term, Any]:
        some = {leaf: self.pick(True, False) for leaf in BOOLS} | {leaf: self.pick(-1, 0, 2, 5) for leaf in LONGS}
        some |= {leaf: self.pick(*TEXTS) for leaf in STRINGS}
        return some | {leaf: frozenset(x for x in TEXTS if self.pick(True, False, False)) for leaf in SETS}


def meaning(values: dict[Term, Any]) -> Callable[[Symbol, tuple[Any, ...]], Any]:
    by_symbol = {leaf.data: value for leaf, value in values.items()}
    return lambda symbol, _: by_symbol[symbol]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_folding_and_relaxing_globs_keep_the_meaning(seed: int) -> None:
    """Where unknown truth values stand for globs, what the globs say is one way to read them: no model is lost."""
    builder = Builder(random.Random(seed))
    built = [builder.formula(3) for _ in range(2)]
    relaxed = without_globs([term for term, _ in built])
    assert globs_in(relaxed) == 0
    for _ in range(20):
        values = builder.values()
        plain = [bool(value(values)) for _, value in built]
        known = meaning(values)

        def read(symbol: Symbol, args: tuple[Any, ...], known: Any = known) -> Any:
            return Glob(symbol.path).accepts(args[0]) if symbol.owner == "glob" else known(symbol, args)

        assert [evaluate(term, known) for term, _ in built] == plain
        assert [evaluate(term, read) for term in relaxed] == plain


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_solvers_and_evaluator_agree(seed: int) -> None:
    """A formula that some values fulfil is satisfiable, and its negation under every proof of it never is."""
    builder = Builder(random.Random(seed))
    term, value = builder.formula(2)
    for formula, wanted in ((term, True), (t.not_(term), False)):
        lowered = without_sets([formula])
        text = script((*lowered, *constraints(lowered, EMPTY)), "random").text
        replies = {z3_backend.check(text, 3_000_000).status, cvc5_backend.check(text, 500_000).status} - {"unknown"}
        assert len(replies) <= 1, text
        if any(bool(value(builder.values())) is wanted for _ in range(40)):
            assert "unsat" not in replies, text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(GLOBS), min_size=1, max_size=4), st.sampled_from(TEXTS), st.integers(0, 3))
def test_languages_mean_what_their_parts_mean(globs: list[Language], text: str, flips: int) -> None:
    parts = [complement(glob) if flips & (1 << n) else glob for n, glob in enumerate(globs)]
    told = [part.accepts(text) for part in parts]
    assert union(parts).accepts(text) == any(told)
    assert intersection(parts).accepts(text) == all(told)
    assert complement(union(parts)).accepts(text) != any(told)
    assert complement(complement(intersection(parts))) == intersection(parts)


def test_complements_stand_on_globs_only() -> None:
    inner = complement(union([Glob(("a", "")), intersection([Glob(("b",)), Glob(("", "c"))])]))
    assert isinstance(inner, Intersection)
    assert {type(part) for part in inner.parts} == {Complement, Union}


def test_equal_terms_are_one_object() -> None:
    assert t.and_(BOOLS[0], BOOLS[1]) is t.and_(BOOLS[0], BOOLS[1])
    assert t.and_(BOOLS[0], t.not_(BOOLS[0])) is t.FALSE
    assert t.or_(BOOLS[0], t.and_(BOOLS[0], BOOLS[1])) is BOOLS[0]
    assert t.and_(t.eq(STRINGS[0], t.string("a")), t.matches(STRINGS[0], Glob(("b", "")))) is t.FALSE
    assert t.const(True, t.BOOL) is not t.const(1, t.LONG)


def test_globs_on_one_string_become_one_membership() -> None:
    fused = t.and_(*(t.matches(STRINGS[0], glob) for glob in GLOBS[:3]))
    assert fused.op == "matches"
    assert isinstance(fused.data, Intersection)


def test_a_sequence_of_wildcards_is_one() -> None:
    from cedarpy import pst

    assert pattern([pst.Char("a"), pst.Wildcard(), pst.Wildcard()]) == Glob(("a", ""))
    assert pattern([]) == Glob(("",))


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(max_codepoint=0x2FFFF, exclude_categories=["Cs"]), max_size=8))
def test_strings_come_back_from_both_solvers(text: str) -> None:
    printed = f"(set-logic ALL)(declare-const x String)(assert (= x {string_literal(text)}))(check-sat)\n"
    assert z3_backend.check(printed, 1_000_000).model == {"x": text}
    assert cvc5_backend.check(printed, 1_000_000).model == {"x": text}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.text(max_size=4), min_size=1, max_size=3), min_size=2, max_size=2, unique_by=tuple))
def test_different_unknowns_have_different_names(paths: list[list[str]]) -> None:
    one, other = (Symbol("context", "", tuple(path), "value", (), t.BOOL) for path in paths)
    assert symbol_name(one) != symbol_name(other)


def test_an_empty_attribute_name_has_a_name_of_its_own() -> None:
    nameless = Symbol("context", "", ("",), "present", (), t.BOOL)
    assert symbol_name(nameless) != symbol_name(Symbol("context", "", ("present",), "value", (), t.BOOL))


def test_a_budget_is_kept() -> None:
    hard = "(set-logic ALL)(declare-const x Int)(declare-const y Int)(declare-const z Int)"
    hard += "(assert (and (> x 1) (> y 1) (> z 1) (= (+ (* x x x) (* y y y)) (* z z z))))(check-sat)\n"
    assert z3_backend.check(hard, 100_000).status == "unknown"
    assert cvc5_backend.check(hard, 10_000).status == "unknown"
