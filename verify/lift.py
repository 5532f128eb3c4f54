"""From a solver's model to a request and an entity store in Cedar's JSON.

A model says only what the formula names. It is completed to a strongly well-formed input: required attributes get
plain values, optional ones that nothing is said of are left out, every entity that is referred to is in the store but
those that the model says are missing, and the hierarchy is the one between the entities named. An entity that a policy
names, but whose attributes and tags no policy reads, and that nothing refers to, is left out: its being there would
change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

from cedarpy import pst

from models.cedar.syntax import walk
from models.cedar.types import (
    BoolType,
    EntityRefType,
    ExtensionType,
    LongType,
    RecordType,
    RequestEnvironment,
    Schema,
    SetType,
    StringType,
    Type,
)
from models.cedar.uids import Uid
from verify.eval import Value, sort_key, step
from verify.findings import Witness
from verify.ground import sort_name
from verify.literals import to_json
from verify.smtlib import SURROGATES, Model, Script, ip_of
from verify.symbolic import sort_of
from verify.term import CONSTRUCTORS, Sort, Symbol, Term, is_composite, subterms
from verify.wellformed import closed_types
from verify.world import default

_Key = tuple[str, str, tuple[Value, ...], tuple[str, ...], str]
"""Kind, owner, arguments, path and role."""


def lift(
    script: Script, model: Model, schema: Schema, environment: RequestEnvironment, read: Iterable[Uid] = ()
) -> Witness:
    """The request and store that a model stands for. The entities of `read` are in the store."""
    return _Lift(schema, environment, _table(script, model, schema)).witness(read)


def entities_read(policies: Iterable[pst.Template]) -> tuple[Uid, ...]:
    """The entities that policies name and whose attributes or tags they read: without them they would err."""
    found: set[Uid] = set()
    for node in (node for policy in policies for clause in policy.clauses for node in walk(clause.expr)):
        match node:
            case pst.GetAttr(base) | pst.HasAttr(base) | pst.BinaryOp("get_tag" | "has_tag", base, _):
                literals = (inner for inner in walk(base) if isinstance(inner, pst.EntityLit))
                found |= {Uid(str(literal.value.type), literal.value.id) for literal in literals}
    return tuple(sorted(found))


def _table(script: Script, model: Model, schema: Schema) -> dict[_Key, Value]:
    """What the model says of each unknown, arguments and entities by value."""
    values_of = _Values(script.numbers, closed_types(schema), script.beyond, script.composites)
    values: dict[Term, Value] = {}
    table: dict[_Key, Value] = {}

    def unknown(symbol: Symbol, _: tuple[Value, ...]) -> Value:
        raise AssertionError(f"`{symbol.kind}` has a name in the script")

    for term in subterms(*script.names):
        if term.op != "leaf":
            values[term] = step(term, values, unknown)
            continue
        said = model.get(script.names[term])
        values[term] = (
            default(term.sort) if said is None and term.sort.kind != "Entity" else values_of.read(said, term.sort)
        )
        symbol, args = term.data, tuple(values[arg] for arg in term.args)
        table[symbol.kind, symbol.owner, args, symbol.path, symbol.role] = values[term]
    return table


@dataclass
class _Values:
    """Values as Cedar has them. Entities that no policy names get short ids."""

    numbers: Mapping[tuple[str, str], int]
    closed: Mapping[str, tuple[str, ...]]
    beyond: Mapping[str, str]
    composites: Mapping[tuple[Sort, int], Value]
    _made: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._made = {(type, number): id for (type, id), number in self.numbers.items()}

    def read(self, said: bool | int | str | None, sort: Sort) -> Value:
        """What a solver says of an unknown, as a value of its sort."""
        match sort.kind, said:
            case "Entity", int() | None:
                return self.name(sort.name, said or 0)
            case "Ip", int():
                return ip_of(said)
            case "Surrogate", int():
                return self.composites.get((sort, said), said)
            case "String", str():
                return said if said.isascii() else said.translate(self._readable)
        return said

    @cached_property
    def _readable(self) -> Mapping[int, str]:
        """What stands in a text for SMT-LIB's surrogates: the characters printed as such.

        The others become private characters that nothing names, so different texts stay different.
        """
        spare = (character for character in map(chr, count(0xF0000)) if character not in self.beyond)
        unused = (one for one in SURROGATES if chr(one) not in self.beyond.values())
        named = {ord(one): character for character, one in self.beyond.items()}
        return dict(zip(unused, spare, strict=False)) | named

    def name(self, type: str, number: int) -> str:
        if (type, number) not in self._made:
            taken = {id for (other, _), id in self._made.items() if other == type}
            ids = (*self.closed[type],) if type in self.closed else _short_ids()
            self._made[type, number] = next(id for id in ids if id not in taken)
        return self._made[type, number]


def _short_ids() -> Iterator[str]:
    for number in count():
        yield chr(ord("a") + number % 26) + (str(number // 26) if number >= 26 else "")


@dataclass
class _Lift:
    schema: Schema
    environment: RequestEnvironment
    table: Mapping[_Key, Value]
    needed: dict[Uid, None] = field(default_factory=dict)

    def witness(self, read: Iterable[Uid]) -> Witness:
        for uid in read:
            self._need(uid)
        principal = self._request("principal", self.environment.principal)
        resource = self._request("resource", self.environment.resource)
        context = self._record(self.schema.actions[self.environment.action].context, "context", "", (), ())
        for kind, owner, args, path, _ in self.table:
            if kind in ("attribute", "tag", "above", "exists"):
                self._need(Uid(owner, args[0]))
            if kind == "above" and self.table[kind, owner, args, path, "value"]:
                self._need(Uid(path[0], args[1]))
        entities: dict[Uid, dict[str, Any]] = {}
        while missing := [uid for uid in self.needed if uid not in entities]:
            entities |= {uid: self._entity(uid) for uid in missing}
        action = self.environment.action
        return Witness(str(principal), action, str(resource), context, tuple(entities[u] for u in sorted(entities)))

    def _request(self, kind: str, type: str) -> Uid:
        said = self.table.get((kind, "", (), (), "value"))
        uid = Uid(type, self._some_id(type) if said is None else said)
        self._need(uid)
        return uid

    def _need(self, uid: Uid) -> None:
        missing = self.table.get(("exists", uid.type, (uid.id,), (), "present")) is False
        if uid.type in self.schema.entity_types and not missing:
            self.needed[uid] = None

    def _some_id(self, type: str) -> str:
        """The id of an entity of a type, one that is needed anyway where there is one."""
        closed = closed_types(self.schema).get(type)
        if closed:
            return closed[0]
        return next((uid.id for uid in self.needed if uid.type == type), "a")

    def _entity(self, uid: Uid) -> dict[str, Any]:
        declared = self.schema.entity_types[uid.type]
        attributes = self._record(declared.attributes, "attribute", uid.type, (uid.id,), ())
        parents = [
            {"type": path[0], "id": args[1]}
            for (kind, owner, args, path, _), value in sorted(self.table.items(), key=repr)
            if kind == "above" and value and (owner, args[0]) == uid
        ]
        entity = {"uid": {"type": uid.type, "id": uid.id}, "attrs": attributes, "parents": parents}
        if declared.tags is not None and (tags := self._tags(uid, declared.tags)):
            entity["tags"] = tags
        return entity

    def _tags(self, uid: Uid, type: Type) -> dict[str, Any]:
        keys = [
            args[1]
            for (kind, owner, args, path, role), value in self.table.items()
            if kind == "tag" and role == "present" and not path and value and (owner, args[0]) == uid
        ]
        return {key: self._value(type, "tag", uid.type, (uid.id, key), ()) for key in sorted(keys)}

    def _record(
        self, type: RecordType, kind: str, owner: str, args: tuple[Value, ...], path: tuple[str, ...]
    ) -> dict[str, Any]:
        return {
            name: self._value(attribute.type, kind, owner, args, (*path, name))
            for name, attribute in type.attributes.items()
            if attribute.required or self.table.get((kind, owner, args, (*path, name), "present"))
        }

    def _value(self, type: Type, kind: str, owner: str, args: tuple[Value, ...], path: tuple[str, ...]) -> Any:
        said = self.table.get((kind, owner, args, path, "value"))
        match type:
            case BoolType():
                return bool(said)
            case LongType():
                return said or 0
            case StringType():
                return said or ""
            case EntityRefType(name):
                return self._reference(name, self._some_id(name) if said is None else said)
            case RecordType():
                return self._record(type, kind, owner, args, path)
            case ExtensionType():
                sort = sort_of(type)
                return to_json(CONSTRUCTORS[sort], default(sort) if said is None else said)
            case SetType(element):
                return self._set(element, kind, owner, args, path)

    def _set(self, element: Type, kind: str, owner: str, args: tuple[Value, ...], path: tuple[str, ...]) -> list[Any]:
        members = [
            given[-1]
            for (one, another, given, where, role), value in self.table.items()
            if role == "member" and value and (one, another, given[:-1], where) == (kind, owner, args, path)
        ]
        return self._known(element, members)

    def _known(self, element: Type, members: Iterable[Value]) -> list[Any]:
        """The elements of a set."""
        key = sort_key if is_composite(sort_of(element)) else None
        return [self._element(element, each) for each in sorted(members, key=key)]

    def _element(self, type: Type, value: Value) -> Any:
        match type:
            case SetType(element) if isinstance(value, frozenset):
                return self._known(element, value)
            case RecordType(attributes) if isinstance(value, frozenset):
                return {name: self._element(attributes[name].type, held) for name, held in sorted(value)}
            case SetType() | RecordType():
                return self._value(type, "content", sort_name(sort_of(type)), (value,), ())
            case EntityRefType(name):
                return self._reference(name, value)
            case ExtensionType():
                return to_json(CONSTRUCTORS[sort_of(type)], value)
        return value

    def _reference(self, type: str, id: str) -> dict[str, Any]:
        self._need(Uid(type, id))
        return {"__entity": {"type": type, "id": id}}
