"""The reference engine: one replication of a plan, from the workload to its tables.

This is the executable specification. `docs/semantics.md` tells the same in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.behaviours import Behaviour
from sim.approvals import Approvals
from sim.attacks import Attack
from sim.batches import BatchStation
from sim.blocking import BlockingStation
from sim.bulkheads import BulkheadStation
from sim.case_table import case_batches, case_schema
from sim.chance import Draws
from sim.clock import Clock, Rank
from sim.counts import CountedLog
from sim.decision_log import Chain, Seal, identity
from sim.decisions import Decisions
from sim.desks import DeskSteps, Shifts
from sim.endpoints import Endpoints
from sim.faults import Faults
from sim.flow import Flow
from sim.locks import Locks
from sim.logs import Log
from sim.network import Network
from sim.parts import PARTS
from sim.plan import FOREVER, OUTCOME_NAMES, Outcome, Plan, StationPlan, StepKind
from sim.points import Points
from sim.rules import Rules
from sim.snapshots import Snapshots
from sim.stations import Station
from sim.tables import EVENTS, SAMPLES, Volume, decision_schema
from sim.tasks import Tasks
from sim.tokens import Cases
from sim.windows import random_outages
from sim.workload import AnyWorkload, Workload, materialise

EVENTS_MAX = 20_000_000
"""Happenings of one replication at most, about 1.5 GB of log: a guard against a retry storm that fills the memory."""
SAMPLE_COUNT = 200
"""Moments at which queues are sampled in one replication."""


class Batches(NamedTuple):
    """What one replication leaves behind, in record batches: its events may be more than fits in memory as a table."""

    cases: Iterable[pa.RecordBatch]
    events: Iterable[pa.RecordBatch]
    decisions: Iterable[pa.RecordBatch]
    samples: Iterable[pa.RecordBatch]
    chain: Chain
    """The chain of the decisions, as far as their batches have been read."""
    counts: Iterable[pa.RecordBatch] = ()
    """Counts of events, where these are not kept."""
    figures: Iterable[pa.RecordBatch] = ()
    """What is counted where neither cases nor events are kept."""


class Tables(NamedTuple):
    """What one replication leaves behind."""

    cases: pa.Table
    events: pa.Table
    decisions: pa.Table
    samples: pa.Table
    seal: Seal


class Replication:
    """One replication under way: owns the clock, the draws and the log, and joins the parts of the engine."""

    snapshots: Snapshots

    def __init__(
        self,
        plan: Plan,
        rules: Rules,
        seed: int,
        replication: int,
        volume: Volume = "events",
        behaviours: Mapping[str, Behaviour] = MappingProxyType({}),
    ) -> None:
        self.plan = plan
        self.behaviours = behaviours
        self.number = replication
        self.draws = Draws(seed, replication)
        self.workload, self.cases, events_max = self._work(rules)
        self.clock = Clock(events_max)
        self.log = Log() if volume == "events" else CountedLog()
        self.faults = Faults(self.clock, self.log)
        self.attacks: list[Attack] = []
        self.network = Network(plan, self.draws, self.log, self.faults)
        self._random_outages()
        self._build_places()
        self.sampled: list[_Place] = [*self.pools, *self.desks, *self.endpoints.stations]
        """Where queues are sampled. Parts add theirs."""
        self._build_steps()
        _Sampler(self.clock, self.log, plan.horizon, self.sampled)

    def _work(self, rules: Rules) -> tuple[AnyWorkload, Cases, int]:
        """The cases, and how much may happen."""
        workload = materialise(self.plan, rules, self.draws)
        return workload, Cases(len(workload.arrived)), EVENTS_MAX

    def _random_outages(self) -> None:
        for outages in self.plan.random_outages:
            name = self.network.place_name(outages.endpoint)
            laws = (outages.between, outages.repair, outages.severity)
            for outage in random_outages(self.draws, name, laws, self.plan.horizon):
                self.network.schedule_outage(outages.endpoint, outage)

    def _build_places(self) -> None:
        plan, names = self.plan, self.plan.names
        log, costs, levels = self.log, self.cases.cost, self.plan.levels
        self.pools = [
            _station_of(pool.station)(pool.station, f"agent:{name}", log, costs, levels, quiet=False)
            for pool, name in zip(plan.pools, names.pools, strict=True)
        ]
        self.desks = [
            Station(desk.station, f"desk:{name}", log, costs, levels, quiet=False)
            if batch is None
            else BatchStation(desk.station, batch, self.clock, f"desk:{name}", log, costs, levels)
            for desk, batch, name in zip(plan.desks, plan.people.batches, names.desks, strict=True)
        ]
        for desk, station in zip(plan.desks, self.desks, strict=True):
            station.paid = self.cases.cost_people
            Shifts(self.clock, station, desk.staffing)
        self.endpoints = Endpoints(plan, self.clock, log, self.draws, self.network, self.cases)

    def _build_steps(self) -> None:
        plan, clock, log, draws, cases = self.plan, self.clock, self.log, self.draws, self.cases
        self.locks = Locks(clock, log, plan.names.steps, plan.deadlock, cases.attempts)
        self.flow = flow = Flow(plan, clock, log, draws, self.workload, cases, self.locks)
        self.tasks = tasks = Tasks(plan, clock, log, draws, cases, self.pools, self.endpoints)
        self.approvals = Approvals(plan, clock, log, draws, self.network, cases, self.desks)
        points = Points(plan, self.workload.attributes)
        decider = self.workload.decider
        self.decisions = Decisions(plan, clock, log, draws, decider, self.network, self.approvals, points)
        self.desk_steps = DeskSteps(plan, clock, draws, self.desks)
        tasks.leave = self.decisions.leave = self.desk_steps.leave = flow.leave
        if plan.point.fails_open or plan.platform.points:
            tasks.leave = self.decisions.left
        self.decisions.allowed = tasks.attempt
        self.endpoints.done = tasks.called
        flow.begins(StepKind.TASK, lambda step: self.decisions.ask if step.request >= 0 else tasks.attempt)
        flow.begins(StepKind.DESK, lambda _: self.desk_steps.begin)
        flow.cancel += [self.approvals.cancel, tasks.cut_off]
        for install in PARTS:
            install(self)

    def run(self) -> None:
        """Run to the horizon. Raises EventLimitError."""
        self.clock.run_before(self.plan.horizon, self._arrivals(), self.flow.arrive)
        for case in self.locks.stuck():
            if self.cases.outcome[case] == Outcome.IN_FLIGHT:
                self.cases.outcome[case] = Outcome.STUCK

    def _arrivals(self) -> Iterator[int]:
        assert isinstance(self.workload, Workload)
        return _in_blocks(self.workload.arrived)

    def batches(self, digest: str, seed: int) -> Batches:
        """The tables so far, in pieces; `digest` and `seed` identify the run in the decision log."""
        assert isinstance(self.workload, Workload)
        named = bool(self.workload.decider.path)
        before = identity(digest, seed, self.number, names_policies=named)
        chain, log = Chain(before), self.log
        return Batches(
            case_batches(self.plan, self.workload, self.cases, self.number),
            () if isinstance(log, CountedLog) else log.event_batches(self.number, OUTCOME_NAMES),
            log.decision_batches(self.number, chain, decision_schema(names_policies=named)),
            log.sample_table(self.number).to_batches(),
            chain,
            log.count_table(self.number).to_batches() if isinstance(log, CountedLog) else (),
        )

    def tables(self, digest: str, seed: int) -> Tables:
        """The tables so far, whole, of a replication that keeps its events."""
        batches = self.batches(digest, seed)
        decisions = decision_schema(names_policies=bool(self.workload.decider.path))
        schemas = (case_schema(self.plan), EVENTS, decisions, SAMPLES)
        parts = (batches.cases, batches.events, batches.decisions, batches.samples)
        whole = [pa.Table.from_batches(part, schema) for part, schema in zip(parts, schemas, strict=True)]
        return Tables(whole[0], whole[1], whole[2], whole[3], batches.chain.seal())


class _Place(Protocol):
    """What a sample tells of a place."""

    @property
    def place(self) -> str: ...
    @property
    def waiting(self) -> int: ...
    @property
    def busy(self) -> int: ...
    @property
    def servers(self) -> int: ...


def _station_of(plan: StationPlan) -> type[Station]:
    return BlockingStation if plan.blocks else BulkheadStation if plan.caps else Station


class _Sampler:
    """Notes queues and servers at evenly spaced moments: the n-th at n/200 of the horizon."""

    epoch = 0

    def __init__(self, clock: Clock, log: Log, horizon: int, places: Sequence[_Place]) -> None:
        self._clock = clock
        self._log = log
        self._horizon = horizon
        self._places = [(place, log.places.number(place.place)) for place in places]
        self._next = 0
        self._schedule()

    def _schedule(self) -> None:
        if self._next < SAMPLE_COUNT:
            self._clock.at(self._horizon * self._next // SAMPLE_COUNT, Rank.SAMPLE, self._sample, self)

    def _sample(self, _: _Sampler, now: int) -> None:
        self._next += 1
        self._schedule()
        for place, number in self._places:
            servers = place.servers if place.servers < FOREVER else -1
            calls, spent = (place.calls, place.spent) if isinstance(place, Station) else (-1, -1)
            self._log.samples += (now, number, place.waiting, place.busy, servers, calls, spent)


def _in_blocks(times: npt.NDArray[np.int64]) -> Iterator[int]:
    """The elements as Python integers, of which few exist at a time."""
    return chain.from_iterable(times[start : start + 4096].tolist() for start in range(0, len(times), 4096))
