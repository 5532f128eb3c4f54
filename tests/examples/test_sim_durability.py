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
