"""What goes wrong: faults that begin and end during a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.laws import AttributeLawText, DurationLaw, SuccessLaw
from models.part import AttributeName, Count, Name, Part
from models.units import Duration, Probability


class _Fault(Part):
    name: Name | None = None
    """What the log and objectives call it, once among the faults. No key: it has no name."""


class _Timed(_Fault):
    """A fault that ends: once, `at` a time for as long as it `lasts`; or again and again, by `between` and `repair`."""

    at: Duration | None = None
    """Simulated time when it begins; goes with `lasts`."""
    lasts: Duration | None = None
    """How long it lasts."""
    between: DurationLaw | None = None
    """Time from its end (or the start of the run) to the next, by chance; goes with `repair`, instead of `at`."""
    repair: DurationLaw | None = None
    """How long it lasts each time."""


class Flapping(Part):
    """A fault that comes and goes while it lasts: first it is there for `down`, then not for `up`, and so on."""

    down: Duration
    """How long it is there each time."""
    up: Duration
    """How long it is not there in between."""


class Partition(_Timed):
    """The named sites reach each other but no other site, and no other site reaches them. Calls across fail."""

    kind: Literal["partition"]
    sites: tuple[Name, ...] = Field(min_length=1)
    """The sites that are cut off from all others, not from each other."""
    towards: tuple[Name, ...] = ()
    """Sites that nothing from `sites` comes to any more; what they send still arrives, but no answer to it. No key: all
    other sites, in both directions."""
    flapping: Flapping | None = None
    """How it comes and goes while it lasts. No key: it is there all the time."""


class OutageFault(_Timed):
    """An outage of an endpoint."""

    kind: Literal["outage"]
    endpoint: Name
    """What fails."""
    severity: Probability = 1.0
    """Share of calls that fail while it lasts."""


class Crash(_Timed):
    """Agents of a pool stop and lose what they are at: those attempts fail (`crash`). They are back at the end."""

    kind: Literal["crash"]
    agent: Name
    """The pool."""
    replicas: Count | None = None
    """Agents that stop. Which of their slots had work is drawn, each as likely. No key: all of them."""


class Hang(_Timed):
    """Agents of a pool stand still and go on at the end where they were. Time-outs of their work run meanwhile."""

    kind: Literal["hang"]
    agent: Name
    """The pool."""
    replicas: Count | None = None
    """Agents that stand still. Which of their slots had work is drawn, each as likely. No key: all of them."""


class Slowdown(_Timed):
    """Whatever an agent of a pool, an endpoint or a link begins meanwhile takes longer."""

    kind: Literal["slowdown"]
    agent: Name | None = None
    """The pool whose own work takes longer; either this, `endpoint` or `link`."""
    endpoint: Name | None = None
    """The endpoint whose calls take longer."""
    link: Name | None = None
    """The link that takes longer, in both directions."""
    factor: Annotated[float, Field(gt=1.0, le=10_000.0)]
    """How many times as long. The factors of slowdowns at the same time multiply."""


class Loss(_Timed):
    """A link loses more of what is sent over it, in both directions."""

    kind: Literal["loss"]
    link: Name
    """The link."""
    loss: Probability
    """Share that is lost of what the link itself, and other faults, let through."""


class ContractSkew(_Timed):
    """A share of an endpoint's answers, or of a topic's messages, is in a version of the contract that the other side
    cannot read. Such a call fails (`contract`) when it is answered; it is paid, and has taken effect. Such a message
    comes back from each delivery meanwhile."""

    kind: Literal["contract-skew"]
    endpoint: Name | None = None
    """The endpoint; either this or `topic`."""
    topic: Name | None = None
    """The topic."""
    share: Annotated[float, Field(gt=0.0, le=1.0)]
    """Share of the answers, drawn for each call, or of the messages, drawn for each and its copies alike."""


class CertificateExpiry(_Timed):
    """The certificate that sites show each other (mutual TLS) has run out, until it is renewed: no two of them connect,
    in either direction. What crosses fails as across a partition."""

    kind: Literal["certificate-expiry"]
    sites: tuple[Name, ...] = Field(min_length=2)
    """The sites that share the certificate."""


class LoadSpike(_Timed):
    """More cases of a stream arrive. Those that would have arrived anyway stay as they are."""

    kind: Literal["load-spike"]
    work: Name
    """The stream: `poisson`, `weekly` or `renewal`."""
    factor: Annotated[float, Field(gt=1.0, le=10_000.0)]
    """How many times the usual rate; the cases on top are a Poisson process."""


class Absence(_Timed):
    """People of a desk are away, whatever its roster says. Those who are busy finish first."""

    kind: Literal["absence"]
    desk: Name
    """The desk."""
    staff: Count
    """People who are away of those on duty; all of them where they are fewer."""


class Drift(_Fault):
    """What a capability does changes at a moment and stays changed until a monitor rolls it back; or what a stream's
    cases are like changes for good (`of: input`)."""

    kind: Literal["drift"]
    agent: Name = ""
    """The pool; goes with all but `input`."""
    capability: Name = ""
    """Its capability that changes; goes with all but `input`."""
    at: Duration
    """Simulated time when it changes."""
    of: Literal["quality", "latency", "cost", "format", "contract", "input"] = "quality"
    """What changes: the law of success; the time of its own work and of its calls; the cost of attempts and of their
    calls; whether an answer can be read, by chance; or for some cases never (a new version of what callers expect); or
    an attribute of the cases that arrive."""
    success: SuccessLaw | None = None
    """The law of success from then on; goes with `quality`."""
    factor: Annotated[float, Field(gt=0, le=10_000.0)] | None = None
    """How many times the usual time or cost from then on; goes with `latency` and `cost`."""
    share: Probability | None = None
    """Goes with `format`: share of the answers that cannot be read, which fails the attempt (`format`). Goes with
    `contract`: share of the cases of which no answer can be read (`contract`)."""
    work: Name | None = None
    """The stream of cases; goes with `input`."""
    attribute: AttributeName | None = None
    """Its attribute that changes; goes with `input`."""
    to: AttributeLawText | None = None
    """The attribute's law for cases that arrive from then on, of the same type; goes with `input`."""


TimedFault = (
    Partition | OutageFault | Crash | Hang | Slowdown | Loss | ContractSkew | CertificateExpiry | LoadSpike | Absence
)
"""The faults that end."""
Fault = Annotated[TimedFault | Drift, Field(discriminator="kind")]


def struck(fault: Fault) -> str:
    """The names of what a fault strikes."""
    match fault:
        case Partition() | CertificateExpiry():
            return ", ".join(fault.sites)
        case OutageFault():
            return fault.endpoint
        case Crash() | Hang():
            return fault.agent
        case Slowdown():
            return fault.endpoint or fault.link or fault.agent or ""
        case Loss():
            return fault.link
        case ContractSkew():
            return fault.endpoint or fault.topic or ""
        case LoadSpike():
            return fault.work
        case Absence():
            return fault.desk
        case Drift():
            return f"{fault.work} {fault.attribute}" if fault.of == "input" else f"{fault.agent} {fault.capability}"
