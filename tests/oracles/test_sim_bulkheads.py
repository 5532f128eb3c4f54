"""Bulkheads of a pool: two kinds of work against their Markov chain, the order of service against a plain list."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules

LEVEL = 1e-3
SECOND = 1_000_000


def fly(folder: Path, text: str, replication: int = 0) -> Tables:
    (folder / "scenario.yaml").write_text(text)
    loaded = load(folder)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 8, replication)
    flight.run()
    return flight.tables("", 8)


# --- two kinds of work ------------------------------------------------------------------------------------------------

SLOTS, CAP, ROOM = 3, 2, 2
ARRIVALS, SERVICE = {"a": 1.2, "b": 0.6}, {"a": 1.0, "b": 0.5}
TEXT = """\
windtunnel: 1
name: bulkheads
start: 2026-01-05T00:00:00Z
horizon: 2000s
agents:
  pool:
    replicas: 3
    queue: {capacity: 2}
    bulkheads: {x.a: 2}
    capabilities: {quick: {service: exponential(mean=1s)}, slow: {service: exponential(mean=2s)}}
workflows:
  x: {start: a, steps: {a: {kind: task, agent: pool, capability: quick}}}
  y: {start: b, steps: {b: {kind: task, agent: pool, capability: slow}}}
work:
  a: {workflow: x, arrivals: {kind: poisson, rate: 1.2/s}}
  b: {workflow: y, arrivals: {kind: poisson, rate: 0.6/s}}
"""
State = tuple[int, int, str]
"""In service of each kind, and the queue."""


def settled(busy: dict[str, int], queue: str, cap: int) -> State:
    """Whoever may be served is, in order of coming."""
    while True:
        ready = [n for n, kind in enumerate(queue) if sum(busy.values()) < SLOTS and (kind == "b" or busy["a"] < cap)]
        if not ready:
            return busy["a"], busy["b"], queue
        busy = busy | {queue[ready[0]]: busy[queue[ready[0]]] + 1}
        queue = queue[: ready[0]] + queue[ready[0] + 1 :]


def moves(state: State, cap: int) -> Iterator[tuple[float, State, str]]:
    busy, queue = {"a": state[0], "b": state[1]}, state[2]
    for kind, rate in ARRIVALS.items():
        after = settled(busy, queue + kind, cap)
        yield (rate, after, "") if len(after[2]) <= ROOM else (rate, state, f"away {kind}")
    for kind, rate in SERVICE.items():
        if busy[kind]:
            yield rate * busy[kind], settled(busy | {kind: busy[kind] - 1}, queue, cap), f"done {kind}"


def rates(cap: int) -> dict[str, float]:
    """How many a second are done and turned away, of each kind."""
    states, ahead = [(0, 0, "")], [(0, 0, "")]
    while ahead:
        fresh = {to for _, to, _ in moves(ahead.pop(), cap)} - set(states)
        states += sorted(fresh)
        ahead += sorted(fresh)
    matrix = np.zeros((len(states), len(states)))
    for n, state in enumerate(states):
        for rate, to, _ in moves(state, cap):
            matrix[n, states.index(to)] += rate
            matrix[n, n] -= rate
    ones = np.ones(len(states))
    law = np.linalg.lstsq(np.vstack([matrix.T, ones]), np.append(0 * ones, 1.0), rcond=None)[0]
    found: Counter[str] = Counter()
    for p, state in zip(law, states, strict=True):
        for rate, _, what in moves(state, cap):
            found[what] += float(p * rate)  # type: ignore[assignment]
    return dict(found)


def test_two_kinds_of_work_in_one_pool_are_their_markov_chain(tmp_path: Path) -> None:
    measured: dict[str, list[float]] = {name: [] for name in ("done a", "done b", "away a", "away b")}
    for number in range(24):
        tables = fly(tmp_path, TEXT, number)
        work = tables.cases.column("work").to_pylist()
        kinds = {"ended": "done", "rejected": "away"}
        events = [row for row in tables.events.to_pylist() if row["kind"] in kinds]
        count = Counter(f"{kinds[row['kind']]} {work[row['case']]}" for row in events)
        for kind in "ab":
            count[f"done {kind}"] -= count[f"away {kind}"]  # who is turned away ends too
        for name, values in measured.items():
            values.append(count[name] / 2000)
    right, free = rates(CAP), rates(SLOTS)
    for name, values in measured.items():
        assert stats.ttest_1samp(values, right[name]).pvalue > LEVEL, name
    for name in ("done a", "away a"):
        assert stats.ttest_1samp(measured[name], free[name]).pvalue < LEVEL, "a cap that holds nobody would be seen"


# --- who is served first, by a plain list -----------------------------------------------------------------------------

QUEUE = """\
windtunnel: 1
name: order
start: 2026-01-05T00:00:00Z
horizon: 100000s
agents:
  pool:
    replicas: {slots}
    queue: {{order: {order}{full}}}
    bulkheads: {{flow.x: {cap}, flow.z: 1}}
    capabilities: {{w: {{service: 10s}}}}
workflows:
  flow:
    start: which
    steps:
      which:
        kind: choice
        arms:
          - {{when: 'context.kind == "x"', next: x}}
          - {{when: 'context.kind == "y"', next: y}}
        otherwise: z
      x: {{kind: task, agent: pool, capability: w}}
      y: {{kind: task, agent: pool, capability: w}}
      z: {{kind: task, agent: pool, capability: w}}
work:
  main:
    workflow: flow
    priority-from: rank
    arrivals: {{kind: trace, file: t.csv, column: at, attributes: {{kind: kind, rank: rank}}}}
    attributes: {{kind: "choice(x=0.4, y=0.3, z=0.3)", rank: "uniform(low=0, high=3)"}}
"""
ORDERS = ("fifo", "priority", "lifo", "adaptive-lifo, lifo-above: 2")


def served(
    kinds: str, ranks: list[int], slots: int, cap: int, order: str, room: int | None
) -> tuple[list[int], list[int]]:
    """One case a second; who is served, in order, and who is given up or turned away."""
    caps = {"x": cap, "y": slots, "z": 1}
    line: list[int] = []
    busy: dict[int, int] = {}
    started: list[int] = []
    away: list[int] = []

    def turn(case: int) -> tuple[int, int]:
        newest = order == "lifo" or (order.startswith("adaptive") and len(line) > 2)
        return ranks[case] if order == "priority" else 0, -case if newest else case

    def start(now: int) -> None:
        while len(busy) < slots:
            held = Counter(kinds[case] for case in busy)
            ready = [case for case in line if held[kinds[case]] < caps[kinds[case]]]
            if not ready:
                return
            first = min(ready, key=turn)
            line.remove(first)
            busy[first] = now + 10
            started.append(first)

    for now in range(len(kinds) * 11):
        for case in [case for case, end in busy.items() if end == now]:
            del busy[case]
            start(now)
        if now < len(kinds):
            line.append(now)
            start(now)
            if room is not None and now in line and len(line) > room:
                away.append(max(line, key=lambda case: (ranks[case], case)))
                line.remove(away[-1])
    return started, away


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.text("xyz", min_size=1, max_size=25),
    ranks=st.lists(st.integers(0, 3), min_size=25, max_size=25),
    slots=st.integers(1, 4),
    cap=st.integers(1, 3),
    order=st.sampled_from(ORDERS),
    room=st.none() | st.integers(0, 5),
)
def test_who_is_served_is_who_a_plain_list_says(
    tmp_path_factory: pytest.TempPathFactory,
    kinds: str,
    ranks: list[int],
    slots: int,
    cap: int,
    order: str,
    room: int | None,
) -> None:
    cap = min(cap, slots)  # more than the pool has is refused
    folder = tmp_path_factory.mktemp("order")
    full = "" if room is None else f", capacity: {room}, when-full: shed-lowest"
    rows = [f"{n},{kind},{ranks[n]}" for n, kind in enumerate(kinds)]
    (folder / "t.csv").write_text("\n".join(["at,kind,rank", *rows]))
    events = fly(folder, QUEUE.format(slots=slots, cap=cap, order=order, full=full)).events.to_pylist()
    started = [row["case"] for row in events if row["kind"] == "started"]
    away = [row["case"] for row in events if row["kind"] in ("shed", "rejected")]
    assert (started, away) == served(kinds, ranks, slots, cap, order, room)


# --- with other parts -------------------------------------------------------------------------------------------------

CALLS = """\
windtunnel: 1
name: calls
start: 2026-01-05T00:00:00Z
horizon: 500s
agents:
  pool: {replicas: 2, bulkheads: CAPS, capabilities: {w: {service: 10s}, v: {service: 10s}}}
workflows:
  flow:
    start: s
    steps: {s: {kind: task, agent: pool, capability: w, calls-agents: [{agent: pool, capability: v}]}}
work: {main: {workflow: flow, batch: 2, arrivals: {kind: trace, file: t.csv, column: at}}}
"""


def test_a_bulkhead_keeps_callers_from_taking_the_slots_of_those_they_call(tmp_path: Path) -> None:
    """Two callers in two slots wait for ever for a third; where they may hold one, the second comes after the first."""
    (tmp_path / "t.csv").write_text("at\n0\n")
    stuck = fly(tmp_path, CALLS.replace("CAPS", "{}"))
    assert set(stuck.cases.column("outcome").to_pylist()) == {"stuck"}
    free = fly(tmp_path, CALLS.replace("CAPS", "{flow.s: 1}"))
    assert [time / SECOND for time in free.cases.column("ended").to_pylist()] == [20, 40]


def test_a_deadlock_of_a_pool_with_bulkheads_is_found(tmp_path: Path) -> None:
    """One slot, and its caller calls into the same pool."""
    (tmp_path / "t.csv").write_text("at\n0\n")
    one = CALLS.replace("CAPS", "{flow.s/1: 1, flow.s: 1}").replace("replicas: 2", "replicas: 1")
    events = fly(tmp_path, one).events.to_pylist()
    rings = [json.loads(row["detail"])["ring"] for row in events if row["kind"] == "deadlock"]
    assert [[member["case"] for member in ring] for ring in rings] == [[0, 0]]


def test_an_orphan_holds_its_slot_of_the_bulkhead(tmp_path: Path) -> None:
    """Out of time after 4 s, the first goes on for nobody to 10 s; the second, out of time at 4 s too, is passed over,
    and so is who comes at 2 s. Who comes at 8 s is served at 10 s."""
    text = CALLS.replace(", calls-agents: [{agent: pool, capability: v}]", ", timeout: 4s").replace("batch: 2, ", "")
    text = text.replace("bulkheads: CAPS", "abandoned: skip, bulkheads: {flow.s: 1}")
    (tmp_path / "t.csv").write_text("at\n0\n0\n2\n8\n")
    events = fly(tmp_path, text).events.to_pylist()
    kinds = ("started", "orphaned", "skipped", "wasted")
    assert [(row["time"] / SECOND, row["kind"], row["case"]) for row in events if row["kind"] in kinds] == [
        (0, "started", 0),
        (4, "orphaned", 0),
        (4, "orphaned", 1),
        (6, "orphaned", 2),
        (10, "skipped", 1),
        (10, "skipped", 2),
        (10, "started", 3),
        (10, "wasted", 0),
        (12, "orphaned", 3),
        (20, "wasted", 3),
    ]
