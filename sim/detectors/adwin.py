"""ADWIN: a window that shrinks when two parts of it differ."""

from __future__ import annotations

from math import inf, log, sqrt
from typing import Final

_ROW: Final = 5
"""Buckets of one size that are kept; one more, and the two oldest become one of the next size."""
_LEAST: Final = 5
"""Labels that each part of a cut must have."""
_GRACE: Final = 10
"""Labels of the window below which it is not cut."""


class Adwin:
    """ADWIN (Bifet and Gavalda 2007), in the form of river 0.26.1: rows of 5 buckets, parts of at least 5 labels.

    The window is kept as buckets of 1, 2, 4, ... labels, each with its sum and its sum of squared deviations. At every
    `clock`-th label, where the window has W > 10 of them, it is cut between buckets into an older part of n0 and a
    newer part of n1 labels, from the oldest cut on. The parts differ when |mean_0 - mean_1| > sqrt(2 m v d) + 2/3 d m,
    where d = ln(2 ln W / delta), m = 1/(n0 - 4) + 1/(n1 - 4) and v is the window's variance; where a rounding has made
    v negative, none differ. The oldest bucket is then dropped and the cuts are tried again. A label at which a bucket
    was dropped raises the alarm, and the next one starts a new window. The order of additions is river's, so the two
    agree label for label.
    """

    __slots__ = ("_clock", "_delta", "_deviations", "_rows", "_seen", "_total", "_width")

    def __init__(self, delta: float, clock: int) -> None:
        self._delta = delta
        self._clock = clock
        self._start()

    def _start(self) -> None:
        self._seen = 0
        self._width = 0.0
        self._total = 0.0
        self._deviations = 0.0
        self._rows: list[list[tuple[float, float]]] = [[]]

    def update(self, x: float) -> bool:
        """Take one label; whether that raises the alarm."""
        self._seen += 1
        self._insert(x)
        if self._seen % self._clock or self._width <= _GRACE or not self._differs():
            return False
        while self._differs():
            pass
        self._start()
        return True

    def _insert(self, x: float) -> None:
        self._rows[0].append((x, 0.0))
        self._width += 1.0
        if self._width > 1.0:
            before = self._width - 1.0
            away = x - self._total / before
            self._deviations += before * away * away / self._width
        self._total += x
        for level, row in enumerate(self._rows):
            if len(row) <= _ROW:
                break
            if level + 1 == len(self._rows):
                self._rows.append([])
            self._rows[level + 1].append(_merged(row[0], row[1], float(1 << level)))
            del row[:2]

    def _differs(self) -> bool:
        """Whether some cut shows two parts that differ; the oldest bucket is dropped then."""
        n0, n1, u0, u1 = 0.0, self._width, 0.0, self._total
        for level in range(len(self._rows) - 1, -1, -1):
            size = float(1 << level)
            for total, _ in self._rows[level]:
                n0 += size
                n1 -= size
                u0 += total
                u1 -= total
                if n0 >= _LEAST and n1 >= _LEAST and abs(u0 / n0 - u1 / n1) > self._bound(n0, n1):
                    self._drop()
                    return True
        return False

    def _bound(self, n0: float, n1: float) -> float:
        """The least difference of means that is no chance."""
        d = log(2.0 * log(self._width) / self._delta)
        m = 1.0 / (n0 - _LEAST + 1.0) + 1.0 / (n1 - _LEAST + 1.0)
        spread = 2.0 * m * (self._deviations / self._width) * d
        return sqrt(spread) + 2.0 / 3.0 * d * m if spread >= 0.0 else inf

    def _drop(self) -> None:
        row = self._rows[-1]
        size = float(1 << (len(self._rows) - 1))
        total, deviations = row.pop(0)
        self._width -= size
        self._total -= total
        away = total / size - self._total / self._width
        self._deviations -= deviations + size * self._width * away * away / (size + self._width)
        if not row:
            self._rows.pop()


def _merged(first: tuple[float, float], second: tuple[float, float], size: float) -> tuple[float, float]:
    """Two buckets of this size as one."""
    away = first[0] / size - second[0] / size
    return first[0] + second[0], first[1] + second[1] + size * size * away * away / (size + size)
