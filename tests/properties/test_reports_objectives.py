"""Unfinished work never helps an objective, looser limits never hurt one, and measures agree with brute force."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scenario import CaseShare, Objective, Scenario
from models.units import MINUTE
from reports.intervals import exact
from reports.objectives import Measure, judge_objective, verdict_on
from reports.tables import RunTables
from reports.waits import busy_time, waits
from reports.words import estimate, span

HORIZON = 100
"""Minutes of a replication in these tests."""

Row = tuple[int, int, str, bool, int]
"""Arrival and time in minutes, outcome, wrong, cost in units."""

CASE = st.tuples(
    st.integers(0, HORIZON - 1),
    st.integers(0, HORIZON),
    st.sampled_from(["completed", "completed", "completed", "denied", "failed"]),
    st.booleans(),
    st.integers(0, 5),
)
REPLICATIONS = st.lists(st.lists(CASE, min_size=1, max_size=8), min_size=2, max_size=6)

OBJECTIVES = [
    {"kind": "case-time", "quantile": 0.5, "at-most": "20m"},
    {"kind": "case-time", "quantile": 0.9, "at-most": "60m"},
    {"kind": "case-share", "within": "30m", "at-least": 0.6},
    {"kind": "case-share", "outcomes": ["completed", "denied"], "at-least": 0.7},
    {"kind": "case-share", "wrong": True, "at-most": 0.4},
    {"kind": "case-share", "wrong": True, "within": "40m", "at-most": 0.4},
    {"kind": "case-share", "outcomes": ["failed"], "at-most": 0.3, "at-least": 0.05},
    {"kind": "case-cost", "at-most": "3 USD"},
]


def scenario(objectives: dict[str, Any]) -> Scenario:
    desk = {"roster": [{"days": "daily", "hours": "00:00-24:00", "staff": 2}], "service": "5m"}
    text = {
        "windtunnel": 1, "name": "test", "start": "2026-01-05T00:00:00Z", "horizon": f"{HORIZON}m",
        "desks": {"d": desk},
        "workflows": {"w": {"start": "s", "steps": {"s": {"kind": "end"}}}},
        "work": {"all": {"workflow": "w", "arrivals": {"kind": "poisson", "rate": "1/h"}}},
        "objectives": objectives,
    }  # fmt: skip
    return Scenario.model_validate_json(json.dumps(text))


def tables(replications: list[list[Row]], objective: dict[str, Any], events: pd.DataFrame | None = None) -> RunTables:
    rows = [(r, *case) for r, cases in enumerate(replications) for case in cases]
    frame = pd.DataFrame(rows, columns=["replication", "arrived", "time", "outcome", "wrong", "cost"])
    frame["arrived"] *= MINUTE
    ended = (frame["arrived"] + frame["time"] * MINUTE).astype("float64")
    is_open = (ended > HORIZON * MINUTE) | frame["outcome"].isin(["in-flight", "stuck"])
    frame["outcome"] = frame["outcome"].where(~is_open | (frame["outcome"] == "stuck"), "in-flight")
    frame = frame.assign(ended=ended.where(~is_open), work="all", measured=True, cost=frame["cost"] * 10**6)
    return RunTables(
        scenario({"it": objective}),
        len(replications),
        frame,
        events if events is not None else EVENTS.iloc[:0],
        pd.DataFrame({"replication": [], "decision": [], "enforced": []}),
        pd.DataFrame(),
    )


EVENTS = pd.DataFrame(
    [(0, 0, 0, "none", 0, "", 0, "")],
    columns=["replication", "sequence", "time", "kind", "case", "place", "value", "detail"],
)


def judged(replications: list[list[Row]], objective: dict[str, Any]) -> str:
    prepared = tables(replications, objective)
    return judge_objective("it", _only(prepared), prepared).verdict


def _only(prepared: RunTables) -> Objective:
    return prepared.scenario.objectives["it"]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: json.dumps(o)[:60])
@settings(max_examples=40)
@given(data=st.data())
def test_leaving_cases_unfinished_never_turns_a_fail_into_a_pass(objective: dict[str, Any], data: Any) -> None:
    replications = data.draw(REPLICATIONS)
    flags = [data.draw(st.lists(st.booleans(), min_size=len(c), max_size=len(c))) for c in replications]
    ending = data.draw(st.sampled_from(["in-flight", "stuck"]))
    open_ones = [
        [(a, t, ending if stop else o, w, c) for (a, t, o, w, c), stop in zip(cases, stops, strict=True)]
        for cases, stops in zip(replications, flags, strict=True)
    ]
    assert (judged(replications, objective), judged(open_ones, objective)) != ("fail", "pass")


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: json.dumps(o)[:60])
@settings(max_examples=40)
@given(data=st.data())
def test_more_unfinished_cases_never_turn_a_fail_into_a_pass(objective: dict[str, Any], data: Any) -> None:
    replications = data.draw(REPLICATIONS)
    more = st.lists(st.tuples(st.integers(0, HORIZON - 1), st.just(0), st.sampled_from(["in-flight", "stuck"]),
                              st.booleans(), st.integers(0, 5)), max_size=5)  # fmt: skip
    with_more = [[*cases, *data.draw(more)] for cases in replications]
    assert (judged(replications, objective), judged(with_more, objective)) != ("fail", "pass")


def test_ignoring_unfinished_cases_would_turn_a_fail_into_a_pass() -> None:
    objective = {"kind": "case-time", "quantile": 0.9, "at-most": "30m"}
    slow = [[(0, 10, "completed", False, 0)] * 8 + [(0, 90, "completed", False, 0)] * 2] * 5
    stuck = [[(a, t, "completed" if t == 10 else "stuck", w, c) for a, t, _, w, c in cases] for cases in slow]
    naive = [max(t for _, t, o, _, _ in cases if o == "completed") for cases in stuck]
    assert max(naive) <= 30
    assert judged(slow, objective) == "fail"
    assert judged(stuck, objective) == "fail"


@settings(max_examples=40)
@given(REPLICATIONS, st.integers(1, 60), st.integers(1, 60), st.sampled_from([0.5, 0.9]))
def test_a_looser_share_never_turns_a_pass_into_anything_else(
    replications: list[list[Row]], a: int, b: int, confidence: float
) -> None:
    low, high = sorted((a / 61, b / 61))
    base = {"kind": "case-share", "confidence": max(confidence, 0.6)}
    if judged(replications, base | {"at-least": high}) == "pass":
        assert judged(replications, base | {"at-least": low}) == "pass"
    if judged(replications, base | {"at-most": low}) == "pass":
        assert judged(replications, base | {"at-most": high}) == "pass"


@settings(max_examples=80)
@given(REPLICATIONS, st.sampled_from([0.1, 0.5, 0.9, 0.95]), st.integers(1, 80))
def test_case_time_is_the_brute_force_quantile(replications: list[list[Row]], q: float, limit: int) -> None:
    prepared = tables(replications, {"kind": "case-time", "quantile": q, "at-most": f"{limit}m"})
    sample = judge_objective("it", _only(prepared), prepared).sample
    for number, cases in enumerate(replications):
        times = []
        for arrived, time, outcome, _, _ in cases:
            if HORIZON - arrived < limit:
                continue
            if arrived + time > HORIZON:
                times.append(math.inf)
            elif outcome == "completed":
                times.append(time * MINUTE)
        times.sort()
        expected = times[max(1, math.ceil(q * len(times) - 1e-9)) - 1] if times else math.nan
        assert sample.high[number] == expected or (math.isnan(expected) and math.isnan(sample.high[number]))


def test_a_run_too_short_to_judge_is_undecided_and_says_so() -> None:
    prepared = tables([[(50, 1, "completed", False, 0)]] * 6, {"kind": "case-time", "at-most": "90m"})
    outcome = judge_objective("it", _only(prepared), prepared)
    assert outcome.verdict == "undecided"
    assert "too short" in outcome.sentence


def test_too_many_unfinished_cases_keep_a_cost_from_passing() -> None:
    cases: list[Row] = [(0, 1, "completed", False, 1)] * 9
    objective = {"kind": "case-cost", "at-most": "3 USD"}
    assert judged([cases] * 6, objective) == "pass"
    assert judged([[*cases, (0, 0, "in-flight", False, 1)]] * 6, objective) == "undecided"


def test_a_cost_that_unfinished_cases_leave_open_has_no_upper_bound() -> None:
    cases: list[Row] = [(0, 1, "completed", False, n % 3) for n in range(9)]
    more = [[*cases, (0, 0, "in-flight", False, 1), (0, 0, "stuck", False, n % 2)] for n in range(6)]
    prepared = tables(more, {"kind": "case-cost", "at-most": "3 USD"})
    outcome = judge_objective("it", _only(prepared), prepared)
    assert span(outcome.interval, outcome.unit, "USD").endswith(" or more")
    assert estimate(outcome.interval, outcome.unit, "USD").startswith("at least ")
    assert "of the cases were unfinished" in outcome.open_because
    assert judged(more, {"kind": "case-cost", "at-most": "0.5 USD"}) == "fail"  # what is spent is spent


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: json.dumps(o)[:60])
@settings(max_examples=40)
@given(data=st.data())
def test_a_reason_stands_beside_each_undecided_verdict_and_no_other(objective: dict[str, Any], data: Any) -> None:
    prepared = tables(data.draw(REPLICATIONS), objective)
    outcome = judge_objective("it", _only(prepared), prepared)
    assert bool(outcome.open_because) == (outcome.verdict == "undecided")
    assert outcome.open_because in outcome.sentence


# --- waits and service ------------------------------------------------------------------------------------------------

ITEM = st.tuples(
    st.integers(0, HORIZON - 1), st.integers(0, 60), st.integers(0, 60), st.sampled_from(["served", "left"])
)
"""Joined, wait, service (minutes), and whether the item is served or leaves."""


def item_events(items: list[tuple[int, int, int, str]]) -> pd.DataFrame:
    """The log of a place with as many servers as needed, each item a case of its own."""
    rows: list[tuple[int, str, int, int]] = []
    for case, (joined, wait, service, end) in enumerate(items):
        left, done = joined + wait, joined + wait + service
        if wait or end == "left":
            rows.append((joined, "queued", case, 1))
        if left >= HORIZON and (wait or end == "left"):
            continue
        if end == "left":
            rows.append((left, "abandoned", case, wait * MINUTE))
            continue
        rows.append((left, "started", case, wait * MINUTE))
        if done < HORIZON:
            rows.append((done, "finished", case, service * MINUTE))
    order = {"queued": 0, "abandoned": 1, "started": 1, "finished": 2}
    rows.sort(key=lambda row: (row[0], order[row[1]]))
    return events_of([(t * MINUTE, kind, case, value) for t, kind, case, value in rows])


def events_of(rows: list[tuple[int, str, int, int]]) -> pd.DataFrame:
    """Events at the desk from (time, kind, case, value)."""
    full = [(0, n, t, kind, case, "desk:d", value, "") for n, (t, kind, case, value) in enumerate(rows)]
    return pd.DataFrame(full, columns=EVENTS.columns).astype(EVENTS.dtypes)


@settings(max_examples=100)
@given(st.lists(ITEM, max_size=12))
def test_waits_are_those_of_every_item(items: list[tuple[int, int, int, str]]) -> None:
    prepared = tables([[(0, 1, "completed", False, 0)]], OBJECTIVES[0], item_events(items))
    expected = []
    for joined, wait, _, end in items:
        waited = min(wait, HORIZON - joined)
        finished = end == "served" and (joined + wait < HORIZON or not wait)
        expected.append((waited * MINUTE, waited * MINUTE if finished else math.inf))
    found = waits(prepared, "desk:d")
    assert sorted(zip(found["low"], found["high"], strict=True)) == sorted(expected)


@settings(max_examples=100)
@given(st.lists(ITEM, max_size=12))
def test_busy_time_is_that_of_every_item(items: list[tuple[int, int, int, str]]) -> None:
    prepared = tables([[(0, 1, "completed", False, 0)]], OBJECTIVES[0], item_events(items))
    expected = sum(
        max(0, min(joined + wait + service, HORIZON) - (joined + wait))
        for joined, wait, service, end in items
        if end == "served"
    )
    assert busy_time(prepared, "desk:d").tolist() == [expected * MINUTE]


def test_an_item_that_waits_beside_one_served_at_once_is_not_lost() -> None:
    events = events_of([(0, "started", 7, 0), (0, "queued", 7, 1)])
    prepared = tables([[(0, 1, "completed", False, 0)]], OBJECTIVES[0], events)
    assert waits(prepared, "desk:d")["end"].tolist() == ["started", "waiting"]


@given(st.lists(st.integers(1, 50), min_size=2, max_size=12))
def test_desk_load_is_busy_over_staffed_time(services: list[int]) -> None:
    items = [(n, 0, service, "served") for n, service in enumerate(services)]
    prepared = tables(
        [[(0, 1, "completed", False, 0)]], {"kind": "desk-load", "desk": "d", "at-most": 1.0}, item_events(items)
    )
    outcome = judge_objective("it", _only(prepared), prepared)
    assert outcome.interval.estimate == pytest.approx(sum(services) / (2 * HORIZON))
    assert outcome.verdict == "undecided"  # one replication


def test_counts_include_replications_without_any() -> None:
    events = EVENTS.assign(kind="deadlock", replication=3)
    prepared = tables([[(0, 1, "completed", False, 0)]] * 5, {"kind": "count", "of": "deadlocks", "at-most": 0}, events)
    outcome = judge_objective("it", _only(prepared), prepared)
    assert np.array_equal(outcome.sample.low, [0, 0, 0, 1, 0])


@pytest.mark.parametrize(("at_most", "verdict"), [(0, "fail"), (0.1, "undecided")])
def test_one_that_was_seen_refutes_a_promise_of_none(at_most: float, verdict: str) -> None:
    events = EVENTS.assign(kind="deadlock", replication=3)
    kind = {"kind": "count", "of": "deadlocks", "at-most": at_most}
    prepared = tables([[(0, 1, "completed", False, 0)]] * 5, kind, events)
    outcome = judge_objective("it", _only(prepared), prepared)
    assert outcome.verdict == verdict
    assert any("refuted" in note for note in outcome.notes) == (verdict == "fail")


def test_a_desk_that_nobody_came_to_is_undecided() -> None:
    prepared = tables([[(0, 1, "completed", False, 0)]] * 6, {"kind": "desk-wait", "desk": "d", "at-most": "30m"})
    outcome = judge_objective("it", _only(prepared), prepared)
    assert outcome.verdict == "undecided"
    assert outcome.sentence == "it is undecided: there was nothing to measure."


def test_a_share_without_a_miss_is_open_because_of_the_few_that_were_seen() -> None:
    objective = CaseShare.model_validate({"kind": "case-share", "at-least": 0.999})
    measure = Measure("the share", "share", exact([1.0, 1.0, 1.0]), at_least=0.999, ceiling=1.0, trials=30)
    told = verdict_on("all", objective, measure, "USD")
    assert told.verdict == "undecided"
    assert told.open_because == "the interval reaches both sides of the limit; more replications narrow it"
