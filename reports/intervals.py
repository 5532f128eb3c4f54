"""Intervals over replications and the three-valued verdict they give.

A figure of one replication is known exactly, or only between two bounds (a wait that had not ended at the horizon).
The interval is Student's over the lower bounds on its low side and over the upper bounds on its high side, so a true
mean anywhere between the bounds is covered at least as often as the confidence says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaincinv, stdtrit

from verify.findings import Overall

Array = npt.NDArray[Any]
"""Figures by replication."""

CONFIDENCE: Final = 0.95
"""Level of intervals that no objective asks for; the default of an objective too."""

FEWEST: Final = 2
"""Replications below which there is no interval at all: Student's needs one degree of freedom."""

FEWEST_EQUAL: Final = 5
"""Replications below which equal values give no verdict. An assumption: equal values have no spread to judge by, and
two or three of them are equal by accident easily (a count of rare happenings), five hardly."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure for each replication, in order. `low` and `high` bound it; they are equal where it is known exactly.

    nan in both: there was nothing to measure in that replication. inf in `high`: no upper bound is known. `best` is the
    figure told as the estimate, between the bounds; no `best` means `high`.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    best: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or any(a > b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError("bounds do not match")
        if self.best and any(
            not (a <= b <= c) for a, b, c in zip(self.low, self.best, self.high, strict=True) if not math.isnan(a)
        ):
            raise ValueError("a best figure lies outside its bounds")

    @property
    def measured(self) -> int:
        """Replications that had something to measure."""
        return sum(not math.isnan(value) for value in self.low)

    @property
    def missing(self) -> int:
        """Replications that had nothing to measure."""
        return len(self.low) - self.measured


def exact(values: Iterable[float]) -> Sample:
    """A sample whose figures are known exactly."""
    return bounded(values, values)


def bounded(low: Iterable[float], high: Iterable[float], best: Iterable[float] = ()) -> Sample:
    """A sample whose figures are known between bounds."""
    return Sample(*(tuple(float(value) for value in values) for values in (low, high, best)))


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over replications with its two-sided confidence interval.

    `estimate` is nan where nothing was measured; with `at_least` it is a lower bound and `high` is inf.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    replications: int
    at_least: bool = False

    @property
    def known(self) -> bool:
        """Whether there is a figure at all."""
        return not math.isnan(self.estimate)

    @property
    def point(self) -> bool:
        """Whether all replications agree, so that there is no spread to make an interval of."""
        return self.replications >= FEWEST and self.low == self.high


def student(
    sample: Sample,
    confidence: float = CONFIDENCE,
    *,
    floor: float = -math.inf,
    ceiling: float = math.inf,
) -> Interval:
    """Student's interval for the mean of independent replications.

    Law, Simulation Modeling and Analysis, 5th ed., section 9.4.1 (fixed-sample-size procedure, replication/deletion).
    `floor` and `ceiling` are the ends of the figure's range (0 and 1 for a share); the interval does not leave it.
    """
    lows, highs, bests = (_known(values) for values in (sample.low, sample.high, sample.best or sample.high))
    count = len(lows)
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, confidence, 0)
    ended = bool(np.isfinite(highs).all())
    estimate = _mean(bests if ended else lows)
    low = _mean(lows) - _half_width(lows, confidence)
    high = _mean(highs) + _half_width(highs, confidence) if ended else math.inf
    return Interval(estimate, max(low, floor), min(high, ceiling), confidence, count, at_least=not ended)


def _known(values: Sequence[float]) -> Array:
    array = np.array(values, dtype="float64")
    known: Array = array[~np.isnan(array)]
    return known


def _mean(values: Array) -> float:
    return float(values[0] if (values == values[0]).all() else values.mean())  # a rounded mean of equals may differ


def _half_width(values: Array, confidence: float) -> float:
    count = len(values)
    if count < FEWEST:
        return math.inf
    if (values == values[0]).all():
        return 0.0
    quantile = float(stdtrit(count - 1, (1.0 + confidence) / 2.0))
    return quantile * float(values.std(ddof=1)) / math.sqrt(count)


FEW_HITS: Final = 10.0
"""Hits, misses or happenings in all replications together below which Student's interval is widened to the exact one.
Measured with 10 and 20 replications: with fewer a limit that the true share is above is kept by Student's bound in up
to 12 of 100 runs where 2.5 are promised, by the wider of the two in at most 1.5."""


def with_trials(interval: Interval, sample: Sample, trials: int) -> Interval:
    """The interval of a share with few hits, or few misses, reaching as far as the exact binomial one over all trials.

    Student's would be a point where none was hit, and too narrow where few replications were: the spread of few hits is
    told as badly as their number. With no miss in n trials the Clopper-Pearson bound is (alpha / 2) ** (1 / n).
    """
    if trials < 1 or not interval.known:
        return interval
    hits = trials * _mean(_known(sample.high))
    misses = trials * (1.0 - _mean(_known(sample.low)))
    high = max(interval.high, _at_most(hits, trials, interval.confidence)) if hits < FEW_HITS else interval.high
    low = min(interval.low, 1.0 - _at_most(misses, trials, interval.confidence)) if misses < FEW_HITS else interval.low
    return replace(interval, low=low, high=high)


def _at_most(hits: float, trials: int, confidence: float) -> float:
    """The upper Clopper-Pearson bound of a share; hits that are known as a mean need not be whole."""
    return 1.0 if hits >= trials else float(betaincinv(hits + 1.0, trials - hits, (1.0 + confidence) / 2.0))


def with_happenings(interval: Interval, sample: Sample) -> Interval:
    """The interval of a mean number of happenings where few were seen in all, reaching as far up as the exact one of
    Poisson's law (Garwood, Biometrika 28, 1936): none in n replications leave a mean of ln(2 / alpha) / n possible."""
    if (
        not interval.known
        or interval.replications < FEWEST
        or (interval.point and interval.replications < FEWEST_EQUAL)
    ):
        return interval
    seen = interval.replications * _mean(_known(sample.high))
    if not seen < FEW_HITS:
        return interval
    most = float(gammaincinv(seen + 1.0, (1.0 + interval.confidence) / 2.0)) / interval.replications
    return replace(interval, high=max(interval.high, most))


def unseen(replications: int, confidence: float) -> float:
    """The chance of a happening in one replication that stays possible after none in `replications` of them.

    The one-sided exact bound 1 - (1 - confidence) ** (1 / n), about 3 / n at 95 %.
    """
    return float(1.0 - (1.0 - confidence) ** (1.0 / replications))


def decide(interval: Interval, *, at_most: float | None = None, at_least: float | None = None) -> Overall:
    """`pass` when the confidence bound keeps the limits, `fail` when the whole interval misses one, else undecided."""
    if too_few(interval):
        return "undecided"
    sides = [_side(interval.low, interval.high, at_most)] if at_most is not None else []
    if at_least is not None:
        sides.append(_side(-interval.high, -interval.low, -at_least))
    return worst(sides) if sides else "undecided"


def too_few(interval: Interval) -> str:
    """Why the replications do not suffice for a verdict; empty where they do."""
    if not interval.replications:
        return "nothing was measured"
    if interval.replications < FEWEST:
        return "one replication gives no interval"
    if interval.point and interval.replications < FEWEST_EQUAL:
        return f"{interval.replications} replications that agree exactly give no interval; run at least {FEWEST_EQUAL}"
    return ""


def _side(low: float, high: float, limit: float) -> Overall:
    if high <= limit:
        return "pass"
    return "fail" if low > limit else "undecided"


def worst(verdicts: Sequence[Overall]) -> Overall:
    """`fail` if any fails, else `undecided` if any is, else `pass`."""
    for verdict in ("fail", "undecided"):
        if verdict in verdicts:
            return verdict
    return "pass"
