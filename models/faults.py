"""What goes wrong: faults that begin and end during a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.laws import SuccessLaw
from models.part import Name, Part
from models.units import Duration, Probability


class _Fault(Part):
    name: Name | None = None
    """What the log and objectives call it, once among the faults. No key: it has no name."""


class Partition(_Fault):
    """The named sites reach each other but no other site, and no other site reaches them. Calls across fail."""

    kind: Literal["partition"]
    sites: tuple[Name, ...] = Field(min_length=1)
    """The sites that are cut off from all others, not from each other."""
    at: Duration
    """Simulated time when it begins."""
    lasts: Duration
    """How long it lasts."""


class OutageFault(_Fault):
    """One scheduled outage of an endpoint."""

    kind: Literal["outage"]
    endpoint: Name
    """What fails."""
    at: Duration
    """Simulated time when it begins."""
    lasts: Duration
    """How long it lasts."""
    severity: Probability = 1.0
    """Share of calls that fail while it lasts."""


class Drift(_Fault):
    """A capability's success law changes at a moment and stays changed until a monitor rolls it back."""

    kind: Literal["drift"]
    agent: Name
    """The pool."""
    capability: Name
    """Its capability that changes."""
    at: Duration
    """Simulated time when it changes."""
    success: SuccessLaw
    """The law of success from then on."""


Fault = Annotated[Partition | OutageFault | Drift, Field(discriminator="kind")]
