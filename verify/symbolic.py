"""What a Cedar expression may evaluate to: scalars, sets, records, as terms.

A `Result` is a value together with the condition under which evaluation does not error, so an error is a value like
any other. Types are known in a request environment, so what kind a value is is never in question.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """A bool, long, string or entity."""

    term: Term


@dataclass(frozen=True, slots=True)
class Listed:
    """A set literal. Its elements may be of any kinds."""

    elements: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Collection:
    """A set of scalars, as a term."""

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
class Opaque:
    """A value of a type that the encoding does not know. It may be carried about and tested for presence, not used."""

    type: str


Value = Scalar | Listed | Collection | Record | Stored | Opaque


@dataclass(frozen=True, slots=True)
class Result:
    """`value` where `ok` holds, an error elsewhere."""

    ok: Term
    value: Value


def scalar_sort(type: Type) -> Sort | None:
    """The sort of a scalar type; None for the others."""
    match type:
        case BoolType():
            return t.BOOL
        case LongType():
            return t.LONG
        case StringType():
            return t.STRING
        case EntityRefType(name):
            return t.entity_sort(name)
    return None


def stored(place: Place, type: Type) -> Value:
    """The value of a type at a place."""
    if (sort := scalar_sort(type)) is not None:
        return Scalar(place.leaf("value", sort))
    match type:
        case RecordType():
            return Stored(place, type)
        case SetType(element):
            inner = scalar_sort(element)
            return (
                Opaque("a set of sets, records or extension values")
                if inner is None
                else Collection(place.leaf("value", t.set_sort(inner)))
            )
        case ExtensionType(name):
            return Opaque(name)
    raise AssertionError(type)


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
    if isinstance(left, Opaque) or isinstance(right, Opaque):
        opaque = left if isinstance(left, Opaque) else right
        assert isinstance(opaque, Opaque)
        raise UnsupportedError(opaque.type)
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
    """`if condition then chosen else otherwise`. Raises UnsupportedError where the two are of different kinds."""
    if condition.op == "const":
        return chosen if condition.data else otherwise
    match chosen, otherwise:
        case Scalar(one), Scalar(other) if one.sort == other.sort:
            return Scalar(t.ite(condition, one, other))
        case ((Record() | Stored()), (Record() | Stored())):
            both = dict.fromkeys((*names(chosen), *names(otherwise)))
            return Record({n: _choose_field(condition, field(chosen, n), field(otherwise, n)) for n in both})
        case ((Listed() | Collection()), (Listed() | Collection())):
            sort = _element_sort(chosen) or _element_sort(otherwise)
            first, second = (None, None) if sort is None else (_as_term(chosen, sort), _as_term(otherwise, sort))
            if first is not None and second is not None:
                return Collection(t.ite(condition, first, second))
    raise UnsupportedError("`if` between values of different types", "if")


def _choose_field(condition: Term, chosen: Field | None, otherwise: Field | None) -> Field:
    if chosen is None or otherwise is None:
        only = chosen or otherwise
        assert only is not None
        return Field(t.and_(condition if chosen else t.not_(condition), only.present), only.value)
    present = t.ite(condition, chosen.present, otherwise.present)
    return Field(present, choose(condition, chosen.value, otherwise.value))


# --- sets -------------------------------------------------------------------------------------------------------------


def contains(collection: Listed | Collection, element: Value) -> Term:
    """Whether a value is in a set."""
    if isinstance(collection, Listed):
        return t.or_(*(equal(each, element) for each in collection.elements))
    if isinstance(element, Opaque):
        raise UnsupportedError(element.type)
    if not isinstance(element, Scalar) or element.term.sort != collection.term.sort.element:
        return t.FALSE
    return t.member(element.term, collection.term)


def contains_all(collection: Listed | Collection, part: Listed | Collection) -> Term:
    """Whether every element of `part` is in the set."""
    if isinstance(part, Listed):
        return t.and_(*(contains(collection, each) for each in part.elements))
    sort = part.term.sort.element
    assert sort is not None
    # Elements of another kind are in no set of this sort, so they may be left out.
    whole = _as_term(collection, sort, drop=True)
    return t.subset(part.term, t.elements(sort, ()) if whole is None else whole)


def contains_any(collection: Listed | Collection, other: Listed | Collection) -> Term:
    """Whether two sets have an element in common."""
    if isinstance(other, Listed):
        return t.or_(*(contains(collection, each) for each in other.elements))
    if isinstance(collection, Listed):
        return t.or_(*(contains(other, each) for each in collection.elements))
    if collection.term.sort != other.term.sort:
        return t.FALSE
    return t.not_(t.disjoint(collection.term, other.term))


def is_empty(collection: Listed | Collection) -> Term:
    """Whether a set has no element."""
    if isinstance(collection, Listed):
        return t.boolean(not collection.elements)
    assert collection.term.sort.element is not None
    return t.subset(collection.term, t.elements(collection.term.sort.element, ()))


def _element_sort(collection: Listed | Collection) -> Sort | None:
    if isinstance(collection, Collection):
        return collection.term.sort.element
    return next((each.term.sort for each in collection.elements if isinstance(each, Scalar)), None)


def _as_term(collection: Listed | Collection, sort: Sort, *, drop: bool = False) -> Term | None:
    """The set as a term of sets of a sort; None where it has elements of another kind that may not be dropped."""
    if isinstance(collection, Collection):
        return collection.term if collection.term.sort.element == sort else None
    if any(isinstance(each, Opaque) for each in collection.elements):
        raise UnsupportedError("a set literal of extension values")
    fitting = [e.term for e in collection.elements if isinstance(e, Scalar) and e.term.sort == sort]
    if len(fitting) < len(collection.elements) and not drop:
        return None
    return t.elements(sort, fitting)
