"""Rollouts: a new model that takes over in stages, and the rule that takes it back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.fleet import ZERO_DURATION
from models.laws import DurationLaw, SuccessLaw
from models.part import Count, Name, Part
from models.units import Duration, Probability

_Factor = Annotated[float, Field(gt=0, le=10_000.0)]


class NewModel(Part):
    """What the new model is like, beside the old one. Keys that are not given stay as they are."""

    success: SuccessLaw | None = None
    """Its law of success."""
    latency: _Factor = 1.0
    """How many times as long its own work and its calls take."""
    cost: _Factor = 1.0
    """How many times as much its attempts and their calls cost."""
    unreadable: Probability = 0.0
    """Share of its answers that cannot be read, which fails the attempt (`format`)."""


class Stage(Part):
    """A share of the cases for a time."""

    share: Annotated[Probability, Field(gt=0)]
    """Share of the cases that arrive meanwhile."""
    lasts: Duration
    """How long it lasts. After the last stage the new model gets every case that arrives."""


class RollBack(Part):
    """The rule that takes a rollout back: too many wrong answers of the new model."""

    errors: Annotated[Probability, Field(lt=1)]
    """Share of wrong answers among the labels that is still borne."""
    labels: Count
    """Labels before the rule is asked; from then on it is asked at each."""
    sample: Probability = 1.0
    """Share of the new model's answers that get a label."""
    delay: DurationLaw = Field(default=ZERO_DURATION)
    """Time from the answer to its label."""


class Rollout(Part):
    """A new model takes a capability over, in stages (a canary). A case keeps its model, as long as that is not taken
    back."""

    of: Literal["model"]
    """What is rolled out."""
    agent: Name
    """The pool."""
    capability: Name
    """Its capability that gets a new model."""
    to: NewModel
    """What the new model is like."""
    at: Duration
    """Simulated time when the first stage begins."""
    stages: Annotated[tuple[Stage, ...], Field(max_length=20)] = ()
    """Growing shares. No key: every case that arrives from `at` on has the new model."""
    roll_back: RollBack | None = None
    """When it is taken back: attempts that begin from then on have the old model again. No key: never."""
