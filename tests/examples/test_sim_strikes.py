"""Crash, hang, slowdown, absence, load spike and partitions that flap or go one way: timelines worked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.diagnostics import InputError
from models.load import load
from models.units import SECOND
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

SCENARIO = """\
windtunnel: 1
name: strikes
start: 2026-01-05T00:00:00Z
horizon: 100s
sites: {{here: {{}}, there: {{}}}}
endpoints: {{api: {{site: there, latency: 4s}}}}
agents:
  pool:
    site: here
    replicas: {replicas}
    capabilities:
      work: {{service: 10s}}
      ask: {{service: 2s, endpoint: api}}
desks:
  people: {{roster: [{{days: daily, hours: "00:00-24:00", staff: 2}}], service: 10s}}
workflows:
  flow:
    start: first
    steps:
      first: {step}
work:
  stream: {{workflow: flow, arrivals: {{kind: renewal, rate: {rate}, cv: 0}}}}
faults:
  - {fault}
"""
WORK = "{kind: task, agent: pool, capability: work}"
ASK = "{kind: task, agent: pool, capability: ask}"
DESK = "{kind: desk, desk: people}"

Rows = list[dict[str, Any]]


def fly(folder: Path, fault: str, step: str = WORK, rate: str = "6/min", replicas: int = 1) -> Rows:
    (folder / "scenario.yaml").write_text(SCENARIO.format(fault=fault, step=step, rate=rate, replicas=replicas))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    return replication.tables("", 1).events.to_pylist()


def told(rows: Rows, *kinds: str) -> list[tuple[int, str, int | None, str]]:
    """Whole seconds, kind, case and detail of the events of some kinds, in order."""
    return [(row["time"] // SECOND, row["kind"], row["case"], row["detail"]) for row in rows if row["kind"] in kinds]


def test_a_crash_fails_what_is_at_work_and_its_slot_is_gone_until_the_end(tmp_path: Path) -> None:
    step = "{kind: task, agent: pool, capability: work, retry: {attempts: 2, backoff: 1s}}"
    rows = fly(tmp_path, "{kind: crash, agent: pool, at: 15s, lasts: 20s}", step, rate="2/min")
    # The cases come at 30 s and 60 s: nobody is at work when it crashes, and the first waits for the end at 35 s.
    assert told(rows, "started", "finished", "crash", "crash-over") == [
        (15, "crash", None, "1 slot"),
        (35, "crash-over", None, ""),
        (35, "started", 0, ""),
        (45, "finished", 0, ""),
        (60, "started", 1, ""),
        (70, "finished", 1, ""),
        (90, "started", 2, ""),
    ]
    rows = fly(tmp_path, "{kind: crash, agent: pool, at: 35s, lasts: 20s}", step, rate="2/min")
    assert told(rows, "started", "finished", "attempt-failed", "queued", "crash-over")[:6] == [
        (30, "started", 0, ""),
        (35, "finished", 0, ""),
        (35, "attempt-failed", 0, "crash"),
        (36, "queued", 0, ""),
        (55, "crash-over", None, ""),
        (55, "started", 0, ""),
    ]


def test_a_hang_keeps_what_was_done_and_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = fly(tmp_path, "{kind: hang, agent: pool, at: 34s, lasts: 20s}", rate="2/min")
    assert told(rows, "started", "finished", "hang", "hang-over")[:5] == [
        (30, "started", 0, ""),
        (34, "hang", None, "1 slot"),
        (54, "hang-over", None, ""),
        (60, "finished", 0, ""),
        (60, "started", 1, ""),
    ]
    # 4 s were done before it, 6 s come after it; a time-out does not wait for the end, and its slot stays empty.
    step = "{kind: task, agent: pool, capability: work, timeout: 12s}"
    rows = fly(tmp_path, "{kind: hang, agent: pool, at: 34s, lasts: 40s}", step, rate="2/min")
    assert told(rows, "started", "finished", "attempt-failed", "queued", "abandoned")[:6] == [
        (30, "started", 0, ""),
        (42, "finished", 0, ""),
        (42, "attempt-failed", 0, "timeout"),
        (60, "queued", 1, ""),
        (72, "abandoned", 1, ""),
        (72, "attempt-failed", 1, "timeout"),
    ]


def test_a_slot_that_works_again_takes_no_second_job(tmp_path: Path) -> None:
    rows = fly(tmp_path, "{kind: hang, agent: pool, at: 13s, lasts: 10s}", rate="15/min")
    # Cases come every 4 s; the first is at work from 4 s and done at 24 s, nobody else is served before.
    assert told(rows, "started", "finished")[:4] == [
        (4, "started", 0, ""),
        (24, "finished", 0, ""),
        (24, "started", 1, ""),
        (34, "finished", 1, ""),
    ]


@pytest.mark.parametrize(("lasts", "over"), [("3s", 37), ("1s", 36)])
def test_an_answer_that_comes_while_the_agent_hangs_is_taken_up_at_the_end(
    tmp_path: Path, lasts: str, over: int
) -> None:
    # Own work from 30 s, the call from 32 s, its answer at 36 s; the agent hangs from 34 s.
    rows = fly(tmp_path, f"{{kind: hang, agent: pool, at: 34s, lasts: {lasts}}}", ASK, rate="2/min")
    assert told(rows, "finished")[0] == (over, "finished", 0, "")


def test_work_that_begins_in_a_slowdown_takes_longer(tmp_path: Path) -> None:
    rows = fly(tmp_path, "{kind: slowdown, agent: pool, factor: 2.5, at: 25s, lasts: 20s}", rate="2/min")
    assert told(rows, "finished") == [(55, "finished", 0, ""), (70, "finished", 1, "")]
    rows = fly(tmp_path, "{kind: slowdown, endpoint: api, factor: 3, at: 31s, lasts: 5s}", ASK, rate="2/min")
    assert told(rows, "finished") == [(44, "finished", 0, ""), (66, "finished", 1, ""), (96, "finished", 2, "")]


def test_people_who_are_away_finish_first(tmp_path: Path) -> None:
    rows = fly(tmp_path, "{kind: absence, desk: people, staff: 1, at: 25s, lasts: 20s}", DESK, rate="12/min")
    # Two people, a case every 5 s of 10 s each; with one person from 25 s (30 s, when one is free) to 45 s.
    at = [row["time"] // SECOND for row in rows if row["kind"] == "started"]
    assert at[:10] == [5, 10, 15, 20, 30, 40, 45, 50, 55, 60]


def test_a_spike_adds_cases_and_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    base = fly(tmp_path, "{kind: load-spike, work: stream, factor: 1.000001, at: 20s, lasts: 30s}", rate="60/min")
    more = fly(tmp_path, "{kind: load-spike, work: stream, factor: 4, at: 20s, lasts: 30s}", rate="60/min")
    arrived, later = ({row["time"] for row in rows if row["kind"] == "arrived"} for rows in (base, more))
    assert arrived < later
    assert all(20 * SECOND <= time < 50 * SECOND for time in later - arrived)
    assert 50 < len(later - arrived) < 140  # 90 on the average, of which 9.5 is the standard deviation


def test_a_flapping_partition_cuts_calls_only_while_it_is_down(tmp_path: Path) -> None:
    fault = "{kind: partition, sites: [there], flapping: {down: 10s, up: 20s}, at: 10s, lasts: 45s, name: flaps}"
    rows = fly(tmp_path, fault, ASK, rate="12/min", replicas=5)
    assert told(rows, "partition", "partition-over", "fault", "fault-over") == [
        (10, "fault", None, "partition"),
        (10, "partition", None, "there"),
        (20, "partition-over", None, "there"),
        (40, "partition", None, "there"),
        (50, "partition-over", None, "there"),
        (55, "fault-over", None, "partition"),
    ]
    # A call lasts from 2 s to 6 s after the arrival; it fails where it begins or ends while the ways are cut.
    failed = [row["case"] for row in rows if row["kind"] == "attempt-failed"]
    arrivals = [5 * (case + 1) for case in range(18)]
    cut = [any(a <= moment < b for a, b in ((10, 20), (40, 50))) for moment in range(200)]
    assert failed == [n for n, time in enumerate(arrivals) if cut[time + 2] or cut[time + 6]]


@pytest.mark.parametrize(("sites", "towards"), [("here", "there"), ("there", "here")])
def test_a_question_needs_the_way_there_and_the_way_back(tmp_path: Path, sites: str, towards: str) -> None:
    fault = f"{{kind: partition, sites: [{sites}], towards: [{towards}], at: 0s, lasts: 50s}}"
    rows = fly(tmp_path, fault, ASK, rate="2/min")
    assert told(rows, "attempt-failed") == [(36, "attempt-failed", 0, "api: partition")]


def test_sites_whose_certificate_has_run_out_do_not_connect_until_it_is_renewed(tmp_path: Path) -> None:
    rows = fly(tmp_path, "{kind: certificate-expiry, sites: [here, there], at: 20s, lasts: 30s}", ASK, rate="2/min")
    # Calls last from 2 s to 6 s after the arrivals at 30 s, 60 s and 90 s.
    assert told(rows, "attempt-failed") == [(36, "attempt-failed", 0, "api: partition")]
    assert told(rows, "certificate-expiry", "certificate-expiry-over") == [
        (20, "certificate-expiry", None, "here,there"),
        (20, "certificate-expiry", None, "here,there"),
        (50, "certificate-expiry-over", None, "here,there"),
        (50, "certificate-expiry-over", None, "here,there"),
    ]


BY_CHANCE = "between: exponential(mean=10s), repair: exponential(mean=5s)"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("kind: partition, sites: [there]", "partition"),
        ("kind: outage, endpoint: api", "outage"),
        ("kind: crash, agent: pool", "crash"),
        ("kind: hang, agent: pool", "hang"),
        ("kind: slowdown, agent: pool, factor: 2", "slowdown"),
        ("kind: absence, desk: people, staff: 1", "absence"),
        ("kind: load-spike, work: stream, factor: 2", "load-spike"),
    ],
)
def test_every_kind_may_come_by_chance_and_comes_and_goes_in_turn(tmp_path: Path, fault: str, kind: str) -> None:
    rows = fly(tmp_path, f"{{{fault}, {BY_CHANCE}}}", DESK if kind == "absence" else ASK)
    of_it = [row for row in rows if row["kind"] in (kind, f"{kind}-over")]
    assert [row["kind"] for row in of_it] == [kind, f"{kind}-over"] * (len(of_it) // 2) + [kind] * (len(of_it) % 2)
    assert len(of_it) > 4
    for begin, end in zip(of_it[::2], of_it[1::2], strict=False):
        assert end["time"] - begin["time"] == begin["value"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("kind: crash, agent: pol, at: 1s, lasts: 1s", "unknown agent `pol`"),
        ("kind: crash, agent: pool, replicas: 2, at: 1s, lasts: 1s", "has fewer replicas: 1"),
        ("kind: crash, agent: pool, at: 1s", "it has `at`"),
        ("kind: crash, agent: pool", "does not say when it comes"),
        ("kind: crash, agent: pool, at: 1s, lasts: 1s, repair: 2s", "it has `at` and `lasts` and `repair`"),
        ("kind: hang, agent: pool, between: 0s, repair: 2s", "`between` is always zero"),
        ("kind: slowdown, factor: 2, at: 1s, lasts: 1s", "needs one thing to strike"),
        ("kind: load-spike, work: steam, factor: 2, at: 1s, lasts: 1s", "unknown work `steam`"),
        ("kind: absence, desk: person, staff: 2, at: 1s, lasts: 1s", "unknown desk `person`"),
        ("kind: certificate-expiry, sites: [here, hear], at: 1s, lasts: 1s", "unknown site `hear`"),
        ("kind: certificate-expiry, sites: [here, here], at: 1s, lasts: 1s", "`here` is named twice"),
        ("kind: partition, sites: [here], towards: [here], at: 1s, lasts: 1s", "cut off from itself"),
        ("kind: partition, sites: [here], flapping: {up: 0s, down: 1s}, at: 1s, lasts: 1s", "`up` is zero"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(tmp_path: Path, fault: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        fly(tmp_path, f"{{{fault}}}")
    assert any(message in str(diagnostic) for diagnostic in caught.value.diagnostics)
