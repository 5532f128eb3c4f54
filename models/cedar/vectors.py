"""Columns of Cedar values: one value for each request.

A `Column` is what an expression comes to in each request: at most one `Part` for each kind of value, each with the
requests in which the value is of that kind. A request in no part is one in which the expression errors, so errors need
no code of their own. Bools and longs are numpy arrays; every other kind is a table of distinct values and an array of
positions in it, so an operation runs once for each distinct value. Arrays have one element where all requests agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.cedar.entities import Store
from models.cedar.values import Value, holds_extension

Bits = npt.NDArray[np.bool_]
Path = tuple[str, ...]

ALWAYS: Bits = np.ones(1, dtype=np.bool_)
"""Every request."""


class UnsupportedError(Exception):
    """An expression that the vectorised evaluator leaves to cedarpy; says which construct."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The requests in which a column's value is of one kind, and the values.

    `values` are bools or longs, or positions in `table` (payloads of the kind). The kind `context` is a record not
    built yet: `table` is the one path to it.
    """

    kind: str
    present: Bits
    values: npt.NDArray[Any]
    table: Sequence[Any] = ()


Column = tuple[Part, ...]


def constant(value: Value) -> Column:
    """The same value in every request."""
    kind, payload = value
    if holds_extension(value):
        raise UnsupportedError("an extension value")
    if kind in ("bool", "long"):
        return (Part(kind, ALWAYS, np.array([payload], dtype=np.bool_ if kind == "bool" else np.int64)),)
    return (Part(kind, ALWAYS, np.zeros(1, dtype=np.intp), (payload,)),)


def unbuilt(path: Path, present: Bits) -> Part:
    """The context record at a path, not built yet."""
    return Part("context", present, np.zeros(1, dtype=np.intp), (path,))


def coded(values: Sequence[Value | None], codes: npt.NDArray[np.intp], present: Bits) -> Column:
    """A column from one value (None: an error) for each code."""
    parts = []
    for kind in dict.fromkeys(value[0] for value in values if value is not None):
        payloads = [value[1] if value is not None and value[0] == kind else None for value in values]
        of_kind = np.array([value is not None and value[0] == kind for value in values])
        here = present if of_kind.all() else present & of_kind[codes]
        if kind == "bool":
            parts.append(Part(kind, here, np.array([payload is True for payload in payloads])[codes]))
        elif kind == "long":
            longs = np.array([0 if payload is None else payload for payload in payloads], dtype=np.int64)
            parts.append(Part(kind, here, longs[codes]))
        else:
            parts.append(Part(kind, here, codes, payloads))
    return tuple(parts)


def boolean(true: Bits, false: Bits) -> Column:
    """A column of bools from the requests where it is true and where it is false."""
    return (Part("bool", true | false, true),)


def truth(column: Column) -> tuple[Bits, Bits]:
    """Where a column is true and where it is false; elsewhere it is an error or no bool."""
    for part in column:
        if part.kind == "bool":
            return part.present & part.values, part.present & ~part.values
    return ~ALWAYS, ~ALWAYS


class Batch:
    """Requests as columns: the entity store, the request variables and the context by path."""

    def __init__(self, store: Store, variables: Mapping[str, Column], context: Mapping[Path, Column]) -> None:
        self.store = store
        self.variables = variables
        self.context = context
        self._records = {path[:depth] for path in context for depth in range(1, len(path))}
        if clash := self._records & set(context):
            raise ValueError(f"the context has both a value and attributes at `{'.'.join(min(clash))}`")
        self._extended = {path for path, column in context.items() if any(map(_has_extension, column))}

    def attribute(self, path: Path) -> Column:
        """The context attribute at a path; a record where values lie below it, present where any of them is."""
        if path in self._extended:
            raise UnsupportedError("an extension value")
        if path in self.context:
            return self.context[path]
        if path not in self._records:
            return ()
        present = ~ALWAYS
        for below, column in self.context.items():
            if below[: len(path)] == path:
                for part in column:
                    present = present | part.present
        return (unbuilt(path, present),)

    def record(self, part: Part) -> Part:
        """The record that a `context` part stands for, built for each distinct combination of its attributes."""
        path: Path = part.table[0]
        depth = len(path)
        names = sorted({below[depth] for below in self.context if below[:depth] == path})
        columns = [self.plain(self.attribute((*path, name))) for name in names]
        rows, codes = combinations([part_codes(column) for column in columns])
        tables = [part_table(column) for column in columns]
        records = []
        for row in rows:
            found = ((name, table[code]) for name, table, code in zip(names, tables, row, strict=True))
            records.append(frozenset((name, value) for name, value in found if value is not None))
        return Part("record", part.present, codes, records)

    def plain(self, column: Column) -> Column:
        """The column with its `context` parts built."""
        return tuple(self.record(part) if part.kind == "context" else part for part in column)


def part_table(column: Column) -> list[Value | None]:
    """The distinct values of a column; the first, None, is an error or an absence."""
    table: list[Value | None] = [None]
    for part in column:
        payloads = np.unique(part.values).tolist() if part.kind in ("bool", "long") else part.table
        table += [(part.kind, payload) for payload in payloads]
    return table


def part_codes(column: Column) -> npt.NDArray[np.intp]:
    """For each request the position of its value in `part_table`."""
    codes = np.zeros(1, dtype=np.intp)
    offset = 1
    for part in column:
        size, here = len(part.table), part.values
        if part.kind in ("bool", "long"):
            distinct, here = np.unique(part.values, return_inverse=True)
            size = len(distinct)
        codes = np.where(part.present, here + offset, codes)
        offset += size
    return codes


def combinations(columns: Sequence[npt.NDArray[np.intp]]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The distinct rows that columns of codes make together, and for each request the position of its row."""
    if not columns:
        return np.zeros((1, 0), dtype=np.intp), np.zeros(1, dtype=np.intp)
    joined = np.zeros(1, dtype=np.intp)
    for column in columns:
        # Renumbered at each step, so the product of the sizes cannot overflow.
        joined = _renumbered(joined * (int(column.max()) + 1) + column)
    example = np.zeros(int(joined.max()) + 1, dtype=np.intp)
    example[joined] = np.arange(len(joined))
    wide = np.broadcast_arrays(joined, *columns)
    return np.stack([column[example] for column in wide[1:]], axis=1), joined


def _renumbered(codes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The codes without gaps, in their order."""
    size = int(codes.max()) + 1
    if size > 4 * len(codes) + 1024:
        return np.unique(codes, return_inverse=True)[1]
    seen = np.zeros(size, dtype=np.intp)
    seen[codes] = 1
    numbered: npt.NDArray[np.intp] = (np.cumsum(seen) - 1)[codes]
    return numbered


def _has_extension(part: Part) -> bool:
    if part.kind not in ("set", "record", "extension"):
        return False
    return any(holds_extension((part.kind, payload)) for payload in part.table if payload is not None)


def without_extensions(value: Value | None) -> Value | None:
    """The value itself. Raises UnsupportedError where an extension value is in it."""
    if value is not None and holds_extension(value):
        raise UnsupportedError("an extension value")
    return value


def anywhere(column: Column) -> Bits:
    """The requests in which the column has a value."""
    present = ~ALWAYS
    for part in column:
        present = present | part.present
    return present


def restricted(column: Column, rows: Bits) -> Column:
    """The column in these requests only."""
    return tuple(Part(part.kind, part.present & rows, part.values, part.table) for part in column)


def united(parts: Sequence[Part]) -> Column:
    """Parts of which no two share a request, as one column."""
    by_kind: dict[str, Part] = {}
    for part in parts:
        other = by_kind.get(part.kind)
        by_kind[part.kind] = part if other is None else _merged(other, part)
    return tuple(by_kind.values())


def _merged(one: Part, other: Part) -> Part:
    assert one.kind != "context", "built before it is merged"
    values = np.where(other.present, other.values + len(one.table) if one.table else other.values, one.values)
    return Part(one.kind, one.present | other.present, values, (*one.table, *other.table))


def mapped(part: Part, apply: Callable[[Any], Value | None]) -> Column:
    """Applies an operation to each distinct value."""
    if not part.present.any():
        return ()
    return coded([None if payload is None else apply(payload) for payload in part.table], part.values, part.present)


def same(one: Part, other: Part) -> Bits:
    """Where two parts of one kind hold the same value."""
    if one.kind in ("bool", "long"):
        equal: Bits = one.values == other.values
        return equal
    # Positions in the one table of the values that the other's table holds too.
    known = {payload: position for position, payload in enumerate(one.table) if payload is not None}
    first = np.array([known.get(payload, -1) for payload in one.table], dtype=np.intp)
    second = np.array([-2 if p is None else known.get(p, -2) for p in other.table], dtype=np.intp)
    matched: Bits = first[one.values] == second[other.values]
    return matched
