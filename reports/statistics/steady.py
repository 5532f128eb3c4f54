"""One long series: where its beginning ends, and an interval for its mean though its figures depend on each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtri

from reports.intervals import CONFIDENCE, Array, Interval, exact, student

MSER_BATCH: Final = 5
_ROUNDING: Final = 1e-12
"""Part of the whole sum of squares under which what is left of it is rounding."""

BATCHES: Final = 30
"""Batches of the interval: Schmeiser, Batch size effects in the analysis of simulation output, Oper. Res. 30 (1982),
finds little gain beyond 30."""


@dataclass(frozen=True, slots=True)
class Truncation:
    """How many figures of the beginning of a series to leave out."""

    figures: int
    settled: bool
    """False: the least error is at the end of what may be left out, so the series is too short to tell."""


def mser(series: Sequence[float], batch: int = MSER_BATCH) -> Truncation:
    """The beginning of a series that spoils its mean, by the marginal standard error rule, MSER-5.

    White, An effective truncation heuristic for bias reduction in simulation output, Simulation 69 (1997); White,
    Cobb and Spratt, WSC 2000: over means z of batches of five, the d < n / 2 with the least sum of (z_i - mean) ** 2 /
    (n - d) ** 2 over what is left.
    """
    values = _batched(series, batch)
    count = len(values)
    if count < 4:
        return Truncation(0, False)
    left = np.arange(count, 0, -1)
    sums, squares = (np.cumsum(of[::-1])[::-1] for of in (values - values.mean(), (values - values.mean()) ** 2))
    spread = squares - sums**2 / left
    spread[spread <= _ROUNDING * squares[0]] = 0.0  # equal figures have none, and the first of them is to be found
    errors = spread / left.astype("float64") ** 2
    allowed = (count + 1) // 2
    best = int(np.argmin(errors[:allowed]))
    return Truncation(best * batch, best < allowed - 1)


def _batched(series: Sequence[float], size: int) -> Array:
    values = np.asarray(series, dtype="float64")
    whole = len(values) // size
    batched: Array = values[: whole * size].reshape(whole, size).mean(axis=1)
    return batched


@dataclass(frozen=True, slots=True)
class BatchMeans:
    """The interval of a long series by the means of its batches."""

    interval: Interval
    correlation: float
    """Of neighbouring batch means."""
    correlated: bool
    """Whether they depend on each other, so that the interval is too narrow: the run is too short for its own
    interval."""


def batch_means(series: Sequence[float], confidence: float = CONFIDENCE, batches: int = BATCHES) -> BatchMeans:
    """Student's interval over the means of batches, with von Neumann's test that they are independent.

    Law, Simulation Modeling and Analysis, 5th ed., section 9.5.3; the test: von Neumann, Ann. Math. Statist. 12
    (1941), one-sided at 5 %, with the normal approximation of Fishman, Grouping observations in digital simulation,
    Management Science 24 (1978): C / sqrt((b - 2) / (b ** 2 - 1)) is about normal.
    """
    size = len(series) // batches
    if size < 1:
        raise ValueError(f"expected {batches} figures or more")
    means = _batched(series[: size * batches], size)
    centred = means - means.mean()
    total = float((centred**2).sum())
    if total == 0.0:
        return BatchMeans(student(exact(means), confidence), 0.0, False)
    near = float((centred[1:] * centred[:-1]).sum()) / total
    statistic = near + float(centred[0] ** 2 + centred[-1] ** 2) / (2.0 * total)
    spread = math.sqrt((batches - 2) / (batches**2 - 1))
    return BatchMeans(student(exact(means), confidence), near, bool(statistic / spread > ndtri(0.95)))


UNDER_COVERS_FROM: Final = 0.85
"""Load from which intervals of one run are told to cover less often than they say: at .9 a 95 % interval of 100,000
waits of an M/M/1 queue covers 90 of 100 times, at .5 as often as it says. Where between them is an assumption."""


def under_covers(load: float, figures: int) -> bool:
    """Whether the interval of one series from a queue with a load is known to cover less often than it says.

    How long figures depend on each other grows with 1 / (1 - load) ** 2 (Whitt, Planning queueing simulations,
    Management Science 35, 1989); at .9, a million figures suffice and 100,000 do not.
    """
    if load >= 1.0:
        return True
    return load >= UNDER_COVERS_FROM and figures * (1.0 - load) ** 2 < _ENOUGH


_ENOUGH: Final = 5_000.0
"""Figures times (1 - load) ** 2 from which a 95 % interval by 30 batches covers well: between 1,000 (.9 and 100,000,
which covers .90) and 10,000 (.9 and a million, which covers .97)."""
