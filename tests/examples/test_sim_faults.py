"""Named faults stand in the log; a name changes nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc

from models.load import load
from models.units import DAY, HOUR, MINUTE
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.plan import Plan
from sim.rules import compile_rules

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def _tables(name: str, days: int, named: bool) -> Tables:
    loaded = load(SCENARIOS / name)
    plan = compile_plan(loaded)
    replication = Replication(_named(replace(plan, horizon=days * DAY)) if named else plan, compile_rules(loaded), 7, 0)
    replication.run()
    return replication.tables("d", 7)


def _named(plan: Plan) -> Plan:
    return replace(
        plan,
        platform=replace(
            plan.platform, partitions=tuple(replace(fault, name="cut") for fault in plan.platform.partitions)
        ),
        change=replace(plan.change, drifts=tuple(replace(fault, name="update") for fault in plan.change.drifts)),
    )


def _faults(tables: Tables) -> list[tuple[int, str, str, int | None, str]]:
    rows = (row for row in tables.events.to_pylist() if row["kind"].startswith("fault"))
    return [(row["time"], row["kind"], row["place"], row["value"], row["detail"]) for row in rows]


def test_a_named_fault_is_logged_when_it_begins_and_ends() -> None:
    begin, lasts = 3 * DAY + 10 * HOUR, 45 * MINUTE
    assert _faults(_tables("incident-desk", 14, named=True)) == [
        (begin, "fault", "fault:cut", lasts, "partition"),
        (begin + lasts, "fault-over", "fault:cut", None, "partition"),
    ]


def test_a_fault_that_nothing_ends_has_no_length() -> None:
    assert _faults(_tables("refund-desk", 21, named=True)) == [(10 * DAY, "fault", "fault:update", None, "drift")]


def test_a_fault_without_a_name_is_not_logged_apart_and_a_name_changes_nothing_else() -> None:
    bare, named = (_tables("incident-desk", 14, named=named) for named in (False, True))
    assert _faults(bare) == []
    others = named.events.filter(pc.invert(pc.starts_with(named.events["kind"], "fault"))).drop(["sequence"])
    assert others.equals(bare.events.drop(["sequence"]))
    assert named.cases.equals(bare.cases)
    assert named.decisions.equals(bare.decisions)
