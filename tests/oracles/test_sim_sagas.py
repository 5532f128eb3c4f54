"""Sagas, event by event: what a case has done is undone in reverse order, each once, before it ends badly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from models.diagnostics import InputError
from models.load import LoadedScenario, load
from reports.outcomes import assess
from sim.compile import compile_plan
from sim.engine import Replication
from sim.replay import replay
from sim.rules import compile_rules
from sim.run import open_run
from sim.simulate import simulate

TRIP = """\
windtunnel: 1
name: trip
start: 2026-01-05T00:00:00Z
horizon: 3000s
agents:
  desk:
    replicas: 9
    capabilities:
      fast: {service: 1s}
      slow: {service: 5s}
      never: {service: 2s, success: 0}
workflows:
  trip:
    start: flight
    steps:
      flight: {kind: task, agent: desk, capability: slow, compensate: no-flight, next: hotel}
      hotel: {kind: task, agent: desk, capability: fast, compensate: no-hotel, next: rest}
      rest: {kind: wait, duration: 3s, next: car}
      car: {kind: task, agent: desk, capability: LAST, compensate: no-car}
      no-flight: {kind: task, agent: desk, capability: UNDO}
      no-hotel: {kind: task, agent: desk, capability: fast, next: letter}
      letter: {kind: wait, duration: 7s}
      no-car: {kind: task, agent: desk, capability: fast}
work: {w: {workflow: trip, arrivals: {kind: trace, file: one.csv, column: t}LIMIT}}
"""
RETRIED = "slow, timeout: 4s, retry: {attempts: 2, backoff: 10s}"


def loaded(folder: Path, last: str = "never", undo: str = "slow", limit: str = "", text: str = TRIP) -> LoadedScenario:
    text = text.replace("LAST", last).replace("UNDO", undo).replace("LIMIT", limit)
    (folder / "scenario.yaml").write_text(text)
    (folder / "one.csv").write_text("t\n0\n")
    return load(folder)


def flown(scenario: LoadedScenario) -> list[dict[str, Any]]:
    replication = Replication(compile_plan(scenario), compile_rules(scenario), 5, 0)
    replication.run()
    return replication.tables("", 5).events.to_pylist()


def told(events: list[dict[str, Any]]) -> list[tuple[float, str, str, int | None, str]]:
    return [
        (row["time"] / 1e6, row["kind"], row["place"].removeprefix("step:trip."), row["value"], row["detail"])
        for row in events
        if row["kind"] in ("entered", "compensating", "compensated", "ended")
    ]


SECOND = 1_000_000
THERE = [(0, "entered", "flight", 1, ""), (5, "entered", "hotel", 1, ""), (6, "entered", "rest", 1, "")]
BACK = [
    (11, "compensating", "hotel", 1, "trip.no-hotel"),
    (11, "entered", "no-hotel", 1, ""),
    (12, "entered", "letter", 1, ""),
    (19, "compensated", "hotel", 8 * SECOND, ""),
    (19, "compensating", "flight", 2, "trip.no-flight"),
    (19, "entered", "no-flight", 1, ""),
]


def test_finished_steps_are_undone_in_reverse_order_each_once(tmp_path: Path) -> None:
    """The car fails at 11 s and is not undone; the hotel takes 1 s and a letter, the flight 5 s."""
    assert told(flown(loaded(tmp_path))) == [
        *THERE,
        (9, "entered", "car", 1, ""),
        *BACK,
        (24, "compensated", "flight", 5 * SECOND, ""),
        (24, "ended", "no-flight", None, "failed"),
    ]


def test_a_compensation_that_is_retried_is_one_and_one_that_fails_stops_nothing(tmp_path: Path) -> None:
    """Two attempts of 4 s with 10 s between them; then the case ends all the same."""
    head, _, rest = TRIP.partition("      no-hotel: {")
    text = head.replace("compensate: no-hotel", "compensate: no-flight") + rest[rest.index("      no-car:") :]
    events = told(flown(loaded(tmp_path, undo=RETRIED, text=text)))
    assert events[4:] == [
        (11, "compensating", "hotel", 1, "trip.no-flight"),
        (11, "entered", "no-flight", 1, ""),
        (29, "compensated", "hotel", 18 * SECOND, "failed"),
        (29, "compensating", "flight", 2, "trip.no-flight"),
        (29, "entered", "no-flight", 2, ""),
        (47, "compensated", "flight", 18 * SECOND, "failed"),
        (47, "ended", "no-flight", None, "failed"),
    ]


def test_a_case_that_completes_undoes_nothing(tmp_path: Path) -> None:
    assert told(flown(loaded(tmp_path, "fast"))) == [
        *THERE,
        (9, "entered", "car", 1, ""),
        (10, "ended", "car", None, "completed"),
    ]


@pytest.mark.parametrize(
    ("limit", "outcome"), [("deadline: 8s, on-deadline: cancel", "expired"), ("withdrawal: 8s", "cancelled")]
)
def test_a_case_that_is_ended_from_outside_is_undone_first(limit: str, outcome: str, tmp_path: Path) -> None:
    events = told(flown(loaded(tmp_path, limit=f", {limit}")))
    shifted = [(time - 3, *rest) for time, *rest in BACK]
    assert events == [
        *THERE,
        *shifted,
        (21, "compensated", "flight", 5 * SECOND, ""),
        (21, "ended", "no-flight", None, outcome),
    ]


def test_a_case_that_is_being_undone_is_neither_withdrawn_nor_cancelled(tmp_path: Path) -> None:
    for limit in ("deadline: 15s, on-deadline: cancel", "withdrawal: 15s"):
        events = flown(loaded(tmp_path, limit=f", {limit}"))
        assert told(events) == told(flown(loaded(tmp_path)))
        assert [row["kind"] for row in events if row["kind"] in ("withdrawn", "case-late")] == (
            ["case-late"] if "deadline" in limit else []
        )


LOOP = """\
      flight:
        {kind: task, agent: desk, capability: fastKEY, compensate: no-flight, limit: 3, on-limit: lost, next: flight}
      lost: {kind: end, outcome: denied}
      no-flight: {kind: task, agent: desk, capability: slow}
work:"""


@pytest.mark.parametrize(("key", "times"), [("", 3), (", idempotency-key: false", 3), (", idempotency-key: true", 1)])
def test_a_step_is_undone_as_often_as_it_took_effect(key: str, times: int, tmp_path: Path) -> None:
    head, _, rest = TRIP.partition("      flight:")
    events = flown(loaded(tmp_path, text=head + LOOP.replace("KEY", key) + rest.partition("work:")[2]))
    kinds = Counter(row["kind"] for row in events)
    assert kinds["compensating"] == kinds["compensated"] == times
    if key:
        assert kinds["effect"] + kinds["effect-repeated"] == times
    assert [row["value"] for row in events if row["place"] == "step:trip.no-flight" and row["kind"] == "entered"] == (
        list(range(1, times + 1))
    )
    assert events[-1]["detail"] == "denied"


BRANCHES = """\
      flight: {kind: parallel, branches: [a, b, c], join: out}
      a: {kind: task, agent: desk, capability: slow, compensate: undo, next: out}
      b: {kind: task, agent: desk, capability: fast, compensate: undo, next: out}
      c: {kind: wait, duration: 9s, next: car}
      car: {kind: task, agent: desk, capability: never, next: out}
      out: {kind: end}
      undo: {kind: task, agent: desk, capability: fast}
work:"""


def test_branches_are_undone_in_the_reverse_order_of_their_ends(tmp_path: Path) -> None:
    head, _, rest = TRIP.partition("      flight:")
    events = told(flown(loaded(tmp_path, text=head + BRANCHES + rest.partition("work:")[2])))
    assert [row[:3] for row in events if row[1].startswith("compensa") or row[1] == "ended"] == [
        (11, "compensating", "a"),
        (12, "compensated", "a"),
        (12, "compensating", "b"),
        (13, "compensated", "b"),
        (13, "ended", "undo"),
    ]


def test_the_report_and_the_story_tell(tmp_path: Path) -> None:
    simulate(loaded(tmp_path, undo=RETRIED), tmp_path / "run", replications=2, workers=1)
    run = open_run(tmp_path / "run")
    found = {step.step: (step.by, step.undone.estimate, step.failed.estimate) for step in assess(run).compensation}
    assert found == {
        "trip.flight": ("trip.no-flight", 0, 1),
        "trip.hotel": ("trip.no-hotel", 1, 0),
        "trip.car": ("trip.no-car", 0, 0),
    }
    story = "\n".join(str(line) for line in replay(run, 0))
    assert "step trip.hotel is undone after 8.000s" in story
    assert "undoing step trip.flight failed" in story


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("compensate: no-hotel", "compensate: no-hotle", "did you mean `no-hotel`?"),
        ("compensate: no-hotel", "compensate: car", "comes to `car`, where cases come anyway"),
        ("fast, next: letter", "fast, next: letter, compensate: no-car", "has a `compensate` itself"),
        (", compensate: no-hotel", "", "step `no-hotel` can never be reached"),
    ],
)
def test_what_undoes_a_step_is_checked(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        loaded(tmp_path, text=TRIP.replace(old, new))
    assert message in str(raised.value)


def test_what_consumers_of_a_topic_do_is_not_undone(tmp_path: Path) -> None:
    topic = "topics: {news: {capacity: 9, consumers: {workflow: trip}}}\nworkflows:\n"
    topic += "  new:\n    start: tell\n    steps: {tell: {kind: publish, topic: news}}\n"
    with pytest.raises(InputError) as raised:
        loaded(tmp_path, text=TRIP.replace("workflows:\n", topic).replace("workflow: trip, arr", "workflow: new, arr"))
    assert "deliveries of topic `news` go through this workflow" in str(raised.value)
