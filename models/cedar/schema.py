"""From Cedar schema text to `Schema`.

Reads the canonical text that `str(cedarpy.Schema)` prints: load any schema, Cedar or JSON, through `cedarpy` first.
Names are resolved as Cedar resolves them: a bare name is looked up in its own namespace, then in the empty one, then
among the built-in types, common types before entity types; a name with `::` in it is already full. Annotations are
skipped.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from models.cedar.source import Token, tokens
from models.cedar.types import (
    Action,
    Attribute,
    BoolType,
    EntityRefType,
    EntityType,
    ExtensionType,
    LongType,
    RecordType,
    Schema,
    SetType,
    StringType,
    Type,
)
from models.cedar.uids import Uid, unescape

NESTING_MAX = 90
"""Types inside types, common types expanded."""

EXPANSION_MAX = 100_000
"""Type nodes in the expanded schema: common types can double at every step."""

_BUILT_IN: dict[str, Type] = {
    "Bool": BoolType(),
    "Boolean": BoolType(),
    "Long": LongType(),
    "String": StringType(),
    **{name: ExtensionType(name) for name in ("decimal", "ipaddr", "datetime", "duration")},
}
_T = TypeVar("_T")

# What stands in the text, before names are resolved.


@dataclass(frozen=True, slots=True)
class _Name:
    text: str


@dataclass(frozen=True, slots=True)
class _SetOf:
    element: _Written


@dataclass(frozen=True, slots=True)
class _RecordOf:
    attributes: dict[str, tuple[_Written, bool]]


_Written = _Name | _SetOf | _RecordOf


@dataclass(slots=True)
class _Entity:
    namespace: str
    parents: list[str] = field(default_factory=list)
    attributes: _Written = field(default_factory=lambda: _RecordOf({}))
    tags: _Written | None = None
    ids: tuple[str, ...] | None = None


@dataclass(slots=True)
class _Action:
    namespace: str
    parents: list[Uid] = field(default_factory=list)
    principals: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    context: _Written = field(default_factory=lambda: _RecordOf({}))


@dataclass(slots=True)
class _Declarations:
    """Everything declared, by full name; actions by full action type and id."""

    types: dict[str, tuple[str, _Written]] = field(default_factory=dict)
    entities: dict[str, _Entity] = field(default_factory=dict)
    actions: dict[Uid, _Action] = field(default_factory=dict)


def _join(namespace: str, name: str) -> str:
    return f"{namespace}::{name}" if namespace else name


class _Reader:
    """A cursor over the tokens. Every method leaves it after what the method reads; a surprise is a ValueError."""

    def __init__(self, text: str) -> None:
        self._tokens = [*tokens(text), Token("end", "", len(text))]
        self._at = 0
        self.found = _Declarations()

    def peek(self) -> str:
        return self._tokens[self._at].text

    def take(self) -> Token:
        token = self._tokens[self._at]
        if token.kind == "end":
            raise ValueError("the schema text ends early")
        self._at += 1
        return token

    def expect(self, text: str) -> None:
        token = self.take()
        if token.text != text:
            raise ValueError(f"expected `{text}` in the schema, got `{token.text}`")

    def accept(self, text: str) -> bool:
        if self.peek() != text:
            return False
        self._at += 1
        return True

    def name(self) -> str:
        """An identifier or a string, as declared or referred to."""
        token = self.take()
        if token.kind not in ("word", "string"):
            raise ValueError(f"expected a name in the schema, got `{token.text}`")
        return unescape(token.content) if token.kind == "string" else token.text

    def path(self) -> str:
        parts = [self.name()]
        while self.accept("::"):
            parts.append(self.name())
        return "::".join(parts)

    def action_reference(self) -> Uid:
        """`"id"` or `NS::Action::"id"`; the type is empty where it is not written."""
        parts = [self.name()]
        while self.accept("::"):
            parts.append(self.name())
        return Uid("::".join(parts[:-1]), parts[-1])

    def several(self, read: Callable[[], _T]) -> list[_T]:
        """One thing, or a list of them in brackets."""
        if not self.accept("["):
            return [read()]
        found: list[_T] = []
        while not self.accept("]"):
            found.append(read())
            if self.peek() != "]":
                self.expect(",")
        return found

    def skip_annotations(self) -> None:
        while self.accept("@"):
            self.take()
            if self.accept("("):
                self.take()
                self.expect(")")

    def type(self, depth: int = 0) -> _Written:
        if depth > NESTING_MAX:
            raise ValueError(f"types are nested more than {NESTING_MAX} deep")
        if self.peek() == "{":
            return self.record(depth)
        name = self.path()
        if name == "Set" and self.accept("<"):
            element = self.type(depth + 1)
            self.expect(">")
            return _SetOf(element)
        return _Name(name)

    def record(self, depth: int) -> _RecordOf:
        self.expect("{")
        attributes: dict[str, tuple[_Written, bool]] = {}
        while not self.accept("}"):
            self.skip_annotations()
            name = self.name()
            required = not self.accept("?")
            self.expect(":")
            attributes[name] = (self.type(depth + 1), required)
            if self.peek() != "}":
                self.expect(",")
        return _RecordOf(attributes)

    def schema(self) -> _Declarations:
        """The whole text."""
        while self.peek():
            self.skip_annotations()
            if not self.accept("namespace"):
                self.declaration("")
                continue
            namespace = self.path()
            self.expect("{")
            while not self.accept("}"):
                self.skip_annotations()
                self.declaration(namespace)
        return self.found

    def declaration(self, namespace: str) -> None:
        kind = self.take().text
        match kind:
            case "type":
                name = self.name()
                self.expect("=")
                self.found.types[_join(namespace, name)] = (namespace, self.type())
            case "entity":
                self.entity(namespace)
            case "action":
                self.action(namespace)
            case _:
                raise ValueError(f"expected `type`, `entity` or `action` in the schema, got `{kind}`")
        self.expect(";")

    def names(self) -> list[str]:
        found = [self.name()]
        while self.accept(","):
            found.append(self.name())
        return found

    def entity(self, namespace: str) -> None:
        names, entity = self.names(), _Entity(namespace)
        if self.accept("enum"):
            entity.ids = tuple(self.several(self.name))
        else:
            if self.accept("in"):
                entity.parents = self.several(self.path)
            if self.accept("=") or self.peek() == "{":
                entity.attributes = self.type()
            if self.accept("tags"):
                entity.tags = self.type()
        for name in names:
            self.found.entities[_join(namespace, name)] = entity

    def action(self, namespace: str) -> None:
        names, action = self.names(), _Action(namespace)
        if self.accept("in"):
            action.parents = self.several(self.action_reference)
        if self.accept("appliesTo"):
            self.applies_to(action)
        for name in names:
            self.found.actions[Uid(_join(namespace, "Action"), name)] = action

    def applies_to(self, action: _Action) -> None:
        self.expect("{")
        while not self.accept("}"):
            key = self.take().text
            self.expect(":")
            match key:
                case "principal":
                    action.principals = self.several(self.path)
                case "resource":
                    action.resources = self.several(self.path)
                case "context":
                    action.context = self.type()
                case _:
                    raise ValueError(f"expected `principal`, `resource` or `context` in the schema, got `{key}`")
            if self.peek() != "}":
                self.expect(",")


class _Resolver:
    """Turns names into types. Each common type is expanded once and shared; size and depth are bounded."""

    def __init__(self, declarations: _Declarations) -> None:
        self._declared = declarations
        self._expanded: dict[str, tuple[Type, int, int]] = {}
        self._size = 0

    def full_type(self, written: _Written, namespace: str) -> Type:
        """A type of the schema, counted against the bound on the whole."""
        resolved, size, _ = self._resolve(written, namespace, ())
        self._size += size
        if self._size > EXPANSION_MAX:
            raise ValueError(f"the schema has more than {EXPANSION_MAX} types once its common types are expanded")
        return resolved

    def full_record(self, written: _Written, namespace: str) -> RecordType:
        resolved = self.full_type(written, namespace)
        if not isinstance(resolved, RecordType):
            raise ValueError("expected a record type in the schema")
        return resolved

    def entity_name(self, name: str, namespace: str) -> str:
        for candidate in _candidates(name, namespace):
            if candidate in self._declared.entities:
                return candidate
        raise ValueError(f"the schema declares no entity type `{name}`")

    def action_uid(self, written: Uid, namespace: str) -> str:
        for candidate in _candidates(written.type or "Action", namespace):
            if Uid(candidate, written.id) in self._declared.actions:
                return str(Uid(candidate, written.id))
        raise ValueError(f"the schema declares no action `{written.id}`")

    def _resolve(self, written: _Written, namespace: str, within: tuple[str, ...]) -> tuple[Type, int, int]:
        """The type, how many nodes it has, and how deep it is."""
        match written:
            case _Name(text):
                return self._named(text, namespace, within)
            case _SetOf(element):
                inner, size, depth = self._resolve(element, namespace, within)
                return SetType(inner), size + 1, _deeper(depth)
            case _RecordOf(attributes):
                parts = {name: (*self._resolve(t, namespace, within), need) for name, (t, need) in attributes.items()}
                record = RecordType({name: Attribute(part[0], part[3]) for name, part in parts.items()})
                deepest = max((part[2] for part in parts.values()), default=0)
                return record, 1 + sum(part[1] for part in parts.values()), _deeper(deepest)

    def _named(self, name: str, namespace: str, within: tuple[str, ...]) -> tuple[Type, int, int]:
        for candidate in _candidates(name, namespace):
            if candidate in self._declared.types:
                return self._common(candidate, within)
            if candidate in self._declared.entities or any(uid.type == candidate for uid in self._declared.actions):
                return EntityRefType(candidate), 1, 1
        built_in = _BUILT_IN.get(name.removeprefix("__cedar::"))
        if built_in is None:
            raise ValueError(f"the schema declares no type `{name}`")
        return built_in, 1, 1

    def _common(self, name: str, within: tuple[str, ...]) -> tuple[Type, int, int]:
        if name in within:
            raise ValueError(f"the common type `{name}` is made of itself")
        if name not in self._expanded:
            namespace, written = self._declared.types[name]
            self._expanded[name] = self._resolve(written, namespace, (*within, name))
        return self._expanded[name]


def _deeper(depth: int) -> int:
    if depth >= NESTING_MAX:
        raise ValueError(f"types are nested more than {NESTING_MAX} deep")
    return depth + 1


def _candidates(name: str, namespace: str) -> tuple[str, ...]:
    return (name,) if "::" in name or not namespace else (f"{namespace}::{name}", name)


def parse_schema(text: str) -> Schema:
    """The schema that canonical text stands for. Raises ValueError where the text is none, or is too large."""
    declared = _Reader(text).schema()
    resolver = _Resolver(declared)
    entity_types = {name: _entity_type(name, entity, resolver) for name, entity in declared.entities.items()}
    actions = {str(uid): _action(str(uid), action, resolver) for uid, action in declared.actions.items()}
    return Schema(entity_types, actions)


def _entity_type(name: str, entity: _Entity, resolver: _Resolver) -> EntityType:
    return EntityType(
        name,
        tuple(resolver.entity_name(parent, entity.namespace) for parent in entity.parents),
        resolver.full_record(entity.attributes, entity.namespace),
        None if entity.tags is None else resolver.full_type(entity.tags, entity.namespace),
        entity.ids,
    )


def _action(uid: str, action: _Action, resolver: _Resolver) -> Action:
    return Action(
        uid,
        tuple(resolver.action_uid(parent, action.namespace) for parent in action.parents),
        tuple(resolver.entity_name(name, action.namespace) for name in action.principals),
        tuple(resolver.entity_name(name, action.namespace) for name in action.resources),
        resolver.full_record(action.context, action.namespace),
    )


def growth_fault(text: str, is_json: bool) -> str:
    """Why a schema must not be expanded: its common types double too often; empty where they do not.

    An upper bound on raw text, for `cedarpy` itself expands common types without one. Raises json.JSONDecodeError.
    """
    bodies = _json_bodies(json.loads(text)) if is_json else _text_bodies(text)
    sizes = dict.fromkeys(bodies, 1)
    for _ in range(NESTING_MAX):
        grown = {name: 1 + sum(sizes.get(part, 1) for part in body) for name, body in bodies.items()}
        if max(grown.values(), default=0) > EXPANSION_MAX:
            return f"a common type expands to more than {EXPANSION_MAX} types"
        if grown == sizes:
            return ""
        sizes = grown
    return f"common types refer to each other more than {NESTING_MAX} deep, or in a circle"


def _text_bodies(text: str) -> dict[str, list[str]]:
    """The words in each `type NAME = ...;`, by its name; equal names of several namespaces together."""
    bodies: dict[str, list[str]] = {}
    within: list[str] | None = None
    stream = list(tokens(text))
    for before, token in itertools.pairwise(stream):
        if before.text == "type" and token.kind == "word" and within is None:
            within = bodies.setdefault(token.text, [])
        elif token.text == ";":
            within = None
        elif within is not None and token.kind == "word":
            within.append(token.text)
    return bodies


def _json_bodies(document: object) -> dict[str, list[str]]:
    bodies: dict[str, list[str]] = {}
    for namespace in document.values() if isinstance(document, dict) else ():
        common = namespace.get("commonTypes") if isinstance(namespace, dict) else None
        for name, body in common.items() if isinstance(common, dict) else ():
            bodies.setdefault(name, []).extend(part.rsplit("::", 1)[-1] for part in _strings(body))
    return bodies


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
