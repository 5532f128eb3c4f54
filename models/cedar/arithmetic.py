"""Cedar's arithmetic on columns: signed 64-bit numbers, of which an overflow is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from models.cedar.values import LONG_MAX, LONG_MIN
from models.cedar.vectors import ALWAYS, Bits, Column, Part


def _longs(column: Column) -> Iterator[Part]:
    return (part for part in column if part.kind == "long")


def negate(column: Column) -> Column:
    """The negative of a column of longs; the least long has none, which is an error."""
    return tuple(
        Part("long", part.present & (part.values != LONG_MIN), np.negative(part.values)) for part in _longs(column)
    )


def numeric(operator: str, left: Column, right: Column) -> Column:
    """A comparison or sum of longs, by the operator's name in Cedar's tree. Leaving 64 bits is an error."""
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
        return product, ~ALWAYS
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
