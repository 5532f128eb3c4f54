"""Monitors: drift detectors on labels, and what they do at an alarm."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.fleet import ZERO_DURATION
from models.laws import DurationLaw
from models.part import Count, Name, Part
from models.units import Probability


class PageHinkley(Part):
    """The Page-Hinkley test for a rise of the error rate (Page 1954; the form and defaults of river 0.26.1).

    With x_t = 1 for a wrong attempt: mean_t the running mean, S_t = alpha * S_(t-1) + (x_t - mean_t - delta); alarm
    when S_t - min S exceeds the threshold and at least `minimum` labels were seen.
    """

    kind: Literal["page-hinkley"]
    minimum: Count = 30
    """Labels seen before the first alarm."""
    delta: Annotated[float, Field(ge=0)] = 0.005
    """Rise of the error rate that is tolerated."""
    threshold: Annotated[float, Field(gt=0)] = 50.0
    """How far S may rise above its least value."""
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.9999
    """How slowly the past is forgotten; 1 never forgets."""


class Monitor(Part):
    """A drift detector on sampled, delayed labels of a capability's attempts."""

    agent: Name
    """The pool it watches."""
    capability: Name
    """Its capability that is watched."""
    detector: PageHinkley
    """The test that raises the alarm."""
    sample: Probability = 1.0
    """Share of attempts that get a label."""
    delay: DurationLaw = Field(default=ZERO_DURATION)
    """Time from the attempt to its label."""
    action: Literal["alert", "roll-back"] = "alert"
    """`roll-back` restores the success law from before the drift."""
