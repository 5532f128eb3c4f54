"""Tests and intervals that look at every replication and stop when they know enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.stats import binom

from reports.intervals import FEWEST, Interval

_LEFT_MAX: Final = 1e-13
"""Mass of walks that are still under way when the exact figures are told."""

_TRIALS_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Sprt:
    """Wald's sequential test of a share: at most `low` (with error `alpha`) against at least `high` (error `beta`).

    Wald, Sequential tests of statistical hypotheses, Ann. Math. Statist. 16 (1945). Between `low` and `high` either
    answer is right; a share there takes longest.
    """

    low: float
    high: float
    alpha: float = 0.05
    beta: float = 0.05

    def __post_init__(self) -> None:
        if not 0.0 < self.low < self.high < 1.0 or not 0.0 < self.alpha < 0.5 or not 0.0 < self.beta < 0.5:
            raise ValueError("expected 0 < low < high < 1 and errors below one half")

    @property
    def bounds(self) -> tuple[float, float]:
        """Where the logarithm of the likelihood ratio ends the test, for `low` and for `high`."""
        return math.log(self.beta / (1.0 - self.alpha)), math.log((1.0 - self.beta) / self.alpha)

    @property
    def steps(self) -> tuple[float, float]:
        """What a hit and a miss add to the logarithm of the likelihood ratio."""
        return math.log(self.high / self.low), math.log((1.0 - self.high) / (1.0 - self.low))

    def decision(self, hits: int, trials: int) -> Literal["low", "high"] | None:
        """What so many hits in so many trials say; None: go on."""
        hit, miss = self.steps
        ratio = hits * hit + (trials - hits) * miss
        lower, upper = self.bounds
        return "high" if ratio >= upper else "low" if ratio <= lower else None

    def exactly(self, share: float) -> tuple[float, float]:
        """The chance that the test says `high`, and the number of trials it takes on average, for a true share.

        By walking all counts of hits that leave the test open, trial by trial, until hardly any do.
        """
        hit, miss = self.steps
        lower, upper = self.bounds
        alive = np.array([1.0])
        said_high = taken = 0.0
        for trials in range(1, _TRIALS_MAX):
            taken += float(alive.sum())
            moved = np.zeros(trials + 1)
            moved[:-1] += alive * (1.0 - share)
            moved[1:] += alive * share
            hits = np.arange(trials + 1)
            ratio = hits * hit + (trials - hits) * miss
            said_high += float(moved[ratio >= upper].sum())
            moved[(ratio >= upper) | (ratio <= lower)] = 0.0
            alive = moved
            if alive.sum() < _LEFT_MAX:
                break
        return said_high, taken

    def wald(self, share: float) -> float:
        """Wald's approximation of the number of trials on average, which leaves out how far the last one overshoots."""
        hit, miss = self.steps
        lower, upper = self.bounds
        drift = share * hit + (1.0 - share) * miss
        chance = self._says_high(share)
        if abs(drift) < 1e-12:
            return -lower * upper / (share * hit * hit + (1.0 - share) * miss * miss)
        return (chance * upper + (1.0 - chance) * lower) / drift

    def _says_high(self, share: float) -> float:
        """Wald's approximation of the chance, by the h that belongs to the share: (1 - A ** h) / (B ** h - A ** h)."""
        h = _root(share, *self.steps)
        lower, upper = self.bounds
        if abs(h) < 1e-9:
            return -lower / (upper - lower)
        return (1.0 - math.exp(h * lower)) / (math.exp(h * upper) - math.exp(h * lower))


def _root(share: float, hit: float, miss: float) -> float:
    """The h other than 0 with share * exp(h * hit) + (1 - share) * exp(h * miss) = 1; 0 where there is none."""
    drift = share * hit + (1.0 - share) * miss
    if abs(drift) < 1e-12:
        return 0.0

    def excess(h: float) -> float:
        return share * math.exp(h * hit) + (1.0 - share) * math.exp(h * miss) - 1.0

    sign = -1.0 if drift > 0 else 1.0
    far = sign
    while excess(far) < 0:
        far *= 2.0
    near = 0.0
    for _ in range(200):
        middle = (near + far) / 2.0
        near, far = (middle, far) if excess(middle) < 0 else (near, middle)
    return far


def fixed_size(low: float, high: float, alpha: float = 0.05, beta: float = 0.05) -> tuple[int, int]:
    """The least fixed number of trials that tells `low` from `high` within both errors, and the hits from which it says
    `high`."""
    for trials in range(1, _TRIALS_MAX):
        hits = int(binom.ppf(1.0 - alpha, trials, low)) + 1
        if binom.sf(hits - 1, trials, low) <= alpha and binom.cdf(hits - 1, trials, high) <= beta:
            return trials, hits
    raise ValueError("no number of trials up to a million suffices")


def replications_for(interval: Interval, relative: float, most: int) -> int | None:
    """How many replications an interval is guessed to need until its half-width is a part of its mean.

    Law, Simulation Modeling and Analysis, 5th ed., section 9.4.1: half-width over estimate at most gamma / (1 + gamma)
    keeps the relative error of the estimate within gamma; the half-width goes with the square root. A guess from few is
    a bad one, so it is at most twice as many. None: it does not have to be more.
    """
    count = interval.replications
    if not interval.known or count < FEWEST or not math.isfinite(interval.high - interval.low):
        return most
    half = (interval.high - interval.low) / 2.0
    wanted = abs(interval.estimate) * relative / (1.0 + relative)
    if half <= wanted:
        return None
    guess = math.ceil(count * (half / wanted) ** 2) if wanted > 0 else most
    return min(max(guess, count + 1), 2 * count, most)
