"""A scenario becomes a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from models.rosters import staffing
from models.scenario import (
    AgentPool,
    Chain,
    Desk,
    Drift,
    Endpoint,
    Queue,
    Scenario,
    Work,
)
from sim.compile_change import compile_change
from sim.compile_faults import random_outages
from sim.compile_flows import compile_flows
from sim.compile_people import compile_people
from sim.compile_platform import compile_platform
from sim.compile_resilience import compile_resilience
from sim.compile_steps import step_names, step_plans
from sim.compile_summary import compile_summary
from sim.compile_supply import cap_plans, compile_supply, line_plan, priorities
from sim.compile_values import attribute_plan, bound, law_plan, law_texts, place, success_plan
from sim.plan import (
    FOREVER,
    CapabilityPlan,
    ChainPlan,
    DeadlockPlan,
    DeskPlan,
    EndpointPlan,
    Names,
    Plan,
    PointPlan,
    PoolPlan,
    Resolution,
    StationPlan,
    Victim,
    WorkPlan,
)
from sim.profiles import arrival_plan

if TYPE_CHECKING:
    from models.load import LoadedScenario


def compile_plan(loaded: LoadedScenario) -> Plan:
    """The plan of a checked scenario: every name in it exists, but for chains that policies ask for."""
    scenario = loaded.scenario
    names = _names(scenario)
    levels = priorities(scenario)
    return Plan(
        horizon=scenario.horizon,
        warm_up=scenario.warm_up,
        levels=len(levels),
        endpoints=tuple(_endpoint(names, endpoint) for endpoint in scenario.endpoints.values()),
        pools=tuple(_pool(scenario, names, pool) for pool in scenario.agents.values()),
        capabilities=tuple(_capabilities(scenario, names)),
        desks=tuple(_desk(scenario, names, desk) for desk in scenario.desks.values()),
        chains=tuple(_chain(names, chain) for chain in scenario.chains.values()),
        point=PointPlan(
            place(names.sites, scenario.decision_point.site),
            law_plan(scenario.decision_point.latency),
            scenario.decision_point.timeout,
            scenario.decision_point.on_unreachable == "allow",
        ),
        steps=tuple(step_plans(scenario, names)),
        works=tuple(_work(loaded, names, name, levels) for name in scenario.work),
        random_outages=tuple(random_outages(scenario, names)),
        deadlock=_deadlock(scenario, names),
        names=names,
        resilience=compile_resilience(loaded, names),
        supply=compile_supply(loaded, names),
        flows=compile_flows(loaded, names),
        platform=compile_platform(loaded, names),
        change=compile_change(loaded, names),
        people=compile_people(loaded, names),
        summary=compile_summary(loaded, names),
    )


def _names(scenario: Scenario) -> Names:
    return Names(
        sites=tuple(scenario.sites),
        endpoints=tuple(scenario.endpoints),
        pools=tuple(scenario.agents),
        capabilities=tuple(f"{name}.{c}" for name, pool in scenario.agents.items() for c in pool.capabilities),
        desks=tuple(scenario.desks),
        chains=tuple(scenario.chains),
        locks=tuple(scenario.locks),
        lock_keys=tuple(lock.key or "" for lock in scenario.locks.values()),
        steps=step_names(scenario),
        works=tuple(scenario.work),
        attributes=tuple(tuple(work.attributes) for work in scenario.work.values()),
        texts=tuple(tuple(law_texts(law) for law in work.attributes.values()) for work in scenario.work.values()),
        monitors=tuple(scenario.monitors),
    )


# --- places -----------------------------------------------------------------------------------------------------------


def _station(servers: int, queue: Queue, cost_per_hour: int = 0) -> StationPlan:
    room = FOREVER if queue.capacity is None else queue.capacity
    return StationPlan(servers, room, queue.order == "priority", cost_per_hour)


def _endpoint(names: Names, endpoint: Endpoint) -> EndpointPlan:
    servers = FOREVER if endpoint.concurrency is None else endpoint.concurrency
    return EndpointPlan(
        _station(servers, Queue()),
        place(names.sites, endpoint.site),
        law_plan(endpoint.latency),
        0.0 if endpoint.rate is None else 1e6 / endpoint.rate,
        endpoint.burst,
        endpoint.price.micros,
    )


def _pool(scenario: Scenario, names: Names, pool: AgentPool) -> PoolPlan:
    station = _station(pool.replicas * pool.concurrency, pool.queue)
    blocks = pool.queue.when_full == "block"
    station = replace(station, line=line_plan(pool), blocks=blocks, caps=cap_plans(pool, scenario, names))
    return PoolPlan(station, place(names.sites, pool.site))


def _capabilities(scenario: Scenario, names: Names) -> Iterator[CapabilityPlan]:
    drifting = {(fault.agent, fault.capability) for fault in scenario.faults if isinstance(fault, Drift)}
    watched = {(monitor.agent, monitor.capability) for monitor in scenario.monitors.values()}
    for position, (agent, pool) in enumerate(scenario.agents.items()):
        for name, what in pool.capabilities.items():
            hand_off = what.hand_off
            answers = what.vote.of if what.vote else 1
            yield CapabilityPlan(
                pool=position,
                service=law_plan(what.service),
                endpoint=place(names.endpoints, what.endpoint),
                calls=what.calls * answers if what.endpoint else 0,
                success=success_plan(what.success),
                changes=(agent, name) in drifting | watched,
                detected=what.detected,
                hands_off=hand_off is not None,
                needed=hand_off.needed if hand_off else 0.0,
                recall=hand_off.recall if hand_off else 0.0,
                false_alarm=hand_off.false_alarm if hand_off else 0.0,
                cost=what.cost.micros * answers,
            )


def _desk(scenario: Scenario, names: Names, desk: Desk) -> DeskPlan:
    steps = staffing(desk, scenario.start, scenario.horizon)
    return DeskPlan(
        _station(steps[0][1], desk.queue, desk.cost_per_hour.micros),
        place(names.sites, desk.site),
        steps,
        law_plan(desk.service),
        desk.approves,
        desk.bounce_back,
    )


def _chain(names: Names, chain: Chain) -> ChainPlan:
    return ChainPlan(
        tuple((place(names.desks, level.desk), bound(level.timeout)) for level in chain.levels),
        place(names.chains, chain.then),
        chain.on_exhausted == "allow",
        chain.bounces,
    )


# --- work -------------------------------------------------------------------------------------------------------------


def _work(loaded: LoadedScenario, names: Names, name: str, levels: Sequence[int]) -> WorkPlan:
    scenario = loaded.scenario
    work: Work = scenario.work[name]
    start = f"{work.workflow}.{scenario.workflows[work.workflow].start}"
    return WorkPlan(
        names.steps.index(start),
        -1 if work.priority_from else levels.index(work.priority),
        arrival_plan(work.arrivals, scenario, loaded.traces.get(name, ())),
        tuple(attribute_plan(law) for law in work.attributes.values()),
    )


# --- deadlock ---------------------------------------------------------------------------------------------------------


def _deadlock(scenario: Scenario, names: Names) -> DeadlockPlan:
    deadlock = scenario.deadlock
    resolution = Resolution[deadlock.resolution.upper()]
    victim = Victim[deadlock.victim.replace("-", "_").upper()]
    desk, no_progress = place(names.desks, deadlock.desk), bound(deadlock.no_progress)
    return DeadlockPlan(resolution, bound(deadlock.timeout), desk, victim, no_progress)
