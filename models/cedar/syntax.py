"""Walking Cedar's syntax trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from cedarpy import pst


def children(expression: pst.Expr) -> Iterator[pst.Expr]:
    """The expressions directly inside an expression, in the order in which they are written."""
    match expression:
        case pst.UnaryOp(_, argument):
            yield argument
        case pst.BinaryOp(_, left, right):
            yield left
            yield right
        case pst.GetAttr(base) | pst.HasAttr(base) | pst.Like(base):
            yield base
        case pst.Is(base, _, group):
            yield base
            if group is not None:
                yield group
        case pst.IfThenElse(condition, chosen, otherwise):
            yield condition
            yield chosen
            yield otherwise
        case pst.Set(elements):
            yield from elements
        case pst.Record(fields):
            yield from fields.values()


def with_children(expression: pst.Expr, change: Callable[[pst.Expr], pst.Expr]) -> pst.Expr:
    """The expression with each expression directly inside it changed."""
    match expression:
        case pst.UnaryOp(_, argument):
            return replace(expression, arg=change(argument))
        case pst.BinaryOp(_, left, right):
            return replace(expression, left=change(left), right=change(right))
        case pst.GetAttr(base) | pst.HasAttr(base) | pst.Like(base):
            return replace(expression, base=change(base))
        case pst.Is(base, _, group):
            return replace(expression, base=change(base), in_expr=None if group is None else change(group))
        case pst.IfThenElse(condition, chosen, otherwise):
            return pst.IfThenElse(change(condition), change(chosen), change(otherwise))
        case pst.Set(elements):
            return pst.Set(tuple(map(change, elements)))
        case pst.Record(fields):
            return pst.Record({name: change(inner) for name, inner in fields.items()})
    return expression


def walk(expression: pst.Expr) -> Iterator[pst.Expr]:
    """An expression and everything inside it."""
    yield expression
    for inner in children(expression):
        yield from walk(inner)
