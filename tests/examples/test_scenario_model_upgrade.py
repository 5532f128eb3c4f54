"""The shipped scenario `model-upgrade` teaches what its README says: paired by common random numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from models.load import load
from models.units import DAY
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.plan import Plan
from sim.rules import compile_rules

SCENARIO = Path(__file__).parents[2] / "scenarios" / "model-upgrade"
REPLICATIONS = range(5)


def _full(plan: Plan, *, rule: bool) -> Plan:
    (upgrade,) = plan.change.rollouts
    everyone = replace(upgrade, stages=((2 * DAY, 1.0),), roll_back=upgrade.roll_back if rule else None)
    return replace(plan, change=replace(plan.change, rollouts=(everyone,)))


@cache
def _tables(variant: str, replication: int) -> Tables:
    loaded = load(SCENARIO)
    plan = compile_plan(loaded)
    # Up to the silent update and without the monitor, which are another lesson: it would give the work to people.
    if variant != "whole":
        plan = replace(plan, horizon=6 * DAY, change=replace(plan.change, monitors=()))
    if variant in ("full", "unruled"):
        plan = _full(plan, rule=variant == "full")
    flight = Replication(plan, compile_rules(loaded), 613, replication)
    flight.run()
    return flight.tables("", 613)


def _harm(variant: str, replication: int) -> int:
    return sum(row["wrong"] for row in _tables(variant, replication).cases.to_pylist())


def _times(tables: Tables, kind: str, place: str) -> list[int]:
    return [row["time"] for row in tables.events.to_pylist() if row["kind"] == kind and row["place"] == place]


@pytest.mark.parametrize("replication", REPLICATIONS)
def test_a_canary_does_less_harm_than_a_full_switch_and_that_less_than_one_without_a_rule(replication: int) -> None:
    canary, full, unruled = (_harm(variant, replication) for variant in ("canary", "full", "unruled"))
    assert canary < full < unruled
    # 4 days at 30 an hour, a third of them right before and wrong now.
    assert unruled - canary == pytest.approx(4 * 24 * 30 * (0.84 - 0.502), rel=0.15)


@pytest.mark.parametrize("replication", REPLICATIONS)
def test_the_canary_is_taken_back_in_its_first_stage(replication: int) -> None:
    tables = _tables("canary", replication)
    (back,) = _times(tables, "rolled-back", "rollout:upgrade")
    assert 2 * DAY < back < 4 * DAY
    assert _times(tables, "stage", "rollout:upgrade") == [2 * DAY]


@pytest.mark.parametrize("replication", REPLICATIONS)
def test_the_silent_update_is_noticed_and_the_work_goes_to_people(replication: int) -> None:
    tables = _tables("whole", replication)
    alarms = _times(tables, "alarm", "monitor:spot-check")
    after = [time for time in alarms if time >= 6 * DAY]
    assert after
    assert after[0] < 8 * DAY
    routed = _times(tables, "routed", "monitor:spot-check")
    assert len(routed) > 24 * 30
    late = [row for row in tables.cases.to_pylist() if row["arrived"] >= routed[0]]
    assert not any(row["wrong"] for row in late)
