"""PSI, the population stability index, over windows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import log
from typing import Final

_EMPTY: Final = 0.5
"""What an empty bin counts as, in labels, so that its logarithm exists (the usual half of a count)."""


def stability_index(expected: Sequence[float], actual: Sequence[float]) -> float:
    """PSI = sum over the bins of (a - e) ln(a / e), of shares above 0."""
    index = 0.0
    for e, a in zip(expected, actual, strict=True):
        index += (a - e) * log(a / e)
    return index


def shares(counts: Sequence[int]) -> list[float]:
    """The bins' shares of all labels; an empty bin counts as half a label."""
    whole = 0
    for count in counts:
        whole += count
    return [max(count, _EMPTY) / whole for count in counts]


def quantile_edges(values: Sequence[float], bins: int) -> list[float]:
    """The distinct i/bins quantiles of a sample, 0 < i < bins: each the least value with that share at or below it.

    Its greatest value is no edge: nothing of the sample lies above it.
    """
    ordered = sorted(values)
    edges = (ordered[-(-i * len(ordered) // bins) - 1] for i in range(1, bins))
    return sorted({edge for edge in edges if edge < ordered[-1]})


class StabilityIndex:
    """The first `reference` labels say how they should be; each further `window` of them is compared with those.

    Bins end at the reference's quantiles (`quantile_edges`), an edge included, so labels of 0 and 1 have two bins. An
    alarm when the index of a window exceeds the threshold; the labels after it are a new reference. Where the reference
    is all one value, any label above it is in a bin of its own, any below it is not told apart.
    """

    __slots__ = ("_bins", "_edges", "_expected", "_reference", "_size", "_threshold", "_values")

    def __init__(self, reference: int, window: int, bins: int, threshold: float) -> None:
        self._reference = reference
        self._size = window
        self._bins = bins
        self._threshold = threshold
        self._start()

    def _start(self) -> None:
        self._values: list[float] = []
        self._edges: list[float] = []
        self._expected: list[float] = []

    def update(self, x: float) -> bool:
        """Take one label; whether that raises the alarm."""
        self._values.append(x)
        if not self._expected:
            if len(self._values) == self._reference:
                self._learn()
            return False
        if len(self._values) < self._size:
            return False
        index = stability_index(self._expected, self._shares())
        self._values = []
        if not index > self._threshold:
            return False
        self._start()
        return True

    def _learn(self) -> None:
        self._edges = quantile_edges(self._values, self._bins) or [max(self._values)]
        self._expected = self._shares()
        self._values = []

    def _shares(self) -> list[float]:
        counts = [0] * (len(self._edges) + 1)
        for value in self._values:
            counts[bisect_left(self._edges, value)] += 1
        return shares(counts)
