"""Functions on decimals, datetimes, durations and addresses, as Cedar defines them.

Numbers of these types are worked with as plain numbers and cast back: what has more than 64 bits is an error. Division
by a unit drops what is left over, towards zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from verify import term as t
from verify.literals import DAY, Ip
from verify.symbolic import NEVER, Result, Scalar, UnsupportedError, joined
from verify.term import Sort, Term

_CONSTRUCTORS = {name: sort for sort, name in t.CONSTRUCTORS.items()}
_LOOPBACK = (Ip(False, 127 << 24, 8), Ip(True, 1, 128))
_MULTICAST = (Ip(False, 224 << 24, 4), Ip(True, 0xFF << 120, 8))
_UNITS = {"to_milliseconds": 1, "to_seconds": 1_000, "to_minutes": 60_000, "to_hours": 3_600_000, "to_days": DAY}


def unary(op: str, argument: Term, *, concrete: bool = False) -> Result:
    """A constructor or a function of one value.

    Raises UnsupportedError for a constructor on what is no literal, which solvers do not know, unless `concrete`.
    """
    if op in _CONSTRUCTORS:
        return _constructed(op, argument, concrete)
    if op in _UNITS:
        return _fine(_truncated(_number(argument), _UNITS[op])) if argument.sort == t.DURATION else NEVER
    if op not in _UNARY or argument.sort != _UNARY[op][0]:
        return NEVER
    return _UNARY[op][1](argument)


def binary(op: str, left: Term, right: Term) -> Result:
    """A function of two values, one of `BINARY`."""
    first, second, function = BINARY[op]
    return function(left, right) if (left.sort, right.sort) == (first, second) else NEVER


def _fine(term: Term) -> Result:
    return Result(t.TRUE, Scalar(term))


def _number(term: Term) -> Term:
    return t.cast(term, t.LONG)


def _made(number: Term, sort: Sort) -> Result:
    return Result(t.in_range(number), Scalar(t.cast(number, sort)))


def _constructed(op: str, text: Term, concrete: bool) -> Result:
    if text.sort != t.STRING:
        return NEVER
    if text.op == "ite":
        condition, chosen, otherwise = text.args
        return joined(condition, _constructed(op, chosen, concrete), _constructed(op, otherwise, concrete))
    if text.op != "const" and not concrete:
        raise UnsupportedError(f"`{op}` of what is no literal", op)
    sort = _CONSTRUCTORS[op]
    return Result(t.makes(text, sort), Scalar(t.made(text, sort)))


def _truncated(number: Term, unit: int) -> Term:
    if unit == 1:
        return number
    negative = t.lt(number, t.long(0))
    return t.ite(negative, t.sub(t.long(0), t.div(t.sub(t.long(0), number), unit)), t.div(number, unit))


def _to_date(moment: Term) -> Result:
    number = _number(moment)
    return _made(t.sub(number, t.mod(number, DAY)), t.DATETIME)


def _to_time(moment: Term) -> Result:
    return _fine(t.cast(t.mod(_number(moment), DAY), t.DURATION))


def _within_some(address: Term, blocks: tuple[Ip, ...]) -> Result:
    return _fine(t.or_(*(t.within(address, t.const(block, t.IP)) for block in blocks)))


_UNARY: Mapping[str, tuple[Sort, Callable[[Term], Result]]] = {
    "to_date": (t.DATETIME, _to_date),
    "to_time": (t.DATETIME, _to_time),
    "is_ipv4": (t.IP, lambda address: _fine(t.not_(t.is_v6(address)))),
    "is_ipv6": (t.IP, lambda address: _fine(t.is_v6(address))),
    "is_loopback": (t.IP, lambda address: _within_some(address, _LOOPBACK)),
    "is_multicast": (t.IP, lambda address: _within_some(address, _MULTICAST)),
}

BINARY: Mapping[str, tuple[Sort, Sort, Callable[[Term, Term], Result]]] = {
    "decimal_less_than": (t.DECIMAL, t.DECIMAL, lambda a, b: _fine(t.lt(a, b))),
    "decimal_less_eq": (t.DECIMAL, t.DECIMAL, lambda a, b: _fine(t.le(a, b))),
    "decimal_greater": (t.DECIMAL, t.DECIMAL, lambda a, b: _fine(t.lt(b, a))),
    "decimal_greater_eq": (t.DECIMAL, t.DECIMAL, lambda a, b: _fine(t.le(b, a))),
    "offset": (t.DATETIME, t.DURATION, lambda a, b: _made(t.add(_number(a), _number(b)), t.DATETIME)),
    "duration_since": (t.DATETIME, t.DATETIME, lambda a, b: _made(t.sub(_number(a), _number(b)), t.DURATION)),
    "is_in_range": (t.IP, t.IP, lambda a, b: _fine(t.within(a, b))),
}
"""Functions of two values, with the sorts of these."""
