"""Plain values to a `Scenario`; every complaint of pydantic to a diagnostic at its place in the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from models import json_schema
from models.diagnostics import Diagnostic, listed, near, quoted, suggestion
from models.part import VALUE, WORD
from models.reading import DIAGNOSTICS_MAX, Document, KeyPath
from models.scenario import FORMAT_VERSION, Scenario

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_NOUNS: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "`true` or `false`",
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_RANGES: Final = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}
KIND_FAULTS: Final = ("union_tag_invalid", "union_tag_not_found")
"""What pydantic calls a kind that is not known, or not given."""
_MEMBERS: Final = (("bool",), ("int",), ("str",))
"""What is left of a location inside the union of plain values."""
_SIZES: Final = {
    "too_short": "too short",
    "too_long": "too long",
    "string_too_short": "too short",
    "string_too_long": "too long",
}


class Complaint(NamedTuple):
    """One fault of the values: where, what pydantic calls it, and the part of its location that is no place."""

    path: KeyPath
    rest: tuple[str | int, ...]
    error: ErrorDetails


class Validated(NamedTuple):
    """A scenario, or the complaints that stand in its way."""

    scenario: Scenario | None
    complaints: tuple[Complaint, ...]


def validate(value: Any) -> Validated:
    """The scenario of a file's plain values."""
    try:
        # Strict JSON mode takes a list for a tuple, and still no text for a number; strict Python mode takes neither.
        return Validated(Scenario.model_validate_json(json.dumps(value)), ())
    except ValidationError as error:
        complaints: dict[KeyPath, Complaint] = {}
        for detail in error.errors(include_url=False):
            complaint = _complaint(value, detail)
            complaints.setdefault((*complaint.path, *complaint.rest[:1], detail["type"][:5]), complaint)
        return Validated(None, _without_echoes(tuple(complaints.values())))


def explain(document: Document, complaints: tuple[Complaint, ...]) -> Iterator[Diagnostic]:
    """The diagnostics of complaints, a bounded number of them."""
    misspelt = set(_misspelt(document, complaints))
    for complaint in complaints[:DIAGNOSTICS_MAX]:
        if complaint.error["type"] != "missing" or complaint.path + complaint.rest not in misspelt:
            yield _explain(document, complaint)


def version_fault(document: Document) -> Diagnostic | None:
    """A fault where the file is of another format version: then nothing else it says can be judged."""
    if not isinstance(document.value, dict):
        return document.diagnostic((), "not a scenario", "a scenario is a mapping that begins with `windtunnel: 1`")
    version = document.value.get("windtunnel")
    if not isinstance(version, int) or isinstance(version, bool) or version <= FORMAT_VERSION:
        return None
    message = f"format {version} is made for a newer version of windtunnel"
    return document.diagnostic(
        ("windtunnel",), message, f"this version reads format {FORMAT_VERSION}; update windtunnel"
    )


def _complaint(value: Any, error: ErrorDetails) -> Complaint:
    path, rest = _walk(value, error["loc"])
    return Complaint(path, rest, error)


def _walk(value: Any, location: tuple[str | int, ...]) -> tuple[KeyPath, tuple[str | int, ...]]:
    """The part of pydantic's location that is a place in the file, and what is left; tags of unions are passed over."""
    path: list[str | int] = []
    tagged = False
    for position, key in enumerate(location):
        if key in (VALUE, WORD):
            continue
        if not tagged and isinstance(value, dict) and value.get("kind") == key and isinstance(key, str):
            tagged = True
        elif _has(value, key):
            path.append(key)
            value, tagged = value[key], False
        else:
            return tuple(path), location[position:]
    return tuple(path), ()


def _has(value: Any, key: str | int) -> bool:
    if isinstance(value, dict):
        return key in value
    return isinstance(value, list) and isinstance(key, int) and key < len(value)


def _without_echoes(complaints: tuple[Complaint, ...]) -> tuple[Complaint, ...]:
    """Without what is said over again: a list too short for want of its faulty entries, each member of a union."""
    above = {complaint.path[:length] for complaint in complaints for length in range(len(complaint.path))}
    members: dict[KeyPath, Complaint] = {}
    for complaint in complaints:
        if complaint.rest in _MEMBERS:
            members.setdefault(complaint.path, complaint)
    return tuple(
        complaint
        for complaint in complaints
        if members.get(complaint.path, complaint) is complaint
        and not (complaint.error["type"] == "too_short" and complaint.path in above)
    )


def _misspelt(document: Document, complaints: tuple[Complaint, ...]) -> Iterator[KeyPath]:
    """Paths of missing keys that an unknown key beside them misspells."""
    for complaint in complaints[:DIAGNOSTICS_MAX]:
        if complaint.error["type"] == "extra_forbidden" and complaint.path:
            close = near(str(complaint.path[-1]), free_keys(document.value, complaint.path[:-1]))
            if close:
                yield (*complaint.path[:-1], close)


def _explain(document: Document, complaint: Complaint) -> Diagnostic:
    path, rest, error = complaint
    kind = error["type"]
    if kind == "missing":
        return _missing(document, path, str(rest[-1]) if rest else "")
    if kind == "extra_forbidden":
        help = _key_hint(document.value, path)
        return document.diagnostic(path, f"unknown key {quoted(path[-1])}", help, of_key=True)
    if kind in KIND_FAULTS:
        return _wrong_kind(document, path)
    if rest == ("[key]",):
        return document.diagnostic(path, f"{quoted(path[-1])} is not a name", _key_help(error), of_key=True)
    return document.diagnostic(path, *_wrong_value(document, path, error))


def _missing(document: Document, path: KeyPath, key: str) -> Diagnostic:
    node = json_schema.schema_at(path, document.value)
    field = node.get("properties", {}).get(key, {})
    expected = json_schema.expectation(json_schema.resolved(field, None))
    where = f" in {quoted(path[-1])}" if path and isinstance(path[-1], str) else ""
    return document.diagnostic(path, f"missing key {quoted(key)}{where}", f"expected {expected}", of_key=True)


def _wrong_kind(document: Document, path: KeyPath) -> Diagnostic:
    node = json_schema.schema_at(path, document.value)
    value = value_at(document.value, path)
    known = json_schema.kinds(node)
    if not isinstance(value, dict) or "kind" not in value:
        return document.diagnostic(path, "missing key `kind`", suggestion("", known, "kinds"), of_key=True)
    help = suggestion(str(value["kind"]), known, "kinds")
    return document.diagnostic((*path, "kind"), f"unknown kind {quoted(value['kind'])}", help)


def _wrong_value(document: Document, path: KeyPath, error: ErrorDetails) -> tuple[str, str]:
    """The message and the help about a value that is of the wrong type, out of range, or not among the known ones."""
    kind, context = error["type"], error.get("ctx", {})
    value = value_at(document.value, path)
    node = json_schema.schema_at(path, document.value)
    help = f"expected {json_schema.expectation(node)}"
    if value is None:
        return "missing value", help
    if "fault" in context:
        return str(context["fault"]), f"expected {context['expected']}"
    if "enum" in node:
        return f"{quoted(value)} is not known here", suggestion(str(value), node["enum"], "values")
    if kind in _NOUNS and "anyOf" not in node:
        return f"{quoted(value)} is not {_NOUNS[kind]}", help
    if kind in _RANGES:
        return f"{quoted(value)} is out of range", help
    if kind in _SIZES and not value:
        return f"{quoted(path[-1])} is empty", help
    if kind in _SIZES:
        return f"{quoted(value)} is {_SIZES[kind]}", help
    return f"{quoted(value)} is not allowed here", help


def _key_hint(value: Any, path: KeyPath) -> str:
    """The near one of the keys that may yet be given, else all of those, else all keys there are."""
    if free := free_keys(value, path[:-1]):
        return suggestion(str(path[-1]), free, "keys here")
    known = json_schema.schema_at(path[:-1], value).get("properties", {})
    return f"all known keys are given already: {listed(known)}" if known else "no key is known here"


def _key_help(error: ErrorDetails) -> str:
    return f"expected {json_schema.expectation({'pattern': error.get('ctx', {}).get('pattern')})}"


def free_keys(root: Any, path: KeyPath) -> tuple[str, ...]:
    """Keys the schema knows at a mapping that the file does not use there."""
    used = value_at(root, path)
    return tuple(key for key in json_schema.schema_at(path, root).get("properties", {}) if key not in used)


def value_at(value: Any, path: KeyPath) -> Any:
    """What stands at a place. Raises KeyError, IndexError or TypeError where nothing does."""
    for key in path:
        value = value[key]
    return value
