"""The platform between and beside the agents: links."""

from __future__ import annotations

from pydantic import Field

from models.fleet import ZERO_DURATION
from models.laws import DurationLaw
from models.part import Name, Part
from models.units import SECOND, Duration, Probability


class Link(Part):
    """The way between two sites. Endpoint calls and questions to the decision point take it there and back; sites
    without a link reach each other at once and without loss."""

    from_: Name = Field(alias="from")
    """A site."""
    to: Name
    """Another site."""
    both_ways: bool = True
    """Whether the way back is the same. If not, it is a link of its own, or takes no time and loses nothing."""
    latency: DurationLaw = Field(default=ZERO_DURATION)
    """Time from one site to the other, drawn for each direction of each trip."""
    loss: Probability = 0.0
    """Chance that what is sent in one direction is lost, drawn for each direction of each trip."""
    lost_after: Duration = SECOND
    """How long who called an endpoint waits for a lost answer until the call fails. The default is the first
    retransmission timeout of TCP (RFC 6298, section 2)."""
