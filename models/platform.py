"""The platform between and beside the agents: links, decision points of sites."""

from __future__ import annotations

from pydantic import Field

from models.fleet import ZERO_DURATION
from models.laws import DurationLaw
from models.part import Count, Name, Part
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


class DecisionCache(Part):
    """Answers that a decision point keeps. Only answers to questions with no approval yet are kept."""

    for_: Duration = Field(alias="for")
    """How long an answer is good: it is given without asking the central decision point."""
    stale_for: Duration = 0
    """How much longer it is given where the central one does not answer (RFC 5861 calls this stale-if-error)."""
    entries: Count = 10_000
    """Answers kept at most; the one used longest ago gives way. The default is an assumption."""


class SitePoint(Part):
    """A decision point that the agents of a site ask instead of the central one, `decision-point`."""

    site: Name
    """Where it runs; no two are at one site."""
    latency: DurationLaw = Field(default=ZERO_DURATION)
    """Time of one decision; where the central one is asked too, both times add up."""
    cache: DecisionCache | None = None
    """What it keeps of the central one's answers, which it asks for all others. No key: it has a copy of the policies
    and asks nobody."""
