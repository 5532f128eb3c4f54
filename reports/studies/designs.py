"""Designs of a sweep: which fields take which values, and which combinations are tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal

from pydantic_core import PydanticCustomError

from models.changes import parse_value, told_as
from models.diagnostics import Diagnostic, InputError, input_error, quoted
from models.units import format_duration, format_rate, parse_duration, parse_money, parse_rate

Design = Literal["grid", "latin-hypercube", "sobol"]

OPTION: Final = "--vary"
_LEVELS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Axis:
    """A field that varies: the values it takes, or the ends between which they lie."""

    path: str
    values: tuple[Any, ...] = ()
    low: Any = None
    high: Any = None

    @property
    def is_range(self) -> bool:
        return not self.values

    @property
    def ends(self) -> tuple[Any, ...]:
        """What is checked before anything is simulated: all values, or both ends."""
        return (self.low, self.high) if self.is_range else self.values


def parse_axes(texts: Iterable[str]) -> tuple[Axis, ...]:
    """The axes of texts `path=a,b,c`, `path=lo..hi` or `path=lo..hi:n`. Raises InputError with every fault."""
    axes: list[Axis] = []
    faults: list[Diagnostic] = []
    for text in texts:
        try:
            axis = parse_axis(text)
            if axis.path in (one.path for one in axes):
                raise input_error(f"{quoted(axis.path)} varies twice", f"{OPTION} {text}", "keep one of the two")
            axes.append(axis)
        except InputError as error:
            faults += error.diagnostics
    if faults:
        raise InputError(*faults)
    if not axes:
        raise input_error("nothing varies", OPTION, "expected `path=a,b,c` or `path=lo..hi`")
    return tuple(axes)


def parse_axis(text: str, option: str = OPTION) -> Axis:
    """The axis of a text `path=a,b,c`, `path=lo..hi` or `path=lo..hi:n`. Raises InputError that names the option."""
    path, equals, rest = text.partition("=")
    shown = f"{option} {text[:200]}"
    if not path or not equals or not rest.strip():
        raise input_error(
            "not a field with values", shown, "expected `path=a,b,c` or `path=lo..hi`, such as `desks.x.staff=2,3`"
        )
    low, dots, high = rest.partition("..")
    if not dots:
        values = tuple(parse_value(value, shown) for value in _split(rest))
        if len(set(map(repr, values))) < len(values):
            raise input_error("a value stands twice", shown, "name each value once")
        return Axis(path, values)
    high, colon, levels = high.partition(":") if _levels(high) else (high, "", "")
    ends = parse_value(low, shown), parse_value(high, shown)
    scale = _scale(*ends, shown)
    if not scale.low < scale.high:
        raise input_error("the range is empty", shown, "expected the lesser end first")
    if not colon:
        return Axis(path, (), *ends)
    return Axis(path, tuple(dict.fromkeys(scale.at(i / (int(levels) - 1)) for i in range(int(levels)))))


def axis_faults(axis: Axis, check: Callable[[dict[str, Any]], None], option: str) -> list[Diagnostic]:
    """What a check of the change to each value says against it, told of the option; what is said of several, once."""
    found: dict[tuple[str, str], Diagnostic] = {}
    for value in axis.ends:
        try:
            with told_as(option):
                check({axis.path: value})
        except InputError as error:
            for one in error.diagnostics:
                found.setdefault((one.message, one.help), one)
    return list(found.values())


def _levels(text: str) -> bool:
    """Whether a range ends in a number of levels: `2..8:4`."""
    _, colon, levels = text.rpartition(":")
    return bool(colon) and levels.isascii() and levels.isdigit() and 2 <= int(levels[:7]) <= _LEVELS_MAX


def _split(text: str) -> list[str]:
    """The values between commas that stand in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        depth += (character in "([{") - (character in ")]}") if not quote else 0
        if character == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


@dataclass(frozen=True, slots=True)
class Scale:
    """The numbers of a range, and how they are written in a scenario."""

    low: float
    high: float
    kind: Literal["whole", "number", "duration", "rate", "money"]
    currency: str = ""

    def at(self, share: float) -> Any:
        """The value so far along the range, 0 the low end, 1 the high one."""
        number = self.low + (self.high - self.low) * share
        match self.kind:
            case "whole":
                return min(math.floor(self.low + (self.high - self.low + 1) * share), round(self.high))
            case "duration":
                return format_duration(round(number))
            case "rate":
                return format_rate(number)
            case "money":
                return f"{number:.6f} {self.currency}"
        return float(f"{number:.9g}")


def _scale(low: Any, high: Any, shown: str) -> Scale:
    if all(type(end) is int for end in (low, high)):
        return Scale(low, high, "whole")
    if all(type(end) in (int, float) for end in (low, high)):
        return Scale(float(low), float(high), "number")
    kinds: tuple[tuple[Literal["duration", "rate"], Any], ...] = (("duration", parse_duration), ("rate", parse_rate))
    for kind, parse in kinds:
        try:
            return Scale(parse(low), parse(high), kind)
        except PydanticCustomError:
            continue
    try:
        ends = parse_money(low), parse_money(high)
    except PydanticCustomError:
        help = "expected two numbers, durations, rates or amounts of money; list other values: `path=a,b,c`"
        raise input_error("not a range", shown, help) from None
    if ends[0].currency != ends[1].currency:
        raise input_error("the ends are of two currencies", shown)
    return Scale(ends[0].micros / 1e6, ends[1].micros / 1e6, "money", ends[0].currency)


def points_of(axes: Sequence[Axis], design: Design, points: int, seed: int) -> Iterator[dict[str, Any]]:
    """The combinations of a design: the values of the fields by path, in a fixed order."""
    if design == "grid":
        for values in product(*(axis.values for axis in axes)):
            yield dict(zip((axis.path for axis in axes), values, strict=True))
        return
    for shares in _shares(len(axes), design, points, seed):
        yield {axis.path: _along(axis, share) for axis, share in zip(axes, shares, strict=True)}


def along(axis: Axis, value: Any) -> float:
    """How far along its range a value lies, 0 at the low end, 1 at the high one."""
    scale = _scale(axis.low, axis.high, axis.path)
    return (_scale(value, axis.high, axis.path).low - scale.low) / (scale.high - scale.low)


def _along(axis: Axis, share: float) -> Any:
    if axis.is_range:
        return _scale(axis.low, axis.high, axis.path).at(share)
    return axis.values[min(int(share * len(axis.values)), len(axis.values) - 1)]


def _shares(axes: int, design: Design, points: int, seed: int) -> list[list[float]]:
    """Points of the unit cube that fill it evenly (scipy.stats.qmc)."""
    from scipy.stats import qmc

    if design == "sobol":
        sequence = qmc.Sobol(axes, scramble=True, rng=seed % 2**32)
        return sequence.random_base2(round(math.log2(points))).tolist()  # type: ignore[no-any-return]
    return qmc.LatinHypercube(axes, rng=seed % 2**32).random(points).tolist()  # type: ignore[no-any-return]


def check_design(axes: Sequence[Axis], design: Design, points: int | None) -> int:
    """How many points a design has. Raises InputError where axes and design do not go together."""
    if design == "grid":
        ranges = [axis for axis in axes if axis.is_range]
        if ranges:
            one = ranges[0]
            help = f"say how many values, as in `{one.path}={one.low}..{one.high}:5`, or take another `--design`"
            raise input_error("a grid needs values, not a range", f"{OPTION} {one.path}", help)
        if points is not None:
            raise input_error("a grid has as many points as its values combine to", "--points")
        return math.prod(len(axis.values) for axis in axes)
    if points is None or not 2 <= points <= 1_000_000:
        raise input_error(
            f"a design of {design} needs a number of points from 2 on", "--points", "such as `--points 64`"
        )
    if design == "sobol" and points & (points - 1):
        near = 2 ** round(math.log2(points))
        raise input_error("Sobol's sequence is balanced in powers of two only", "--points", f"did you mean {near}?")
    return points
