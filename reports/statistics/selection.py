"""Which of several variants is best: Kim and Nelson's sequential selection, and the optimal computing budget.

Both are plain data and functions over figures that the caller gives: the same figures give the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from reports.intervals import Array

FIRST_STAGE: Final = 10
"""Replications of each variant before any is dropped. Kim and Nelson find 10 to 20 to do; fewer make the first spread
too uncertain."""


_GAP_MIN: Final = 1e-6
"""Means nearer than this part of the greatest spread count as that far apart, since a tie would take the whole budget;
those further than its inverse as that far."""


@dataclass(frozen=True, slots=True)
class Constants:
    """What the KN procedure is set to, for so many variants, a level and a first stage."""

    eta: float
    h_squared: float


def constants(variants: int, alpha: float = 0.05, first_stage: int = FIRST_STAGE) -> Constants:
    """The constants of KN with c = 1.

    Kim and Nelson, A fully sequential procedure for indifference-zone selection in simulation, ACM TOMACS 11 (2001),
    figure 2: eta = ((2 alpha / (k - 1)) ** (-2 / (n0 - 1)) - 1) / 2, h2 = 2 c eta (n0 - 1).
    """
    if variants < 2 or first_stage < 2 or not 0.0 < alpha < 1.0 - 1.0 / variants:
        raise ValueError("expected two variants, two replications and a level below 1 - 1 / variants")
    eta = ((2.0 * alpha / (variants - 1)) ** (-2.0 / (first_stage - 1)) - 1.0) / 2.0
    return Constants(eta, 2.0 * eta * (first_stage - 1))


class Selection:
    """KN under way: which variants are still in, after so many replications of each.

    With a chance of at least 1 - `alpha` the one that is left has the least mean, where that is less than every other
    one by `indifference` or more; where some are nearer, it is one of those. Figures of variants may depend on each
    other within a replication, as they do under common random numbers. Figures are normal, or means of many.
    """

    def __init__(
        self, first: Mapping[str, Sequence[float]], indifference: float, alpha: float = 0.05, cap: int = 100_000
    ) -> None:
        """`first` has the figures of the first stage, of each variant as many; the least mean is looked for."""
        counts = {len(values) for values in first.values()}
        if len(first) < 2 or len(counts) != 1 or indifference <= 0:
            raise ValueError("expected two variants, as many figures of each, and an indifference above zero")
        self.seen = counts.pop()
        self.cap = cap
        self._indifference = indifference
        self._h_squared = constants(len(first), alpha, self.seen).h_squared
        self._sums = {name: math.fsum(values) for name, values in first.items()}
        self._spread = {pair: _variance(first[pair[0]], first[pair[1]]) for pair in combinations(first, 2)}
        self.left = list(first)
        """The variants that are still in, in the order they were given."""
        self._screen()

    @property
    def decided(self) -> bool:
        """Whether one is left, or the cap is reached."""
        return len(self.left) == 1 or self.seen >= self.cap

    @property
    def best(self) -> str:
        """Of those left, the one with the least mean."""
        return min(self.left, key=lambda name: self._sums[name])

    def add(self, figures: Mapping[str, float]) -> None:
        """One more replication of every variant that is left."""
        for name in self.left:
            self._sums[name] += figures[name]
        self.seen += 1
        self._screen()

    def _screen(self) -> None:
        self.left = [one for one in self.left if not any(self._beaten(one, by) for by in self.left if by != one)]

    def _beaten(self, one: str, by: str) -> bool:
        """Whether the mean of one is above the other's by more than the continuation region is wide."""
        spread = self._spread.get((one, by)) or self._spread.get((by, one), 0.0)
        room = max(0.0, self._h_squared * spread / (2.0 * self._indifference) - self._indifference * self.seen / 2.0)
        return self._sums[one] - self._sums[by] > room


def _variance(one: Sequence[float], other: Sequence[float]) -> float:
    return float(np.subtract(one, other).var(ddof=1))


def ocba(means: Sequence[float], spreads: Sequence[float]) -> list[float]:
    """The shares of a budget that make it likeliest that the least mean is told rightly.

    Chen, Lin, Yucesan and Chick, Simulation budget allocation for further enhancing the efficiency of ordinal
    optimization, DEDS 10 (2000), theorem 1: w_i ~ (sigma_i / delta_i) ** 2, w_b = sigma_b sqrt(sum (w_i / sigma_i) **
    2), delta_i how far mean i is from the least one. `spreads` are standard deviations.
    """
    best = min(range(len(means)), key=lambda i: means[i])
    scale = max(spreads)
    if not scale > 0:
        return [1.0 / len(means)] * len(means)
    sigma = np.asarray(spreads, dtype="float64") / scale
    gaps = np.clip(np.asarray(means, dtype="float64") - means[best], _GAP_MIN * scale, scale / _GAP_MIN) / scale
    weights: Array = (sigma / gaps) ** 2
    weights[best] = 0.0
    others = np.arange(len(means)) != best
    weights[best] = sigma[best] * math.sqrt(float(((sigma[others] / gaps[others] ** 2) ** 2).sum()))
    total = float(weights.sum())
    return [float(share) for share in weights / total] if total > 0 else [1.0 / len(means)] * len(means)


def allocation(shares: Sequence[float], done: Sequence[int], more: int) -> list[int]:
    """How many of `more` replications each variant gets next, so that all together come nearest to the shares.

    The most starving first: whoever is furthest below its share of the new total gets the next one; ties go to the
    first.
    """
    total = sum(done) + more
    given = [0] * len(done)
    for _ in range(more):
        short = [share * total - have - new for share, have, new in zip(shares, done, given, strict=True)]
        given[short.index(max(short))] += 1
    return given


def correct_selection(means: Sequence[float], errors: Sequence[float]) -> float:
    """A lower bound of the chance that the least mean is told rightly (Bonferroni; Chen et al., section 2). `errors`
    are standard errors of the means."""
    best = min(range(len(means)), key=lambda i: means[i])
    missed = 0.0
    for i, (mean, error) in enumerate(zip(means, errors, strict=True)):
        if i != best:
            spread = math.hypot(error, errors[best])
            gap = mean - means[best]
            missed += 0.5 * math.erfc(gap / spread / math.sqrt(2.0)) if spread > 0 else float(gap <= 0) * 0.5
    return max(0.0, 1.0 - missed)
