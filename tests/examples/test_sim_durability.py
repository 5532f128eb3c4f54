"""What a crash leaves of a case: timelines worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.load import load
from models.units import SECOND
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

SCENARIO = """\
windtunnel: 1
name: durable
start: 2026-01-05T00:00:00Z
horizon: 200s
agents: {{pool: {{capabilities: {{work: {{service: 10s}}}}}}}}
workflows:
  flow:
    {durability}
    start: one
    steps:
      one: {{kind: task, agent: pool, capability: work, next: two}}
      two: {{kind: task, agent: pool, capability: work, next: three}}
      three: {{kind: task, agent: pool, capability: work, next: over, retry: {{attempts: 2, backoff: 1s}}}}
      over: {{kind: end}}
work: {{stream: {{workflow: flow, arrivals: {{kind: renewal, rate: 0.01/s, cv: 0}}}}}}
faults: [{{kind: crash, agent: pool, at: 125s, lasts: 5s}}]
"""


def fly(folder: Path, durability: str) -> list[tuple[int, str, int | None, str]]:
    """Whole seconds, kind, value and detail of what happens to the case from the crash on; it arrives at 100 s and is
    half-way through its third step."""
    (folder / "scenario.yaml").write_text(SCENARIO.format(durability=durability))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    rows = replication.tables("", 1).events.to_pylist()
    kinds = ("attempt-failed", "replayed", "lost", "ended", "started")
    told = [row for row in rows if row["time"] >= 125 * SECOND and row["kind"] in kinds]
    return [(row["time"] // SECOND, row["kind"], row["value"], row["detail"]) for row in told]


def test_without_durability_given_the_attempt_alone_is_lost(tmp_path: Path) -> None:
    assert fly(tmp_path, "") == [
        (125, "attempt-failed", 1, "crash"),
        (130, "started", 4 * SECOND, ""),
        (140, "ended", None, "completed"),
    ]


def test_a_case_whose_state_lived_with_the_agent_is_lost(tmp_path: Path) -> None:
    assert fly(tmp_path, "durability: {kind: none}") == [(125, "lost", None, "crash"), (125, "ended", None, "failed")]


@pytest.mark.parametrize(
    ("snapshots", "events", "back"),
    [("", 3, 131), (", snapshot-every: 2", 1, 130), (", snapshot-every: 3", 0, 130)],
)
def test_a_history_is_replayed_from_the_last_snapshot_on(
    tmp_path: Path, snapshots: str, events: int, back: int
) -> None:
    # Three attempts have begun: three, one or no event to replay, 2 s each. The agent is back at 130 s.
    took, word = 2 * events, "event" if events == 1 else "events"
    assert fly(tmp_path, f"durability: {{kind: event-sourced, replay: 2s{snapshots}}}") == [
        (125 + took, "replayed", took * SECOND, f"{events} {word}"),
        (back, "started", (back - 125 - took) * SECOND, ""),
        (back + 10, "ended", None, "completed"),
    ]


@pytest.mark.parametrize(
    ("snapshots", "expected"),
    [
        ("every: 2", [(127, "replayed", 2 * SECOND, "1 step since the snapshot"), (130, 3), 140]),
        ("every: 3", [(127, "replayed", 2 * SECOND, "3 steps since the snapshot"), (130, 3), (140, 0), (150, 0), 160]),
        # A snapshot of 1 s before each step, and none where one is restored.
        ("takes: 1s", [(127, "replayed", 2 * SECOND, "1 step since the snapshot"), (130, 3), 141]),
    ],
)
def test_a_case_goes_back_to_its_last_snapshot(tmp_path: Path, snapshots: str, expected: list[object]) -> None:
    told = fly(tmp_path, f"durability: {{kind: snapshot, restore: 2s, {snapshots}}}")
    first, *starts, end = expected
    assert told[0] == first
    assert [(time, wait // SECOND) for time, kind, wait, _ in told if kind == "started" and wait is not None] == starts
    assert told[-1] == (end, "ended", None, "completed")


def test_what_is_done_again_takes_effect_again_finds_its_draws_and_counts_once(tmp_path: Path) -> None:
    """Steps with a limit of one visit are done again, and take as long as before."""
    text = SCENARIO.format(durability="durability: {kind: snapshot, every: 3}")
    text = text.replace("service: 10s", "service: 'uniform(low=20s, high=50s)'").replace(
        "horizon: 200s", "horizon: 900s"
    )
    text = text.replace("work, next", "work, limit: 1, idempotency-key: false, next").replace("0.01/s", "0.002/s")
    (tmp_path / "scenario.yaml").write_text(text.replace("at: 125s", "at: 570s"))
    loaded = load(tmp_path)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    rows = replication.tables("", 1).events.to_pylist()
    (replayed,) = [row for row in rows if row["kind"] == "replayed"]
    again = int(replayed["detail"].split()[0])
    assert again >= 2
    places = [row["place"] for row in rows if row["kind"] == "entered"]
    assert len(places) == 3 + again + 1
    visits = [row["value"] for row in rows if row["kind"] == "entered"]
    assert set(visits) == {1}
    repeated = [row["place"] for row in rows if row["kind"] == "effect-repeated"]
    assert repeated == places[: again - 1]
    busy = [row["value"] for row in rows if row["kind"] == "finished"]
    assert busy[: again - 1] == busy[again : 2 * again - 1]


def test_a_branch_goes_back_by_itself(tmp_path: Path) -> None:
    text = SCENARIO.format(durability="durability: {kind: snapshot, every: 9}")
    begin = text.index("    start: one")
    steps = """\
    start: fork
    steps:
      fork: {kind: parallel, branches: [one, rest], join: over}
      one: {kind: task, agent: pool, capability: work, next: two}
      two: {kind: task, agent: pool, capability: work, next: over}
      rest: {kind: wait, duration: 29s, next: over}
      over: {kind: end}
"""
    text = text[:begin] + steps + text[text.index("work: {stream") :].replace("at: 125s", "at: 115s")
    (tmp_path / "scenario.yaml").write_text(text)
    loaded = load(tmp_path)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    rows = replication.tables("", 1).events.to_pylist()
    assert [row["detail"] for row in rows if row["kind"] == "replayed"] == ["2 steps since the snapshot"]
    entered = [row["place"].removeprefix("step:flow.") for row in rows if row["kind"] == "entered"]
    assert entered == ["fork", "one", "rest", "two", "one", "two", "over"]
    # The branch is back at its first step at 115, waits for the pool till 120, and is done at 140.
    assert [row["time"] // SECOND for row in rows if row["kind"] == "ended"] == [140]
