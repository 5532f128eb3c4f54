"""Paired differences of two variants under common random numbers, and the correction for several comparisons.

Replication n of both variants draws the same numbers, so their figures are paired and most of the noise cancels (Law,
Simulation Modeling and Analysis, 5th ed., sections 10.2.1 and 11.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from reports.intervals import CONFIDENCE, FEWEST, FEWEST_EQUAL, Array, Interval, Sample, bounded, student


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more a figure is in the other variant than in one."""

    interval: Interval
    """Student's over pairs of replications; both ends are infinite where a figure has no bound."""
    p: float
    """Two-sided: the chance of so great a difference, or a greater one, where the means are equal."""
    pairs: int
    """Replications in which both are known."""
    gain: float
    """How many times smaller the variance of the difference is than without common random numbers; nan where it is not
    known, inf where every pair differs by the same."""


def difference(one: Sample, other: Sample, confidence: float = CONFIDENCE) -> Difference:
    """The difference `other - one`, pair by pair. Figures known between bounds differ by anything between theirs."""
    low, high, best = (np.asarray(ends, dtype="float64") for ends in _ends(one, other))
    known = ~np.isnan(low)
    pairs = int(known.sum())
    if not (np.isfinite(low[known]).all() and np.isfinite(high[known]).all()) or not pairs:
        unknown = Interval(math.nan, -math.inf, math.inf, confidence, pairs)
        return Difference(unknown, 1.0, pairs, math.nan)
    sample = bounded(low, high, best)
    return Difference(student(sample, confidence), _p(low[known], high[known]), pairs, _gain(one, other, best))


def _ends(one: Sample, other: Sample) -> tuple[Array, Array, Array]:
    first, second = (tuple(map(np.asarray, (s.low, s.high, s.best or s.high))) for s in (one, other))
    with np.errstate(invalid="ignore"):  # inf - inf is not known
        low, high, best = second[0] - first[1], second[1] - first[0], second[2] - first[2]
    unbounded = ~np.isnan(first[0]) & ~np.isnan(second[0]) & (np.isnan(low) | np.isnan(high))
    low, high = np.where(unbounded, -math.inf, low), np.where(unbounded, math.inf, high)
    return low, high, np.clip(best, low, high)


def _p(low: Array, high: Array) -> float:
    """The p-value of the end that is nearer to no difference; 1 where the bounds leave no difference possible."""
    near = low if low.mean() > 0 else high
    if low.mean() <= 0 <= high.mean() or len(near) < FEWEST:
        return 1.0
    spread = float(near.std(ddof=1))
    if (near == near[0]).all() or spread == 0.0:
        return 0.0 if len(near) >= FEWEST_EQUAL else 1.0
    t = abs(float(near.mean())) / (spread / math.sqrt(len(near)))
    return float(2.0 * stdtr(len(near) - 1, -t))


def _gain(one: Sample, other: Sample, best: Array) -> float:
    first, second = (np.asarray(s.best or s.high, dtype="float64") for s in (one, other))
    known = np.isfinite(first) & np.isfinite(second) & np.isfinite(best)
    if known.sum() < FEWEST:
        return math.nan
    apart = float(first[known].var(ddof=1) + second[known].var(ddof=1))
    together = float(best[known].var(ddof=1))
    if together == 0.0:
        return math.inf if apart > 0.0 else math.nan
    return apart / together


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p-values that may each be held against one level, however many there are.

    Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979). The chance that any true
    hypothesis is among those rejected is at most the level, whatever the dependence.
    """
    adjusted = [1.0] * len(p)
    greatest = 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        greatest = max(greatest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = greatest
    return adjusted


def bonferroni(confidence: float, comparisons: int) -> float:
    """The level of each of several intervals that all hold together with a confidence (Law, section 9.7)."""
    return 1.0 - (1.0 - confidence) / max(comparisons, 1)
