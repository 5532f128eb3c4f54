"""Typed terms: what a policy says, as formulas over unknowns.

Terms are interned (equal terms are one object), immutable, and folded when they are built. Sorts are Cedar's scalars,
sets, and records where they are elements of sets; other records, and errors, are values of the encoding
(`verify.symbolic`), not terms. Sets, records and the hierarchy are removed by `verify.ground` before a solver sees the
formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakValueDictionary

from models.cedar.values import LONG_MAX, LONG_MIN
from verify.languages import Language, complement, intersection, union
from verify.literals import Ip, parse


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort. The numbers (`NUMBERS`) are any integers: overflow is guarded where arithmetic is encoded.

    `name` is an entity type, `element` what a set holds, `fields` what a record has: name, sort and whether it must be
    there, by name. A `Surrogate` stands for a value of sort `element`; only `verify.ground` makes it.
    """

    kind: Literal[
        "Bool", "Long", "String", "Entity", "Decimal", "Datetime", "Duration", "Ip", "Set", "Record", "Surrogate"
    ]
    name: str = ""
    element: Sort | None = None
    fields: tuple[tuple[str, Sort, bool], ...] = ()


BOOL, LONG, STRING = Sort("Bool"), Sort("Long"), Sort("String")
DECIMAL, DATETIME, DURATION, IP = Sort("Decimal"), Sort("Datetime"), Sort("Duration"), Sort("Ip")
NUMBERS = (LONG, DECIMAL, DATETIME, DURATION)
"""What Cedar keeps in 64 bits: numbers, ten-thousandths, and milliseconds."""

CONSTRUCTORS = {DECIMAL: "decimal", DATETIME: "datetime", DURATION: "duration", IP: "ip"}
"""The functions that make extension values of texts."""


def entity_sort(name: str) -> Sort:
    """The sort of references to entities of a type."""
    return Sort("Entity", name)


def set_sort(element: Sort) -> Sort:
    """The sort of finite sets."""
    return Sort("Set", element=element)


def record_sort(fields: Iterable[tuple[str, Sort, bool]]) -> Sort:
    """The sort of records with these attributes."""
    return Sort("Record", fields=tuple(sorted(fields, key=lambda field: field[0])))


def is_composite(sort: Sort) -> bool:
    """Whether values of a sort are made of others."""
    return sort.kind in ("Set", "Record")


@dataclass(frozen=True, slots=True)
class Symbol:
    """An unknown: a part of the request, or a function on entities.

    `role` says what of it: its `value`, whether it is `present`, or whether its last argument is a `member`.
    `above` holds of an entity of type `owner` and one of type `path[0]` that is a proper ancestor of it. The others are
    made up by `verify.ground`: `witness`, `surrogate` and `flag`, which `path[0]` numbers, and `content`, what a
    surrogate stands for, of a sort that `owner` names. A content is `stored` if it stands in the request or the store.
    """

    kind: Literal[
        "principal", "resource", "context", "attribute", "tag", "above", "exists",
        "witness", "surrogate", "flag", "content",
    ]  # fmt: skip
    owner: str
    path: tuple[str, ...]
    role: Literal["value", "present", "member", "stored"]
    parameters: tuple[Sort, ...]
    sort: Sort


Op = Literal[
    "const", "leaf", "not", "and", "or", "ite", "eq", "le", "add", "sub", "mul", "div", "mod", "cast", "matches",
    "is_v6", "within", "is_ip", "made", "makes", "record", "elements", "union", "up", "member", "subset", "disjoint",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Term:
    """A node. `data` is the value of a `const`, the `Symbol` of a `leaf`, the `Language` of a `matches`, a divisor.

    A constant entity is its id; a constant set does not exist (`elements` of constants is one). The arguments of a
    `record` are, for each field of its sort, whether it is there and its value.
    """

    op: Op
    args: tuple[Term, ...]
    sort: Sort
    data: Any = None


# Interning is a cache: a term is looked up by what it is, so what was built before changes no answer.
_INTERNED: WeakValueDictionary[tuple[object, ...], Term] = WeakValueDictionary()


def _make(op: Op, args: tuple[Term, ...], sort: Sort, data: Any = None) -> Term:
    key = (op, args, sort, data)
    found = _INTERNED.get(key)
    if found is None:
        found = _INTERNED[key] = Term(op, args, sort, data)
    return found


TRUE = _make("const", (), BOOL, True)
FALSE = _make("const", (), BOOL, False)


def boolean(value: bool) -> Term:
    return TRUE if value else FALSE


def const(value: bool | int | str | Ip, sort: Sort) -> Term:
    """A constant of a scalar sort."""
    return _make("const", (), sort, value)


def long(value: int) -> Term:
    return const(value, LONG)


def string(value: str) -> Term:
    return const(value, STRING)


def leaf(symbol: Symbol, *args: Term) -> Term:
    """An unknown, or a function of unknown values at these arguments."""
    assert tuple(arg.sort for arg in args) == symbol.parameters, "the arguments are of the symbol's sorts"
    return _make("leaf", args, symbol.sort, symbol)


# --- truth values -----------------------------------------------------------------------------------------------------


def not_(term: Term) -> Term:
    """Negation. It is pushed into `like`, not into `and` and `or`."""
    if term.op == "const":
        return boolean(not term.data)
    if term.op == "not":
        return term.args[0]
    if term.op == "matches":
        return _make("matches", term.args, BOOL, complement(term.data))
    return _make("not", (term,), BOOL)


def and_(*terms: Term) -> Term:
    """Conjunction, flat, each part once, memberships of one string fused."""
    return _junction("and", terms)


def or_(*terms: Term) -> Term:
    """Disjunction, flat, each part once, memberships of one string fused."""
    return _junction("or", terms)


def implies(premise: Term, conclusion: Term) -> Term:
    return or_(not_(premise), conclusion)


def _junction(op: Literal["and", "or"], terms: tuple[Term, ...]) -> Term:
    if len(terms) == 1:
        return terms[0]
    neutral, absorbing = (TRUE, FALSE) if op == "and" else (FALSE, TRUE)
    parts: dict[Term, None] = {}
    for term in terms:
        parts |= dict.fromkeys(term.args if term.op == op else (term,))
    parts.pop(neutral, None)
    if absorbing in parts:
        return absorbing
    parts = _fused(op, parts)
    if any(not_(part) in parts for part in parts) or (op == "and" and _at_odds(parts)):
        return absorbing
    reduced = [_reduced(op, part, parts) for part in parts]
    if list(parts) != reduced:
        return _junction(op, tuple(reduced))
    if len(reduced) < 2:
        return reduced[0] if reduced else neutral
    return _make(op, tuple(reduced), BOOL)


def _fused(op: Literal["and", "or"], parts: dict[Term, None]) -> dict[Term, None]:
    """One membership for each string, in the place of the first."""
    languages: dict[Term, list[Language]] = {}
    for part in parts:
        if part.op == "matches":
            languages.setdefault(part.args[0], []).append(part.data)
    if all(len(several) == 1 for several in languages.values()):
        return parts
    fuse = intersection if op == "and" else union
    return {
        matches(part.args[0], fuse(languages[part.args[0]])) if part.op == "matches" else part: None for part in parts
    }


def _reduced(op: Literal["and", "or"], part: Term, beside: dict[Term, None]) -> Term:
    """What is left of a part beside the others: `a and (a or b)` is `a`, `a and (not a or b)` is `a and b`."""
    if part.op != ("or" if op == "and" else "and"):
        return part
    if any(inner in beside for inner in part.args):
        return TRUE if op == "and" else FALSE
    kept = [inner for inner in part.args if not_(inner) not in beside]
    if len(kept) == len(part.args):
        return part
    return or_(*kept) if op == "and" else and_(*kept)


def _at_odds(parts: dict[Term, None]) -> bool:
    """Whether one term is said to equal two constants, or a constant outside the language it is said to be in."""
    fixed: dict[Term, Term] = {}
    for part in parts:
        if (
            part.op == "eq"
            and part.args[1].op == "const"
            and fixed.setdefault(part.args[0], part.args[1]) is not part.args[1]
        ):
            return True
    return any(
        part.op == "matches" and (value := fixed.get(part.args[0])) is not None and not part.data.accepts(value.data)
        for part in parts
    )


def ite(condition: Term, chosen: Term, otherwise: Term) -> Term:
    """`chosen` where the condition holds, else `otherwise`; both of one sort."""
    assert chosen.sort == otherwise.sort
    if condition.op == "const":
        return chosen if condition.data else otherwise
    if chosen is otherwise:
        return chosen
    if chosen.sort == BOOL:
        return or_(and_(condition, chosen), and_(not_(condition), otherwise))
    if chosen.sort.kind == "Record":
        fields = (ite(condition, one, other) for one, other in zip(chosen.args, otherwise.args, strict=True))
        return record(chosen.sort, fields)
    return _make("ite", (condition, chosen, otherwise), chosen.sort)


def eq(left: Term, right: Term) -> Term:
    """Equality of two scalars of one sort; a constant stands on the right."""
    assert left.sort == right.sort
    if left is right:
        return TRUE
    if left.op == "const":
        if right.op == "const":
            return FALSE
        left, right = right, left
    if left.sort != BOOL:
        return _make("eq", (left, right), BOOL)
    if right.op == "const":
        return left if right.data else not_(left)
    return or_(and_(left, right), and_(not_(left), not_(right)))


# --- numbers ----------------------------------------------------------------------------------------------------------


def le(left: Term, right: Term) -> Term:
    if left is right:
        return TRUE
    if left.op == right.op == "const":
        return boolean(left.data <= right.data)
    return _make("le", (left, right), BOOL)


def lt(left: Term, right: Term) -> Term:
    return not_(le(right, left))


def add(left: Term, right: Term) -> Term:
    return _arithmetic("add", left, right)


def sub(left: Term, right: Term) -> Term:
    return _arithmetic("sub", left, right)


def mul(left: Term, right: Term) -> Term:
    return _arithmetic("mul", left, right)


def _arithmetic(op: Literal["add", "sub", "mul"], left: Term, right: Term) -> Term:
    if left.op == right.op == "const":
        a, b = left.data, right.data
        return long(a + b if op == "add" else a - b if op == "sub" else a * b)
    return _make(op, (left, right), LONG)


def div(term: Term, divisor: int) -> Term:
    """The greatest integer that is at most the quotient; the divisor is positive."""
    return long(term.data // divisor) if term.op == "const" else _make("div", (term,), LONG, divisor)


def mod(term: Term, divisor: int) -> Term:
    """What `div` leaves: from 0 to below the divisor."""
    return long(term.data % divisor) if term.op == "const" else _make("mod", (term,), LONG, divisor)


def cast(term: Term, sort: Sort) -> Term:
    """The same number, as one of another sort of numbers."""
    if term.op == "cast":
        term = term.args[0]
    if term.sort == sort:
        return term
    return const(term.data, sort) if term.op == "const" else _make("cast", (term,), sort)


def in_range(term: Term) -> Term:
    """Whether a number has no more than 64 bits."""
    return and_(le(const(LONG_MIN, term.sort), term), le(term, const(LONG_MAX, term.sort)))


# --- addresses --------------------------------------------------------------------------------------------------------


def is_v6(address: Term) -> Term:
    return boolean(address.data.v6) if address.op == "const" else _make("is_v6", (address,), BOOL)


def within(address: Term, block: Term) -> Term:
    """Whether the addresses that an address with its prefix covers are among those that another covers."""
    if address is block:
        return TRUE
    if address.op == block.op == "const":
        return boolean(address.data.within(block.data))
    return _make("within", (address, block), BOOL)


def is_ip(address: Term) -> Term:
    """Whether address and prefix are no longer than the version allows. It holds of every value that Cedar makes."""
    return _make("is_ip", (address,), BOOL)


# --- values made of texts ---------------------------------------------------------------------------------------------


def makes(text: Term, sort: Sort) -> Term:
    """Whether an extension value of a sort can be made of a text. Solvers do not know this, nor `made`."""
    if text.op != "const":
        return _make("makes", (text,), BOOL, sort)
    try:
        parse(CONSTRUCTORS[sort], text.data)
    except ValueError:
        return FALSE
    return TRUE


def made(text: Term, sort: Sort) -> Term:
    """The extension value that is made of a text, or else a default."""
    if text.op != "const":
        return _make("made", (text,), sort)
    return const(parse(CONSTRUCTORS[sort], text.data), sort) if makes(text, sort) is TRUE else default(sort)


# --- strings ----------------------------------------------------------------------------------------------------------


def matches(text: Term, language: Language) -> Term:
    """Whether a string is in a language."""
    if text.op == "const":
        return boolean(language.accepts(text.data))
    return _make("matches", (text,), BOOL, language)


# --- records and sets -------------------------------------------------------------------------------------------------


def record(sort: Sort, presence_and_values: Iterable[Term]) -> Term:
    """The record of a sort. Where a field is plainly absent, its value is a default, so equal records look equal."""
    args = list(presence_and_values)
    for position, (_, inner, _) in enumerate(sort.fields):
        if args[2 * position] is FALSE:
            args[2 * position + 1] = default(inner)
    return _make("record", tuple(args), sort)


def default(sort: Sort) -> Term:
    """A value of a sort, where one is needed but none matters."""
    match sort.kind:
        case "Set":
            assert sort.element is not None
            return elements(sort.element, ())
        case "Record":
            return record(
                sort, (arg for _, inner, required in sort.fields for arg in (boolean(required), default(inner)))
            )
        case "Bool":
            return FALSE
        case "String" | "Entity":
            return const("", sort)
        case "Ip":
            return const(Ip(False, 0, 32), sort)
    return const(0, sort)


def same(left: Term, right: Term) -> Term:
    """Equality of two terms of one sort, whichever it is."""
    if left is right:
        return TRUE
    if left.sort.kind == "Set":
        return and_(subset(left, right), subset(right, left))
    if left.sort.kind != "Record":
        return eq(left, right)
    args = [*zip(left.args, right.args, strict=True)]
    return and_(
        *(
            or_(and_(not_(here), not_(there)), and_(here, there, same(one, other)))
            for (here, there), (one, other) in zip(args[::2], args[1::2], strict=True)
        )
    )


def elements(element: Sort, terms: Iterable[Term]) -> Term:
    """The set of these elements."""
    return _make("elements", tuple(dict.fromkeys(terms)), set_sort(element))


def union_(left: Term, right: Term) -> Term:
    return _make("union", (left, right), left.sort)


def up(entity: Term, ancestor: str, above: Symbol | None) -> Term:
    """The entities of type `ancestor` that an entity is, or is below of. `above` is None where it can be below none."""
    return _make("up", (entity,), set_sort(entity_sort(ancestor)), above)


def member(element: Term, collection: Term) -> Term:
    """Whether an element is in a set."""
    if collection.op == "elements":
        return or_(*(same(element, each) for each in collection.args))
    return _make("member", (element, collection), BOOL)


def subset(left: Term, right: Term) -> Term:
    """Whether every element of the left set is in the right one."""
    if left is right:
        return TRUE
    if left.op == "elements":
        return and_(*(member(each, right) for each in left.args))
    return _make("subset", (left, right), BOOL)


def disjoint(left: Term, right: Term) -> Term:
    """Whether two sets have no element in common."""
    if left.op == "elements":
        return and_(*(not_(member(each, right)) for each in left.args))
    if right.op == "elements":
        return and_(*(not_(member(each, left)) for each in right.args))
    return _make("disjoint", (left, right), BOOL)


# --- walking ----------------------------------------------------------------------------------------------------------


def subterms(*roots: Term) -> Iterator[Term]:
    """Every term in the roots once, arguments before what they are arguments of."""
    done: set[Term] = set()
    pending = list(reversed(roots))
    while pending:
        term = pending[-1]
        if term in done:
            pending.pop()
            continue
        missing = [arg for arg in reversed(term.args) if arg not in done]
        if missing:
            pending += missing
            continue
        done.add(pending.pop())
        yield term
