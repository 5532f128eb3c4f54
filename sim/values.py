"""Values of laws: what a uniform number becomes."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

from models.laws import Law
from sim.plan import FOREVER, LAW_KINDS, LawPlan, SuccessPlan

_normal_quantile = NormalDist().inv_cdf


def quantile(law: LawPlan) -> Callable[[float], float]:
    """The quantile function of a law in base units. The two commonest laws are spelt out: they are half as dear."""
    kind = LAW_KINDS[law.kind]
    if kind == "exponential":
        mean = law.parameters[0]
        return lambda u: -mean * math.log(1.0 - u)
    if kind == "lognormal":
        mu, sigma = law.parameters
        return lambda u: math.exp(mu + sigma * _normal_quantile(u))
    return Law(kind, law.parameters, "").quantile


def microseconds(law: LawPlan) -> Callable[[float], int]:
    """The quantile function of a duration, to the nearest microsecond; beyond 36 000 years it is for ever."""
    if LAW_KINDS[law.kind] == "constant":
        fixed = int(law.parameters[0] + 0.5)
        return lambda _: fixed
    value = quantile(law)

    def duration(u: float) -> int:
        try:
            drawn = value(u)
        except OverflowError:
            return FOREVER
        return int(drawn + 0.5) if drawn < FOREVER else FOREVER

    return duration


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
    """The position that `u` selects among shares, or -1 where they leave it over. Shares that fall short of 1 by no more
    than their decimals' rounding select the last."""
    reached = 0.0
    for position, part in enumerate(shares):
        reached += part
        if u < reached:
            return position
    return len(shares) - 1 if reached >= 1 - 1e-6 else -1
