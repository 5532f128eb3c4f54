"""Entity stores: attributes, tags and ancestors of the entities that policies read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any

import cedarpy

from models.cedar.types import EntityRefType, ExtensionType, RecordType, Schema, SetType, Type
from models.cedar.uids import Uid, parse_uid


def uid_of(value: object) -> Uid:
    """The uid that Cedar's JSON names, with or without `__entity` around it. Raises ValueError on anything else."""
    inner = value.get("__entity", value) if isinstance(value, dict) else None
    if isinstance(inner, dict):  # asked by the million: five times as fast as the patterns below
        name, identity = inner.get("type"), inner.get("id")
        if isinstance(name, str) and isinstance(identity, str):
            return Uid(name, identity)
    match value:
        case {"__entity": {"type": str(name), "id": str(identity)}} | {"type": str(name), "id": str(identity)}:
            return Uid(name, identity)
    raise ValueError(f"expected an entity reference, got {str(value)[:80]}")


class Store:
    """Entities by uid, with every ancestor of each. Built from Cedar's JSON; the first of two equal uids counts."""

    def __init__(self, entities: Iterable[Mapping[str, Any]]) -> None:
        self._entities: dict[Uid, Mapping[str, Any]] = {}
        for entity in entities:
            self._entities.setdefault(uid_of(entity.get("uid")), entity)
        self._ancestors: dict[Uid, frozenset[Uid]] = {}

    def __contains__(self, uid: object) -> bool:
        return uid in self._entities

    @cached_property
    def uids(self) -> frozenset[Uid]:
        return frozenset(self._entities)

    def attributes(self, uid: Uid) -> Mapping[str, Any]:
        """Attribute values in Cedar's JSON. Raises KeyError for an entity that is not in the store."""
        return self._entities[uid].get("attrs") or {}

    def tags(self, uid: Uid) -> Mapping[str, Any]:
        """Tag values in Cedar's JSON. Raises KeyError for an entity that is not in the store."""
        return self._entities[uid].get("tags") or {}

    def ancestors(self, uid: Uid) -> frozenset[Uid]:
        """Everything above an entity, itself not counted; nothing for an entity that is not in the store."""
        if uid not in self._ancestors:
            self._ancestors[uid] = self._climb(uid)
        return self._ancestors[uid]

    def _climb(self, uid: Uid) -> frozenset[Uid]:
        found: set[Uid] = set()
        pending = [uid]
        while pending:
            for parent in self._entities.get(pending.pop(), {}).get("parents") or ():
                above = uid_of(parent)
                if above not in found:
                    found.add(above)
                    pending.append(above)
        return frozenset(found)


def explicit(value: Any, typed: Type) -> Any:
    """A value in Cedar's JSON with its entity references and extension values marked as such, as its type has them.

    Cedar takes `{"type", "id"}` and plain texts for them where it knows the schema. What does not fit the type is left.
    """
    match typed, value:
        case EntityRefType(), {"type": str(), "id": str()}:
            return {"__entity": value}
        case ExtensionType(name), str():
            return {"__extn": {"fn": "ip" if name == "ipaddr" else name, "arg": value}}
        case ExtensionType(), {"fn": str(), "arg": _}:
            return {"__extn": value}
        case SetType(element), list():
            return [explicit(inner, element) for inner in value]
        case RecordType(attributes), Mapping():
            types = {name: attribute.type for name, attribute in attributes.items()}
            return {name: explicit(inner, types[name]) if name in types else inner for name, inner in value.items()}
    return value


def explicit_entity(entity: Mapping[str, Any], schema: Schema) -> Mapping[str, Any]:
    """An entity in Cedar's JSON with the values of its attributes and tags as `explicit` makes them.

    Raises ValueError where it has no uid.
    """
    declared = schema.entity_types.get(uid_of(entity.get("uid")).type)
    if declared is None:
        return entity
    made = {**entity, "attrs": explicit(entity.get("attrs") or {}, declared.attributes)}
    if declared.tags is not None and entity.get("tags"):
        made["tags"] = {key: explicit(value, declared.tags) for key, value in entity["tags"].items()}
    return made


@lru_cache(maxsize=16)  # the schemas that are looked at in turns; stores are made by the thousand, with 36 actions each
def _action_entities(parents: tuple[tuple[str, tuple[str, ...]], ...]) -> Mapping[Uid, Mapping[str, Any]]:
    """Actions with their parents as entities, in Cedar's JSON."""
    return {
        (uid := parse_uid(name)): {"uid": _json(uid), "attrs": {}, "parents": [_json(parse_uid(p)) for p in above]}
        for name, above in parents
    }


def _json(uid: Uid) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}


def with_actions(entities: Iterable[Mapping[str, Any]], schema: Schema) -> list[Mapping[str, Any]]:
    """The entities, and after them the schema's actions that are not among them."""
    given = list(entities)
    known = {uid_of(entity.get("uid")) for entity in given}
    actions = _action_entities(tuple((action.uid, tuple(action.parents)) for action in schema.actions.values()))
    return [*given, *(action for uid, action in actions.items() if uid not in known)]


def entities_handle(entities: Iterable[Mapping[str, Any]], schema: Schema) -> cedarpy.Entities:
    """cedarpy's store of these entities and the schema's actions. Raises ValueError where cedarpy refuses them."""
    return cedarpy.Entities.from_json_str(json.dumps(with_actions(entities, schema)))
