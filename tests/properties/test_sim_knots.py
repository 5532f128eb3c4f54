"""Deadlocks over pools, calls between agents, locks and branches, on random programs: who is recorded is who never goes
on. The second opinion is time itself: all durations are fixed, everything arrives early, and the horizon is far."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import sim.locks
from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

ARRIVAL = 1000
POOLS = "pq"


@dataclass(frozen=True)
class Move:
    """A task at a pool that calls agents of pools, with a lock taken before and perhaps given back after."""

    pool: str
    calls: tuple[str, ...]
    lock: str
    gives: bool
    timeout: int


Program = tuple[Move, ...]
MOVES = st.builds(
    Move,
    st.sampled_from(POOLS),
    st.lists(st.sampled_from(POOLS), max_size=2).map(tuple),
    st.sampled_from(["", "", "a", "b"]),
    st.booleans(),
    st.just(0),
)
PROGRAMS = st.lists(st.lists(MOVES, min_size=1, max_size=3).map(tuple), min_size=1, max_size=5)
SLOTS = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2))
"""Of the pools, and units of the locks."""


Slots = tuple[int, int, int, int]


def text(programs: list[Program], slots: Slots, deadlock: str) -> str:
    """Case n starts n microseconds after the others, and works a time of its own at each step."""
    lines = ["windtunnel: 1", "name: knots", "start: 2026-01-05T00:00:00Z", f"horizon: {2 * ARRIVAL - 1}s"]
    lines += [f"locks: {{a: {{count: {slots[2]}}}, b: {{count: {slots[3]}}}}}", f"deadlock: {{{deadlock}}}", "agents:"]
    for name, count in zip(POOLS, slots[:2], strict=True):
        works = ", ".join(f"w{n}: {{service: {7 + n}s}}" for n in range(len(programs)))
        lines.append(f"  {name}: {{replicas: {count}, capabilities: {{{works}}}}}")
    lines.append("workflows:")
    for n, program in enumerate(programs):
        lines += [f"  f{n}:", "    start: s", "    steps:", f"      s: {{kind: wait, duration: {n}us, next: m0}}"]
        for step, move in enumerate(program):
            calls = ", ".join(f"{{agent: {pool}, capability: w{n}}}" for pool in move.calls)
            keys = [f"kind: task, agent: {move.pool}, capability: w{n}, calls-agents: [{calls}]"]
            keys += [f"acquire: [{move.lock}]"] if move.lock else []
            keys += [f"release: [{move.lock}]"] if move.lock and move.gives else []
            keys += [f"timeout: {move.timeout}s"] if move.timeout else []
            keys += [f"next: m{step + 1}"] if step + 1 < len(program) else []
            lines.append(f"      m{step}: {{{', '.join(keys)}}}")
    lines.append("work:")
    lines += [
        f"  s{n}: {{workflow: f{n}, arrivals: {{kind: renewal, rate: 3.6/h, cv: 0}}}}" for n in range(len(programs))
    ]
    return "\n".join(lines) + "\n"


Rows = list[dict[str, Any]]


def fly(programs: list[Program], slots: Slots, deadlock: str = "") -> tuple[Rows, Rows]:
    """Cases and events."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "scenario.yaml").write_text(text(programs, slots, deadlock))
        loaded = load(Path(folder))
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    tables = replication.tables("", 1)
    return tables.cases.to_pylist(), tables.events.to_pylist()


def recorded(events: Rows) -> list[tuple[int, set[int]]]:
    """Where deadlocks stand in the log, and whom they hold."""
    return [
        (row["sequence"], {member["case"] for member in json.loads(row["detail"])["ring"]})
        for row in events
        if row["kind"] == "deadlock"
    ]


def who_never_goes_on_is_recorded_or_waits_behind(cases: Rows, events: Rows) -> None:
    found = recorded(events)
    members = set().union(*(group for _, group in found))
    stuck = {row["case"] for row in cases if row["outcome"] == "stuck"}
    open_cases = {row["case"] for row in cases if row["ended"] is None}
    assert stuck == members
    assert bool(found) == bool(open_cases), "a case that never ends needs a deadlock, and a deadlock leaves one"
    for sequence, group in found:
        later = [row for row in events if row["sequence"] > sequence and row["kind"] != "deadlock"]
        assert not group.intersection(row["case"] for row in later), "nobody of a deadlock does anything any more"
        last = max(row["sequence"] for row in events if row["case"] in group and row["sequence"] < sequence)
        assert events[last]["time"] == events[sequence]["time"], "it is found at the wait that closed it"


ALONE = [(Move("p", ("p",), "", False, 0),)]
STALL = ALONE * 2
MIXED = [(Move("p", ("p",), "a", False, 0),), (Move("p", ("p",), "", False, 0),), (Move("q", (), "a", False, 0),)]


@settings(max_examples=120, deadline=None)
@given(PROGRAMS, SLOTS)
@example(ALONE, (1, 1, 1, 1))
@example(STALL, (2, 1, 1, 1))
@example(MIXED, (2, 1, 1, 1))
def test_a_deadlock_is_recorded_just_where_somebody_never_goes_on(programs: list[Program], slots: Slots) -> None:
    who_never_goes_on_is_recorded_or_waits_behind(*fly(programs, slots))


@settings(max_examples=80, deadline=None)
@given(PROGRAMS, SLOTS)
@example(STALL, (2, 1, 1, 1))
def test_ending_a_member_of_each_deadlock_lets_all_others_end(programs: list[Program], slots: Slots) -> None:
    cases, events = fly(programs, slots, "resolution: abort")
    outcomes = [row["outcome"] for row in cases]
    assert set(outcomes) <= {"completed", "aborted"}
    assert outcomes.count("aborted") == len(recorded(events))


def test_a_search_for_rings_alone_misses_the_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim.locks, "knot", lambda *_: [])
    with pytest.raises(AssertionError):
        who_never_goes_on_is_recorded_or_waits_behind(*fly(STALL, (2, 1, 1, 1)))


HELD = [
    (Move("q", (), "a", False, 0), Move("q", (), "b", False, 0)),
    (Move("q", (), "b", False, 0), Move("q", (), "a", False, 0)),
    (Move("q", (), "a", False, 0),),
]
"""The first two cross, but the third has a unit of `a` as well, and gives it back when it ends."""


def test_crossing_waits_are_no_deadlock_while_somebody_at_work_holds_a_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = (1, 3, 2, 1)
    who_never_goes_on_is_recorded_or_waits_behind(*fly(HELD, slots))
    assert recorded(fly(HELD, (1, 3, 1, 1))[1])
    for_all = sim.locks.Wait
    monkeypatch.setattr(sim.locks, "Wait", lambda targets, every: for_all(targets, True))
    with pytest.raises(AssertionError):
        who_never_goes_on_is_recorded_or_waits_behind(*fly(HELD, slots))


def test_a_stall_names_who_holds_the_slots_and_who_wants_them() -> None:
    cases, events = fly(STALL, (2, 1, 1, 1))
    [detail] = [json.loads(row["detail"]) for row in events if row["kind"] == "deadlock"]
    assert detail["kind"] == "knot"
    assert "until" not in detail
    told = sorted((m["case"], m["step"], tuple(m["holds"]), m["waits-for"]) for m in detail["ring"])
    assert told == [
        (0, "f0.m0", ("agent:p",), "step:f0.m0/1"),
        (0, "f0.m0/1", (), "agent:p"),
        (1, "f1.m0", ("agent:p",), "step:f1.m0/1"),
        (1, "f1.m0/1", (), "agent:p"),
    ]
    assert {row["outcome"] for row in cases} == {"stuck"}


def test_one_more_slot_or_a_pool_of_their_own_cures_the_stall() -> None:
    for programs, slots in ((STALL, (3, 1, 1, 1)), ([(Move("p", ("q",), "", False, 0),)] * 2, (2, 1, 1, 1))):
        cases, events = fly(programs, slots)
        assert recorded(events) == []
        assert {row["outcome"] for row in cases} == {"completed"}


def test_a_stall_that_a_time_out_ends_is_recorded_and_nobody_is_stuck() -> None:
    cases, events = fly([(Move("p", ("p",), "", False, 30),)] * 2, (2, 1, 1, 1))
    [detail] = [json.loads(row["detail"]) for row in events if row["kind"] == "deadlock"]
    assert detail["until"] == "timeout"
    assert [row["detail"] for row in events if row["kind"] == "resolved"] == ["a member gave up"]
    assert [(row["outcome"], row["ended"] % 1_000_000_000) for row in cases] == [
        ("failed", 30_000_000),
        ("failed", 30_000_001),
    ]
