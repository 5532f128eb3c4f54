"""People: reviews, batches, absence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PeoplePlan:
    """What a scenario says of it, empty by default."""
