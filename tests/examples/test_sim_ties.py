"""What happens at one instant: hand-worked timelines with constant times, where everything ties."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from models.load import load
from sim.clock import Clock, Rank
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

SECOND = 1_000_000


def fly(folder: Path, text: str) -> list[tuple[float, str, int | None, str]]:
    """Run one replication; its events as (seconds, kind, case, place), but for `entered`."""
    (folder / "scenario.yaml").write_text(text)
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    return story(replication.tables("", 1).events)


def story(events: pa.Table) -> list[tuple[float, str, int | None, str]]:
    return [
        (row["time"] / SECOND, row["kind"], row["case"], row["place"].partition(":")[2])
        for row in events.to_pylist()
        if row["kind"] != "entered"
    ]


QUEUE = """\
windtunnel: 1
name: ties
start: 2026-01-05T00:00:00Z
horizon: {horizon}
agents:
  pool: {{replicas: {replicas}, capabilities: {{work: {{service: {service}}}}}}}
workflows:
  flow:
    start: step
    steps:
      step: {{kind: task, agent: pool, capability: work{step}}}
work:
  stream: {{workflow: flow, arrivals: {{kind: renewal, rate: 1/s, cv: 0}}}}
"""


def test_who_leaves_goes_before_who_arrives(tmp_path: Path) -> None:
    text = QUEUE.format(horizon="4s", replicas=1, service="1s", step="")
    assert fly(tmp_path, text) == [
        (1, "arrived", 0, "flow.step"),
        (1, "started", 0, "pool"),
        (2, "finished", 0, "pool"),
        (2, "ended", 0, "flow.step"),
        (2, "arrived", 1, "flow.step"),
        (2, "started", 1, "pool"),
        (3, "finished", 1, "pool"),
        (3, "ended", 1, "flow.step"),
        (3, "arrived", 2, "flow.step"),
        (3, "started", 2, "pool"),
    ]


def test_a_grant_goes_before_the_patience_that_ends_with_it(tmp_path: Path) -> None:
    text = QUEUE.format(horizon="6s", replicas=1, service="2s", step=", patience: 1s")
    assert fly(tmp_path, text) == [
        (1, "arrived", 0, "flow.step"),
        (1, "started", 0, "pool"),
        (2, "arrived", 1, "flow.step"),
        (2, "queued", 1, "pool"),
        (3, "finished", 0, "pool"),
        (3, "started", 1, "pool"),  # its patience would end now
        (3, "ended", 0, "flow.step"),
        (3, "arrived", 2, "flow.step"),
        (3, "queued", 2, "pool"),
        (4, "abandoned", 2, "pool"),
        (4, "ended", 2, "flow.step"),
        (4, "arrived", 3, "flow.step"),
        (4, "queued", 3, "pool"),
        (5, "finished", 1, "pool"),
        (5, "started", 3, "pool"),
        (5, "ended", 1, "flow.step"),
        (5, "arrived", 4, "flow.step"),
        (5, "queued", 4, "pool"),
    ]


def test_work_done_at_the_time_out_is_done_in_time(tmp_path: Path) -> None:
    done = fly(tmp_path, QUEUE.format(horizon="3s", replicas=1, service="1s", step=", timeout: 1s"))
    assert [kind for time, kind, case, _ in done if case == 0 and time == 2] == ["finished", "ended"]
    late = fly(tmp_path, QUEUE.format(horizon="3s", replicas=1, service="1.000001s", step=", timeout: 1s"))
    kinds = [kind for time, kind, case, _ in late if case == 0 and time == 2]
    assert kinds == ["finished", "attempt-failed", "ended"]


def test_nothing_happens_at_the_horizon(tmp_path: Path) -> None:
    told = fly(tmp_path, QUEUE.format(horizon="2s", replicas=1, service="1s", step=""))
    assert told == [(1, "arrived", 0, "flow.step"), (1, "started", 0, "pool")]


def test_cases_of_one_instant_come_in_the_order_of_their_streams(tmp_path: Path) -> None:
    text = QUEUE.format(horizon="2s", replicas=1, service="1s", step="")
    text += "  another: {workflow: flow, arrivals: {kind: renewal, rate: 1/s, cv: 0}}\n"
    assert [(case, kind) for _, kind, case, _ in fly(tmp_path, text) if kind in ("started", "queued")] == [
        (0, "started"),
        (1, "queued"),
    ]


DESK = """\
windtunnel: 1
name: shifts
start: 2026-01-05T00:00:00Z
horizon: 3h
desks:
  people:
    roster: [{days: daily, hours: "00:00-01:00", staff: 1}, {days: daily, hours: "02:00-03:00", staff: 2}]
    service: 30m
workflows:
  flow: {start: step, steps: {step: {kind: desk, desk: people}}}
work:
  stream: {workflow: flow, arrivals: {kind: renewal, rate: 4/h, cv: 0}}
"""


def test_a_shift_that_ends_now_takes_no_more_work_and_one_that_begins_does(tmp_path: Path) -> None:
    """One person works until 1:00, two from 2:00; arrivals every quarter hour, work of half an hour."""
    told = fly(tmp_path, DESK)
    starts = [(time / 3600, case) for time, kind, case, _ in told if kind == "started"]
    assert starts == [(0.25, 0), (0.75, 1), (2.0, 2), (2.0, 3), (2.5, 4), (2.5, 5)]
    # Case 1 is under way when the shift ends at 1:00, and is finished; cases 2 and 3 begin when the next shift does.
    assert (1.25 * 3600, "finished", 1, "people") in told


def test_a_sample_sees_all_of_its_instant(tmp_path: Path) -> None:
    text = QUEUE.format(horizon="200s", replicas=1, service="1s", step="")
    (tmp_path / "scenario.yaml").write_text(text)
    loaded = load(tmp_path)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    samples = replication.tables("", 1).samples.to_pylist()
    assert [row["time"] for row in samples] == [n * SECOND for n in range(200)]
    assert [row["busy"] for row in samples] == [0] + [1] * 199
    assert {row["queue"] for row in samples} == {0}
    assert {row["capacity"] for row in samples} == {1}


class Noted:
    """A subject that notes when it is called."""

    def __init__(self) -> None:
        self.epoch = 0
        self.calls: list[tuple[str, int]] = []


def test_ranks_order_an_instant_and_then_the_sequence_does() -> None:
    clock, noted = Clock(1000), Noted()
    for rank in (Rank.SAMPLE, Rank.TIMEOUT, Rank.FAULT, Rank.RESUME, Rank.FINISH, Rank.STAFF, Rank.FINISH):
        label = f"{rank.name} {len(clock._heap)}"
        clock.at(5, rank, lambda subject, now, label=label: subject.calls.append((label, now)), noted)
    clock.run_before(9, [5, 9], lambda number, now: noted.calls.append((f"ARRIVE {number}", now)))
    assert [label for label, _ in noted.calls] == [
        "FAULT 2",
        "STAFF 5",
        "FINISH 4",
        "FINISH 6",
        "TIMEOUT 1",
        "RESUME 3",
        "ARRIVE 0",
        "SAMPLE 0",
    ]
    assert {now for _, now in noted.calls} == {5}


def test_a_timer_of_an_older_epoch_does_nothing() -> None:
    clock, noted = Clock(1000), Noted()
    clock.at(5, Rank.FINISH, lambda subject, now: subject.calls.append(("old", now)), noted)
    noted.epoch += 1
    clock.at(6, Rank.FINISH, lambda subject, now: subject.calls.append(("new", now)), noted)
    clock.run_before(9, [], lambda number, now: None)
    assert noted.calls == [("new", 6)]


def test_simpy_processes_run_on_the_same_clock() -> None:
    """A process of the user's own stands in one order with the engine's happenings."""
    clock, noted = Clock(1000), Noted()

    def process():  # type: ignore[no-untyped-def]
        for _ in range(3):
            noted.calls.append(("process", clock.now))
            yield clock.timeout(5)

    clock.at(5, Rank.FINISH, lambda subject, now: subject.calls.append(("entry", now)), noted)
    clock.at(7, Rank.FINISH, lambda subject, now: subject.calls.append(("entry", now)), noted)
    clock.process(process())
    clock.run_before(100, [5], lambda number, now: noted.calls.append(("arrival", now)))
    assert noted.calls == [
        ("process", 0),
        ("process", 5),
        ("entry", 5),
        ("arrival", 5),
        ("entry", 7),
        ("process", 10),
    ]
