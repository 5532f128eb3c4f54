"""The platform between and beside the agents: links, decision points of sites, durability of cases."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.fleet import ZERO_DURATION
from models.laws import DurationLaw
from models.part import Count, Name, Part
from models.units import SECOND, Duration, Probability


class NotDurable(Part):
    """The state of a case lives with the agent that works on it: a crash loses it, and the case ends `failed`."""

    kind: Literal["none"]


class EventSourced(Part):
    """The history of a case is kept: after a crash it is replayed, and the attempt is made anew, as if not begun."""

    kind: Literal["event-sourced"]
    replay: Duration
    """Time to replay one event of the history: each attempt that the case has begun is one."""
    snapshot_every: Count | None = None
    """Events after which a snapshot is kept, so that only later ones are replayed. No key: all are."""


Durability = Annotated[NotDurable | EventSourced, Field(discriminator="kind")]


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
