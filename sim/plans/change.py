"""Change: drifts, detectors, rollouts, compromised agents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """What a scenario says of it, empty by default."""
