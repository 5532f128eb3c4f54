"""Cedar's expressions over columns of requests.

A `Column` is what an expression comes to in each request: at most one `Part` for each kind of value, each with the
requests in which the value is of that kind. A request in no part is one in which the expression errors, so errors
need no code of their own, and `&&`, `||` and `if` drop those of a branch that is not taken. Bools and longs are numpy
arrays; every other kind is a table of distinct values and an array of positions in it, so an operation runs once for
each distinct value. Arrays have one element where all requests agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from cedarpy import pst

from models.cedar.entities import Store
from models.cedar.uids import Uid
from models.cedar.values import LONG_MAX, LONG_MIN, Value, glob, holds_extension, value_of

Bits = npt.NDArray[np.bool_]
Path = tuple[str, ...]

_ALWAYS: Bits = np.ones(1, dtype=np.bool_)


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
        return (Part(kind, _ALWAYS, np.array([payload], dtype=np.bool_ if kind == "bool" else np.int64)),)
    return (Part(kind, _ALWAYS, np.zeros(1, dtype=np.intp), (payload,)),)


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
    return ~_ALWAYS, ~_ALWAYS


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
        present = ~_ALWAYS
        for below, column in self.context.items():
            if below[: len(path)] == path:
                for part in column:
                    present = present | part.present
        return (Part("context", present, np.zeros(1, dtype=np.intp), (path,)),)

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


class Evaluator:
    """Evaluates expressions over one batch."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def conjunction(self, expressions: Iterable[pst.Expr]) -> tuple[Bits, Bits]:
        """Where all are true and where one is false before any errors, left to right."""
        true, false = _ALWAYS, ~_ALWAYS
        for expression in expressions:
            if not true.any():
                break
            here, not_here = truth(self.column(expression))
            true, false = true & here, false | (true & not_here)
        return true, false

    def column(self, expression: pst.Expr) -> Column:
        """What an expression comes to. Raises UnsupportedError for what is left to cedarpy."""
        match expression:
            case pst.Var("context"):
                return (Part("context", _ALWAYS, np.zeros(1, dtype=np.intp), ((),)),)
            case pst.Var(name):
                return self._batch.variables[name]
            case pst.BoolLit(value) | pst.LongLit(value) | pst.StringLit(value):
                return constant(value_of(value))
            case pst.EntityLit(uid):
                return constant(("entity", Uid(str(uid.type), uid.id)))
            case pst.UnaryOp():
                return self._unary(expression)
            case pst.BinaryOp():
                return self._binary(expression)
            case pst.GetAttr(base, name):
                return self._attribute(self.column(base), name)
            case pst.HasAttr(base, names):
                return self._has(self.column(base), names)
            case pst.Like(base, pattern):
                test = glob(pattern)
                return self._each(self.column(base), "string", lambda text: ("bool", test(text)))
            case pst.Is():
                return self._is(expression)
            case pst.IfThenElse():
                return self._choice(expression)
            case pst.Set(elements):
                return self._collect(elements, lambda values: ("set", frozenset(values)))
            case pst.Record(fields):
                names = tuple(fields)
                build = tuple(fields.values())
                return self._collect(build, lambda values: ("record", frozenset(zip(names, values, strict=True))))
            case _:
                raise UnsupportedError(f"`{type(expression).__name__}`")

    def _unary(self, expression: pst.UnaryOp) -> Column:
        argument = self.column(expression.arg)
        match expression.op:
            case "not":
                true, false = truth(argument)
                return boolean(false, true)
            case "neg":
                return _negate(argument)
            case "is_empty":
                return self._each(argument, "set", lambda elements: ("bool", not elements))
            case operator:
                raise UnsupportedError(f"`{operator}`")

    def _binary(self, expression: pst.BinaryOp) -> Column:
        operator = expression.op
        if operator in ("and", "or"):
            return self._short_circuit(expression)
        left, right = self.column(expression.left), self.column(expression.right)
        match operator:
            case "eq":
                return self._equal(left, right)
            case "not_eq":
                true, false = truth(self._equal(left, right))
                return boolean(false, true)
            case "less" | "less_eq" | "greater" | "greater_eq" | "add" | "sub" | "mul":
                return _numeric(operator, left, right)
            case "in" | "contains" | "contains_all" | "contains_any" | "has_tag" | "get_tag":
                return self._pairs(left, right, getattr(self, f"_{operator}"))
            case _:
                raise UnsupportedError(f"`{operator}`")

    def _short_circuit(self, expression: pst.BinaryOp) -> Column:
        true, false = truth(self.column(expression.left))
        undecided = true if expression.op == "and" else false
        if not undecided.any():
            return boolean(true, false)
        right_true, right_false = truth(self.column(expression.right))
        if expression.op == "and":
            return boolean(true & right_true, false | (true & right_false))
        return boolean(true | (false & right_true), false & right_false)

    def _choice(self, expression: pst.IfThenElse) -> Column:
        true, false = truth(self.column(expression.cond))
        chosen = [
            _where(self._batch.plain(self.column(branch)), taken)
            for branch, taken in ((expression.then_expr, true), (expression.else_expr, false))
            if taken.any()
        ]
        return _union([part for column in chosen for part in column])

    def _attribute(self, base: Column, name: str) -> Column:
        found: list[Part] = []
        for part in base:
            if part.kind == "context":
                found += _where(self._batch.attribute((*part.table[0], name)), part.present)
            elif part.kind == "record":
                found += _mapped(part, lambda record: _plain(dict(record).get(name)))
            elif part.kind == "entity":
                found += _mapped(part, lambda uid: self._entity_attribute(uid, name))
        return _union(found)

    def _entity_attribute(self, uid: Uid, name: str) -> Value | None:
        attributes = self._batch.store.attributes(uid) if uid in self._batch.store else {}
        return _plain(value_of(attributes[name])) if name in attributes else None

    def _has(self, base: Column, names: Sequence[str]) -> Column:
        found: list[Part] = []
        for part in base:
            if part.kind == "context":
                inner = self._batch.attribute((*part.table[0], names[0]))
                held = _anywhere(inner)
                found.append(Part("bool", part.present, held & part.present))
            elif part.kind == "record":
                found += _mapped(part, lambda record: ("bool", names[0] in dict(record)))
            elif part.kind == "entity":
                found += _mapped(part, lambda uid: ("bool", self._entity_has(uid, names[0])))
        first = _union(found)
        if len(names) == 1:
            return first
        true, false = truth(first)
        deeper_true, deeper_false = truth(self._has(self._attribute(base, names[0]), names[1:]))
        return boolean(true & deeper_true, false | (true & deeper_false))

    def _entity_has(self, uid: Uid, name: str) -> bool:
        return uid in self._batch.store and name in self._batch.store.attributes(uid)

    def _is(self, expression: pst.Is) -> Column:
        base, wanted = self.column(expression.base), str(expression.entity_type)
        result = self._each(base, "entity", lambda uid: ("bool", uid.type == wanted))
        if expression.in_expr is None:
            return result
        true, false = truth(result)
        in_true, in_false = truth(self._pairs(base, self.column(expression.in_expr), self._in))
        return boolean(true & in_true, false | (true & in_false))

    def _each(self, column: Column, kind: str, apply: Callable[[Any], Value | None]) -> Column:
        return tuple(result for part in column if part.kind == kind for result in _mapped(part, apply))

    def _equal(self, left: Column, right: Column) -> Column:
        true, false = ~_ALWAYS, ~_ALWAYS
        for one in self._batch.plain(left):
            for other in self._batch.plain(right):
                both = one.present & other.present
                same = _same(one, other) if one.kind == other.kind else ~_ALWAYS
                true, false = true | (both & same), false | (both & ~same)
        return boolean(true, false)

    def _pairs(self, left: Column, right: Column, apply: Callable[[Value, Value], Value | None]) -> Column:
        """Applies an operation to each distinct pair of values."""
        columns = [self._batch.plain(left), self._batch.plain(right)]
        return self._collected(columns, lambda values: apply(values[0], values[1]))

    def _collect(self, expressions: Sequence[pst.Expr], build: Callable[[Sequence[Value]], Value]) -> Column:
        return self._collected([self._batch.plain(self.column(each)) for each in expressions], build)

    def _collected(self, columns: Sequence[Column], build: Callable[[Sequence[Value]], Value | None]) -> Column:
        rows, codes = combinations([part_codes(column) for column in columns])
        tables = [part_table(column) for column in columns]
        results: list[Value | None] = []
        for row in rows.tolist():
            values = [table[code] for table, code in zip(tables, row, strict=True)]
            results.append(None if None in values else build([v for v in values if v is not None]))
        return coded(results, codes, _ALWAYS)

    def _in(self, left: Value, right: Value) -> Value | None:
        if left[0] != "entity" or right[0] not in ("entity", "set"):
            return None
        above = [right] if right[0] == "entity" else list(right[1])
        if any(value[0] != "entity" for value in above):
            return None
        ancestors = self._batch.store.ancestors(left[1])
        return "bool", any(uid == left[1] or uid in ancestors for _, uid in above)

    def _contains(self, left: Value, right: Value) -> Value | None:
        return ("bool", right in left[1]) if left[0] == "set" else None

    def _contains_all(self, left: Value, right: Value) -> Value | None:
        return ("bool", right[1] <= left[1]) if left[0] == right[0] == "set" else None

    def _contains_any(self, left: Value, right: Value) -> Value | None:
        return ("bool", bool(right[1] & left[1])) if left[0] == right[0] == "set" else None

    def _has_tag(self, left: Value, right: Value) -> Value | None:
        if left[0] != "entity" or right[0] != "string":
            return None
        return "bool", left[1] in self._batch.store and right[1] in self._batch.store.tags(left[1])

    def _get_tag(self, left: Value, right: Value) -> Value | None:
        if (held := self._has_tag(left, right)) is None or not held[1]:
            return None
        return _plain(value_of(self._batch.store.tags(left[1])[right[1]]))


def _has_extension(part: Part) -> bool:
    if part.kind not in ("set", "record", "extension"):
        return False
    return any(holds_extension((part.kind, payload)) for payload in part.table if payload is not None)


def _plain(value: Value | None) -> Value | None:
    if value is not None and holds_extension(value):
        raise UnsupportedError("an extension value")
    return value


def _anywhere(column: Column) -> Bits:
    present = ~_ALWAYS
    for part in column:
        present = present | part.present
    return present


def _where(column: Column, rows: Bits) -> Column:
    return tuple(Part(part.kind, part.present & rows, part.values, part.table) for part in column)


def _union(parts: Sequence[Part]) -> Column:
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


def _mapped(part: Part, apply: Callable[[Any], Value | None]) -> Column:
    """Applies an operation to each distinct value."""
    if not part.present.any():
        return ()
    return coded([None if payload is None else apply(payload) for payload in part.table], part.values, part.present)


def _same(one: Part, other: Part) -> Bits:
    if one.kind in ("bool", "long"):
        same: Bits = one.values == other.values
        return same
    # Positions in the one table of the values that the other's table holds too.
    known = {payload: position for position, payload in enumerate(one.table) if payload is not None}
    first = np.array([known.get(payload, -1) for payload in one.table], dtype=np.intp)
    second = np.array([-2 if p is None else known.get(p, -2) for p in other.table], dtype=np.intp)
    matched: Bits = first[one.values] == second[other.values]
    return matched


def _longs(column: Column) -> Iterator[Part]:
    return (part for part in column if part.kind == "long")


def _negate(column: Column) -> Column:
    return tuple(
        Part("long", part.present & (part.values != LONG_MIN), np.negative(part.values)) for part in _longs(column)
    )


def _numeric(operator: str, left: Column, right: Column) -> Column:
    for one in _longs(left):
        for other in _longs(right):
            both = one.present & other.present
            if operator in _COMPARISONS:
                return (Part("bool", both, _COMPARISONS[operator](one.values, other.values)),)
            result, overflow = _ARITHMETIC[operator](one.values, other.values)
            return (Part("long", both & ~overflow, result),)
    return ()


Longs = npt.NDArray[np.int64]
_COMPARISONS: Mapping[str, Callable[[Longs, Longs], Bits]] = {
    "less": np.less,
    "less_eq": np.less_equal,
    "greater": np.greater,
    "greater_eq": np.greater_equal,
}


def _add(left: Longs, right: Longs) -> tuple[Longs, Bits]:
    total = left + right
    return total, ((left ^ total) & (right ^ total)) < 0


def _subtract(left: Longs, right: Longs) -> tuple[Longs, Bits]:
    total = left - right
    return total, ((left ^ right) & (left ^ total)) < 0


def _multiply(left: Longs, right: Longs) -> tuple[Longs, Bits]:
    product = left * right
    if _magnitude(left) * _magnitude(right) <= LONG_MAX:
        return product, ~_ALWAYS
    divisor = np.where(left == 0, 1, left)
    with np.errstate(all="ignore"):
        lost = (product // divisor != right) | ((left == -1) & (right == LONG_MIN))
    return product, (left != 0) & lost


def _magnitude(values: Longs) -> int:
    return max(abs(int(values.min())), abs(int(values.max())))


_ARITHMETIC: Mapping[str, Callable[[Longs, Longs], tuple[Longs, Bits]]] = {
    "add": _add,
    "sub": _subtract,
    "mul": _multiply,
}
