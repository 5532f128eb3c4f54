"""The two-sample Kolmogorov-Smirnov test, over windows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import gcd


def distance(first: Sequence[float], second: Sequence[float]) -> int:
    """The greatest distance of two samples' distribution functions, in units of 1/lcm of their sizes.

    Both are sorted.
    """
    n, m = len(first), len(second)
    common = gcd(n, m)
    up, down = m // common, n // common
    i = j = height = greatest = 0
    while i < n and j < m:
        value = min(first[i], second[j])
        while i < n and first[i] == value:
            i += 1
            height += up
        while j < m and second[j] == value:
            j += 1
            height -= down
        greatest = max(greatest, abs(height))
    return greatest


def chance_of(n: int, m: int, least: int) -> float:
    """The chance that two samples of n and m of one continuous law are at least this far apart (units of `distance`).

    Exact, by lattice paths (Hodges 1958): all orders of the n + m values are as likely; a path goes a step right or up
    for each value, and `share[j]` is the chance of the orders that come to (i, j) and were never as far as `least`.
    """
    common = gcd(n, m)
    up, down = m // common, n // common
    share = [0.0] * (m + 1)
    for i in range(n + 1):
        # Of column j: |i up - j down| < least.
        low = max(0, (i * up - least) // down + 1)
        high = min(m, -((-i * up - least) // down) - 1)
        for j in range(min(low, m + 1)):
            share[j] = 0.0
        for j in range(low, high + 1):
            if i or j:
                before = share[j] * i if i else 0.0
                share[j] = (before + (share[j - 1] * j if j else 0.0)) / (i + j)
            else:
                share[j] = 1.0
        for j in range(high + 1, m + 1):
            share[j] = 0.0
    return 1.0 - share[m]


@lru_cache(maxsize=64)
def critical_distance(n: int, m: int, alpha: float) -> int:
    """The least distance whose chance is below alpha; more than any distance where none is so rare."""
    low, high = 1, n * m // gcd(n, m) + 1
    while low < high:
        middle = (low + high) // 2
        if chance_of(n, m, middle) < alpha:
            high = middle
        else:
            low = middle + 1
    return low


class KolmogorovSmirnov:
    """The first `reference` labels say how they should be; each further `window` of them is compared with those.

    An alarm when the exact two-sample p-value is below alpha; the labels after it are a new reference. Every window is
    a test of its own: without drift about one in 1/alpha alarms, and fewer where values tie.
    """

    __slots__ = ("_critical", "_learnt", "_reference", "_values", "_window")

    def __init__(self, reference: int, window: int, alpha: float) -> None:
        self._reference = reference
        self._window = window
        self._critical = critical_distance(reference, window, alpha)
        self._values: list[float] = []
        self._learnt: list[float] = []

    def update(self, x: float) -> bool:
        """Take one label; whether that raises the alarm."""
        self._values.append(x)
        if len(self._values) < (self._window if self._learnt else self._reference):
            return False
        values, self._values = sorted(self._values), []
        if not self._learnt:
            self._learnt = values
            return False
        if distance(self._learnt, values) < self._critical:
            return False
        self._learnt = []
        return True
