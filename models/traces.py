"""Arrival times from CSV files: ISO 8601 moments or seconds, relative to the first row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Final, NamedTuple

from models.diagnostics import Diagnostic, InputError, input_error, quoted, suggestion
from models.reading import decode, split_lines
from models.scenario import Trace
from models.units import DURATION_MAX

FILE_BYTES_MAX: Final = 250_000_000
ROWS_MAX: Final = 2_000_000
"""Limits on a trace file: a hundred times the public request traces that are replayed."""
FAULTS_MAX: Final = 20
"""Faults reported of one trace at most."""

_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,12})?")
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)


class _Cell(NamedTuple):
    """A time as the file has it, and its line."""

    line: int
    text: str


class _Kind(NamedTuple):
    """A way to write times: `read` gives microseconds from some fixed moment or raises ValueError."""

    read: Callable[[str], int]
    what: str


_Fault = tuple[_Cell, str, str]
"""A cell, what is wrong with it, and what was expected."""


def arrivals(data: bytes, file: str, trace: Trace) -> tuple[int, ...]:
    """Arrival times in microseconds from the first row, `speed` applied, ascending.

    `data` is the file's content and `file` its name for messages. Raises `InputError` with every faulty row (the first
    `FAULTS_MAX` of them): no such column, a time that is not readable or not of the first row's kind, or out of order.
    """
    text = decode(data, file)
    lines = split_lines(text)
    cells = _column(text, lines, file, trace.column)
    kind = _kind_of(cells[0].text)
    if kind is None:
        help = "expected a moment such as `2026-01-05T08:00:00Z`, or seconds"
        raise InputError(_diagnostic(file, lines, cells[0], f"{quoted(cells[0].text)} is not a time", help))
    moments, faults = _moments(cells, kind)
    if not faults and (moments[-1] - moments[0]) / trace.speed > DURATION_MAX:
        faults.append((cells[-1], "the trace is too long", "at most ten years, `speed` applied"))
    if faults:
        raise InputError(*(_diagnostic(file, lines, *fault) for fault in faults))
    return tuple(round((moment - moments[0]) / trace.speed) for moment in moments)


def _column(text: str, lines: tuple[str, ...], file: str, name: str) -> list[_Cell]:
    """The cells of a column with their lines, at least one."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = [title.strip() for title in next(rows, [])]
        if name not in names:
            message, help = f"there is no column {quoted(name)}", suggestion(name, names, "columns")
            raise InputError(_diagnostic(file, lines, _Cell(1, ""), message, help))
        position = names.index(name)
        cells = [
            _Cell(rows.line_num, row[position].strip() if position < len(row) else "")
            for row in islice(filter(None, rows), ROWS_MAX + 1)
        ]
    except csv.Error as error:
        raise InputError(Diagnostic(f"not CSV: {error}", file, max(rows.line_num, 1), 1)) from None
    if not cells:
        raise input_error("the trace has no rows", file, "one row a case, below the line of column names")
    if len(cells) > ROWS_MAX:
        raise input_error("the trace has too many rows", file, f"at most {ROWS_MAX:,} are read")
    return cells


def _moments(cells: list[_Cell], kind: _Kind) -> tuple[list[int], list[_Fault]]:
    """The times of the rows, and what is wrong with those that have none or are out of order."""
    moments: list[int] = []
    faults: list[_Fault] = []
    for cell in cells:
        moment = _read(kind, cell.text)
        if moment is None:
            message = f"{quoted(cell.text)} is not a time" if cell.text else "the row has no time"
            faults.append((cell, message, f"expected {kind.what}, as in the first row"))
        elif moments and moment < moments[-1]:
            faults.append((cell, f"{quoted(cell.text)} is before the row above it", "sort the rows by time"))
        else:
            moments.append(moment)
        if len(faults) >= FAULTS_MAX:
            break
    return moments, faults


def _kind_of(text: str) -> _Kind | None:
    """How the first row writes its time."""
    return next((kind for kind in _KINDS if _read(kind, text) is not None), None)


def _read(kind: _Kind, text: str) -> int | None:
    try:
        return kind.read(text)
    except (ValueError, OverflowError):
        return None


def _seconds(text: str) -> int:
    if not _SECONDS.fullmatch(text):
        raise ValueError(text)
    return round(Decimal(text).scaleb(6))


def _local_moment(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError(text)
    return (moment - _EPOCH) // _MICROSECOND


def _moment(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return (moment - _EPOCH.replace(tzinfo=UTC)) // _MICROSECOND


_KINDS: Final = (
    _Kind(_seconds, "seconds, such as `12.5`"),
    _Kind(_local_moment, "a moment without a zone, such as `2026-01-05 08:00:00.25`"),
    _Kind(_moment, "a moment with a zone, such as `2026-01-05T08:00:00Z`"),
)


def _diagnostic(file: str, lines: tuple[str, ...], cell: _Cell, message: str, help: str) -> Diagnostic:
    source = lines[cell.line - 1] if cell.line <= len(lines) else ""
    return Diagnostic(message, file, cell.line, max(source.find(cell.text), 0) + 1, source, help)
