"""Baselines: the statements that are known of old, so that an old set can be judged by what is new.

`windtunnel.baseline/1` is JSON: the fingerprint of everything that failed or was undecided, with what it said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from models.diagnostics import InputError, input_error
from models.reading import decode
from reports.fingerprints import PATTERN
from reports.statements import NOWHERE, Kind, Statement

SCHEMA: Final = "windtunnel.baseline/1"
BYTES_MAX: Final = 64 * 2**20
"""Of a baseline that is read. A statement takes about 300."""

Baseline = Mapping[str, Statement]
"""Statements by fingerprint."""


def baseline_text(statements: Sequence[Statement]) -> str:
    """The baseline of statements: those that fail or are undecided and are not waived. The same for the same ones."""
    kept = {s.fingerprint: s for s in statements if s.kind in ("fail", "open") and not s.waived and s.since != "absent"}
    told = [
        {"fingerprint": known_by, "rule": one.rule, "name": one.name, "kind": one.kind, "message": one.message}
        for known_by, one in sorted(kept.items())
    ]
    return json.dumps({"schema": SCHEMA, "statements": told}, indent=1, ensure_ascii=False) + "\n"


def read_baseline(data: bytes, file: str) -> Baseline:
    """The baseline in the bytes of a file. Raises InputError."""
    if len(data) > BYTES_MAX:
        raise input_error("the file is too large", file, f"at most {BYTES_MAX:,} bytes are read")
    text = decode(data, file)
    try:
        value = json.loads(text)
        if value["schema"] != SCHEMA:
            raise ValueError(value["schema"])
        return {one.fingerprint: one for one in map(_statement, value["statements"])}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _unreadable(file, error) from None


def _unreadable(file: str, error: Exception) -> InputError:
    where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
    return input_error(f"is no baseline of this version ({SCHEMA}){where}", file, "write it with `--write-baseline`")


def _statement(value: Mapping[str, Any]) -> Statement:
    known_by, kind = str(value["fingerprint"]), value["kind"]
    if not PATTERN.fullmatch(known_by) or kind not in get_args(Kind):
        raise ValueError(known_by)
    rule, name, message = (str(value[key]) for key in ("rule", "name", "message"))
    return Statement(known_by, rule, name, kind, "note", message, NOWHERE, since="absent")


def apply_baseline(statements: Sequence[Statement], baseline: Baseline) -> tuple[Statement, ...]:
    """The statements with since when they are said, and after them those of the baseline that are gone.

    What passes is neither new nor old.
    """
    met = {one.fingerprint for one in statements}
    said = (
        one if one.kind == "pass" else replace(one, since="unchanged" if one.fingerprint in baseline else "new")
        for one in statements
    )
    return (*said, *(one for known_by, one in baseline.items() if known_by not in met))
