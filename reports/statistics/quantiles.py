"""An interval for a quantile that assumes no distribution: two of the ordered figures."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import binom


@dataclass(frozen=True, slots=True)
class Ranks:
    """The interval from the `low`-th to the `high`-th figure in order, from 1 on; 0 and n + 1 are without bound."""

    low: int
    high: int
    coverage: float
    """The chance that the quantile lies between them, exactly, for independent figures of a continuous law."""


def ranks(count: int, quantile: float, confidence: float = 0.95) -> Ranks:
    """The ranks of an interval for a quantile of `count` independent figures.

    The number of figures below the quantile is binomial, so each tail is held below half of what the confidence leaves
    (David and Nagaraja, Order Statistics, 3rd ed., section 7.1). Where there are too few figures an end is missing.
    """
    if count < 1 or not 0.0 < quantile < 1.0 or not 0.0 < confidence < 1.0:
        raise ValueError("expected some figures, and a quantile and a confidence between 0 and 1")
    tail = (1.0 - confidence) / 2.0
    low = int(binom.ppf(tail, count, quantile))  # the greatest rank that is above the quantile with less than the tail
    if binom.cdf(low - 1, count, quantile) > tail:
        low -= 1
    high = int(binom.isf(tail, count, quantile)) + 1
    covered = binom.cdf(high - 1, count, quantile) - binom.cdf(low - 1, count, quantile)
    return Ranks(low, high, float(covered))
