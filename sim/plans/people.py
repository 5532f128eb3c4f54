"""People: reviews, batches, absence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """Reviews of one desk. A `loss` or `slope` of 0: there is none of it."""

    ought: float
    """-1: whatever has no wrong work in it."""
    sensitivity: float
    specificity: float
    floor: float
    fatigue_after: int
    fatigue_loss: float
    rest: int
    load_queue: int
    load_loss: float
    stamp_queue: int
    stamp_slope: float
    stamp_most: float
    stamp_takes: int


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Batches of one desk."""

    size: int
    wait: int


@dataclass(frozen=True, slots=True)
class PeoplePlan:
    """What a scenario says of it. Entries go by desk, None where a desk has nothing of it."""

    reviews: tuple[ReviewPlan | None, ...]
    batches: tuple[BatchPlan | None, ...]
