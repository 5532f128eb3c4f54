"""People: how well they review what they are asked to approve, and how they take up their work."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.part import Count, Part
from models.units import MINUTE, SECOND, Duration, Probability

Waiting = Annotated[int, Field(ge=0, le=10_000_000)]
Loss = Annotated[float, Field(gt=0, le=1)]


class Batch(Part):
    """People wait for a batch of work. Nobody takes up what comes until `size` items have gathered, or the first of
    them has waited `wait`; then all of them join the queue, and whoever is free takes from it."""

    size: Annotated[int, Field(ge=2, le=1_000_000)]
    """Items of a full batch."""
    wait: Duration
    """How long the first item waits at most for the batch to be full."""


class Fatigue(Part):
    """Accuracy that falls with work done without a rest. Each seat of the desk counts its own. Work goes to
    the free seat with the lowest number, so the first seats tire first (an assumption)."""

    after: Count = 20
    """Pieces of work, reviews and others, that cost no accuracy. The default is an assumption."""
    loss: Loss
    """What each further one takes from sensitivity and specificity."""
    rest: Duration = 30 * MINUTE
    """Time without work after which a seat begins anew. The default is an assumption."""


class ReviewLoad(Part):
    """Accuracy that falls with the queue in front of the desk."""

    queue: Waiting = 0
    """Waiting items, as a review starts, that cost no accuracy."""
    loss: Loss
    """What each further one takes from sensitivity and specificity."""


class RubberStamp(Part):
    """Approvals without a look, the likelier the longer the queue."""

    queue: Waiting = 0
    """Waiting items, as a review starts, up to which nothing is stamped."""
    slope: Loss
    """What each further one adds to the chance of a stamp."""
    most: Loss = 1.0
    """Greatest chance of a stamp."""
    takes: Duration = 10 * SECOND
    """Time of a stamp, instead of the desk's `service`. The default is an assumption."""


class Review(Part):
    """How right the desk's reviews are. What ought to be granted is a fact of the approval, the same for all who are
    asked for it; their errors about it are independent of each other (an assumption)."""

    ought: Probability | Literal["unless-wrong"]
    """Share of approvals that ought to be granted, drawn once for each; or `unless-wrong`: those of cases without an
    unnoticed wrong attempt so far, looked up when the review starts."""
    sensitivity: Probability
    """Chance that what ought to be granted is granted."""
    specificity: Probability
    """Chance that what ought not to be granted is refused."""
    floor: Probability = 0.5
    """What fatigue and load together leave of sensitivity and specificity at least, unless they are lower anyway. The
    default, a coin's, is an assumption."""
    fatigue: Fatigue | None = None
    """How accuracy falls with work done without a rest. No key: not at all."""
    load: ReviewLoad | None = None
    """How accuracy falls with the queue. No key: not at all."""
    rubber_stamp: RubberStamp | None = None
    """Approvals without a look. No key: none."""
