"""Intervals for a share, and how many trials show that a share is small."""

from __future__ import annotations

import math

from scipy.stats import binomtest


def clopper_pearson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval: it covers at least as often as it says (Clopper and Pearson, Biometrika 26, 1934)."""
    found = binomtest(hits, trials).proportion_ci(confidence, "exact")
    return float(found.low), float(found.high)


def wilson(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval: narrower, and covers as often as it says on average only (Wilson, JASA 22, 1927)."""
    found = binomtest(hits, trials).proportion_ci(confidence, "wilson")
    return float(found.low), float(found.high)


def trials_without_a_hit(share: float, confidence: float = 0.95) -> int:
    """How many trials without a hit show that the share is at most so much: (1 - share) ** n <= 1 - confidence."""
    return math.ceil(math.log(1.0 - confidence) / math.log(1.0 - share))


def trials_for(error: float, confidence: float = 0.95) -> int:
    """How many trials tell any share within an error: Hoeffding's bound, JASA 58 (1963)."""
    return math.ceil(math.log(2.0 / (1.0 - confidence)) / (2.0 * error * error))
