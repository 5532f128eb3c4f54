"""Compromised agents: what they try, and what takes them out."""

from __future__ import annotations

from pydantic import Field

from models.laws import DurationLaw
from models.part import AttributeName, Count, EntityUid, Name, Part
from models.units import Duration


class Quarantine(Part):
    """The rule that takes a compromised agent out: so many of its requests refused within a time."""

    refused: Count
    """Requests that were denied or escalated."""
    within: Duration
    """Time in which they were."""


class Attack(Part):
    """One agent of a pool is compromised: beside its work, which goes on, it asks for actions of its own.

    Each is a request to the decision point that the pool's agents ask, with the pool's principal: outages, partitions,
    lost questions and kept answers strike it as any other. An escalated one is refused: no person grants it (an
    assumption).
    """

    agent: Name
    """The pool of the compromised agent."""
    actions: tuple[EntityUid, ...] = Field(min_length=1, max_length=100)
    """What it tries, one after the other and again from the first."""
    resource: EntityUid
    """What it tries it on."""
    context: dict[AttributeName, bool | int | str] = Field(default_factory=dict)
    """The context of its requests."""
    every: DurationLaw
    """Time from its begin, and from each try, to the next."""
    at: Duration
    """Simulated time when it begins."""
    lasts: Duration
    """How long it lasts."""
    quarantine: Quarantine | None = None
    """When the agent is taken out, with its slots, until the attack ends. No key: never."""
