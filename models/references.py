"""Names that parts of a scenario use for each other, and whether they exist."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from models.diagnostics import Problem, quoted, suggestion
from models.scenario import (
    CaseCost,
    CaseShare,
    CaseTime,
    DeskLoad,
    DeskStep,
    DeskWait,
    Drift,
    OutageFault,
    Partition,
    Scenario,
    Step,
    Task,
    Workflow,
)
from models.workflows import exits

Keys = tuple[str | int, ...]


def check_references(scenario: Scenario) -> Iterator[Problem]:
    """Names that do not exist. Chains are not looked at: verification judges what a broken chain means."""
    yield from _sites(scenario)
    yield from _regions(scenario)
    for name, pool in scenario.agents.items():
        yield from _unknown(("agents", name, "parent"), pool.parent, scenario.agents, "agent")
        for capability, what in pool.capabilities.items():
            keys = ("agents", name, "capabilities", capability, "endpoint")
            yield from _unknown(keys, what.endpoint, scenario.endpoints, "endpoint")
    for name, workflow in scenario.workflows.items():
        yield from _steps(scenario, name, workflow)
    for name, work in scenario.work.items():
        yield from _unknown(("work", name, "workflow"), work.workflow, scenario.workflows, "workflow")
    yield from _faults(scenario)
    for name, monitor in scenario.monitors.items():
        yield from _capability(scenario, ("monitors", name), monitor.agent, monitor.capability)
    yield from _unknown(("deadlock", "desk"), scenario.deadlock.desk, scenario.desks, "desk")
    yield from _objectives(scenario)


def _unknown(keys: Keys, name: str | None, known: Iterable[str], what: str) -> Iterator[Problem]:
    names = known if isinstance(known, Collection) else tuple(known)
    if name is not None and name not in names:
        yield Problem(keys, f"unknown {what} {quoted(name)}", suggestion(name, names, f"{what}s"))


def _capability(scenario: Scenario, keys: Keys, agent: str, capability: str) -> Iterator[Problem]:
    yield from _unknown((*keys, "agent"), agent, scenario.agents, "agent")
    if agent in scenario.agents:
        known = scenario.agents[agent].capabilities
        if capability not in known:
            help = suggestion(capability, known, "capabilities")
            message = f"agent {quoted(agent)} has no capability {quoted(capability)}"
            yield Problem((*keys, "capability"), message, help)


def _sites(scenario: Scenario) -> Iterator[Problem]:
    for part, members in (("endpoints", scenario.endpoints), ("agents", scenario.agents), ("desks", scenario.desks)):
        for name, member in members.items():
            yield from _unknown((part, name, "site"), member.site, scenario.sites, "site")
    yield from _unknown(("decision-point", "site"), scenario.decision_point.site, scenario.sites, "site")


def _regions(scenario: Scenario) -> Iterator[Problem]:
    regions = {site.region for site in scenario.sites.values() if site.region is not None}
    for name, kind in scenario.data.items():
        for position, region in enumerate(kind.regions):
            yield from _unknown(("data", name, "regions", position), region, sorted(regions), "region")


def _steps(scenario: Scenario, name: str, workflow: Workflow) -> Iterator[Problem]:
    keys: Keys = ("workflows", name)
    yield from _unknown((*keys, "start"), workflow.start, workflow.steps, "step")
    for step_name, step in workflow.steps.items():
        at: Keys = (*keys, "steps", step_name)
        for way in exits(step):
            yield from _unknown((*at, *way.keys), way.target, workflow.steps, "step")
        yield from _servers(scenario, at, step)
        for key, locks in (("acquire", step.acquire), ("release", step.release)):
            for position, lock in enumerate(locks):
                yield from _unknown((*at, key, position), lock, scenario.locks, "lock")


def _servers(scenario: Scenario, keys: Keys, step: Step) -> Iterator[Problem]:
    if isinstance(step, Task):
        yield from _capability(scenario, keys, step.agent, step.capability)
    elif isinstance(step, DeskStep):
        yield from _unknown((*keys, "desk"), step.desk, scenario.desks, "desk")
    for position, name in enumerate(step.data if isinstance(step, Task | DeskStep) else ()):
        # A class of data is `data`, which has no plural of its own.
        if name not in scenario.data:
            help = suggestion(name, scenario.data, "classes of data")
            yield Problem((*keys, "data", position), f"unknown class of data {quoted(name)}", help)


def _faults(scenario: Scenario) -> Iterator[Problem]:
    for position, fault in enumerate(scenario.faults):
        keys: Keys = ("faults", position)
        match fault:
            case Partition():
                for index, site in enumerate(fault.sites):
                    yield from _unknown((*keys, "sites", index), site, scenario.sites, "site")
            case OutageFault():
                yield from _unknown((*keys, "endpoint"), fault.endpoint, scenario.endpoints, "endpoint")
            case Drift():
                yield from _capability(scenario, keys, fault.agent, fault.capability)


def _objectives(scenario: Scenario) -> Iterator[Problem]:
    for name, objective in scenario.objectives.items():
        keys: Keys = ("objectives", name)
        match objective:
            case CaseTime() | CaseShare() | CaseCost():
                # A stream of cases is `work`; its names have no plural of their own.
                if objective.work is not None and objective.work not in scenario.work:
                    help = suggestion(objective.work, scenario.work, "streams of work")
                    yield Problem((*keys, "work"), f"unknown work {quoted(objective.work)}", help)
            case DeskWait() | DeskLoad():
                yield from _unknown((*keys, "desk"), objective.desk, scenario.desks, "desk")
