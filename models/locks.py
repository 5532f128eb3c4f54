"""What cases hold against each other, and what happens when they wait in a ring."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.part import AttributeName, Name, Part
from models.units import Duration


class Lock(Part):
    """Something that one case at a time may hold, or `count` cases: a limited resource."""

    count: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Units of it; whoever takes it takes one, and waits where all are held."""
    key: AttributeName | None = None
    """Case attribute that tells the instances apart: one lock for each value. No key: one lock for all."""


class Deadlock(Part):
    """What happens when a case waits for a lock in a ring."""

    resolution: Literal["none", "timeout", "abort", "escalate"] = "none"
    """`none`: it stays; `timeout`: a member is ended after `timeout`; `abort`: a member is ended at once; `escalate`: a
    person at `desk` ends a member."""
    victim: Literal["youngest", "oldest", "least-work"] = "youngest"
    """Which member: the case that arrived last, the one that arrived first, or the one that has begun the fewest
    attempts (of equals the youngest)."""
    timeout: Duration | None = None
    """How long a member waits; for `resolution: timeout`."""
    desk: Name | None = None
    """Who ends the deadlock; for `resolution: escalate`."""
    no_progress: Duration | None = None
    """After how long a case is livelocked that goes on without progress: it repeats attempts or steps, but comes to no
    step that is new to it, and gets no approval and no effect. It is ended as a member of a deadlock is. No key: nobody
    looks."""
