"""Deadlocks found by the wait-for graph against a brute-force search, on random lock programs.

A program is a few cases that each take locks one after the other, hold them for a while, and give some back. The second
opinion runs the programs on its own and finds rings by trying every set of waiting cases.
"""

from __future__ import annotations

import json
import tempfile
from collections import deque
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import combinations
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules

LOCKS = "abc"
ARRIVAL = 1000
"""Every program starts in this second; the horizon is below twice that, so each stream has one case."""


@dataclass(frozen=True)
class Move:
    """Take a lock, hold what is held for some seconds, then give back some."""

    take: str
    seconds: int
    give: tuple[str, ...]


Program = tuple[Move, ...]

MOVES = st.builds(
    Move,
    st.sampled_from(LOCKS),
    st.integers(1, 9),
    st.lists(st.sampled_from(LOCKS), unique=True, max_size=1).map(tuple),
)


def legal(moves: list[Move]) -> Program:
    """A case gives back only what some step of it takes: the loader insists."""
    taken = {move.take for move in moves}
    return tuple(replace(move, give=tuple(lock for lock in move.give if lock in taken)) for move in moves)


PROGRAMS = st.lists(st.lists(MOVES, min_size=1, max_size=4).map(legal), min_size=1, max_size=4)


# --- the engine -------------------------------------------------------------------------------------------------------


def text(programs: list[Program], deadlock: str) -> str:
    """Case n starts n microseconds after the others, so that no two ask at the same moment."""
    lines = ["windtunnel: 1", "name: locks", "start: 2026-01-05T00:00:00Z", f"horizon: {2 * ARRIVAL - 1}s"]
    lines += ["locks: {a: {}, b: {}, c: {}}", f"deadlock: {{{deadlock}}}", "workflows:"]
    for n, program in enumerate(programs):
        lines += [f"  w{n}:", "    start: s", "    steps:", f"      s: {{kind: wait, duration: {n}us, next: m0}}"]
        for step, move in enumerate(program):
            following = f", next: m{step + 1}" if step + 1 < len(program) else ""
            lines.append(
                f"      m{step}: {{kind: wait, duration: {move.seconds}s, acquire: [{move.take}], "
                f"release: [{', '.join(move.give)}]{following}}}"
            )
    lines.append("work:")
    lines += [
        f"  s{n}: {{workflow: w{n}, arrivals: {{kind: renewal, rate: 3.6/h, cv: 0}}}}" for n in range(len(programs))
    ]
    return "\n".join(lines) + "\n"


def engine(programs: list[Program], deadlock: str = "") -> Tables:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "scenario.yaml").write_text(text(programs, deadlock))
        loaded = load(Path(folder))
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    return replication.tables("", 1)


# --- the second opinion -----------------------------------------------------------------------------------------------


class Case:
    def __init__(self, number: int, program: Program) -> None:
        self.number = number
        self.moves = deque(program)
        self.held: list[str] = []
        self.wants: str | None = None
        self.done = False


class BruteForce:
    """Runs the programs; times are microseconds, and case n starts at n of them. One instant goes by scheduling."""

    def __init__(self, programs: list[Program]) -> None:
        self.cases = [Case(n, program) for n, program in enumerate(programs)]
        self.queues: dict[str, deque[Case]] = {lock: deque() for lock in LOCKS}
        self.rings: list[frozenset[int]] = []
        self.agenda: list[tuple[int, int, Case, bool]] = [(n, n, case, True) for n, case in enumerate(self.cases)]
        self.scheduled = len(self.cases)
        while self.agenda:
            now, _, case, starts = heappop(self.agenda)
            if starts:
                self.ask(case, now)
            else:
                self.finish(case, now)

    def ask(self, case: Case, now: int) -> None:
        lock = case.moves[0].take
        if lock in case.held:
            self.begin(case, now)
        elif not any(lock in other.held for other in self.cases):
            case.held.append(lock)
            self.begin(case, now)
        else:
            case.wants = lock
            self.queues[lock].append(case)
            self.look(case)

    def begin(self, case: Case, now: int) -> None:
        self.scheduled += 1
        heappush(self.agenda, (now + case.moves[0].seconds * 1_000_000, self.scheduled, case, False))

    def finish(self, case: Case, now: int) -> None:
        move = case.moves.popleft()
        case.done = not case.moves
        free = [lock for lock in move.give if lock in case.held]
        if case.done:
            free += [lock for lock in case.held if lock not in free]
        case.held = [lock for lock in case.held if lock not in free]
        next_holders = [self.queues[lock].popleft() for lock in free if self.queues[lock]]
        for other in next_holders:
            assert other.wants is not None
            other.held.append(other.wants)
            other.wants = None
        if case.moves:
            self.ask(case, now)
        for other in next_holders:
            self.begin(other, now)

    def look(self, closing: Case) -> None:
        """Every set of waiting cases in which each waits for a lock that one of the set holds, and none can be left
        out: such a set is a ring."""
        waiting = [case for case in self.cases if case.wants is not None]
        for size in range(2, len(waiting) + 1):
            for group in combinations(waiting, size):
                numbers = frozenset(case.number for case in group)
                if closing in group and self.is_ring(group) and not any(ring < numbers for ring in self.rings):
                    self.rings.append(numbers)
                    return

    @staticmethod
    def is_ring(group: tuple[Case, ...]) -> bool:
        return all(any(case.wants in other.held for other in group) for case in group)


CROSSED = [(Move("a", 5, ()), Move("b", 1, ())), (Move("b", 5, ()), Move("a", 1, ()))]
RING_OF_THREE = [tuple(Move(lock, 5, ()) for lock in pair) for pair in ("ab", "bc", "ca")]


@settings(max_examples=150, deadline=None)
@given(PROGRAMS)
@example(CROSSED)
@example(RING_OF_THREE)
def test_rings_are_those_of_the_brute_force_search(programs: list[Program]) -> None:
    tables = engine(programs)
    expected = BruteForce(programs)
    found = [
        frozenset(member["case"] for member in json.loads(row["detail"])["ring"])
        for row in tables.events.to_pylist()
        if row["kind"] == "deadlock"
    ]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected.rings))
    stuck = {row["case"] for row in tables.cases.to_pylist() if row["outcome"] == "stuck"}
    assert stuck == set().union(*expected.rings)
    ended = {row["case"] for row in tables.cases.to_pylist() if row["outcome"] == "completed"}
    assert ended == {case.number for case in expected.cases if case.done}


@settings(max_examples=100, deadline=None)
@given(PROGRAMS)
def test_ending_a_member_of_each_ring_lets_all_others_end(programs: list[Program]) -> None:
    """Removing the detector leaves exactly those in flight that a deadlock holds; with it, everybody ends."""
    tables = engine(programs, "resolution: abort")
    outcomes = [row["outcome"] for row in tables.cases.to_pylist()]
    rings = sum(row["kind"] == "deadlock" for row in tables.events.to_pylist())
    assert set(outcomes) <= {"completed", "aborted"}
    assert outcomes.count("aborted") == rings


@settings(max_examples=60, deadline=None)
@given(PROGRAMS)
def test_a_lock_has_one_holder_and_the_longest_waiting_is_next(programs: list[Program]) -> None:
    holder: dict[str, int] = {}
    waiting: dict[str, list[int]] = {}
    for row in engine(programs, "resolution: abort").events.to_pylist():
        place, case = row["place"], row["case"]
        if row["kind"] == "blocked":
            assert holder[place] != case
            waiting.setdefault(place, []).append(case)
        elif row["kind"] == "abandoned":
            waiting[place].remove(case)
        elif row["kind"] == "locked":
            assert place not in holder
            if row["value"]:
                assert waiting[place][0] == case
            if case in waiting.get(place, []):
                waiting[place].remove(case)
            holder[place] = case
        elif row["kind"] == "unlocked":
            assert holder.pop(place) == case


def test_the_search_finds_rings_where_there_are_some() -> None:
    assert BruteForce(CROSSED).rings == [{0, 1}]
    assert BruteForce(RING_OF_THREE).rings == [{0, 1, 2}]
    assert BruteForce([CROSSED[0], CROSSED[0]]).rings == []
