"""Curves as scenario files write them: `points(0.5=1, 0.9=2, 1=4)`, a factor for each share from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Final

from models.diagnostics import quoted
from models.laws import law_call, plain_number
from models.units import TextType, value_error

FACTOR_MAX: Final = 1e6
"""The greatest factor: beyond it a call takes longer than any run."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Straight between its points, flat before the first and after the last. Shares ascend."""

    points: tuple[tuple[float, float], ...]
    text: str = field(compare=False)

    def at(self, share: float) -> float:
        """The factor at a share."""
        first, last = self.points[0], self.points[-1]
        if share <= first[0]:
            return first[1]
        for (x, low), (y, high) in pairwise(self.points):
            if share <= y:
                return low + (high - low) * ((share - x) / (y - x))
        return last[1]

    def __str__(self) -> str:
        return self.text


def parse_curve(value: object) -> Curve:
    """A curve of its text. Raises PydanticCustomError."""
    expected = "a curve such as `points(0.5=1, 0.9=2, 1=4)`"
    if not isinstance(value, str):
        raise value_error(f"{quoted(value)} is not a curve", expected)
    kind, arguments = law_call(value)
    if kind != "points":
        raise value_error(f"unknown curve {quoted(kind)}", expected)
    points = tuple((plain_number(name), plain_number(factor)) for name, factor in arguments.items())
    if not all(0 <= share <= 1 for share, _ in points):
        raise value_error(f"a share outside 0 to 1 in {quoted(value)}", "shares from 0 to 1")
    if not all(0 < factor <= FACTOR_MAX for _, factor in points):
        raise value_error(f"a factor out of range in {quoted(value)}", f"factors above 0, at most {FACTOR_MAX:,.0f}")
    if not all(a < b for (a, _), (b, _) in pairwise(points)):
        raise value_error(f"the shares of {quoted(value)} do not ascend", "ascending shares")
    return Curve(points, value)


CurveText = Annotated[
    Curve, TextType("curve", parse_curve, str, {"type": "string", "examples": ["points(0.5=1, 0.9=2, 1=4)"]})
]
