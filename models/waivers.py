"""`waivers.yaml`: reviewed exceptions, each to one statement, for a bounded time.

windtunnel: 1
waivers:
  - fingerprint: 6ae11b4d1e0586d6
    check: P201
    scope: scenarios/incident-desk
    reason: Databases are frozen until the migration is done; nobody is to be asked.
    approver: R. Okafor, head of operations risk
    created: 2026-11-02
    expires: 2027-01-31
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from typing import Any, Final

from models.diagnostics import Diagnostic, InputError, listed, near, quoted, suggestion
from models.reading import FILE_BYTES_MAX, Document, decode, parse_document

FORMAT_VERSION: Final = 1

DAYS_MAX: Final = 366
"""From creation to expiry: a year, leap or not. An assumption: a board that looks at its exceptions does so yearly."""

TEXT_MAX: Final = 2_000
"""Characters of a reason, an approver or a scope. An assumption: what is read in a review."""

_KEYS: Final = ("fingerprint", "check", "scope", "reason", "approver", "created", "expires")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Waiver:
    """One exception. It is in force from the day it is created to the day it expires, both included."""

    fingerprint: str
    check: str
    """The rule of the statement: a check's id, `objective`, or another."""
    scope: str
    """A file or folder from the root of the checkout, or a pattern with `*`: only what stands there is waived."""
    reason: str
    approver: str
    created: date
    expires: date
    file: str = ""
    line: int = 0

    def covers(self, file: str) -> bool:
        """Whether the scope covers a file. What stands in no file is covered by `*` alone."""
        scope = self.scope.rstrip("/")
        return fnmatchcase(file, scope) or file.startswith(f"{scope}/")


def read_waivers(data: bytes, file: str, checks: Collection[str]) -> tuple[Waiver, ...]:
    """The waivers in the bytes of a file. `checks` are the rules that there are.

    Raises InputError with every fault, each at its line and column.
    """
    if len(data) > FILE_BYTES_MAX:
        raise InputError(Diagnostic("the file is too large", file, help=f"at most {FILE_BYTES_MAX:,} bytes are read"))
    try:
        document = parse_document(decode(data, file), file)
    except InputError as error:
        raise InputError(*(_own_help(fault) for fault in error.diagnostics)) from None
    reader = _Reader(document, checks)
    found = tuple(reader.waivers())
    faults = [*document.faults, *reader.faults]
    if faults:
        raise InputError(*sorted(faults, key=lambda fault: (fault.line, fault.column)))
    return found


def _own_help(fault: Diagnostic) -> Diagnostic:
    empty = fault.message == "the file is empty"
    return replace(fault, help="a file without waivers is `windtunnel: 1` and `waivers: []`") if empty else fault


class _Reader:
    """Reads the values of one file, and gathers its faults."""

    def __init__(self, document: Document, checks: Collection[str]) -> None:
        self.faults: list[Diagnostic] = []
        self._document = document
        self._checks = checks
        self._seen: dict[tuple[str, str], int] = {}

    def waivers(self) -> Iterator[Waiver]:
        root = self._document.value
        if not self._is(root, dict, (), "a mapping with `windtunnel` and `waivers`"):
            return
        self._unknown(root, (), ("windtunnel", "waivers"))
        version = root.get("windtunnel")
        if version != FORMAT_VERSION or isinstance(version, bool):
            what = "missing key `windtunnel`" if "windtunnel" not in root else f"unknown version {quoted(version)}"
            self._fault(("windtunnel",), what, f"begin the file with `windtunnel: {FORMAT_VERSION}`")
        if "waivers" not in root:
            self._fault((), "missing key `waivers`", "a list; `[]` where there are none")
        elif self._is(root["waivers"], list, ("waivers",), "a list"):
            for number, item in enumerate(root["waivers"]):
                yield from self._waiver(item, ("waivers", number))

    def _waiver(self, item: Any, at: tuple[str | int, ...]) -> Iterator[Waiver]:
        if not self._is(item, dict, at, f"a mapping with {listed(_KEYS)}"):
            return
        before = len(self.faults)
        self._unknown(item, at, _KEYS)
        near_missing = {near(key, _KEYS) for key in item if key not in _KEYS}
        for key in _KEYS:
            if key not in item and key not in near_missing:
                self._fault(at, f"missing key {quoted(key)}", "a waiver has no defaults")
        texts = {key: self._text(item, at, key) for key in ("check", "scope", "reason", "approver") if key in item}
        known_by = self._fingerprint(item, at)
        if (check := texts.get("check")) and check not in self._checks:
            self._fault((*at, "check"), f"unknown check {quoted(check)}", suggestion(check, self._checks, "checks"))
        created, expires = (self._date(item, at, key) for key in ("created", "expires"))
        if created and expires:
            self._bounded(at, created, expires)
        if len(self.faults) > before or not created or not expires:
            return
        line = self._document.place((*at, "fingerprint")).line
        made = Waiver(known_by, **texts, created=created, expires=expires, file=self._document.file, line=line)
        first = self._seen.setdefault((known_by, made.scope), made.line)
        if first != made.line:
            self._fault((*at, "fingerprint"), f"waived already, at line {first}", "one waiver for a scope is enough")
        yield made

    def _fingerprint(self, item: Mapping[str, Any], at: tuple[str | int, ...]) -> str:
        value = item.get("fingerprint")
        if "fingerprint" in item and not (isinstance(value, str) and _FINGERPRINT.fullmatch(value)):
            expected = "16 digits 0 to 9 and a to f, as `verify` shows them"
            help = f'{expected}; quote it, `"..."`, where they are digits alone' if _number(value) else expected
            self._fault((*at, "fingerprint"), f"{quoted(value)} is no fingerprint", help)
        return str(value)

    def _text(self, item: Mapping[str, Any], at: tuple[str | int, ...], key: str) -> str:
        value = item[key]
        if not isinstance(value, str) or not value.strip():
            self._fault((*at, key), f"{quoted(value)} is not a text", f"expected a text for {quoted(key)}")
        elif len(value) > TEXT_MAX:
            self._fault((*at, key), f"the {key} is too long", f"at most {TEXT_MAX:,} characters")
        return str(value).strip()

    def _date(self, item: Mapping[str, Any], at: tuple[str | int, ...], key: str) -> date | None:
        if key not in item:
            return None
        try:
            return parse_date(item[key])
        except ValueError:
            self._fault((*at, key), f"{quoted(item[key])} is not a date", "expected a day as `2027-01-31`")
            return None

    def _bounded(self, at: tuple[str | int, ...], created: date, expires: date) -> None:
        days = (expires - created).days
        if days < 0:
            self._fault((*at, "expires"), f"expires before it is created, on {created}", "expected a later day")
        elif days > DAYS_MAX:
            help = f"at most {DAYS_MAX} days after it is created: review it, and create it anew"
            self._fault((*at, "expires"), f"expires {days:,} days after it is created", help)

    def _is(self, value: Any, kind: type, at: tuple[str | int, ...], expected: str) -> bool:
        if isinstance(value, kind):
            return True
        self._fault(at, f"{quoted(value)} stands here", f"expected {expected}")
        return False

    def _unknown(self, item: Mapping[str, Any], at: tuple[str | int, ...], known: Collection[str]) -> None:
        for key in item:
            if key not in known:
                close = near(key, known)
                help = f"did you mean {quoted(close)}?" if close else f"expected {listed(known)}"
                fault = self._document.diagnostic((*at, key), f"unknown key {quoted(key)}", help, of_key=True)
                self.faults.append(fault)

    def _fault(self, at: tuple[str | int, ...], message: str, help: str) -> None:
        self.faults.append(self._document.diagnostic(at, message, help))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_date(text: object) -> date:
    """A day as `2027-01-31`. Raises ValueError."""
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)
