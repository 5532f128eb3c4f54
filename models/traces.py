"""Arrival times from CSV files, ISO 8601 moments or seconds, relative to the first row; and whole cases: what each row
says of the case's attributes."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Final, NamedTuple

from models.diagnostics import Diagnostic, InputError, input_error, quoted, suggestion
from models.laws import AttributeLaw, Chance, Choice
from models.reading import decode, split_lines
from models.scenario import Trace
from models.units import DURATION_MAX

FILE_BYTES_MAX: Final = 250_000_000
ROWS_MAX: Final = 2_000_000
"""Limits on a trace file: a hundred times the public request traces that are replayed."""
FAULTS_MAX: Final = 20
"""Faults reported of one trace at most."""

_NAMED_MAX: Final = 5
_LONG_MAX: Final = 2**63 - 1
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,12})?")
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)


Value = bool | int | str
"""What a case has for an attribute."""


class Rows(NamedTuple):
    """A trace: arrival times in microseconds from the first row, and by attribute the value of each row's case."""

    times: tuple[int, ...]
    values: Mapping[str, tuple[Value, ...]]


class _Cell(NamedTuple):
    """What a row has in a column, its line and the number of the column, from 0."""

    line: int
    text: str
    column: int


class _Kind(NamedTuple):
    """A way to write times: `read` gives microseconds from some fixed moment or raises ValueError."""

    read: Callable[[str], int]
    what: str


_Fault = tuple[_Cell, str, str]
"""A cell, what is wrong with it, and what was expected."""


def arrivals(data: bytes, file: str, trace: Trace) -> tuple[int, ...]:
    """Arrival times in microseconds from the first row, `speed` applied, ascending: the times of `rows`."""
    return rows(data, file, trace, {}).times


def rows(data: bytes, file: str, trace: Trace, laws: Mapping[str, AttributeLaw]) -> Rows:
    """The cases of a trace, `speed` applied, in the order of the file.

    `data` is the file's content and `file` its name for messages. `laws` tells of the attributes that the trace has
    columns for which values they may have. Raises `InputError` with every faulty row (of each column, the first
    `FAULTS_MAX` of them): no such column, a time that is not readable or not of the first row's kind, or out of order,
    a value that its law never gives.
    """
    text = decode(data, file)
    lines = split_lines(text)
    times, *others = _columns(text, lines, file, (trace.column, *trace.attributes.values()))
    kind = _kind_of(times[0].text)
    if kind is None:
        help = "expected a moment such as `2026-01-05T08:00:00Z`, or seconds"
        raise InputError(_diagnostic(file, lines, times[0], f"{quoted(times[0].text)} is not a time", help))
    moments, faults = _moments(times, kind)
    if not faults and (moments[-1] - moments[0]) / trace.speed > DURATION_MAX:
        faults.append((times[-1], "the trace is too long", "at most ten years, `speed` applied"))
    values: dict[str, tuple[Value, ...]] = {}
    for name, cells in zip(trace.attributes, others, strict=True):
        if name in laws:  # where it is not, that is told of the scenario
            values[name], wrong = _values(cells, laws[name], trace.attributes[name])
            faults += wrong
    if faults:
        raise InputError(*(_diagnostic(file, lines, *fault) for fault in faults))
    return Rows(tuple(round((moment - moments[0]) / trace.speed) for moment in moments), values)


def _columns(text: str, lines: tuple[str, ...], file: str, names: tuple[str, ...]) -> list[list[_Cell]]:
    """The cells of columns with their lines, at least one of each."""
    read = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        titles = [title.strip() for title in next(read, [])]
        missing = [name for name in dict.fromkeys(names) if name not in titles]
        if missing:
            raise InputError(*(_no_column(file, lines, name, titles) for name in missing))
        positions = [titles.index(name) for name in names]
        cells = [
            [_Cell(read.line_num, row[at].strip() if at < len(row) else "", at) for at in positions]
            for row in islice(filter(None, read), ROWS_MAX + 1)
        ]
    except csv.Error as error:
        raise InputError(Diagnostic(f"not CSV: {error}", file, max(read.line_num, 1), 1)) from None
    if not cells:
        raise input_error("the trace has no rows", file, "one row a case, below the line of column names")
    if len(cells) > ROWS_MAX:
        raise input_error("the trace has too many rows", file, f"at most {ROWS_MAX:,} are read")
    return [list(column) for column in zip(*cells, strict=True)]


def _no_column(file: str, lines: tuple[str, ...], name: str, titles: list[str]) -> Diagnostic:
    message, help = f"there is no column {quoted(name)}", suggestion(name, titles, "columns")
    return _diagnostic(file, lines, _Cell(1, "", 0), message, help)


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


# --- attributes -------------------------------------------------------------------------------------------------------


def _values(cells: list[_Cell], law: AttributeLaw, title: str) -> tuple[tuple[Value, ...], list[_Fault]]:
    """The values of a column, and the cells that say nothing that the law may give."""
    read, expected = _reader(law)
    values: list[Value] = []
    faults: list[_Fault] = []
    for cell in cells:
        value = read(cell.text)
        if value is not None:
            values.append(value)
            continue
        message = f"{quoted(cell.text)} is no such value" if cell.text else f"the row has no {quoted(title)}"
        faults.append((cell, message, expected))
        if len(faults) >= FAULTS_MAX:
            break
    return tuple(values), faults


def _reader(law: AttributeLaw) -> tuple[Callable[[str], Value | None], str]:
    """What reads a cell, or gives None, by the law of its attribute; and what is expected there."""
    if isinstance(law, Choice):
        texts = [text for text, weight in zip(law.values, law.weights, strict=True) if weight > 0]
        some = ", ".join(map(quoted, texts[:_NAMED_MAX])) + (", ..." if len(texts) > _NAMED_MAX else "")
        known = {text: text for text in texts}
        return known.get, f"expected one of {some}, as the attribute's law has them"
    if isinstance(law, Chance):
        booleans = {text: value for text, value in (("true", True), ("false", False)) if law.p != (not value)}
        return (lambda text: booleans.get(text.lower())), f"expected {' or '.join(map(quoted, booleans))}"
    if law.kind == "values":
        half = len(law.parameters) // 2
        drawn = zip(law.parameters[:half], law.parameters[half:], strict=True)
        numbers = {_nearest(value) for value, weight in drawn if weight > 0}
        return (lambda text: _number(text, numbers.__contains__)), f"expected a whole number that `{law}` has"
    low, high = map(_nearest, law.support)
    return (lambda text: _number(text, lambda n: low <= n <= high)), f"expected a whole number from {low} to {high}"


def _number(text: str, fits: Callable[[int], bool]) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) and fits(int(text)) else None


def _nearest(value: float) -> int:
    """The whole number that a draw becomes in a case: the nearest, halves up, within Cedar's 64 bits."""
    if math.isinf(value):
        return _LONG_MAX if value > 0 else -_LONG_MAX
    return max(min(int((value + 0.5) // 1), _LONG_MAX), -_LONG_MAX)


# --- faults -----------------------------------------------------------------------------------------------------------


def _diagnostic(file: str, lines: tuple[str, ...], cell: _Cell, message: str, help: str) -> Diagnostic:
    source = lines[cell.line - 1] if cell.line <= len(lines) else ""
    return Diagnostic(message, file, cell.line, _place(source, cell) + 1, source, help)


def _place(source: str, cell: _Cell) -> int:
    """Where a cell begins in its line; where a row is of several lines, it is the place of its text."""
    at, column, inside = 0, 0, False
    while column < cell.column and at < len(source):
        inside ^= source[at] == '"'
        column += source[at] == "," and not inside
        at += 1
    if not cell.text:
        return at if column == cell.column else 0
    found = source.find(cell.text, at)
    return found if found >= 0 and column == cell.column else max(source.find(cell.text), 0)
