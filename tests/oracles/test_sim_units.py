"""A lock with several units is a pool with as many slots: the same waits, case by case."""

from __future__ import annotations

from pathlib import Path

from models.load import load
from reports.tables import read_tables
from reports.waits import lock_holds
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules
from sim.run import open_run
from sim.simulate import simulate

HEAD = """\
windtunnel: 1
name: units
start: 2026-01-05T00:00:00Z
horizon: 2000s
locks: {room: {count: UNITS}}
agents: {pool: {replicas: 3, capabilities: {work: {service: 1s}}}}
workflows:
  flow:
    start: step
    steps:
      step: STEP
work: {w: {workflow: flow, arrivals: {kind: poisson, rate: 2.7/s}}}
"""
POOL = "{kind: task, agent: pool, capability: work}"
LOCK = "{kind: wait, duration: 1s, acquire: [room], release: [room]}"


def ends(folder: Path, step: str, units: int) -> list[int | None]:
    (folder / "scenario.yaml").write_text(HEAD.replace("STEP", step).replace("UNITS", str(units)))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 3, 0)
    replication.run()
    return replication.tables("", 3).cases["ended"].to_pylist()


def test_three_units_serve_as_three_slots_do(tmp_path: Path) -> None:
    assert ends(tmp_path, LOCK, 3) == ends(tmp_path, POOL, 3)
    assert ends(tmp_path, LOCK, 2) != ends(tmp_path, POOL, 3)


def test_each_hold_is_from_taking_a_unit_to_giving_back_the_same(tmp_path: Path) -> None:
    text = HEAD.replace("STEP", LOCK.replace("1s", "exponential(mean=1s)")).replace("UNITS", "3")
    (tmp_path / "scenario.yaml").write_text(text)
    simulate(load(tmp_path), tmp_path / "run", replications=1, workers=1)
    tables = read_tables(open_run(tmp_path / "run"))
    held = lock_holds(tables, ["lock:room"])
    over = held[held["high"] < float("inf")]["high"].tolist()
    begun, expected = {}, []
    for row in tables.events.to_dict("records"):
        if row["kind"] == "locked":
            begun[row["case"]] = row["time"]
        elif row["kind"] == "unlocked":
            expected.append(row["time"] - begun[row["case"]])
    assert len(over) > 1000
    assert sorted(over) == sorted(expected)
