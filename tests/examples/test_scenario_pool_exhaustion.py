"""What scenarios/pool-exhaustion teaches: agents that call agents of their own pool stall for ever; in pools
of their own they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.load import load
from reports.deadlock import is_knot
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

SCENARIOS = Path(__file__).parents[2] / "scenarios"
REPLICATIONS = 3
Rows = list[dict[str, Any]]


def flown(name: str) -> list[tuple[Rows, Rows]]:
    """Cases and events of each replication."""
    loaded = load(SCENARIOS / name)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    found = []
    for number in range(REPLICATIONS):
        replication = Replication(plan, rules, loaded.scenario.seed, number)
        replication.run()
        tables = replication.tables("", loaded.scenario.seed)
        found.append((tables.cases.to_pylist(), tables.events.to_pylist()))
    return found


@pytest.fixture(scope="module")
def shared() -> list[tuple[Rows, Rows]]:
    return flown("pool-exhaustion")


@pytest.fixture(scope="module")
def apart() -> list[tuple[Rows, Rows]]:
    return flown("pool-exhaustion-fixed")


def test_a_shared_pool_stalls_once_and_for_ever(shared: list[tuple[Rows, Rows]]) -> None:
    for cases, events in shared:
        [stall] = [row for row in events if row["kind"] == "deadlock"]
        detail = json.loads(stall["detail"])
        callers = [member for member in detail["ring"] if member["holds"]]
        assert detail["kind"] == "knot"
        assert [member["holds"] for member in callers] == [["agent:workers"]] * 8
        assert len(detail["ring"]) == 16, "each orchestrator, and the agent it has called"
        later = {row["kind"] for row in events if row["sequence"] > stall["sequence"]}
        assert later <= {"arrived", "entered", "queued"}, "nothing is ever answered again"
        stuck = {row["case"] for row in cases if row["outcome"] == "stuck"}
        assert stuck == {member["case"] for member in callers}


def test_pools_of_their_own_never_stall(shared: list[tuple[Rows, Rows]], apart: list[tuple[Rows, Rows]]) -> None:
    for (before, _), (cases, events) in zip(shared, apart, strict=True):
        assert [row["arrived"] for row in cases] == [row["arrived"] for row in before], "the same questions"
        assert not [row for row in events if row["kind"] == "deadlock"]
        answered = [row["ended"] - row["arrived"] for row in cases if row["outcome"] == "completed"]
        assert len(answered) > 0.99 * len(cases)
        assert sum(lasted <= 600_000_000 for lasted in answered) > 0.99 * len(answered)


def test_a_knot_is_told_from_a_ring_and_from_what_is_neither() -> None:
    assert is_knot('{"kind":"knot","ring":[]}')
    assert not any(map(is_knot, ('{"ring":[]}', "[]", "knot", "", '{"kind":1}', "[" * 100_000)))
