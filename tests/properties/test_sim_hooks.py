"""Hooks of the engine: told of everything once, and without a trace where they do nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from models.load import load
from models.units import DAY
from sim.compile import compile_plan
from sim.engine import Replication
from sim.hooks import CUT_OFF, PATIENCE
from sim.plan import OPEN, StepKind
from sim.rules import compile_rules
from sim.tokens import Call, Token

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def _replication(name: str) -> Replication:
    loaded = load(SCENARIOS / name)
    return Replication(replace(compile_plan(loaded), horizon=4 * DAY), compile_rules(loaded), 7, 0)


def _watch(replication: Replication) -> None:
    for number, step in enumerate(replication.plan.steps):
        if step.kind == StepKind.TASK:
            replication.tasks.watch(number)


@pytest.mark.parametrize("name", ["refund-desk", "incident-desk"])
def test_hooks_that_do_nothing_leave_a_run_as_it_is(name: str) -> None:
    bare, hooked = _replication(name), _replication(name)
    _watch(hooked)
    tasks, endpoints, flow = hooked.tasks, hooked.endpoints, hooked.flow
    tasks.admit.append(lambda _, __: "")
    tasks.pace.append(lambda _, work, __: work)
    tasks.verdicts.append(lambda _, wrong, __: (wrong, ""))
    endpoints.admit.append(lambda _, __: "")
    endpoints.pace.append(lambda _, latency, __: latency)
    flow.ending.append(lambda _, __, ___: False)
    for replication in (bare, hooked):
        replication.run()
    for before, after in zip(bare.tables("d", 7)[:4], hooked.tables("d", 7)[:4], strict=True):
        assert after.equals(before)


@pytest.mark.parametrize("name", ["refund-desk", "incident-desk"])
def test_each_attempt_and_call_is_closed_once_and_each_case_arrives_and_ends_once(name: str) -> None:
    replication = _replication(name)
    _watch(replication)
    attempts: set[Token] = set()
    calls: set[Call] = set()
    failures: Counter[str] = Counter()
    arrived: list[int] = []
    ended: dict[int, int] = {}

    def attempt_begins(token: Token, _: int) -> str:
        assert token not in attempts
        attempts.add(token)
        return ""

    def attempt_closes(token: Token, failure: str, _: int) -> None:
        attempts.remove(token)
        failures[failure] += 1

    def call_begins(call: Call, _: int) -> str:
        assert call not in calls
        calls.add(call)
        return ""

    def case_ends(token: Token, outcome: int, _: int) -> None:
        assert token.case not in ended
        ended[token.case] = outcome

    replication.tasks.admit.append(attempt_begins)
    replication.tasks.closed.append(attempt_closes)
    replication.endpoints.admit.append(call_begins)
    replication.endpoints.closed.append(lambda call, _, __: calls.remove(call))
    replication.flow.arrived.append(lambda token, _: arrived.append(token.case))
    replication.flow.ended.append(case_ends)
    replication.run()
    tables = replication.tables("d", 7)
    assert len(attempts) == sum(pool.busy + pool.waiting for pool in replication.pools)
    assert {call.token for call in calls} <= attempts
    assert arrived == list(range(tables.cases.num_rows))
    assert ended == {n: o for n, o in enumerate(replication.cases.outcome) if o not in OPEN}
    told = Counter(row["detail"] for row in tables.events.to_pylist() if row["kind"] == "attempt-failed")
    assert {why: n for why, n in failures.items() if why not in ("", CUT_OFF, PATIENCE)} == dict(told)
    assert failures[""] > 0 < len(ended)


def test_a_refused_attempt_never_joins_its_pool_and_is_tried_again() -> None:
    replication = _replication("refund-desk")
    _watch(replication)
    closed: Counter[str] = Counter()
    replication.tasks.admit.append(lambda token, _: "not on odd days" if token.attempt == 0 else "")
    replication.tasks.closed.append(lambda _, failure, __: closed.update([failure]))
    replication.run()
    kinds = Counter(row["kind"] for row in replication.tables("d", 7).events.to_pylist())
    assert closed["not on odd days"] > 0 < closed[""]
    assert kinds["attempt-failed"] == sum(n for why, n in closed.items() if why)
    assert sum(replication.cases.attempts) < closed.total()


def test_a_part_that_keeps_a_case_from_ending_ends_it_itself() -> None:
    replication = _replication("refund-desk")
    kept: set[int] = set()

    def ending(token: Token, outcome: int, now: int) -> bool:
        if token.case in kept:
            return False
        kept.add(token.case)
        replication.flow.end(token, outcome, now)
        return True

    replication.flow.ending.append(ending)
    replication.run()
    bare = _replication("refund-desk")
    bare.run()
    assert kept
    assert replication.cases.outcome == bare.cases.outcome


def test_a_followed_place_holds_the_jobs_in_service_in_order_of_their_start() -> None:
    followed, bare = _replication("incident-desk"), _replication("incident-desk")
    looks = 0
    for station in (*followed.pools, *followed.desks):
        station.follow()

    def look(token: Token, _: int, now: int) -> None:
        nonlocal looks
        for station in (*followed.pools, *followed.desks):
            jobs = list(station.follow())
            assert len(jobs) == station.busy
            assert all(job.station is station and not job.waiting for job in jobs)
            assert [job.since for job in jobs] == sorted(job.since for job in jobs)
            looks += len(jobs)

    followed.flow.ended.append(look)
    followed.run()
    bare.run()
    assert looks > 0
    assert followed.tables("d", 7).events.equals(bare.tables("d", 7).events)
