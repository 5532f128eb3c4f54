"""Random requests and entity stores that conform to a schema, and what cedarpy makes of policies on them.

Nothing of the verifier takes part: values are written as Cedar's JSON, and every policy is evaluated alone, as it is
written.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cedarpy

from models.cedar.types import (
    BoolType,
    EntityRefType,
    ExtensionType,
    LongType,
    RecordType,
    RequestEnvironment,
    SetType,
    StringType,
    Type,
)
from models.cedar.uids import Uid, parse_uid
from random_policies import CONSTRUCTORS
from random_schemas import World
from verify.findings import Witness


class Inputs:
    """Draws requests and stores of a world. A store has every entity that the world's policies can name."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.schema, self.chance = world, world.schema, chance

    def input(self, environment: RequestEnvironment | None = None, missing: float = 0.0) -> Witness:
        """A request with a store of its own; `missing` is the share of entities that the store lacks."""
        return self.request(self.store(missing), environment)

    def request(self, store: tuple[Mapping[str, Any], ...], environment: RequestEnvironment | None = None) -> Witness:
        """A request to be decided under a store."""
        principal, action, resource = self._parts(environment or self.chance.choice(self.schema.environments()))
        context = self.value(self.schema.actions[action].context)
        return Witness(principal, action, resource, context, store)

    def _parts(self, environment: RequestEnvironment) -> tuple[str, str, str]:
        principal, resource = (
            str(Uid(type, self.chance.choice(self.world.ids(type))))
            for type in (environment.principal, environment.resource)
        )
        return principal, environment.action, resource

    def store(self, missing: float = 0.0) -> tuple[dict[str, Any], ...]:
        """Entities with every ancestor among their parents. The entities of a type stand in a random order in each
        store, and are in later ones alone, so the hierarchy has no circle.
        """
        uids = [Uid(type, id) for type in self.schema.entity_types for id in self.world.ids(type)]
        self.chance.shuffle(uids)
        above: dict[Uid, set[Uid]] = {}
        for position in reversed(range(len(uids))):
            low = uids[position]
            parents = self.schema.entity_types[low.type].parents
            found = {high for high in uids[position + 1 :] if high.type in parents and self.chance.random() < 0.4}
            above[low] = found.union(*(above[high] for high in found))
        kept = [one for one in sorted(uids) if self.chance.random() >= missing]
        return tuple(self._entity(one, above[one]) for one in kept)

    def _entity(self, uid: Uid, above: set[Uid]) -> dict[str, Any]:
        declared = self.schema.entity_types[uid.type]
        found: dict[str, Any] = {
            "uid": {"type": uid.type, "id": uid.id},
            "attrs": self.value(declared.attributes),
            "parents": [{"type": high.type, "id": high.id} for high in sorted(above)],
        }
        if declared.tags is not None:
            keys = [key for key in self.world.palette.strings if self.chance.random() < 0.4]
            found["tags"] = {key: self.value(declared.tags) for key in keys}
        return found

    def value(self, type: Type) -> Any:
        """A value of a type in Cedar's JSON."""
        palette = self.world.palette
        match type:
            case BoolType():
                return self.chance.random() < 0.5
            case LongType():
                return palette.long(self.chance)
            case StringType():
                return self._string()
            case ExtensionType(name):
                text = self.chance.choice(palette.extensions[name])
                return {"__extn": {"fn": CONSTRUCTORS[name], "arg": text}}
            case EntityRefType(name):
                return {"__entity": {"type": name, "id": self.chance.choice(self.world.ids(name))}}
            case SetType(element):
                return [self.value(element) for _ in range(self.chance.choice((0, 0, 1, 1, 2, 3)))]
            case RecordType(attributes):
                return {
                    name: self.value(one.type)
                    for name, one in attributes.items()
                    if one.required or self.chance.random() < 0.5
                }

    def _string(self) -> str:
        """A string of the world, or two of them: what a pattern with a wildcard may stand for."""
        strings = self.world.palette.strings
        count = self.chance.choice((1, 1, 1, 2))
        return "".join(self.chance.choice(strings) for _ in range(count))


class Judgement(NamedTuple):
    """The policies, by position, that match a request and that err on it."""

    matched: frozenset[int]
    errored: frozenset[int]


class Oracle:
    """cedarpy on policies, each alone."""

    def __init__(self, texts: Sequence[str], world: World) -> None:
        self._policies = [cedarpy.PolicySet.from_str(text) for text in texts]
        self._schema = world.handle

    def judge(self, witness: Witness) -> Judgement:
        return self.judge_all([witness])[0]

    def judge_all(self, witnesses: Sequence[Witness]) -> list[Judgement]:
        """What becomes of requests that stand under one store. Cedar refuses a store that the schema does not admit."""
        store = cedarpy.Entities.from_json_str(json.dumps(list(witnesses[0].entities)), self._schema)
        requests = [as_request(witness) for witness in witnesses]
        matched: list[set[int]] = [set() for _ in requests]
        errored: list[set[int]] = [set() for _ in requests]
        for position, policy in enumerate(self._policies):
            for number, result in enumerate(cedarpy.is_authorized_batch(requests, policy, store)):
                assert result.decision is not cedarpy.Decision.NoDecision, result.diagnostics.errors
                if result.diagnostics.reasons:
                    matched[number].add(position)
                if result.diagnostics.errors:
                    errored[number].add(position)
        return [Judgement(frozenset(m), frozenset(e)) for m, e in zip(matched, errored, strict=True)]

    def conforms(self, witness: Witness) -> None:
        """Cedar takes request and store under the schema; else ValueError."""
        store = cedarpy.Entities.from_json_str(json.dumps(list(witness.entities)), self._schema)
        result = cedarpy.is_authorized(as_request(witness), self._policies[0], store, schema=self._schema)
        if result.decision is cedarpy.Decision.NoDecision:
            raise ValueError("; ".join(result.diagnostics.errors))


def as_request(witness: Witness) -> dict[str, Any]:
    """A witness's request in cedarpy's structured form."""
    parts = {part: parse_uid(getattr(witness, part)) for part in ("principal", "action", "resource")}
    uids = {part: {"type": uid.type, "id": uid.id} for part, uid in parts.items()}
    return {**uids, "context": dict(witness.context)}
