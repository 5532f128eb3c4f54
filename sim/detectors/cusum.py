"""CUSUM of log-likelihood ratios, for labels of 0 and 1."""

from __future__ import annotations

from math import log


class Cusum:
    """Page's CUSUM (1954) for a rise of an error rate from p0 to p1.

    S starts at 0. S = max(0, S + ln(p1/p0)) at an error (label 1), S = max(0, S + ln((1-p1)/(1-p0))) otherwise; an
    alarm when S >= threshold, and then S = 0.
    """

    __slots__ = ("_error", "_right", "_sum", "_threshold")

    def __init__(self, p0: float, p1: float, threshold: float) -> None:
        self._error = log(p1 / p0)
        self._right = log((1.0 - p1) / (1.0 - p0))
        self._threshold = threshold
        self._sum = 0.0

    def update(self, x: float) -> bool:
        """Take one label, 1 for an error and 0 for none; whether that raises the alarm."""
        self._sum = max(0.0, self._sum + (self._error if x else self._right))
        if self._sum < self._threshold:
            return False
        self._sum = 0.0
        return True
