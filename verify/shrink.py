"""Witnesses cut down to what matters: fewest attributes, shortest strings, small numbers.

Greedy and deterministic: place by place, largest cuts first, the first smaller witness is taken that still shows what
the witness is for, until none does at any place. Every candidate is judged by the caller. A cut never leaves a store
that is not well-formed: an attribute goes only where the schema makes it optional, an entity only when nothing refers
to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice, takewhile
from typing import Any

from models.cedar.entities import uid_of
from models.cedar.types import Attribute, EntityRefType, ExtensionType, RecordType, Schema, SetType, Type
from models.cedar.uids import Uid, parse_uid
from models.cedar.values import LONG_MIN
from verify.findings import Witness
from verify.literals import DAY, Ip, Literal, of_json, to_json
from verify.symbolic import EXTENSIONS
from verify.term import CONSTRUCTORS

Judge = Callable[[Witness], bool]

CANDIDATES_MAX = 3_000
"""Candidates that one witness is tried with at most. An assumption: a fraction of a second."""

CHARACTERS_MAX = 10_000_000
"""Characters of all these candidates together. An assumption: some seconds where texts are long."""


def shrink(witness: Witness, schema: Schema, accepts: Judge, read: Collection[Uid] = ()) -> Witness:
    """The smallest witness that the cuts lead to. `accepts` holds of the one given; entities of `read` stay."""
    seen: set[str] = set()
    characters = 0

    def fits(candidate: Witness) -> bool:
        nonlocal characters
        key = json.dumps([candidate.principal, candidate.resource, candidate.context, candidate.entities])
        characters += len(key)
        if key in seen:
            return False
        seen.add(key)
        return accepts(candidate)

    def more(_: Witness) -> bool:
        return len(seen) < CANDIDATES_MAX and characters < CHARACTERS_MAX

    before = None
    while before is not witness:
        before, place = witness, 0
        while (cuts := next(islice(_places(witness, schema, read), place, None), None)) is not None:
            smaller = next(filter(fits, takewhile(more, cuts)), None)
            if smaller is None:
                place += 1
            else:
                witness = smaller
    return witness


def _places(witness: Witness, schema: Schema, read: Collection[Uid]) -> Iterator[Iterator[Witness]]:
    """Witnesses one cut away, by the place of the cut."""
    yield _without_entities(witness, read)
    for cuts in _attributes(witness.context, schema.actions[witness.action].context):
        yield (replace(witness, context=context) for context in cuts)
    for position, entity in enumerate(witness.entities):
        for changes in _entity(entity, schema):
            yield (_with_entity(witness, position, changed) for changed in changes)


def _with_entity(witness: Witness, position: int, entity: Mapping[str, Any]) -> Witness:
    return replace(witness, entities=(*witness.entities[:position], entity, *witness.entities[position + 1 :]))


def _without_entities(witness: Witness, read: Collection[Uid]) -> Iterator[Witness]:
    """The store without what nothing refers to."""
    named = {*read, parse_uid(witness.principal), parse_uid(witness.resource), *references(witness.context)}
    for entity in witness.entities:
        named |= {*references(entity["attrs"]), *references(entity.get("tags", {})), *map(uid_of, entity["parents"])}
    kept = tuple(entity for entity in witness.entities if uid_of(entity["uid"]) in named)
    if len(kept) < len(witness.entities):
        yield replace(witness, entities=kept)


def references(value: object) -> Iterator[Uid]:
    """The entities that a value in Cedar's JSON refers to."""
    if isinstance(value, Mapping):
        if "__entity" in value:
            yield uid_of(value)
        else:
            for inner in value.values():
                yield from references(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from references(inner)


def _entity(entity: Mapping[str, Any], schema: Schema) -> Iterator[Iterator[dict[str, Any]]]:
    declared = schema.entity_types[uid_of(entity["uid"]).type]
    parents = entity["parents"]
    yield ({**entity, "parents": [other for other in parents if other != parent]} for parent in parents)
    for cuts in _attributes(entity["attrs"], declared.attributes):
        yield ({**entity, "attrs": attributes} for attributes in cuts)
    if declared.tags is not None and "tags" in entity:
        yield ({**entity, "tags": tags} for tags in _tags(entity["tags"], declared.tags))


def _tags(tags: Mapping[str, Any], type: Type) -> Iterator[dict[str, Any]]:
    for key, value in tags.items():
        yield {name: kept for name, kept in tags.items() if name != key}
        yield from ({**tags, key: smaller} for smaller in _value(value, type))


def _attributes(record: Mapping[str, Any], type: RecordType) -> Iterator[Iterator[dict[str, Any]]]:
    """Smaller records, by attribute."""
    return (_attribute(record, name, type.attributes[name]) for name in record)


def _attribute(record: Mapping[str, Any], name: str, type: Attribute) -> Iterator[dict[str, Any]]:
    if not type.required:
        yield {other: value for other, value in record.items() if other != name}
    yield from ({**record, name: smaller} for smaller in _value(record[name], type.type))


def _value(value: Any, type: Type) -> Iterator[Any]:
    """Smaller values of the same type."""
    match value:
        case bool():
            if value:
                yield False
        case int():
            yield from _smaller_numbers(value)
        case str():
            yield from _shorter(value)
        case list():
            assert isinstance(type, SetType)
            for position, element in enumerate(value):
                yield value[:position] + value[position + 1 :]
                others = value[:position] + value[position + 1 :]
                if not isinstance(type.element, EntityRefType):
                    yield from (
                        sorted([*others, e], key=repr) for e in _value(element, type.element) if e not in others
                    )
        case dict() if isinstance(type, RecordType):
            yield from chain.from_iterable(_attributes(value, type))
        case dict() if isinstance(type, ExtensionType):
            constructor = CONSTRUCTORS[EXTENSIONS[type.name]]
            yield from (to_json(constructor, smaller) for smaller in _plainer(of_json(value), constructor))


def _smaller_numbers(value: int) -> Iterator[int]:
    """Nearer to zero: zero, then ever smaller steps."""
    if value:
        yield 0
    step = abs(value) // 2
    while step:
        yield value - step if value > 0 else value + step
        step //= 2
    if LONG_MIN < value < 0:
        yield -value


_STEPS = {"decimal": (10_000, 1_000, 100, 10), "datetime": (DAY, 3_600_000, 60_000, 1_000)}


def _plainer(value: Literal, constructor: str) -> Iterator[Literal]:
    """Extension values nearer to zero: zero itself, then whole ones or days, then smaller steps."""
    if isinstance(value, Ip):
        yield from _plainer_addresses(value)
        return
    for step in _STEPS.get(constructor, _STEPS["datetime"]):
        whole = abs(value) // step * step
        if whole != abs(value):
            yield whole if value > 0 else -whole
    yield from _smaller_numbers(value)


def _plainer_addresses(ip: Ip) -> Iterator[Ip]:
    """0.0.0.0, then a whole address of the same version, then fewer of its bits."""
    bits, group = (128, 16) if ip.v6 else (32, 8)
    simplest = Ip(False, 0, 32)
    whole = (ip._replace(prefix=bits), ip._replace(address=0), Ip(ip.v6, 0, bits))
    yield from (each for each in dict.fromkeys((simplest, *whole)) if each != ip and ip != simplest)
    masks = [((1 << group) - 1) << place for place in range(0, bits, group)] + [1 << place for place in range(bits)]
    for mask in masks:
        if ip.address & mask:
            yield ip._replace(address=ip.address & ~mask)


def _shorter(text: str) -> Iterator[str]:
    """Shorter texts, the longest cuts first, then plainer ones of the same length."""
    length = len(text)
    while length:
        for start in range(0, len(text) - length + 1, max(length // 2, 1)):
            yield text[:start] + text[start + length :]
        length //= 2
    for position, character in enumerate(text):
        if not "a" <= character <= "z":
            yield f"{text[:position]}a{text[position + 1 :]}"
