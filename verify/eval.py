"""The value of a term where every unknown has a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from verify import term as t
from verify.term import Sort, Symbol, Term, subterms

Value = Any
"""A bool, int, str (an entity is its id) or `Ip`; a frozenset of values for a set, of (name, value) for a record."""

Interpretation = Callable[[Symbol, tuple[Value, ...]], Value]
"""The value of an unknown at given arguments, `up` sets excepted."""


def term_of(value: Value, sort: Sort) -> Term:
    """The term that has a value whatever the unknowns are. Inverse of `evaluate`."""
    match sort.kind:
        case "Set":
            assert sort.element is not None
            return t.elements(sort.element, (term_of(each, sort.element) for each in sorted(value, key=sort_key)))
        case "Record":
            held = dict(value)
            args = (
                (t.TRUE, term_of(held[name], inner)) if name in held else (t.FALSE, t.default(inner))
                for name, inner, _ in sort.fields
            )
            return t.record(sort, (arg for pair in args for arg in pair))
    return t.const(value, sort)


def sort_key(value: Value) -> str:
    """A text by which values of one sort are put in an order that does not depend on how they are stored."""
    if not isinstance(value, frozenset | tuple):
        return repr(value)
    parts = map(sort_key, value)
    return f"({', '.join(sorted(parts) if isinstance(value, frozenset) else parts)})"


def evaluate(term: Term, interpretation: Interpretation) -> Value:
    """The value of a term. Arithmetic is exact, as terms are: overflow is guarded by the terms themselves."""
    values: dict[Term, Value] = {}
    for each in subterms(term):
        values[each] = step(each, values, interpretation)
    return values[term]


def step(term: Term, values: Mapping[Term, Value], interpretation: Interpretation) -> Value:
    """The value of a term whose arguments have values."""
    given = [values[arg] for arg in term.args]
    match term.op, given:
        case "const", _:
            return term.data
        case "leaf", _:
            return interpretation(term.data, tuple(given))
        case "not", [value]:
            return not value
        case "and", _:
            return all(given)
        case "or", _:
            return any(given)
        case "ite", [condition, chosen, otherwise]:
            return chosen if condition else otherwise
        case "eq", [left, right]:
            return left == right
        case "le", [left, right]:
            return left <= right
        case "add", [left, right]:
            return left + right
        case "sub", [left, right]:
            return left - right
        case "mul", [left, right]:
            return left * right
        case "matches", [text]:
            return term.data.accepts(text)
        case "div", [value]:
            return value // term.data
        case "mod", [value]:
            return value % term.data
        case "cast", [value]:
            return value
        case "makes", [text]:
            return t.makes(t.string(text), term.data) is t.TRUE
        case "made", [text]:
            return t.made(t.string(text), term.sort).data
        case "is_v6", [address]:
            return address.v6
        case "within", [address, block]:
            return address.within(block)
        case "is_ip", _:
            return True
        case "record", _:
            fields = zip(term.sort.fields, given[::2], given[1::2], strict=True)
            return frozenset((name, value) for (name, _, _), present, value in fields if present)
    return _set_value(term, given, interpretation)


def _set_value(term: Term, given: list[Value], interpretation: Interpretation) -> Value:
    def holds(collection: Term, value: Value, element: Value) -> bool:
        if collection.op != "up":
            return element in value
        entity = collection.args[0]
        assert collection.sort.element is not None
        same = entity.sort == collection.sort.element and value == element
        return same or (collection.data is not None and interpretation(collection.data, (value, element)))

    match term.op, given:
        case "elements", _:
            return frozenset(given)
        case "up", [entity]:
            return entity  # its members are told one by one
        case "union", [left, right]:
            return left | right
        case "member", [element, value]:
            return holds(term.args[1], value, element)
        case "subset", [left, right]:
            return all(holds(term.args[1], right, element) for element in left)
        case "disjoint", [left, right]:
            listed, told = (left, (1, right)) if term.args[0].op != "up" else (right, (0, left))
            return not any(holds(term.args[told[0]], told[1], element) for element in listed)
    raise AssertionError(f"no value for `{term.op}`")
