"""What a Cedar expression may evaluate to: scalars, sets, records, as terms.

A `Result` is a value together with the condition under which evaluation does not error, so an error is a value like
any other. Types are known in a request environment, so what kind a value is is never in question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from models.cedar.types import (
    BoolType,
    EntityRefType,
    ExtensionType,
    LongType,
    RecordType,
    SetType,
    StringType,
    Type,
)
from verify import term as t
from verify.term import Sort, Symbol, Term


class UnsupportedError(Exception):
    """A construct that the encoding does not know. `token` is how it is written, to find it in the text."""

    def __init__(self, construct: str, token: str = "") -> None:
        super().__init__(construct)
        self.construct = construct
        self.token = token or construct


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stored value stands: in the context, in an attribute of an entity, or in a tag."""

    kind: str
    owner: str
    args: tuple[Term, ...]
    path: tuple[str, ...] = ()

    def inside(self, name: str) -> Place:
        return Place(self.kind, self.owner, self.args, (*self.path, name))

    def leaf(self, role: str, sort: Sort) -> Term:
        """The unknown of this place."""
        parameters = tuple(arg.sort for arg in self.args)
        return t.leaf(Symbol(self.kind, self.owner, self.path, role, parameters, sort), *self.args)  # type: ignore[arg-type]


def existence(sort: Sort) -> Symbol:
    """Whether an entity of a sort is in the store."""
    return Symbol("exists", sort.name, (), "present", (sort,), t.BOOL)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A bool, long, string, entity or extension value."""

    term: Term


@dataclass(frozen=True, slots=True)
class Listed:
    """A set literal. Its elements may be of any kinds."""

    elements: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Collection:
    """A set, as a term."""

    term: Term


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute of a record: whether it is there, and what it is where it is."""

    present: Term
    value: Value


@dataclass(frozen=True, slots=True)
class Record:
    """A record literal, or a record with some attributes replaced."""

    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that is stored somewhere; its attributes are made when they are asked for."""

    place: Place
    type: RecordType


@dataclass(frozen=True, slots=True)
class Either:
    """One of two values that no term stands for together, such as a number or a string."""

    condition: Term
    chosen: Value
    otherwise: Value


Value = Scalar | Listed | Collection | Record | Stored | Either


@dataclass(frozen=True, slots=True)
class Result:
    """`value` where `ok` holds, an error elsewhere."""

    ok: Term
    value: Value


NEVER = Result(t.FALSE, Scalar(t.FALSE))
"""What always errors."""

EXTENSIONS: Mapping[str, Sort] = {
    "decimal": t.DECIMAL,
    "ipaddr": t.IP,
    "datetime": t.DATETIME,
    "duration": t.DURATION,
}
"""Sorts of the extension types by name."""


def joined(condition: Term, one: Result, other: Result) -> Result:
    """One result where a condition holds, else the other."""
    ok = t.ite(condition, one.ok, other.ok)
    if one.ok is t.FALSE or other.ok is t.FALSE:
        return Result(ok, other.value if one.ok is t.FALSE else one.value)
    return Result(ok, choose(condition, one.value, other.value))


def applied(function: Callable[..., Result], *values: Value) -> Result:
    """A function of plain values, at values that may be one of two."""
    for position, value in enumerate(values):
        if isinstance(value, Either):
            before, after = values[:position], values[position + 1 :]
            one, other = (applied(function, *before, each, *after) for each in (value.chosen, value.otherwise))
            return joined(value.condition, one, other)
    return function(*values)


def guarded(number: Term) -> Result:
    """A number that arithmetic made: outside 64 bits it is an error."""
    return Result(t.in_range(number), Scalar(number))


def sort_of(type: Type) -> Sort:
    """The sort of the values of a type."""
    match type:
        case BoolType():
            return t.BOOL
        case LongType():
            return t.LONG
        case StringType():
            return t.STRING
        case EntityRefType(name):
            return t.entity_sort(name)
        case ExtensionType(name):
            return EXTENSIONS[name]
        case SetType(element):
            return t.set_sort(sort_of(element))
        case RecordType(attributes):
            return t.record_sort((name, sort_of(one.type), one.required) for name, one in attributes.items())
    raise AssertionError(type)


def stored(place: Place, type: Type) -> Value:
    """The value of a type at a place."""
    if isinstance(type, RecordType):
        return Stored(place, type)
    leaf = place.leaf("value", sort_of(type))
    return Collection(leaf) if isinstance(type, SetType) else Scalar(leaf)


def field(record: Record | Stored, name: str) -> Field | None:
    """An attribute of a record; None where its type has no such attribute."""
    if isinstance(record, Record):
        return record.fields.get(name)
    attribute = record.type.attributes.get(name)
    if attribute is None:
        return None
    place = record.place.inside(name)
    present = t.TRUE if attribute.required else place.leaf("present", t.BOOL)
    return Field(present, stored(place, attribute.type))


def names(record: Record | Stored) -> tuple[str, ...]:
    """The attributes that a record may have."""
    return tuple(record.fields if isinstance(record, Record) else record.type.attributes)


def record_with(record: Stored, replaced: Mapping[str, Value]) -> Record:
    """A stored record with some of its attributes replaced, and there."""
    kept = {name: field(record, name) for name in names(record)}
    fields = {name: found for name, found in kept.items() if found is not None}
    return Record(fields | {name: Field(t.TRUE, value) for name, value in replaced.items()})


# --- equality and choice ----------------------------------------------------------------------------------------------


def equal(left: Value, right: Value) -> Term:
    """Cedar's `==`, which never errors: values of different kinds differ. Raises UnsupportedError."""
    if isinstance(left, Either):
        return t.ite(left.condition, equal(left.chosen, right), equal(left.otherwise, right))
    if isinstance(right, Either):
        return equal(right, left)
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        return t.eq(left.term, right.term) if left.term.sort == right.term.sort else t.FALSE
    if isinstance(left, Record | Stored) and isinstance(right, Record | Stored):
        both = dict.fromkeys((*names(left), *names(right)))
        return t.and_(*(_equal_fields(field(left, name), field(right, name)) for name in both))
    if isinstance(left, Listed | Collection) and isinstance(right, Listed | Collection):
        return t.and_(contains_all(left, right), contains_all(right, left))
    return t.FALSE


def _equal_fields(left: Field | None, right: Field | None) -> Term:
    if left is None or right is None:
        only = left or right
        return t.TRUE if only is None else t.not_(only.present)
    neither = t.and_(t.not_(left.present), t.not_(right.present))
    both = t.and_(left.present, right.present)
    return t.or_(neither, both if both is t.FALSE else t.and_(both, equal(left.value, right.value)))


def choose(condition: Term, chosen: Value, otherwise: Value) -> Value:
    """`if condition then chosen else otherwise`."""
    if condition.op == "const":
        return chosen if condition.data else otherwise
    match chosen, otherwise:
        case Scalar(one), Scalar(other) if one.sort == other.sort:
            return Scalar(t.ite(condition, one, other))
        case ((Record() | Stored()), (Record() | Stored())):
            both = dict.fromkeys((*names(chosen), *names(otherwise)))
            return Record({n: _choose_field(condition, field(chosen, n), field(otherwise, n)) for n in both})
        case Collection(one), Collection(other) if one.sort == other.sort:
            return Collection(t.ite(condition, one, other))
    return Either(condition, chosen, otherwise)


def _choose_field(condition: Term, chosen: Field | None, otherwise: Field | None) -> Field:
    if chosen is None or otherwise is None:
        only = chosen or otherwise
        assert only is not None
        return Field(t.and_(condition if chosen else t.not_(condition), only.present), only.value)
    present = t.ite(condition, chosen.present, otherwise.present)
    return Field(present, choose(condition, chosen.value, otherwise.value))


# --- sets -------------------------------------------------------------------------------------------------------------


def contains(collection: Listed | Collection, element: Value) -> Term:
    """Whether a value is in a set. Raises UnsupportedError."""
    if isinstance(collection, Listed):
        return t.or_(*(equal(each, element) for each in collection.elements))
    sort = collection.term.sort.element
    assert sort is not None
    fits, term = as_term(element, sort)
    return fits if fits is t.FALSE else t.and_(fits, t.member(term, collection.term))


def contains_all(collection: Listed | Collection, part: Listed | Collection) -> Term:
    """Whether every element of `part` is in the set. Raises UnsupportedError."""
    if isinstance(part, Listed):
        return t.and_(*(contains(collection, each) for each in part.elements))
    sort = part.term.sort.element
    assert sort is not None
    if isinstance(collection, Collection) and collection.term.sort == part.term.sort:
        return t.subset(part.term, collection.term)
    if isinstance(collection, Listed):
        return t.subset(part.term, _fitting(collection, sort))
    return t.or_(is_empty(part), _overlap(collection.term.sort, part.term.sort))


def contains_any(collection: Listed | Collection, other: Listed | Collection) -> Term:
    """Whether two sets have an element in common. Raises UnsupportedError."""
    if isinstance(other, Listed):
        return t.or_(*(contains(collection, each) for each in other.elements))
    if isinstance(collection, Listed):
        return contains_any(other, collection)
    if collection.term.sort != other.term.sort:
        return _overlap(collection.term.sort, other.term.sort)
    return t.not_(t.disjoint(collection.term, other.term))


def is_empty(collection: Listed | Collection) -> Term:
    """Whether a set has no element."""
    if isinstance(collection, Listed):
        return t.boolean(not collection.elements)
    return t.same(collection.term, t.default(collection.term.sort))


def _fitting(collection: Listed, sort: Sort) -> Term:
    """The elements of a set literal that may be in a set of a sort; those of another kind are in none."""
    terms = [as_term(each, sort) for each in collection.elements]
    found = t.elements(sort, (term for fits, term in terms if fits is t.TRUE))
    for fits, term in terms:
        if fits.op != "const":
            found = t.union_(found, t.ite(fits, t.elements(sort, [term]), t.elements(sort, ())))
    return found


def _overlap(one: Sort, other: Sort) -> Term:
    """Sets of different sorts have no element in common, unless both are of composite values of one kind.

    Strict validation lets no such sets meet.
    """
    if one.element and other.element and t.is_composite(one.element) and one.element.kind == other.element.kind:
        raise UnsupportedError("two sets whose elements are of different types")
    return t.FALSE


def as_term(value: Value, sort: Sort) -> tuple[Term, Term]:
    """A value as a term of a sort, and when it is of that sort; where it is not, the term says nothing.

    Raises UnsupportedError for stored sets of composite values of another sort.
    """
    match value:
        case Either(condition, chosen, otherwise):
            (fits, one), (suits, other) = as_term(chosen, sort), as_term(otherwise, sort)
            return t.ite(condition, fits, suits), t.ite(condition, one, other)
        case Scalar(term) | Collection(term) if term.sort == sort:
            return t.TRUE, term
        case Record() | Stored() if sort.kind == "Record":
            return _record_term(value, sort)
        case Listed(elements) if sort.kind == "Set":
            assert sort.element is not None
            terms = [as_term(each, sort.element) for each in elements]
            return t.and_(*(fits for fits, _ in terms)), t.elements(sort.element, (term for _, term in terms))
        case Collection(term) if sort.kind == "Set":
            _overlap(term.sort, sort)
            return is_empty(value), t.default(sort)
    return t.FALSE, t.default(sort)


def _record_term(value: Record | Stored, sort: Sort) -> tuple[Term, Term]:
    declared = {name for name, _, _ in sort.fields}
    extra = (field(value, name) for name in names(value) if name not in declared)
    fits = [t.not_(one.present) for one in extra if one is not None]
    args: list[Term] = []
    for name, inner, required in sort.fields:
        one = field(value, name)
        present = t.FALSE if one is None else one.present
        suits, term = (t.TRUE, t.default(inner)) if one is None else as_term(one.value, inner)
        fits += [t.or_(t.not_(present), suits), present if required else t.TRUE]
        args += [present, term]
    return t.and_(*fits), t.record(sort, args)
