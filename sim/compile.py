"""A scenario becomes a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from models.laws import AttributeLaw, Beta, Chance, Choice, Law
from models.rosters import staffing
from models.scenario import (
    AgentPool,
    Chain,
    ChoiceStep,
    Desk,
    DeskStep,
    Drift,
    End,
    Endpoint,
    OutageFault,
    Parallel,
    Partition,
    Queue,
    Scenario,
    Step,
    Task,
    Wait,
    Work,
    Workflow,
)
from models.workflows import exits as ways_out
from sim.plan import (
    FOREVER,
    LAW_KINDS,
    AttributePlan,
    CapabilityPlan,
    ChainPlan,
    DeadlockPlan,
    DeskPlan,
    DriftPlan,
    EndpointPlan,
    Exit,
    Jitter,
    LawPlan,
    MonitorPlan,
    Names,
    OutagePlan,
    OutagesPlan,
    Outcome,
    PartitionPlan,
    Plan,
    PointPlan,
    PoolPlan,
    Resolution,
    RetryPlan,
    StationPlan,
    StepKind,
    StepPlan,
    SuccessPlan,
    WorkPlan,
    ends,
)
from sim.profiles import arrival_plan

if TYPE_CHECKING:
    from models.load import LoadedScenario

QUANTILES = 4097
"""Points of a Beta law's quantile table. Between them it is linear; the error of the mean is below 1e-4 for the laws of
the shipped scenarios (tested)."""


def compile_plan(loaded: LoadedScenario) -> Plan:
    """The plan of a checked scenario: every name in it exists, but for chains that policies ask for."""
    scenario = loaded.scenario
    names = _names(scenario)
    levels = sorted({work.priority for work in scenario.work.values()})
    return Plan(
        horizon=scenario.horizon,
        warm_up=scenario.warm_up,
        levels=len(levels),
        endpoints=tuple(_endpoint(names, endpoint) for endpoint in scenario.endpoints.values()),
        pools=tuple(_pool(names, pool) for pool in scenario.agents.values()),
        capabilities=tuple(_capabilities(scenario, names)),
        desks=tuple(_desk(scenario, names, desk) for desk in scenario.desks.values()),
        chains=tuple(_chain(names, chain) for chain in scenario.chains.values()),
        point=PointPlan(
            _place(names.sites, scenario.decision_point.site),
            law_plan(scenario.decision_point.latency),
            scenario.decision_point.timeout,
            scenario.decision_point.on_unreachable == "allow",
        ),
        steps=tuple(_steps(scenario, names)),
        works=tuple(_work(loaded, names, name, levels) for name in scenario.work),
        random_outages=tuple(_random_outages(scenario, names)),
        partitions=tuple(_partitions(scenario, names)),
        outages=tuple(_outages(scenario, names)),
        drifts=tuple(_drifts(scenario, names)),
        monitors=tuple(_monitors(scenario, names)),
        deadlock=_deadlock(scenario, names),
        names=names,
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
        steps=tuple(f"{name}.{step}" for name, workflow in scenario.workflows.items() for step in workflow.steps),
        works=tuple(scenario.work),
        attributes=tuple(tuple(work.attributes) for work in scenario.work.values()),
        texts=tuple(tuple(_texts(law) for law in work.attributes.values()) for work in scenario.work.values()),
        monitors=tuple(scenario.monitors),
    )


def _texts(law: AttributeLaw) -> tuple[str, ...]:
    return law.values if isinstance(law, Choice) else ()


def _place(names: Sequence[str], name: str | None) -> int:
    return names.index(name) if name is not None and name in names else -1


def _bound(value: int | None) -> int:
    return -1 if value is None else value


# --- laws -------------------------------------------------------------------------------------------------------------


def law_plan(law: Law) -> LawPlan:
    return LawPlan(LAW_KINDS.index(law.kind), law.parameters)


def success_plan(law: Beta) -> SuccessPlan:
    """A Beta law as its quantiles at even steps, by the inverse of the regularised incomplete beta function."""
    if law.chance is not None:
        return SuccessPlan(law.chance, ())
    import numpy as np
    from scipy.special import betaincinv

    return SuccessPlan(-1.0, tuple(betaincinv(law.alpha, law.beta, np.linspace(0.0, 1.0, QUANTILES)).tolist()))


def _attribute(law: AttributeLaw) -> AttributePlan:
    nothing = LawPlan(0, (0.0,))
    match law:
        case Choice():
            return AttributePlan(law.weights, -1.0, nothing)
        case Chance():
            return AttributePlan((), law.p, nothing)
        case Law():
            return AttributePlan((), -1.0, law_plan(law))


# --- places -----------------------------------------------------------------------------------------------------------


def _station(servers: int, queue: Queue, cost_per_hour: int = 0) -> StationPlan:
    room = FOREVER if queue.capacity is None else queue.capacity
    return StationPlan(servers, room, queue.order == "priority", cost_per_hour)


def _endpoint(names: Names, endpoint: Endpoint) -> EndpointPlan:
    servers = FOREVER if endpoint.concurrency is None else endpoint.concurrency
    return EndpointPlan(
        _station(servers, Queue()),
        _place(names.sites, endpoint.site),
        law_plan(endpoint.latency),
        0.0 if endpoint.rate is None else 1e6 / endpoint.rate,
        endpoint.burst,
        endpoint.price.micros,
    )


def _pool(names: Names, pool: AgentPool) -> PoolPlan:
    return PoolPlan(_station(pool.replicas * pool.concurrency, pool.queue), _place(names.sites, pool.site))


def _capabilities(scenario: Scenario, names: Names) -> Iterator[CapabilityPlan]:
    drifting = {(fault.agent, fault.capability) for fault in scenario.faults if isinstance(fault, Drift)}
    watched = {(monitor.agent, monitor.capability) for monitor in scenario.monitors.values()}
    for position, (agent, pool) in enumerate(scenario.agents.items()):
        for name, what in pool.capabilities.items():
            hand_off = what.hand_off
            yield CapabilityPlan(
                pool=position,
                service=law_plan(what.service),
                endpoint=_place(names.endpoints, what.endpoint),
                calls=what.calls if what.endpoint else 0,
                success=success_plan(what.success),
                changes=(agent, name) in drifting | watched,
                detected=what.detected,
                hands_off=hand_off is not None,
                needed=hand_off.needed if hand_off else 0.0,
                recall=hand_off.recall if hand_off else 0.0,
                false_alarm=hand_off.false_alarm if hand_off else 0.0,
                cost=what.cost.micros,
            )


def _desk(scenario: Scenario, names: Names, desk: Desk) -> DeskPlan:
    steps = staffing(desk, scenario.start, scenario.horizon)
    return DeskPlan(
        _station(steps[0][1], desk.queue, desk.cost_per_hour.micros),
        _place(names.sites, desk.site),
        steps,
        law_plan(desk.service),
        desk.approves,
        desk.bounce_back,
    )


def _chain(names: Names, chain: Chain) -> ChainPlan:
    return ChainPlan(
        tuple((_place(names.desks, level.desk), _bound(level.timeout)) for level in chain.levels),
        _place(names.chains, chain.then),
        chain.on_exhausted == "allow",
        chain.bounces,
    )


# --- workflows --------------------------------------------------------------------------------------------------------


def _steps(scenario: Scenario, names: Names) -> Iterator[StepPlan]:
    requests = 0
    for name, workflow in scenario.workflows.items():
        cyclic = _on_cycles(workflow)
        for step_name, step in workflow.steps.items():
            asks = isinstance(step, Task) and step.action is not None and scenario.policies is not None
            yield _step(names, name, step, step_name in cyclic or step.limit is not None, requests if asks else -1)
            requests += asks


def _on_cycles(workflow: Workflow) -> set[str]:
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, step in workflow.steps.items():
        graph.add_edges_from((name, way.target) for way in ways_out(step))
    parts = (part for part in nx.strongly_connected_components(graph) if len(part) > 1)
    return {name for part in parts for name in part} | {name for name in graph if graph.has_edge(name, name)}


def _step(names: Names, workflow: str, step: Step, counted: bool, request: int) -> StepPlan:
    def to(name: str | None, otherwise: Outcome) -> int:
        return ends(otherwise) if name is None else names.steps.index(f"{workflow}.{name}")

    def plan(kind: StepKind, exits: Iterable[int], **fields: object) -> StepPlan:
        return StepPlan(
            kind=kind,
            exits=tuple(exits),
            acquire=tuple(names.locks.index(lock) for lock in step.acquire),
            release=tuple(names.locks.index(lock) for lock in step.release),
            limit=_bound(step.limit),
            on_limit=to(step.on_limit, Outcome.FAILED),
            counted=counted,
            **fields,  # type: ignore[arg-type]
        )

    done = Outcome.COMPLETED
    match step:
        case Task():
            failed, denied = to(step.on_failure, Outcome.FAILED), to(step.on_deny, Outcome.DENIED)
            return plan(
                StepKind.TASK,
                (to(step.next, done), failed, denied, to(step.on_hand_off, done)),
                capability=names.capabilities.index(f"{step.agent}.{step.capability}"),
                request=request,
                timeout=_bound(step.timeout),
                patience=law_plan(step.patience) if step.patience else None,
                retry=_retry(step),
            )
        case DeskStep():
            expired = to(step.on_timeout, Outcome.EXPIRED)
            return plan(
                StepKind.DESK,
                (to(step.next, done), expired, expired, expired, expired),
                desk=names.desks.index(step.desk),
                service=law_plan(step.service) if step.service else None,
                timeout=_bound(step.timeout),
                patience=law_plan(step.patience) if step.patience else None,
            )
        case ChoiceStep():
            otherwise = to(step.otherwise, done)
            arms = (to(arm.next, done) for arm in step.arms)
            shares = tuple(arm.share for arm in step.arms if arm.share is not None)
            return plan(StepKind.CHOICE, (*[otherwise] * Exit.ARM, *arms), shares=shares)
        case Parallel():
            branches = tuple(to(branch, done) for branch in step.branches)
            return plan(StepKind.PARALLEL, (to(step.join, done),), branches=branches, join=to(step.join, done))
        case Wait():
            return plan(StepKind.WAIT, (to(step.next, done),), service=law_plan(step.duration))
        case End():
            return plan(StepKind.END, (ends(Outcome[step.outcome.upper()]),))


def _retry(step: Task) -> RetryPlan:
    retry = step.retry
    jitter = Jitter[retry.jitter.upper()]
    return RetryPlan(retry.attempts, retry.backoff, retry.factor, retry.max_backoff, jitter)


def _work(loaded: LoadedScenario, names: Names, name: str, levels: Sequence[int]) -> WorkPlan:
    scenario = loaded.scenario
    work: Work = scenario.work[name]
    start = f"{work.workflow}.{scenario.workflows[work.workflow].start}"
    return WorkPlan(
        names.steps.index(start),
        levels.index(work.priority),
        arrival_plan(work.arrivals, scenario, loaded.traces.get(name, ())),
        tuple(_attribute(law) for law in work.attributes.values()),
    )


# --- what goes wrong --------------------------------------------------------------------------------------------------


def _random_outages(scenario: Scenario, names: Names) -> Iterator[OutagesPlan]:
    endpoints: Mapping[str, Endpoint] = scenario.endpoints
    sources = [(names.endpoints.index(name), endpoint.outages) for name, endpoint in endpoints.items()]
    for endpoint, outages in (*sources, (-1, scenario.decision_point.outages)):
        if outages is not None:
            laws = (law_plan(law) for law in (outages.between, outages.repair, outages.severity))
            yield OutagesPlan(endpoint, *laws)


def _partitions(scenario: Scenario, names: Names) -> Iterator[PartitionPlan]:
    for fault in scenario.faults:
        if isinstance(fault, Partition):
            sites = tuple(sorted({names.sites.index(site) for site in fault.sites}))
            yield PartitionPlan(sites, fault.at, fault.at + fault.lasts)


def _outages(scenario: Scenario, names: Names) -> Iterator[OutagePlan]:
    for fault in scenario.faults:
        if isinstance(fault, OutageFault):
            endpoint = names.endpoints.index(fault.endpoint)
            yield OutagePlan(endpoint, fault.at, fault.at + fault.lasts, fault.severity)


def _drifts(scenario: Scenario, names: Names) -> Iterator[DriftPlan]:
    for fault in scenario.faults:
        if isinstance(fault, Drift):
            capability = names.capabilities.index(f"{fault.agent}.{fault.capability}")
            yield DriftPlan(capability, fault.at, success_plan(fault.success))


def _monitors(scenario: Scenario, names: Names) -> Iterator[MonitorPlan]:
    for monitor in scenario.monitors.values():
        detector = monitor.detector
        yield MonitorPlan(
            names.capabilities.index(f"{monitor.agent}.{monitor.capability}"),
            detector.minimum,
            detector.delta,
            detector.threshold,
            detector.alpha,
            monitor.sample,
            law_plan(monitor.delay),
            monitor.action == "roll-back",
        )


def _deadlock(scenario: Scenario, names: Names) -> DeadlockPlan:
    deadlock = scenario.deadlock
    resolution = Resolution[deadlock.resolution.upper()]
    return DeadlockPlan(resolution, _bound(deadlock.timeout), _place(names.desks, deadlock.desk))
