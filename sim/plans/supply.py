"""Supply: work, queues, scaling, endpoints, the quality of answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SupplyPlan:
    """What a scenario says of it, empty by default."""
