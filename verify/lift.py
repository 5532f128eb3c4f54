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
from verify.eval import Value, step
from verify.findings import Witness
from verify.smtlib import Model, Script
from verify.term import Symbol, Term, subterms
from verify.wellformed import closed_types
from verify.world import default

_EXTENSION_DEFAULTS = {
    "decimal": ("decimal", "0.0"),
    "ipaddr": ("ip", "0.0.0.0"),  # noqa: S104 - a value, nothing is bound to it
    "datetime": ("datetime", "1970-01-01"),
    "duration": ("duration", "0ms"),
}

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
    ids = _Ids(script.numbers, closed_types(schema))
    values: dict[Term, Value] = {}
    table: dict[_Key, Value] = {}

    def unknown(symbol: Symbol, _: tuple[Value, ...]) -> Value:
        raise AssertionError(f"`{symbol.kind}` has a name in the script")

    for term in subterms(*script.names):
        if term.op != "leaf":
            values[term] = step(term, values, unknown)
            continue
        value = model.get(script.names[term], default(term.sort) if term.sort.kind != "Entity" else 0)
        if term.sort.kind == "Entity":
            assert isinstance(value, int)
            value = ids.name(term.sort.name, value)
        values[term] = _readable(value) if isinstance(value, str) and term.sort.kind == "String" else value
        symbol, args = term.data, tuple(values[arg] for arg in term.args)
        table[symbol.kind, symbol.owner, args, symbol.path, symbol.role] = values[term]
    return table


def _readable(text: str) -> str:
    """The text without surrogates, which SMT-LIB has and Unicode text has not.

    Each becomes a private character of its own beyond those of SMT-LIB, so different texts stay different, and no
    pattern that is encoded names any of them.
    """
    return "".join(chr(ord(c) - 0xD800 + 0xF0000) if 0xD800 <= ord(c) < 0xE000 else c for c in text)


@dataclass
class _Ids:
    """Ids of entities by number; those that no policy names get short ones."""

    numbers: Mapping[tuple[str, str], int]
    closed: Mapping[str, tuple[str, ...]]
    _made: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._made = {(type, number): id for (type, id), number in self.numbers.items()}

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
            case ExtensionType(name):
                function, argument = _EXTENSION_DEFAULTS[name]
                return {"__extn": {"fn": function, "arg": argument}}
            case SetType(element):
                return self._set(element, kind, owner, args, path)

    def _set(self, element: Type, kind: str, owner: str, args: tuple[Value, ...], path: tuple[str, ...]) -> list[Any]:
        members = [
            given[-1]
            for (one, another, given, where, role), value in self.table.items()
            if role == "member" and value and (one, another, given[:-1], where) == (kind, owner, args, path)
        ]
        if isinstance(element, EntityRefType):
            return [self._reference(element.name, id) for id in sorted(members)]
        return sorted(members)

    def _reference(self, type: str, id: str) -> dict[str, Any]:
        self._need(Uid(type, id))
        return {"__entity": {"type": type, "id": id}}
