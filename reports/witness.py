"""Requests and entities in the terminal, their values as Cedar writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rich.console import Console

from models.cedar.uids import Uid, escape, parse_uid
from reports import words
from reports.console import indented
from verify.findings import Finding, Witness

ENTITIES_MAX: Final = 20
"""Entities of a witness that are told; the JSON has all. An assumption about what is read."""


FIELDS_TOLD: Final = 4
"""Fields of a context that a sentence tells. An assumption about what is read; the table beside it has all."""

VALUE_TOLD: Final = 60
"""Characters of a value that a sentence tells."""

_FIELD: Final = re.compile(r"\bcontext((?:\.[A-Za-z_]\w*)+)")


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


def story(finding: Finding) -> str:
    """What the witness of a finding asks for, as a sentence; empty where there is none.

    Of the context it tells what the deciding clauses speak of, else what comes first.
    """
    witness = finding.witness
    if witness is None:
        return ""
    fields = dict(flat(witness.context))
    spoken = {path[1:] for one in finding.because for path in _FIELD.findall(one.text)}
    told = [name for name in fields if name in spoken] or list(fields)
    circumstances = [f"{name} {words.short(fields[name], VALUE_TOLD)}" for name in told[:FIELDS_TOLD]]
    parts = [f"{_called(witness.principal)}{_groups(witness)} asks for {_id(witness.action)}"]
    parts += [f"on {_called(witness.resource)}"]
    parts += [f"with {words.listed(circumstances)}"] * bool(circumstances)
    parts += [f"approved by {words.listed(witness.approvals)}"] * bool(witness.approvals)
    return f"{' '.join(parts)}."


def flat(context: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The fields of a context by their paths, values as Cedar writes them."""
    for name, given in context.items():
        if isinstance(given, dict) and given and depth < 8 and not given.keys() & {"__entity", "__extn"}:
            yield from flat(given, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", value(given)


def _called(entity: str) -> str:
    """`Agent "a"` for `Fleet::Agent::"a"`."""
    try:
        uid = parse_uid(entity)
    except ValueError:
        return entity
    return f"{uid.type.rsplit('::', 1)[-1]} {_text(uid.id)}"


def _id(action: str) -> str:
    try:
        return _text(parse_uid(action).id)
    except ValueError:
        return action


def _groups(witness: Witness) -> str:
    """What the principal is in, where entities say so."""
    for entity in witness.entities:
        if uid(entity["uid"]) == witness.principal and (parents := entity.get("parents")):
            return f" in {words.listed([_called(uid(parent)) for parent in parents], 2)}"
    return ""


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
