"""Recorded requests, one JSON object a line, to decide again.

A line has `principal`, `action` and `resource` (uid text, or `{"type", "id"}`), and may have `context` and `entities`
in Cedar's JSON, `approvals` (names of the chains that had approved) and `decision` (what was decided then). What else a
log carries is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

from models.cedar.decision import Outcome
from models.cedar.entities import uid_of
from models.cedar.uids import parse_uid
from models.diagnostics import Diagnostic, InputError, input_error, quoted

LINE_BYTES_MAX: Final = 1_000_000
REQUESTS_MAX: Final = 5_000_000
"""Limits on a log. Assumptions: a request with its entities is some kilobytes, and five million are hours of work."""
FAULTS_MAX: Final = 20
"""Faults reported of one log at most."""

_OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request of a log. `entities` is None where the line has none: the policy set's own store counts then."""

    line: int
    principal: str
    action: str
    resource: str
    context: Mapping[str, Any]
    entities: tuple[Mapping[str, Any], ...] | None
    approvals: frozenset[str]
    decision: Outcome | None

    @property
    def asked(self) -> dict[str, Any]:
        """The request in cedarpy's form."""
        return {
            "principal": self.principal,
            "action": self.action,
            "resource": self.resource,
            "context": dict(self.context),
        }


def read_requests(path: Path) -> Iterator[RecordedRequest]:
    """The requests of a log, one by one. Empty lines are skipped.

    Raises InputError where the file cannot be read, and after the last line with every faulty line (the first
    `FAULTS_MAX` of them); so what is made of the requests counts only once the log has come to its end.
    """
    faults: list[Diagnostic] = []
    count = 0
    for number, line in _lines(path):
        if not line.strip():
            continue
        count += 1
        if count > REQUESTS_MAX:
            raise input_error("the log is too long", str(path), f"at most {REQUESTS_MAX:,} requests are read")
        try:
            yield _request(number, line)
        except ValueError as error:
            faults.append(Diagnostic(str(error), str(path), number, 1, _shown(line)))
            if len(faults) == FAULTS_MAX:
                break
    if faults:
        raise InputError(*faults)
    if not count:
        raise input_error("the log holds no request", str(path), "expected one JSON object a line")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        if not path.is_file():
            raise input_error("no such file" if not path.exists() else "not a regular file", str(path))
        with path.open("rb") as stream:
            number = 0
            while line := stream.readline(LINE_BYTES_MAX + 1):
                number += 1
                if len(line) > LINE_BYTES_MAX:
                    message = f"a line of more than {LINE_BYTES_MAX:,} bytes"
                    raise InputError(Diagnostic(message, str(path), number, 1, help="expected one JSON object a line"))
                yield number, line
    except OSError as error:
        raise input_error(f"cannot be read: {(error.strerror or str(error)).lower()}", str(path)) from None


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")


def _request(number: int, line: bytes) -> RecordedRequest:
    """The request of a line. Raises ValueError."""
    value = _json(line)
    if not isinstance(value, Mapping):
        raise ValueError("expected a JSON object")
    return RecordedRequest(
        line=number,
        principal=_uid(value, "principal"),
        action=_uid(value, "action"),
        resource=_uid(value, "resource"),
        context=_mapping(value, "context"),
        entities=_entities(value),
        approvals=_texts(value, "approvals"),
        decision=_decision(value.get("decision")),
    )


def _json(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_refused)
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8 text") from None
    except RecursionError:
        raise ValueError("the line is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the line is not JSON: {error.msg} (column {error.colno})") from None


def _refused(name: str) -> Any:
    raise ValueError(f"the line is not JSON: {name} is no number")


def _uid(value: Mapping[str, Any], part: str) -> str:
    found = value.get(part)
    if found is None:
        raise ValueError(f"the request has no `{part}`")
    try:
        return str(parse_uid(found) if isinstance(found, str) else uid_of(found))
    except ValueError:
        message = f'`{part}` is {quoted(found)}: expected `Type::"id"` or {{"type": ..., "id": ...}}'
        raise ValueError(message) from None


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    if found is not None and not isinstance(found, Mapping):
        raise ValueError(f"`{key}` is {quoted(found)}: expected an object")
    return found or {}


def _entities(value: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...] | None:
    found = value.get("entities")
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise ValueError("`entities`: expected a list of objects, each with `uid`, `attrs` and `parents`")
    return tuple(found)


def _texts(value: Mapping[str, Any], key: str) -> frozenset[str]:
    found = value.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError(f"`{key}` is {quoted(found)}: expected a list of texts")
    return frozenset(found)


def _decision(found: object) -> Outcome | None:
    if found is None:
        return None
    for outcome in _OUTCOMES:
        if isinstance(found, str) and found.lower() == outcome:
            return outcome
    raise ValueError(f"`decision` is {quoted(found)}: expected one of {', '.join(_OUTCOMES)}")
