"""The engine against a second simulator that shares nothing with it: it steps from second to second, looks at every
case, and knows only the table of ranks in docs/semantics.md. All times are whole seconds, so nearly everything ties."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

SECOND = 1_000_000

TEXT = """\
windtunnel: 1
name: attempts
start: 2026-01-05T00:00:00Z
horizon: {horizon}s
agents:
  pool:
    replicas: {servers}
    queue: {{{capacity}}}
    abandoned: {abandoned}
    capabilities: {{work: {{service: {service}s, success: {success}}}}}
workflows:
  flow:
    start: step
    steps:
      step:
        kind: task
        agent: pool
        capability: work
        retry: {{attempts: {attempts}, backoff: {backoff}s, factor: 1.0}}{timeout}{patience}{deadline}
work:
  stream: {{workflow: flow, arrivals: {{kind: renewal, rate: {rate}, cv: 0}}}}
"""


@dataclass(frozen=True)
class Model:
    """A pool with constant times, in seconds. `gap` is between arrivals; None means no such limit."""

    horizon: int
    gap: int
    servers: int
    service: int
    capacity: int | None
    timeout: int | None
    patience: int | None
    attempts: int
    backoff: int
    succeeds: bool
    abandoned: str
    deadline: int | None

    def text(self) -> str:
        return TEXT.format(
            horizon=self.horizon,
            servers=self.servers,
            capacity="" if self.capacity is None else f"capacity: {self.capacity}",
            service=self.service,
            success=int(self.succeeds),
            attempts=self.attempts,
            backoff=self.backoff,
            timeout="" if self.timeout is None else f"\n        timeout: {self.timeout}s",
            patience="" if self.patience is None else f"\n        patience: {self.patience}s",
            abandoned=self.abandoned,
            deadline="" if self.deadline is None else f"\n        deadline: {self.deadline}s",
            rate={1: "1/s", 2: "30/min", 3: "20/min", 4: "15/min", 5: "12/min"}[self.gap],
        )


@dataclass
class Customer:
    arrived: int
    attempts: int = 0
    """Attempts that a server took up."""
    tried: int = 0
    """Attempts that failed, rejected ones included."""
    state: str = "away"  # away | waiting | served | pausing | done
    until: int = 0
    joined: int = 0
    order: int = 0  # of the scheduling of what happens at `until`
    joined_order: int = 0
    outcome: str = "in-flight"
    ended: int | None = None
    waits: list[int] = field(default_factory=list)
    began: int = 0
    began_order: int = 0
    stands_for: Customer | None = None
    """Whose attempt this is, which nobody waits for."""
    skipped: bool = False


class SecondBySecond:
    """The second simulator."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.customers: list[Customer] = []
        self.orphans: list[Customer] = []
        self.order = 0

    def run(self) -> list[Customer]:
        for now in range(self.model.horizon):
            for customer in self.due("served", now):
                self.complete(customer, now)
            timers = [(customer.joined_order, self.give_up, customer) for customer in self.customers]
            timers += [(customer.began_order, self.expire, customer) for customer in self.customers]
            for _, ring, customer in sorted(timers, key=lambda timer: timer[0]):
                ring(customer, now)
            for customer in self.due("pausing", now):
                self.join(customer, now)
            if now and now % self.model.gap == 0:
                self.customers.append(Customer(now, began=now, began_order=self.number()))
                self.join(self.customers[-1], now)
        return self.customers

    def due(self, state: str, now: int) -> list[Customer]:
        found = [c for c in (*self.customers, *self.orphans) if c.state == state and c.until == now]
        return sorted(found, key=lambda c: c.order)

    def number(self) -> int:
        self.order += 1
        return self.order

    def of(self, state: str) -> list[Customer]:
        every = (*self.customers, *self.orphans)
        return sorted((c for c in every if c.state == state), key=lambda c: c.joined_order)

    def join(self, customer: Customer, now: int) -> None:
        customer.joined, customer.joined_order = now, self.number()
        if len(self.of("served")) < self.model.servers:
            self.serve(customer, now)
        elif self.model.capacity is None or len(self.of("waiting")) < self.model.capacity:
            customer.state = "waiting"
        else:
            self.fail(customer, now)

    def serve(self, customer: Customer, now: int) -> None:
        customer.state, customer.until, customer.order = "served", now + self.model.service, self.number()
        whose = customer.stands_for or customer
        whose.attempts += 1
        whose.waits.append(now - customer.joined)

    def leave(self, customer: Customer, now: int) -> None:
        served, customer.state = customer.state == "served", "away"
        for waiting in self.of("waiting") if served else ():
            if not waiting.skipped:
                self.serve(waiting, now)
                break
            waiting.state = "away"

    def abandon(self, customer: Customer, now: int) -> None:
        """Nobody waits for the attempt any more: it leaves, or goes on as another's that is nobody's."""
        if self.model.abandoned == "cancel":
            self.leave(customer, now)
            return
        orphan = replace(customer, stands_for=customer, order=self.number())
        orphan.skipped = customer.state == "waiting" and self.model.abandoned == "skip"
        self.orphans.append(orphan)
        customer.state = "away"

    def complete(self, customer: Customer, now: int) -> None:
        self.leave(customer, now)
        if customer.stands_for is not None:
            return
        if self.model.succeeds:
            self.end(customer, "completed", now)
        else:
            self.fail(customer, now)

    def give_up(self, customer: Customer, now: int) -> None:
        """A time-out was scheduled on joining, before a patience; of one customer at one instant it comes first."""
        here = customer.state in ("waiting", "served")
        if here and self.model.timeout is not None and now == customer.joined + self.model.timeout:
            self.abandon(customer, now)
            self.fail(customer, now)
        elif (
            customer.state == "waiting"
            and self.model.patience is not None
            and now == customer.joined + self.model.patience
        ):
            self.abandon(customer, now)
            self.end(customer, "failed", now)

    def expire(self, customer: Customer, now: int) -> None:
        here = customer.state in ("waiting", "served")
        if here and self.model.deadline is not None and now == customer.began + self.model.deadline:
            self.abandon(customer, now)
            self.end(customer, "failed", now)

    def fail(self, customer: Customer, now: int) -> None:
        customer.tried += 1
        deadline = self.model.deadline
        late = deadline is not None and now + self.model.backoff >= customer.began + deadline
        if customer.tried >= self.model.attempts or late:
            self.end(customer, "failed", now)
        else:
            customer.state, customer.until, customer.order = "pausing", now + self.model.backoff, self.number()

    def end(self, customer: Customer, outcome: str, now: int) -> None:
        customer.state, customer.outcome, customer.ended = "done", outcome, now


def engine(model: Model) -> list[tuple[int, str, int | None, int, list[int]]]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "scenario.yaml").write_text(model.text())
        loaded = load(Path(folder))
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    tables = replication.tables("", 1)
    waits: dict[int, list[int]] = {}
    for row in tables.events.to_pylist():
        if row["kind"] == "started":
            waits.setdefault(row["case"], []).append(row["value"] // SECOND)
    return [
        (
            row["arrived"] // SECOND,
            row["outcome"],
            None if row["ended"] is None else row["ended"] // SECOND,
            row["attempts"],
            waits.get(row["case"], []),
        )
        for row in tables.cases.to_pylist()
    ]


MODELS = st.builds(
    Model,
    horizon=st.integers(10, 60),
    gap=st.integers(1, 5),
    servers=st.integers(1, 3),
    service=st.integers(1, 7),
    capacity=st.none() | st.integers(0, 3),
    timeout=st.none() | st.integers(1, 9),
    patience=st.none() | st.integers(1, 6),
    attempts=st.integers(1, 4),
    backoff=st.integers(1, 4),
    succeeds=st.booleans(),
    abandoned=st.sampled_from(["cancel", "serve", "skip"]),
    deadline=st.none() | st.integers(9, 20),
)


@settings(max_examples=150, deadline=None)
@given(MODELS)
def test_every_case_fares_as_in_the_second_simulator(model: Model) -> None:
    expected = [(c.arrived, c.outcome, c.ended, c.attempts, c.waits) for c in SecondBySecond(model).run()]
    assert engine(model) == expected
