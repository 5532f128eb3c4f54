"""The platform: from the scenario into the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from models.faults import CertificateExpiry, ContractSkew, struck
from models.platform import EventSourced, NotDurable, Snapshots
from models.scenario import (
    Absence,
    Crash,
    DeskStep,
    Drift,
    Hang,
    Link,
    LoadSpike,
    Loss,
    OutageFault,
    Partition,
    Publish,
    Renewal,
    Scenario,
    SitePoint,
    Slowdown,
    Step,
    Task,
    TimedFault,
    Topic,
)
from sim.compile_values import bound, law_plan, place
from sim.plan import RatePieces
from sim.plans.platform import (
    WHEN_FULL,
    AbsencePlan,
    CertificatePlan,
    DurabilityPlan,
    FaultPlan,
    LinkPlan,
    LossPlan,
    OutagePlan,
    PartitionPlan,
    PlatformPlan,
    PointPlan,
    PublishPlan,
    SkewPlan,
    SlowdownPlan,
    SnapshotPlan,
    SpikePlan,
    StopPlan,
    TopicPlan,
    WhenPlan,
)
from sim.profiles import arrival_plan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


class _Common(NamedTuple):
    """What every plan of a fault begins with."""

    name: str
    kind: str
    key: str
    when: WhenPlan


def compile_platform(loaded: LoadedScenario, names: Names) -> PlatformPlan:
    """This part of the plan."""
    plans = [_plan(fault, common, loaded.scenario, names) for fault, common in _timed(loaded.scenario)]
    return PlatformPlan(
        partitions=tuple(plan for plan in plans if isinstance(plan, PartitionPlan)),
        certificates=tuple(plan for plan in plans if isinstance(plan, CertificatePlan)),
        outages=tuple(plan for plan in plans if isinstance(plan, OutagePlan)),
        stops=tuple(plan for plan in plans if isinstance(plan, StopPlan)),
        slowdowns=tuple(plan for plan in plans if isinstance(plan, SlowdownPlan)),
        spikes=tuple(plan for plan in plans if isinstance(plan, SpikePlan)),
        absences=tuple(plan for plan in plans if isinstance(plan, AbsencePlan)),
        losses=tuple(plan for plan in plans if isinstance(plan, LossPlan)),
        skews=tuple(plan for plan in plans if isinstance(plan, SkewPlan)),
        links=tuple(_link(name, link, names) for name, link in loaded.scenario.links.items()),
        topics=tuple(_topic(name, topic, loaded.scenario, names) for name, topic in loaded.scenario.topics.items()),
        publishes=tuple(_publish(step, loaded.scenario, names) for step in names.steps),
        durability=tuple(_durability(step, loaded.scenario) for step in names.steps),
        regions=tuple(site.region or "" for site in loaded.scenario.sites.values()),
        data=tuple(_data(step, loaded.scenario) for step in names.steps),
        points=tuple(_point(name, point, names) for name, point in loaded.scenario.decision_points.items()),
    )


def _timed(scenario: Scenario) -> Iterator[tuple[TimedFault, _Common]]:
    """The faults that end. Draws of those by chance go by name; without one by what is struck, and the how-manieth."""
    seen: Counter[str] = Counter()
    for fault in scenario.faults:
        if isinstance(fault, Drift):
            continue
        place = f"{fault.kind}:{struck(fault)}"
        seen[place] += fault.name is None
        key = f"fault:{fault.name}" if fault.name else f"{place}#{seen[place]}"
        yield fault, _Common(fault.name or "", fault.kind, key, _when(fault))


def _when(fault: TimedFault) -> WhenPlan:
    if fault.between is not None and fault.repair is not None:
        return WhenPlan(-1, -1, law_plan(fault.between), law_plan(fault.repair))
    # A checked fault has both of these where it has not both of those.
    begin, lasts = fault.at or 0, fault.lasts or 0
    return WhenPlan(begin, begin + lasts, None, None)


def _plan(fault: TimedFault, common: _Common, scenario: Scenario, names: Names) -> FaultPlan:
    match fault:
        case Partition():
            flapping = fault.flapping
            down, up = (flapping.down, flapping.up) if flapping else (-1, -1)
            return PartitionPlan(*common, _sites(fault.sites, names), _sites(fault.towards, names), down, up)
        case CertificateExpiry():
            return CertificatePlan(*common, _sites(fault.sites, names))
        case OutageFault():
            return OutagePlan(*common, names.endpoints.index(fault.endpoint), fault.severity)
        case Crash() | Hang():
            pool = scenario.agents[fault.agent]
            slots = (fault.replicas or pool.replicas) * pool.concurrency
            return StopPlan(*common, names.pools.index(fault.agent), slots, fault.kind == "hang")
        case Slowdown():
            pool_ = names.pools.index(fault.agent) if fault.agent else -1
            endpoint = names.endpoints.index(fault.endpoint) if fault.endpoint else -1
            return SlowdownPlan(*common, pool_, endpoint, _link_number(fault.link, scenario), fault.factor)
        case Loss():
            return LossPlan(*common, _link_number(fault.link, scenario), fault.loss)
        case ContractSkew():
            topic = list(scenario.topics).index(fault.topic) if fault.topic else -1
            return SkewPlan(*common, place(names.endpoints, fault.endpoint), topic, fault.share)
        case LoadSpike():
            return SpikePlan(*common, names.works.index(fault.work), fault.factor, _usual(fault.work, scenario))
        case Absence():
            return AbsencePlan(*common, names.desks.index(fault.desk), fault.staff)


def _link_number(name: str | None, scenario: Scenario) -> int:
    return list(scenario.links).index(name) if name else -1


def _link(name: str, link: Link, names: Names) -> LinkPlan:
    a, b = names.sites.index(link.from_), names.sites.index(link.to)
    return LinkPlan(name, a, b, link.both_ways, law_plan(link.latency), link.loss, link.duplication, link.lost_after)


def _point(name: str, point: SitePoint, names: Names) -> PointPlan:
    site, latency, cache = names.sites.index(point.site), law_plan(point.latency), point.cache
    if cache is None:
        return PointPlan(name, site, latency, 0, 0, 0, point.propagation)
    return PointPlan(name, site, latency, cache.entries, cache.for_, cache.stale_for, 0)


def _topic(name: str, topic: Topic, scenario: Scenario, names: Names) -> TopicPlan:
    consumers = topic.consumers
    start = f"{consumers.workflow}.{scenario.workflows[consumers.workflow].start}"
    return TopicPlan(
        name,
        place(names.sites, topic.site),
        bound(topic.capacity),
        WHEN_FULL.index(topic.when_full),
        names.steps.index(start),
        consumers.concurrency,
        place(names.sites, topic.site if consumers.site is None else consumers.site),
        bound(topic.acknowledge_within),
        topic.attempts,
    )


def _publish(step: str, scenario: Scenario, names: Names) -> PublishPlan | None:
    what = _step(step, scenario)
    if not isinstance(what, Publish):
        return None
    site = scenario.topics[what.topic].site if what.site is None else what.site
    return PublishPlan(list(scenario.topics).index(what.topic), place(names.sites, site))


def _step(step: str, scenario: Scenario) -> Step:
    """A step by its name in the plan; of a called agent, its caller's."""
    workflow, _, name = step.partition(".")
    return scenario.workflows[workflow].steps[name.partition("/")[0]]


def _durability(step: str, scenario: Scenario) -> DurabilityPlan | SnapshotPlan | None:
    match scenario.workflows[step.partition(".")[0]].durability:
        case None:
            return None
        case NotDurable():
            return DurabilityPlan(True, 0, -1)
        case EventSourced() as kept:
            return DurabilityPlan(False, kept.replay, bound(kept.snapshot_every))
        case Snapshots() as taken:
            return SnapshotPlan(taken.every, taken.takes, taken.restore)


def _data(step: str, scenario: Scenario) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The classes of data of a step, by its name in the plan; a called agent handles those of its caller's step."""
    what = _step(step, scenario)
    classes = what.data if isinstance(what, Task | DeskStep | Publish) else ()
    return tuple((name, scenario.data[name].regions) for name in classes)


def _usual(work: str, scenario: Scenario) -> RatePieces:
    """The rate of a stream; a renewal process has its mean rate all the time."""
    arrivals = scenario.work[work].arrivals
    if isinstance(arrivals, Renewal):
        return RatePieces((0,), (arrivals.rate / 1e6,))
    return arrival_plan(arrivals, scenario, ()).pieces


def _sites(sites: tuple[str, ...], names: Names) -> tuple[int, ...]:
    return tuple(sorted({names.sites.index(site) for site in sites}))
