"""Decision points of sites: the cache against a plain list, and timelines of hits, staleness and partitions by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.diagnostics import InputError
from models.load import load
from models.units import SECOND
from sim.compile import compile_plan
from sim.engine import Replication
from sim.points import Cache
from sim.rules import Verdict, compile_rules

MOVES = st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), max_size=40)


@given(st.integers(1, 4), MOVES)
def test_a_cache_keeps_what_was_used_last(room: int, moves: list[tuple[bool, int, int]]) -> None:
    cache: Cache[int] = Cache(room)
    kept: list[tuple[int, int, int]] = []  # question, answer, when; used longest ago first
    now = 0
    for asks, question, later in moves:
        now += later
        mine = next((entry for entry in kept if entry[0] == question), None)
        if asks:
            found = cache.find(question, now)
            assert (None if found is None else tuple(found)) == (mine and (mine[1], now - mine[2]))
            if mine:
                kept = [*(entry for entry in kept if entry != mine), mine]
        else:
            cache.keep(question, now * 10 + question, now)
            rest = [entry for entry in kept if entry != mine]
            kept = [*rest, (question, now * 10 + question, now)][-room:]
        assert len(cache) == len(kept) <= room


SCENARIO = """\
windtunnel: 1
name: points
start: 2026-01-05T00:00:00Z
horizon: 200s
policies: {{path: policies.cedar}}
sites: {{eu: {{}}, us: {{}}}}
links: {{sea: {{from: eu, to: us, latency: 1s}}}}
decision-point: {{site: us, latency: 1s, timeout: 5s}}
decision-points: {points}
agents:
  pool:
    site: eu
    replicas: 5
    principal: 'Agent::"a"'
    capabilities: {{work: {{service: 1s}}}}
workflows:
  flow:
    start: first
    steps:
      first: {{kind: task, agent: pool, capability: work, action: 'Action::"act"', resource: 'Thing::"thing"'}}
work:
  stream: {{workflow: flow, arrivals: {{kind: renewal, rate: 6/min, cv: 0}}, attributes: {{n: {values}}}}}
faults: [{fault}]
"""
CACHE = "{near: {site: eu, latency: 500ms, cache: {for: 25s, stale-for: 20s}}}"
CUT = "{kind: partition, sites: [us], at: 15s, lasts: 100s}"

Row = tuple[float, str, str]


def replication(folder: Path, points: str = CACHE, values: str = "1", fault: str = "") -> Replication:
    (folder / "policies.cedar").write_text("permit (principal, action, resource) when { context.n < 5 };\n")
    (folder / "scenario.yaml").write_text(SCENARIO.format(points=points, values=values, fault=fault))
    loaded = load(folder)
    return Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)


def told(flight: Replication) -> list[Row]:
    """Seconds, what is done and why, of each decision."""
    flight.run()
    rows: list[dict[str, Any]] = flight.tables("", 1).decisions.to_pylist()
    return [(row["time"] / SECOND, row["enforced"], row["reason"]) for row in rows]


def seen(flight: Replication) -> list[tuple[float, str, float]]:
    rows = flight.tables("", 1).events.to_pylist()
    kinds = ("cached", "stale-decision")
    return [(row["time"] / SECOND, row["kind"], row["value"] / SECOND) for row in rows if row["kind"] in kinds]


def test_an_answer_is_given_again_until_it_is_too_old(tmp_path: Path) -> None:
    flight = replication(tmp_path)
    # Cases at 10 s, 20 s ...; a question to the centre takes 0.5 + 1 + 1 + 1 s, one that the cache answers 0.5 s.
    # The answer that comes at 13.5 s is good at 20 s and 30 s, of 26.5 s at 40 s not any more.
    times = [time for time, _, _ in told(flight)]
    assert times[:7] == [13.5, 20.5, 30.5, 43.5, 50.5, 60.5, 73.5]
    assert seen(flight)[:4] == [(20, "cached", 6.5), (30, "cached", 16.5), (50, "cached", 6.5), (60, "cached", 16.5)]


def test_a_stale_answer_is_given_only_where_the_centre_cannot_be_asked_and_only_so_long(tmp_path: Path) -> None:
    flight = replication(tmp_path, fault=CUT)
    # From 15 s on the centre is cut off: whoever asks it waits 5 s. Kept since 13.5 s: good to 38.5 s, stale to 58.5 s.
    assert told(flight)[:7] == [
        (13.5, "allow", "policy0"),
        (20.5, "allow", "policy0"),
        (30.5, "allow", "policy0"),
        (45.5, "allow", "policy0"),
        (55.5, "allow", "policy0"),
        (65.5, "deny", "unreachable: partition"),
        (75.5, "deny", "unreachable: partition"),
    ]
    assert seen(flight)[:5] == [
        (20, "cached", 6.5),
        (30, "cached", 16.5),
        (40, "stale-decision", 26.5),
        (50, "stale-decision", 36.5),
        (130, "cached", 6.5),
    ]


def test_a_copy_answers_through_a_partition(tmp_path: Path) -> None:
    rows = told(replication(tmp_path, "{near: {site: eu, latency: 500ms}}", fault=CUT))
    assert [time for time, _, _ in rows[:4]] == [10.5, 20.5, 30.5, 40.5]
    assert {done for _, done, _ in rows} == {"allow"}


def test_other_questions_are_not_answered_with_it(tmp_path: Path) -> None:
    flight = replication(tmp_path, values='"uniform(low=0, high=9)"')
    flight.run()
    numbers = flight.workload.attributes[0][0].tolist()
    rows = flight.tables("", 1).decisions.to_pylist()
    assert [row["enforced"] for row in rows] == ["allow" if numbers[row["case"]] < 5 else "deny" for row in rows]
    assert {row["enforced"] for row in rows} == {"allow", "deny"}


def test_a_kept_answer_that_policy_has_left_behind_stands_in_the_log(tmp_path: Path) -> None:
    flight = replication(tmp_path)
    today = flight.workload.decider.verdict

    def changed(work: int, question: int, entity: int, granted: frozenset[str]) -> Verdict:
        now = flight.clock.now
        return today(work, question, entity, granted) if now < 15 * SECOND else Verdict("deny", (), -1, "new")

    flight.workload.decider.verdict = changed  # type: ignore[method-assign]
    flight.run()
    tables = flight.tables("", 1)
    rows = [(r["time"] / SECOND, r["decision"], r["enforced"], r["reason"]) for r in tables.decisions.to_pylist()]
    assert rows[:4] == [
        (13.5, "allow", "allow", "policy0"),
        (20.5, "deny", "allow", "cached"),
        (30.5, "deny", "allow", "cached"),
        (43.5, "deny", "deny", "new"),
    ]
    violations = [row["case"] for row in tables.events.to_pylist() if row["kind"] == "violation"]
    assert violations == [1, 2]


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("{near: {site: uk}}", "unknown site `uk`"),
        ("{near: {site: us}}", "no agents are at site `us`"),
        ("{near: {site: eu}, far: {site: eu}}", "`near` is at site `eu` already"),
        ("{near: {site: eu, cache: {for: 0s}}}", "`for` is zero"),
    ],
)
def test_a_point_that_makes_no_sense_is_refused(tmp_path: Path, points: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        replication(tmp_path, points)
    assert any(message in str(diagnostic) for diagnostic in caught.value.diagnostics)
