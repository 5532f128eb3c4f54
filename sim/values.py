"""Values of laws: what a uniform number becomes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from models.laws import Law
from sim.plan import FOREVER, LAW_KINDS, LawPlan, SuccessPlan

Values = Callable[[list[float]], list[int]]


def quantile(law: LawPlan) -> Callable[[float], float]:
    """The quantile function of a law in base units."""
    return Law(LAW_KINDS[law.kind], law.parameters, "").quantile


def microseconds(law: LawPlan) -> Callable[[float], int]:
    """The quantile function of a duration, as `durations` gives it."""
    values = durations(law)
    return lambda u: values([u])[0]


def durations(law: LawPlan) -> Values:
    """The quantile function of a duration for many uniforms, to the nearest microsecond.

    Beyond 36 000 years it is for ever. The commonest laws are spelt out, since a call for each draw costs as much as
    the draw; the expressions are those of `models.laws`.
    """
    kind, parameters = LAW_KINDS[law.kind], law.parameters
    if kind == "constant":
        fixed = int(parameters[0] + 0.5)
        return lambda us: [fixed] * len(us)
    if kind == "exponential":
        mean, log = parameters[0], math.log
        return lambda us: [int(-mean * log(1.0 - u) + 0.5) for u in us]
    value = quantile(law)
    return lambda us: [_whole(value, u) for u in us]


def _whole(value: Callable[[float], float], u: float) -> int:
    try:
        drawn = value(u)
    except OverflowError:
        return FOREVER
    return int(drawn + 0.5) if drawn < FOREVER else FOREVER


def is_zero(law: LawPlan) -> bool:
    """Whether the law is the constant 0, so need not be drawn."""
    return LAW_KINDS[law.kind] == "constant" and law.parameters[0] == 0


def success_chance(success: SuccessPlan, u: float) -> float:
    """A case's chance of success: the fixed one, or the table's quantile of the case's own uniform."""
    if success.chance >= 0:
        return success.chance
    table = success.quantiles
    t = u * (len(table) - 1)
    i = int(t)
    if i >= len(table) - 1:
        return table[-1]
    return table[i] + (t - i) * (table[i + 1] - table[i])


def share(shares: tuple[float, ...], u: float) -> int:
    """The position that `u` selects among shares, or -1 where they leave it over. Shares that fall short of 1 by no
    more than their decimals' rounding select the last."""
    reached = 0.0
    for position, part in enumerate(shares):
        reached += part
        if u < reached:
            return position
    return len(shares) - 1 if reached >= 1 - 1e-6 else -1


class ByNumber(Protocol):
    """Values by number, such as a column of attributes by entity."""

    def __getitem__(self, entity: int, /) -> Any: ...


def keyed_place(place: str, key: str, names: Sequence[str], columns: Sequence[ByNumber], entity: int) -> str:
    """A place as a case of a stream sees it: `lock:x[value]` by its value of the attribute `key`; one for all without a
    key, or where the stream has no such attribute."""
    if not key:
        return place
    if key not in names:
        return f"{place}[]"
    value = columns[names.index(key)][entity]
    return f"{place}[{value if isinstance(value, str) else str(value).lower()}]"
