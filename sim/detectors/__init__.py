"""Drift detectors, each with its formula pinned: a detector's name is not a specification.

Each takes one number at a time by `update(x)`, tells whether that raises the alarm, and starts afresh after an alarm.
"""

from __future__ import annotations

from typing import Protocol

from sim.detectors.adwin import Adwin
from sim.detectors.cusum import Cusum
from sim.detectors.ddm import DDM
from sim.detectors.ks import KolmogorovSmirnov
from sim.detectors.page_hinkley import PageHinkley
from sim.detectors.psi import StabilityIndex

__all__ = ["DDM", "Adwin", "Cusum", "Detector", "KolmogorovSmirnov", "PageHinkley", "StabilityIndex"]


class Detector(Protocol):
    """What all detectors can do."""

    def update(self, x: float) -> bool:
        """Take one label; whether that raises the alarm."""
