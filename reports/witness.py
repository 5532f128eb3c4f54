"""Requests and entities in the terminal, their values as Cedar writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rich.console import Console

from models.cedar.uids import Uid, escape
from reports import words
from reports.console import indented
from verify.findings import Witness

ENTITIES_MAX: Final = 20
"""Entities of a witness that are told; the JSON has all. An assumption about what is read."""


def value(of: object) -> str:
    """A value of Cedar's JSON as Cedar writes it: `{total: decimal("1.0"), owner: User::"a"}`."""
    match of:
        case {"__entity": {"type": str(), "id": str()} as entity}:
            return uid(entity)
        case {"__extn": {"fn": "offset", "args": [start, distance]}}:
            return f"{value(start)}.offset({value(distance)})"
        case {"__extn": {"fn": str(function), "arg": str(argument)}}:
            return f"{function}({_text(argument)})"
        case {**attributes}:
            return f"{{{', '.join(f'{_name(str(name))}: {value(inner)}' for name, inner in attributes.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(value, of))}]"
        case str():
            return _text(of)
    return json.dumps(of)


def uid(of: Mapping[str, str]) -> str:
    """An entity's uid of Cedar's JSON as Cedar writes it."""
    return str(Uid(of["type"], of["id"]))


def request(principal: str, action: str, resource: str, context: Mapping[str, Any]) -> str:
    """A request on one line."""
    return f"{principal} {action} {resource} {value(dict(context))}"


def print_witness(console: Console, witness: Witness) -> None:
    """Print the request on a line, and the entities that say something."""
    asked, *entities = witness_lines(witness)
    indented(console, f"e.g. {asked}", 4, style="dim")
    for line in entities:
        indented(console, line, 9, style="dim")


def witness_lines(witness: Witness) -> Iterator[str]:
    """The request on a line, and the entities that say something."""
    approvals = f", approved by {words.listed(witness.approvals)}" if witness.approvals else ""
    yield request(witness.principal, witness.action, witness.resource, witness.context) + approvals
    told = list(_told(witness.entities))
    yield from told[:ENTITIES_MAX]
    if len(told) > ENTITIES_MAX:
        yield f"and {len(told) - ENTITIES_MAX} more entities"


def _told(entities: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Attributes, tags and parents of the entities that have any."""
    for entity in entities:
        attributes, tags = entity.get("attrs"), entity.get("tags")
        parents = ", ".join(map(uid, entity.get("parents") or ()))
        parts = [
            *([value(attributes)] if attributes else []),
            *([f"tags {value(tags)}"] if tags else []),
            *([f"in {parents}"] if parents else []),
        ]
        if parts:
            yield " ".join([uid(entity["uid"]), *parts])


def _name(attribute: str) -> str:
    return attribute if attribute.isascii() and attribute.isidentifier() else _text(attribute)


def _text(text: str) -> str:
    return f'"{escape(text)}"'
