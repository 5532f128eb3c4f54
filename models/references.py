"""Names that parts of a scenario use for each other, and whether they exist."""

from __future__ import annotations

from collections.abc import Iterator

from models.check_flows import check_called
from models.check_resilience import check_named
from models.diagnostics import Problem, quoted, suggestion
from models.faults import CertificateExpiry, ContractSkew
from models.objectives import FalseAlarms
from models.problems import Keys, unknown, unknown_capability, unknown_work
from models.scenario import (
    Absence,
    CaseCost,
    CaseShare,
    CaseTime,
    Compliance,
    Crash,
    DeskLoad,
    DeskStep,
    DeskWait,
    Drift,
    Hang,
    LoadSpike,
    Loss,
    OutageFault,
    Partition,
    Publish,
    Recovery,
    ReviewShare,
    Scenario,
    Slowdown,
    Step,
    SubWorkflow,
    Task,
    Throughput,
    Workflow,
)
from models.workflows import exits


def check_references(scenario: Scenario) -> Iterator[Problem]:
    """Names that do not exist. Chains are not looked at: verification judges what a broken chain means."""
    yield from _sites(scenario)
    yield from _links(scenario)
    yield from _topics(scenario)
    yield from _regions(scenario)
    for name, pool in scenario.agents.items():
        yield from unknown(("agents", name, "parent"), pool.parent, scenario.agents, "agent")
        for capability, what in pool.capabilities.items():
            keys = ("agents", name, "capabilities", capability, "endpoint")
            yield from unknown(keys, what.endpoint, scenario.endpoints, "endpoint")
    for name, workflow in scenario.workflows.items():
        yield from _steps(scenario, name, workflow)
    for name, work in scenario.work.items():
        yield from unknown(("work", name, "workflow"), work.workflow, scenario.workflows, "workflow")
    yield from _faults(scenario)
    for name, monitor in scenario.monitors.items():
        if monitor.capability:
            yield from unknown_capability(scenario, ("monitors", name), monitor.agent, monitor.capability)
        else:
            yield from unknown(("monitors", name, "agent"), monitor.agent, scenario.agents, "agent")
    yield from unknown(("deadlock", "desk"), scenario.deadlock.desk, scenario.desks, "desk")
    yield from _objectives(scenario)


def _sites(scenario: Scenario) -> Iterator[Problem]:
    for part, members in (("endpoints", scenario.endpoints), ("agents", scenario.agents), ("desks", scenario.desks)):
        for name, member in members.items():
            yield from unknown((part, name, "site"), member.site, scenario.sites, "site")
    yield from unknown(("decision-point", "site"), scenario.decision_point.site, scenario.sites, "site")


def _links(scenario: Scenario) -> Iterator[Problem]:
    for name, point in scenario.decision_points.items():
        yield from unknown(("decision-points", name, "site"), point.site, scenario.sites, "site")
    for name, link in scenario.links.items():
        for key, site in (("from", link.from_), ("to", link.to)):
            yield from unknown(("links", name, key), site, scenario.sites, "site")


def _topics(scenario: Scenario) -> Iterator[Problem]:
    for name, topic in scenario.topics.items():
        keys: Keys = ("topics", name)
        yield from unknown((*keys, "site"), topic.site, scenario.sites, "site")
        yield from unknown((*keys, "consumers", "site"), topic.consumers.site, scenario.sites, "site")
        yield from unknown((*keys, "consumers", "workflow"), topic.consumers.workflow, scenario.workflows, "workflow")


def _regions(scenario: Scenario) -> Iterator[Problem]:
    regions = {site.region for site in scenario.sites.values() if site.region is not None}
    for name, kind in scenario.data.items():
        for position, region in enumerate(kind.regions):
            yield from unknown(("data", name, "regions", position), region, sorted(regions), "region")


def _steps(scenario: Scenario, name: str, workflow: Workflow) -> Iterator[Problem]:
    keys: Keys = ("workflows", name)
    yield from unknown((*keys, "start"), workflow.start, workflow.steps, "step")
    for step_name, step in workflow.steps.items():
        at: Keys = (*keys, "steps", step_name)
        for way in exits(step):
            yield from unknown((*at, *way.keys), way.target, workflow.steps, "step")
        yield from _servers(scenario, at, step)
        if isinstance(step, Task):
            yield from unknown((*at, "compensate"), step.compensate, workflow.steps, "step")
        for key, locks in (("acquire", step.acquire), ("release", step.release)):
            for position, lock in enumerate(locks):
                yield from unknown((*at, key, position), lock, scenario.locks, "lock")


def _servers(scenario: Scenario, keys: Keys, step: Step) -> Iterator[Problem]:
    if isinstance(step, Task):
        yield from unknown_capability(scenario, keys, step.agent, step.capability)
        yield from check_called(scenario, keys, step)
        yield from check_named(scenario, keys, step)
    elif isinstance(step, SubWorkflow):
        yield from unknown((*keys, "workflow"), step.workflow, scenario.workflows, "workflow")
    elif isinstance(step, DeskStep):
        yield from unknown((*keys, "desk"), step.desk, scenario.desks, "desk")
    elif isinstance(step, Publish):
        yield from unknown((*keys, "topic"), step.topic, scenario.topics, "topic")
        yield from unknown((*keys, "site"), step.site, scenario.sites, "site")
    for position, name in enumerate(step.data if isinstance(step, Task | DeskStep | Publish) else ()):
        # A class of data is `data`, which has no plural of its own.
        if name not in scenario.data:
            help = suggestion(name, scenario.data, "classes of data")
            yield Problem((*keys, "data", position), f"unknown class of data {quoted(name)}", help)


def _faults(scenario: Scenario) -> Iterator[Problem]:
    for position, fault in enumerate(scenario.faults):
        keys: Keys = ("faults", position)
        match fault:
            case Partition():
                for key, sites in (("sites", fault.sites), ("towards", fault.towards)):
                    for index, site in enumerate(sites):
                        yield from unknown((*keys, key, index), site, scenario.sites, "site")
            case OutageFault():
                yield from unknown((*keys, "endpoint"), fault.endpoint, scenario.endpoints, "endpoint")
            case Crash() | Hang():
                yield from unknown((*keys, "agent"), fault.agent, scenario.agents, "agent")
            case Slowdown():
                yield from unknown((*keys, "agent"), fault.agent, scenario.agents, "agent")
                yield from unknown((*keys, "endpoint"), fault.endpoint, scenario.endpoints, "endpoint")
                yield from unknown((*keys, "link"), fault.link, scenario.links, "link")
            case CertificateExpiry():
                for index, site in enumerate(fault.sites):
                    yield from unknown((*keys, "sites", index), site, scenario.sites, "site")
            case ContractSkew():
                yield from unknown((*keys, "endpoint"), fault.endpoint, scenario.endpoints, "endpoint")
                yield from unknown((*keys, "topic"), fault.topic, scenario.topics, "topic")
            case Loss():
                yield from unknown((*keys, "link"), fault.link, scenario.links, "link")
            case LoadSpike():
                yield from unknown_work((*keys, "work"), fault.work, scenario.work)
            case Absence():
                yield from unknown((*keys, "desk"), fault.desk, scenario.desks, "desk")
            case Drift():
                yield from unknown_work((*keys, "work"), fault.work, scenario.work)
                if fault.agent and fault.capability:
                    yield from unknown_capability(scenario, keys, fault.agent, fault.capability)


def _objectives(scenario: Scenario) -> Iterator[Problem]:
    for name, objective in scenario.objectives.items():
        keys: Keys = ("objectives", name)
        match objective:
            case CaseTime() | CaseShare() | CaseCost() | Throughput() | Compliance():
                yield from unknown_work((*keys, "work"), objective.work, scenario.work)
            case DeskWait() | DeskLoad() | ReviewShare():
                yield from unknown((*keys, "desk"), objective.desk, scenario.desks, "desk")
            case FalseAlarms():
                yield from unknown((*keys, "monitor"), objective.monitor, scenario.monitors, "monitor")
            case Recovery():
                yield from unknown_work((*keys, "work"), objective.work, scenario.work)
                named = [fault.name for fault in scenario.faults if fault.name and not isinstance(fault, Drift)]
                yield from unknown((*keys, "fault"), objective.fault, named, "fault")
