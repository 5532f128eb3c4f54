"""DDM, the drift detection method, for labels of 0 and 1."""

from __future__ import annotations

from math import inf, sqrt


class DDM:
    """DDM (Gama and others 2004), in the form of river 0.26.1, without its warning.

    With n labels since the last alarm: p the share of errors, s = sqrt(p (1 - p) / n). After `minimum` labels the
    least p + s is kept with its p and s; an alarm when p + s > p_least + drift * s_least. Where no error came at
    all before, the first one raises the alarm: s_least is 0 then.
    """

    __slots__ = ("_drift", "_labels", "_least", "_mean", "_minimum", "_p", "_s")

    def __init__(self, minimum: int, drift: float) -> None:
        self._minimum = minimum
        self._drift = drift
        self._start()

    def _start(self) -> None:
        self._labels = 0
        self._mean = 0.0
        self._p = 0.0
        self._s = 0.0
        self._least = inf

    def update(self, x: float) -> bool:
        """Take one label, 1 for an error and 0 for none; whether that raises the alarm."""
        self._labels += 1
        self._mean += 1.0 / self._labels * (x - self._mean)
        if self._labels <= self._minimum:
            return False
        p = self._mean
        # A mean of ones may come out above 1 by a rounding.
        s = sqrt(max(0.0, p * (1.0 - p)) / self._labels)
        if p + s <= self._least:
            self._p, self._s, self._least = p, s, p + s
        if not p + s > self._p + self._drift * self._s:
            return False
        self._start()
        return True
