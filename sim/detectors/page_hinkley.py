"""The Page-Hinkley test."""

from __future__ import annotations


class PageHinkley:
    """The Page-Hinkley test for a rise of the mean (Page 1954), in the form of river 0.26.1 with `mode="up"`.

    With n labels x_1..x_n since the last alarm: mean_n = mean_(n-1) + (x_n - mean_(n-1)) / n,
    S_n = alpha * S_(n-1) + x_n - mean_n - delta, and an alarm when S_n - min(S_1..S_n) > threshold and n >= minimum.
    After an alarm the test starts afresh with the next label. The order of additions is river's, so the two agree to
    the bit.
    """

    __slots__ = ("_alpha", "_delta", "_least", "_mean", "_minimum", "_sum", "_threshold", "labels")

    def __init__(self, minimum: int, delta: float, threshold: float, alpha: float) -> None:
        self._minimum = minimum
        self._delta = delta
        self._threshold = threshold
        self._alpha = alpha
        self.labels = 0
        self._start()

    def _start(self) -> None:
        self.labels = 0
        self._mean = 0.0
        self._sum = 0.0
        self._least = float("inf")

    def update(self, x: float) -> bool:
        """Take one label; whether that raises the alarm."""
        self.labels += 1
        self._mean += (x - self._mean) / self.labels
        self._sum = self._alpha * self._sum + (x - self._mean) - self._delta
        self._least = min(self._least, self._sum)
        if self.labels < self._minimum or not self._sum - self._least > self._threshold:
            return False
        self._start()
        return True
