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


class Snapshots(Part):
    """The state of a case is kept before some of its steps: after a crash it goes back to the last of these, and the
    steps since then are done again, with what they do to the outside world."""

    kind: Literal["snapshot"]
    every: Count = 1
    """Steps from one snapshot to the next. The first is taken before the first step of the case, or of a branch."""
    takes: Duration = 0
    """Time that a snapshot takes, before the step begins."""
    restore: Duration = 0
    """Time to restore one."""


Durability = Annotated[NotDurable | EventSourced | Snapshots, Field(discriminator="kind")]


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
    duplication: Probability = 0.0
    """Chance that a call, or a message to a topic, comes to its other end twice, drawn for each that is not lost. The
    second is dealt with beside the first: a call is paid and takes effect twice, a topic takes it where it has room.
    Answers and questions to a decision point that come twice change nothing."""
    lost_after: Duration = SECOND
    """How long who called an endpoint waits for a lost answer until the call fails. The default is the first
    retransmission timeout of TCP (RFC 6298, section 2)."""


class Consumers(Part):
    """Who takes the messages of a topic."""

    workflow: Name
    """The steps that one delivery of a message goes through, with the attributes of the case that published it. If they
    end `completed`, the message is acknowledged; if not, it goes back to the topic at once."""
    concurrency: Count = 1
    """Deliveries under way at once. Each goes on to its end, also where the topic has given it up meanwhile."""
    site: Name | None = None
    """Where they are, so that messages and acknowledgements take the link between. No key: where the topic is."""


class Topic(Part):
    """A queue of messages at a broker, delivered in order of publishing, at least once: until one delivery is
    acknowledged, or none is left."""

    site: Name | None = None
    """Where it is. No key: within reach of everybody."""
    capacity: Count | None = None
    """Messages that may wait; those under delivery do not count. No key: any number."""
    when_full: Literal["block", "reject", "drop-oldest"] = "block"
    """What a message meets that finds the topic full: `block`: it waits at its publisher, who waits too
    (back-pressure); `reject`: the publisher's step fails; `drop-oldest`: the one that waits longest is a dead letter
    instead. The default is an assumption."""
    consumers: Consumers
    """Who takes the messages."""
    acknowledge_within: Duration | None = None
    """How long a delivery may go without an acknowledgement; then the message goes back to the topic, to its old place
    in the order. No key: as long as it takes."""
    attempts: Annotated[int, Field(ge=1, le=1000)] = 5
    """Deliveries of one message at most; one that comes back after the last is a dead letter. The default is that of
    Google Cloud Pub/Sub's dead-letter topics."""


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
    propagation: Duration = 0
    """How long until policies that are rolled out come to its copy, and until it hears that they are taken back. Until
    then it answers by those that it has. Goes without `cache`."""
    cache: DecisionCache | None = None
    """What it keeps of the central one's answers, which it asks for all others. No key: it has a copy of the policies
    and asks nobody."""
