"""Cedar's expressions over columns of requests.

`&&`, `||` and `if` evaluate both sides for every request and keep of each what Cedar would have evaluated, errors too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cedarpy import pst

from models.cedar.arithmetic import negate, numeric
from models.cedar.uids import Uid
from models.cedar.values import Value, glob, value_of
from models.cedar.vectors import (
    ALWAYS,
    Batch,
    Bits,
    Column,
    Part,
    UnsupportedError,
    anywhere,
    boolean,
    coded,
    combinations,
    constant,
    mapped,
    part_codes,
    part_table,
    restricted,
    same,
    truth,
    unbuilt,
    united,
    without_extensions,
)


class Evaluator:
    """Evaluates expressions over one batch."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def conjunction(self, expressions: Iterable[pst.Expr]) -> tuple[Bits, Bits]:
        """Where all are true and where one is false before any errors, left to right."""
        true, false = ALWAYS, ~ALWAYS
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
                return (unbuilt((), ALWAYS),)
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
                return negate(argument)
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
                return numeric(operator, left, right)
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
            restricted(self._batch.plain(self.column(branch)), taken)
            for branch, taken in ((expression.then_expr, true), (expression.else_expr, false))
            if taken.any()
        ]
        return united([part for column in chosen for part in column])

    def _attribute(self, base: Column, name: str) -> Column:
        found: list[Part] = []
        for part in base:
            if part.kind == "context":
                found += restricted(self._batch.attribute((*part.table[0], name)), part.present)
            elif part.kind == "record":
                found += mapped(part, lambda record: without_extensions(dict(record).get(name)))
            elif part.kind == "entity":
                found += mapped(part, lambda uid: self._entity_attribute(uid, name))
        return united(found)

    def _entity_attribute(self, uid: Uid, name: str) -> Value | None:
        attributes = self._batch.store.attributes(uid) if uid in self._batch.store else {}
        return without_extensions(value_of(attributes[name])) if name in attributes else None

    def _has(self, base: Column, names: Sequence[str]) -> Column:
        found: list[Part] = []
        for part in base:
            if part.kind == "context":
                inner = self._batch.attribute((*part.table[0], names[0]))
                held = anywhere(inner)
                found.append(Part("bool", part.present, held & part.present))
            elif part.kind == "record":
                found += mapped(part, lambda record: ("bool", names[0] in dict(record)))
            elif part.kind == "entity":
                found += mapped(part, lambda uid: ("bool", self._entity_has(uid, names[0])))
        first = united(found)
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
        return tuple(result for part in column if part.kind == kind for result in mapped(part, apply))

    def _equal(self, left: Column, right: Column) -> Column:
        true, false = ~ALWAYS, ~ALWAYS
        for one in self._batch.plain(left):
            for other in self._batch.plain(right):
                both = one.present & other.present
                alike = same(one, other) if one.kind == other.kind else ~ALWAYS
                true, false = true | (both & alike), false | (both & ~alike)
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
        return coded(results, codes, ALWAYS)

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
        return without_extensions(value_of(self._batch.store.tags(left[1])[right[1]]))
