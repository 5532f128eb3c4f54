"""Queues that keep cases out: a tandem with blocking after service against its Markov chain, timelines, deadlocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.replay import replay
from sim.rules import compile_rules
from sim.simulate import simulate

SECOND = 1_000_000
LEVEL = 1e-3
HEAD = "windtunnel: 1\nname: blocking\nstart: 2026-01-05T00:00:00Z\nhorizon: {horizon}\nreplications: 1\n"


def fly(folder: Path, text: str, replication: int = 0) -> Tables:
    (folder / "scenario.yaml").write_text(text)
    loaded = load(folder)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 8, replication)
    flight.run()
    return flight.tables("", 8)


# --- a tandem ---------------------------------------------------------------------------------------------------------

ARRIVALS, FIRST, SECOND_RATE, ROOM = 1.0, 1.6, 1.25, 3
TANDEM = """\
agents:
  one: {{queue: {{capacity: {room}}}, capabilities: {{work: {{service: exponential(mean=625ms)}}}}}}
  two: {{queue: {{capacity: 0, when-full: {full}}}, capabilities: {{work: {{service: exponential(mean=800ms)}}}}}}
workflows:
  flow:
    start: a
    steps:
      a: {{kind: task, agent: one, capability: work, next: maybe}}
      maybe: {{kind: choice, arms: [{{share: 0.5, next: b}}], otherwise: b}}
      b: {{kind: task, agent: two, capability: work}}
work: {{main: {{workflow: flow, arrivals: {{kind: poisson, rate: 1/s}}}}}}
"""


def tandem(blocked_at: str = "one") -> tuple[float, float]:
    """Throughput, and the share of time that the first server is blocked, by the chain of (cases at the first place,
    whether it is blocked, cases at the second). `blocked_at` other than `one`: the slot there is free at once, and the
    case waits between the two, for as many as there may be (30)."""
    keeps = blocked_at == "one"
    most = 1 if keeps else 30
    states = [(n, held, m) for n in range(ROOM + 2) for held in range(most + 1) for m in (0, 1) if not held or m]
    states = [state for state in states if not (keeps and state[1] and not state[0])]
    number = {state: position for position, state in enumerate(states)}
    rates = np.zeros((len(states), len(states)))

    def moves(n: int, held: int, m: int) -> list[tuple[float, tuple[int, int, int]]]:
        found = [(ARRIVALS, (n + 1, held, m))] if n <= ROOM else []
        if n and not (keeps and held):
            away = (n - 1, held, 1) if not m else (n if keeps else n - 1, held + 1, 1)
            found.append((FIRST, away))
        if m:
            found.append((SECOND_RATE, (n - 1 if keeps and held else n, held - 1, 1) if held else (n, 0, 0)))
        return found

    for state in states:
        for rate, to in moves(*state):
            if to in number:
                rates[number[state], number[to]] += rate
                rates[number[state], number[state]] -= rate
    law = np.linalg.lstsq(
        np.vstack([rates.T, np.ones(len(states))]), np.append(np.zeros(len(states)), 1.0), rcond=None
    )[0]
    flow = SECOND_RATE * sum(p for p, (_, _, m) in zip(law, states, strict=True) if m)
    return float(flow), float(sum(p for p, (_, held, _) in zip(law, states, strict=True) if held))


def test_the_chain_itself_is_that_of_the_books() -> None:
    """Two places without room between, the first never idle (Hunt, "Sequential arrays of waiting lines", 1956): the
    throughput is mu1 mu2 (mu1 + mu2) / (mu1^2 + mu1 mu2 + mu2^2), the limit as arrivals grow."""
    global ARRIVALS
    before, ARRIVALS = ARRIVALS, 1e7
    try:
        found = tandem()[0]
    finally:
        ARRIVALS = before
    a, b = FIRST, SECOND_RATE
    assert found == pytest.approx(a * b * (a + b) / (a * a + a * b + b * b), rel=1e-6)


def measured(folder: Path, replications: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each replication, completions in a second and the share of time that somebody is kept out."""
    flows, shares = [], []
    for number in range(replications):
        tables = fly(folder, HEAD.format(horizon="2000s") + TANDEM.format(room=ROOM, full="block"), number)
        events = tables.events.to_pandas()
        flows.append((events["kind"] == "ended").sum() / 2000 - (events["kind"] == "rejected").sum() / 2000)
        shares.append(events[events["kind"] == "let-in"]["value"].sum() / 2000e6)
    return np.array(flows), np.array(shares)


def test_a_tandem_with_blocking_is_its_markov_chain(tmp_path: Path) -> None:
    flows, shares = measured(tmp_path, 24)
    flow, share = tandem()
    assert stats.ttest_1samp(flows, flow).pvalue > LEVEL
    assert stats.ttest_1samp(shares, share).pvalue > LEVEL
    free = tandem("between")
    assert stats.ttest_1samp(flows, free[0]).pvalue < LEVEL, "a slot that is not kept would be seen"
    assert stats.ttest_1samp(shares, 1.1 * share).pvalue < LEVEL, "and so would a tenth more blocking"


# --- timelines --------------------------------------------------------------------------------------------------------

LINE = """\
agents:
  one: {{capabilities: {{work: {{service: 10s}}}}}}
  two: {{replicas: 1, queue: {{capacity: 1, when-full: block}}, capabilities: {{work: {{service: 30s}}}}}}
workflows:
  flow:
    start: a
    steps:
      a: {{kind: task, agent: one, capability: work, next: b}}
      b: {{kind: task, agent: two, capability: work{keys}}}
work: {{main: {{workflow: flow, arrivals: {{kind: renewal, rate: 1/s, cv: 0}}, {work}}}}}
{more}
"""
KINDS = ("held-up", "let-in", "queued", "started", "finished", "abandoned", "attempt-failed", "ended")


def lines(tables: Tables, *cases: int) -> list[tuple[float, str, str, int]]:
    return [
        (row["time"] / SECOND, row["kind"], row["place"], row["value"])
        for row in tables.events.to_pylist()
        if row["case"] in cases and row["kind"] in KINDS
    ]


def line(folder: Path, horizon: str = "200s", keys: str = "", work: str = "batch: 1", more: str = "") -> Tables:
    return fly(folder, HEAD.format(horizon=horizon) + LINE.format(keys=keys, work=work, more=more))


def test_who_is_kept_out_keeps_the_slot_it_comes_from(tmp_path: Path) -> None:
    """Arrivals at 1, 2, 3 ... s; `one` works 10 s and `two` 30 s. Case 0 is at `two` from 11 s to 41 s, case 1 queues
    there from 21 s, case 2 is done at `one` at 31 s and kept out until 41 s, when case 1 is served. Case 3 starts at
    `one` only then, is done at 51 s and kept out until 71 s."""
    tables = line(tmp_path)
    assert lines(tables, 2) == [
        (3, "queued", "agent:one", 2),
        (21, "started", "agent:one", 18 * SECOND),
        (31, "held-up", "agent:two", 1),
        (41, "let-in", "agent:two", 10 * SECOND),
        (41, "queued", "agent:two", 1),
        (41, "finished", "agent:one", 20 * SECOND),
        (71, "started", "agent:two", 30 * SECOND),
        (101, "finished", "agent:two", 30 * SECOND),
        (101, "ended", "step:flow.b", None),
    ]
    third = [(at, kind) for at, kind, _, _ in lines(tables, 3)]
    assert third[1:4] == [(41, "started"), (51, "held-up"), (71, "let-in")]


def test_who_gives_up_outside_frees_the_slot(tmp_path: Path) -> None:
    """No queue at `two`: case 1 waits outside from 21 s. Its patience of 6 s is out at 27 s, and case 2 starts at
    `one`."""
    text = LINE.format(keys=", patience: 6s", work="batch: 1", more="").replace("capacity: 1", "capacity: 0")
    tables = fly(tmp_path, HEAD.format(horizon="200s") + text)
    assert lines(tables, 1)[1:] == [
        (11, "started", "agent:one", 9 * SECOND),
        (21, "held-up", "agent:two", 1),
        (27, "abandoned", "agent:two", 6 * SECOND),
        (27, "finished", "agent:one", 16 * SECOND),
        (27, "ended", "step:flow.b", None),
    ]
    assert (27.0, "started", "agent:one", 24 * SECOND) in lines(tables, 2)


def test_a_pool_with_fewer_slots_lets_nobody_in_until_they_are_back(tmp_path: Path) -> None:
    """A crash of `two` at 45 s takes case 1 there; case 2, let in at 41 s, and case 3 outside wait for its end."""
    more = "faults: [{kind: crash, agent: two, at: 45s, lasts: 100s}]"
    tables = line(tmp_path, more=more)
    assert [(at, kind) for at, kind, _, _ in lines(tables, 2)][-3:] == [
        (145, "started"),
        (175, "finished"),
        (175, "ended"),
    ]
    assert [(at, kind) for at, kind, _, _ in lines(tables, 3)][2:4] == [(51, "held-up"), (145, "let-in")]


def test_arrivals_wait_outside_in_order_and_nobody_is_turned_away(tmp_path: Path) -> None:
    text = LINE.format(keys="", work="batch: 1", more="")
    text = text.replace("one: {capabilities", "one: {queue: {capacity: 2, when-full: block}, capabilities")
    events = fly(tmp_path, HEAD.format(horizon="200s") + text).events.to_pylist()
    kinds = {row["kind"] for row in events}
    assert "held-up" in kinds
    assert "rejected" not in kinds
    served = [row["case"] for row in events if row["kind"] == "started" and row["place"] == "agent:one"]
    assert served == sorted(served)


# --- deadlocks --------------------------------------------------------------------------------------------------------

RING = """\
agents:
  one: {{replicas: {slots}, queue: {{capacity: 0, when-full: block}}, capabilities: {{work: {{service: 10s}}}}}}
  two: {{replicas: {slots}, queue: {{capacity: 0, when-full: block}}, capabilities: {{work: {{service: 10s}}}}}}
deadlock: {{resolution: {resolution}}}
workflows:
  there:
    start: a
    steps:
      a: {{kind: task, agent: one, capability: work, next: b}}
      b: {{kind: task, agent: two, capability: work{keys}}}
  back:
    start: a
    steps:
      a: {{kind: task, agent: two, capability: work, next: b}}
      b: {{kind: task, agent: one, capability: work{keys}}}
work:
  go: {{workflow: there, arrivals: {{kind: trace, file: go.csv, column: at}}}}
  come: {{workflow: back, arrivals: {{kind: trace, file: come.csv, column: at}}}}
"""


def ring(folder: Path, go: str, come: str, *, slots: int = 1, resolution: str = "none", keys: str = "") -> Tables:
    (folder / "go.csv").write_text("at\n" + go.replace(" ", "\n"))
    (folder / "come.csv").write_text("at\n" + come.replace(" ", "\n"))
    text = HEAD.format(horizon="500s") + RING.format(slots=slots, resolution=resolution, keys=keys)
    return fly(folder, text)


def deadlocks(tables: Tables) -> list[tuple[float, list[Any]]]:
    return [
        (row["time"] / SECOND, json.loads(row["detail"])["ring"])
        for row in tables.events.to_pylist()
        if row["kind"] == "deadlock"
    ]


def test_two_pools_that_block_each_other_are_a_deadlock(tmp_path: Path) -> None:
    """Both are done at 10 s: the second to be kept out closes the ring."""
    tables = ring(tmp_path, "0", "0")
    assert deadlocks(tables) == [
        (
            10,
            [
                {"case": 1, "step": "back.b", "holds": ["agent:two"], "waits-for": "agent:one"},
                {"case": 0, "step": "there.b", "holds": ["agent:one"], "waits-for": "agent:two"},
            ],
        )
    ]
    assert tables.cases.column("outcome").to_pylist() == ["stuck", "stuck"]


def test_a_deadlock_of_blocking_is_ended_as_the_scenario_says(tmp_path: Path) -> None:
    tables = ring(tmp_path, "0", "0", resolution="abort")
    assert len(deadlocks(tables)) == 1
    assert tables.cases.column("outcome").to_pylist() == ["completed", "aborted"]
    assert max(tables.cases.column("ended").to_pylist()) == 20 * SECOND
    timed = ring(tmp_path, "0", "0", keys=", timeout: 7s")
    assert timed.cases.column("outcome").to_pylist() == ["failed", "failed"]


@pytest.mark.parametrize(
    ("go", "come", "slots", "stuck"),
    [
        ("0", "0", 1, True),
        ("0 0", "0 0", 2, True),  # two and two: each pool full of cases that want into the other
        ("0 0", "0", 2, False),  # one slot of `two` is free, so all go on
        ("0 3", "0 3", 2, True),
    ],
)
def test_who_never_goes_on_is_recorded_and_nobody_else(
    tmp_path: Path, go: str, come: str, slots: int, stuck: bool
) -> None:
    tables = ring(tmp_path, go, come, slots=slots)
    assert len(deadlocks(tables)) == stuck
    assert set(tables.cases.column("outcome").to_pylist()) == {"stuck" if stuck else "completed"}


def test_a_pool_that_hands_on_to_itself_blocks_itself(tmp_path: Path) -> None:
    text = HEAD.format(horizon="99s") + LINE.format(keys="", work="batch: 1", more="").replace(
        "agent: one", "agent: two"
    )
    tables = fly(tmp_path, text.replace("capacity: 1,", "capacity: 0,"))
    assert deadlocks(tables)[0] == (
        31,
        [{"case": 0, "step": "flow.b", "holds": ["agent:two"], "waits-for": "agent:two"}],
    )


def test_the_story_of_a_case_tells_of_it(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(
        HEAD.format(horizon="200s") + LINE.format(keys="", work="batch: 1", more="")
    )
    told = "\n".join(replay(simulate(load(tmp_path), tmp_path / "run", workers=1), 2))
    assert "kept out by agent:two, whose queue is full; number 1 outside" in told
    assert "let in by agent:two after 10.000s" in told


# --- random networks: the second opinion is time itself ---------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    routes=st.lists(st.text("pqr", min_size=1, max_size=4), min_size=1, max_size=7),
    slots=st.tuples(*[st.integers(1, 2)] * 3),
    rooms=st.tuples(*[st.sampled_from([0, 0, 1, None])] * 3),
    calls=st.booleans(),
)
def test_cases_that_never_end_are_in_or_behind_a_recorded_deadlock(
    tmp_path_factory: pytest.TempPathFactory,
    routes: list[str],
    slots: tuple[int, ...],
    rooms: tuple[int | None, ...],
    calls: bool,
) -> None:
    """All durations are fixed and the horizon is far, so a case that has not ended never will. A pool with a room has a
    queue that blocks; where there are calls, every second case's work calls an agent of the next pool."""
    agents = ""
    for name, count, room in zip("pqr", slots, rooms, strict=True):
        queue = "" if room is None else f"queue: {{capacity: {room}, when-full: block}}, "
        agents += f"  {name}: {{replicas: {count}, {queue}capabilities: {{w: {{service: 7s}}}}}}\n"
    flows = work = ""
    for n, route in enumerate(routes):
        flows += f"  f{n}:\n    start: s\n    steps:\n      s: {{kind: wait, duration: {n}us, next: m0}}\n"
        for step, pool in enumerate(route):
            onward = f", next: m{step + 1}" if step + 1 < len(route) else ""
            callee = "pqr"[("pqr".index(pool) + 1) % 3]
            call = f", calls-agents: [{{agent: {callee}, capability: w}}]" if calls and n % 2 else ""
            flows += f"      m{step}: {{kind: task, agent: {pool}, capability: w{onward}{call}}}\n"
        work += f"  s{n}: {{workflow: f{n}, arrivals: {{kind: trace, file: t.csv, column: at}}}}\n"
    folder = tmp_path_factory.mktemp("net")
    (folder / "t.csv").write_text("at\n0\n")
    tables = fly(folder, f"{HEAD.format(horizon='5000s')}agents:\n{agents}workflows:\n{flows}work:\n{work}")
    found = deadlocks(tables)
    outcomes = tables.cases.column("outcome").to_pylist()
    assert bool(found) == (set(outcomes) != {"completed"})
    members = {member["case"] for _, ring in found for member in ring}
    assert members == {case for case, outcome in enumerate(outcomes) if outcome == "stuck"}
    last = max((row["time"] for row in tables.events.to_pylist()), default=0)
    assert all(at <= last / SECOND for at, _ in found)
