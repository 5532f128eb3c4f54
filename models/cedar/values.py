"""Cedar values as hashable Python pairs of kind and payload.

The kind keeps apart what Python takes for equal (`True == 1`), so pairs compare, hash and nest in sets as Cedar's
values do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cedarpy import pst

from models.cedar.uids import Uid

Value = tuple[str, Any]
"""Kind and payload. Kinds: bool, long, string, entity, set, record, extension. Payloads: bool, int, str, `Uid`,
frozenset of values, frozenset of (name, value), and for extension values their JSON as (function, argument), which
says nothing of equality."""

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1


def value_of(given: Any) -> Value:
    """The value of Cedar's JSON, or of a Python bool, int, str, `Uid`, collection or mapping. Raises ValueError."""
    match given:
        case bool():
            return "bool", given
        case int():
            if not LONG_MIN <= given <= LONG_MAX:
                raise ValueError(f"{given} is outside Cedar's 64-bit numbers")
            return "long", int(given)
        case str():
            return "string", str(given)
        case Uid():
            return "entity", given
        case list() | tuple() | frozenset() | set():
            return "set", frozenset(map(value_of, given))
        case Mapping():
            return _mapping_value(given)
        case _ if isinstance(native := getattr(given, "item", lambda: None)(), bool | int | str):
            return value_of(native)  # a numpy scalar
        case _:
            raise ValueError(f"Cedar has no value for {type(given).__name__}")


def _mapping_value(given: Mapping[str, Any]) -> Value:
    match given:
        case {"__entity": {"type": str(name), "id": str(identity)}}:
            return "entity", Uid(name, identity)
        case {"__extn": {"fn": str(function), "arg": argument}}:
            return "extension", (function, argument)
        case _:
            return "record", frozenset((name, value_of(inner)) for name, inner in given.items())


def to_json(value: Value) -> Any:
    """Cedar's JSON for a value. Inverse of `value_of`."""
    kind, payload = value
    match kind:
        case "entity":
            return {"__entity": {"type": payload.type, "id": payload.id}}
        case "extension":
            return {"__extn": {"fn": payload[0], "arg": payload[1]}}
        case "set":
            return [to_json(inner) for inner in payload]
        case "record":
            return {name: to_json(inner) for name, inner in payload}
        case _:
            return payload


def holds_extension(value: Value) -> bool:
    """Whether an extension value is in it anywhere."""
    kind, payload = value
    if kind == "set":
        return any(map(holds_extension, payload))
    if kind == "record":
        return any(holds_extension(inner) for _, inner in payload)
    return kind == "extension"


def glob(pattern: Sequence[pst.PatternElem]) -> Callable[[str], bool]:
    """The test for a `like` pattern. Pieces are sought left to right, so no text makes it backtrack."""
    pieces = [""]
    for element in pattern:
        if isinstance(element, pst.Wildcard):
            pieces.append("")
        else:
            pieces[-1] += element.value
    if len(pieces) == 1:
        return pieces[0].__eq__
    first, *middle, last = pieces
    middle = [piece for piece in middle if piece]
    if not first and not last and len(middle) == 1:
        return lambda text: middle[0] in text

    def matches(text: str) -> bool:
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last) or end < len(first):
            return False
        at = len(first)
        for piece in middle:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    return matches
