"""The platform: what goes wrong with its parts, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.plan import LawPlan, RatePieces


@dataclass(frozen=True, slots=True)
class WhenPlan:
    """When a fault is there: from `begin` to `end`, or again and again by the laws `between` and `repair`."""

    begin: int
    end: int
    between: LawPlan | None
    repair: LawPlan | None


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A fault that ends. `key` is its place among the keys of draws: its name, or its kind and what it strikes."""

    name: str
    kind: str
    key: str
    when: WhenPlan


@dataclass(frozen=True, slots=True)
class PartitionPlan(FaultPlan):
    """Ways from `sites` to `towards` are cut; where `towards` is empty, all into and out of `sites`. It is there for
    `down` at a time with `up` between; -1 where it does not flap."""

    sites: tuple[int, ...]
    towards: tuple[int, ...]
    down: int
    up: int


@dataclass(frozen=True, slots=True)
class CertificatePlan(FaultPlan):
    """No two of the sites connect."""

    sites: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OutagePlan(FaultPlan):
    endpoint: int
    severity: float


@dataclass(frozen=True, slots=True)
class StopPlan(FaultPlan):
    """Slots of a pool crash or hang."""

    pool: int
    slots: int
    hangs: bool


@dataclass(frozen=True, slots=True)
class SlowdownPlan(FaultPlan):
    """The work of a pool, the calls of an endpoint or the ways of a link take `factor` as long; the others are -1."""

    pool: int
    endpoint: int
    link: int
    factor: float


@dataclass(frozen=True, slots=True)
class LossPlan(FaultPlan):
    link: int
    loss: float


@dataclass(frozen=True, slots=True)
class SkewPlan(FaultPlan):
    """A share of an endpoint's answers or of a topic's messages cannot be read; the other is -1."""

    endpoint: int
    topic: int
    share: float


@dataclass(frozen=True, slots=True)
class SpikePlan(FaultPlan):
    """`pieces` is the stream's usual rate."""

    work: int
    factor: float
    pieces: RatePieces


@dataclass(frozen=True, slots=True)
class AbsencePlan(FaultPlan):
    desk: int
    staff: int


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """The way from site `a` to site `b`, and back where `both`. `lost_after` is when a caller gives a lost call up."""

    name: str
    a: int
    b: int
    both: bool
    latency: LawPlan
    loss: float
    duplication: float
    lost_after: int


@dataclass(frozen=True, slots=True)
class PointPlan:
    """The decision point of a site. `entries` is the room of its cache, 0 for a copy of the policies."""

    name: str
    site: int
    latency: LawPlan
    entries: int
    good_for: int
    stale_for: int
    propagation: int


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic. `capacity` -1 has room for all; `when_full` is a position in WHEN_FULL; `start` is the consumers' first
    step and `concurrency` how many deliveries they work on at once; `acknowledge_within` -1 has no end."""

    name: str
    site: int
    capacity: int
    when_full: int
    start: int
    concurrency: int
    consumers_site: int
    acknowledge_within: int
    attempts: int


WHEN_FULL = ("block", "reject", "drop-oldest")


@dataclass(frozen=True, slots=True)
class PublishPlan:
    """A step that publishes: to which topic, and from which site."""

    topic: int
    site: int


@dataclass(frozen=True, slots=True)
class DurabilityPlan:
    """What a crash leaves of a case: nothing where it is `lost`; else its history, replayed from the last snapshot on
    (`snapshot_every` -1: there are none)."""

    lost: bool
    replay: int
    snapshot_every: int


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """What a crash leaves of a case: the state of the last snapshot, taken before every so-manieth step."""

    every: int
    takes: int
    restore: int


@dataclass(frozen=True, slots=True)
class PlatformPlan:
    """What a scenario says of the platform, empty by default."""

    partitions: tuple[PartitionPlan, ...] = ()
    certificates: tuple[CertificatePlan, ...] = ()
    outages: tuple[OutagePlan, ...] = ()
    stops: tuple[StopPlan, ...] = ()
    slowdowns: tuple[SlowdownPlan, ...] = ()
    spikes: tuple[SpikePlan, ...] = ()
    absences: tuple[AbsencePlan, ...] = ()
    losses: tuple[LossPlan, ...] = ()
    skews: tuple[SkewPlan, ...] = ()
    links: tuple[LinkPlan, ...] = ()
    points: tuple[PointPlan, ...] = ()
    topics: tuple[TopicPlan, ...] = ()
    publishes: tuple[PublishPlan | None, ...] = ()
    """Of each step; None where it is of another kind."""
    durability: tuple[DurabilityPlan | SnapshotPlan | None, ...] = ()
    """Of each step, by its workflow; None where a crash fails the attempt alone."""
    regions: tuple[str, ...] = ()
    """Of each site, empty where it is not told."""
    data: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = ()
    """Of each step, the classes of data that it names, with their regions."""
