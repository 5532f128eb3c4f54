"""Walking Cedar's syntax trees."""

from __future__ import annotations

from collections.abc import Iterator

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


def walk(expression: pst.Expr) -> Iterator[pst.Expr]:
    """An expression and everything inside it."""
    yield expression
    for inner in children(expression):
        yield from walk(inner)
