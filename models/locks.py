"""What cases hold against each other, and what happens when they wait in a ring."""

from __future__ import annotations

from typing import Literal

from models.part import AttributeName, Name, Part
from models.units import Duration


class Lock(Part):
    """Something one case at a time may hold."""

    key: AttributeName | None = None
    """Case attribute that tells the instances apart: one lock for each value. No key: one lock for all."""


class Deadlock(Part):
    """What happens when a case waits for a lock in a ring."""

    resolution: Literal["none", "timeout", "abort", "escalate"] = "none"
    """`none`: it stays; `timeout`: a member gives up after `timeout`; `abort`: the youngest member is ended at once;
    `escalate`: a person at `desk` ends the youngest member."""
    timeout: Duration | None = None
    """How long a member waits; for `resolution: timeout`."""
    desk: Name | None = None
    """Who ends the deadlock; for `resolution: escalate`."""
