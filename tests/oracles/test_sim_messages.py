"""Messages between cases: event by event, and against a list that is matched by hand in all its orders."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.diagnostics import InputError
from models.load import LoadedScenario, load
from reports.outcomes import assess
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules
from sim.run import open_run
from sim.simulate import simulate

TEXT = """\
windtunnel: 1
name: letters
start: 2026-01-05T00:00:00Z
horizon: 400s
workflows:
  writer: {start: write, steps: {write: {kind: send, message: letter, key: to, lasts: 20s}}}
  reader:
    start: read
    steps:
      read: {kind: receive, message: letter, key: to, timeout: 15s, next: rest, on-timeout: lost}
      rest: {kind: wait, duration: 1s}
      lost: {kind: end, outcome: failed}
work:
  letters: {workflow: writer, arrivals: SENT, attributes: {to: "choice(a=0.5, b=0.4, z=0.1)"}}
  readers: {workflow: reader, arrivals: READ, attributes: {to: "choice(a=0.5, b=0.4, z=0.1)"}}
"""


def loaded(folder: Path, sent: list[tuple[int, str]], read: list[tuple[int, str]], text: str = TEXT) -> LoadedScenario:
    for name, rows in (("sent", sent), ("read", read)):
        # A trace begins with its first row, so both have one of their own at 0.
        lines = [f"2026-01-05T00:{time // 60:02}:{time % 60:02},{to}" for time, to in [(0, "z"), *rows]]
        (folder / f"{name}.csv").write_text("\n".join(["t,to", *lines, ""]))
        text = text.replace(name.upper(), f"{{kind: trace, file: {name}.csv, column: t, attributes: {{to: to}}}}")
    (folder / "scenario.yaml").write_text(text)
    return load(folder)


def flown(scenario: LoadedScenario) -> list[dict[str, Any]]:
    replication = Replication(compile_plan(scenario), compile_rules(scenario), 5, 0)
    replication.run()
    return replication.tables("", 5).events.to_pylist()


KINDS = ("sent", "received", "message-expired", "not-received")


def told(events: list[dict[str, Any]], kinds: tuple[str, ...] = KINDS) -> list[tuple[int, str, str, int, str]]:
    return [
        (row["time"] // 1_000_000, row["kind"], row["place"].removeprefix("message:letter"), *_rest(row))
        for row in events
        if row["kind"] in kinds and not row["place"].endswith("[z]")
    ]


def _rest(row: dict[str, Any]) -> tuple[int, str]:
    count = row["kind"] in ("sent", "ended") or row["value"] is None
    return (row["value"] or 0 if count else row["value"] // 1_000_000), row["detail"]


def test_a_message_waits_for_its_reader_or_the_reader_for_it(tmp_path: Path) -> None:
    """To a: sent at 0, read at 5; awaited from 10 to 12. To b: awaited from 3 to 18 in vain, sent at 30, gone at 50."""
    events = flown(loaded(tmp_path, [(0, "a"), (12, "a"), (30, "b")], [(3, "b"), (5, "a"), (10, "a"), (60, "b")]))
    assert told(events) == [
        (0, "sent", "[a]", 0, ""),
        (5, "received", "[a]", 0, ""),
        (12, "sent", "[a]", 1, ""),
        (12, "received", "[a]", 2, ""),
        (18, "not-received", "[b]", 15, ""),
        (30, "sent", "[b]", 0, ""),
        (50, "message-expired", "[b]", 20, ""),
        (75, "not-received", "[b]", 15, ""),
    ]
    assert [row["time"] for row in events if row["kind"] == "ended" and row["detail"] == "failed"] == [
        18_000_000,
        75_000_000,
    ]


def matched(sent: list[tuple[int, str]], read: list[tuple[int, str]]) -> list[tuple[int, str, str, int]]:
    """The same by going through every second: time-outs first, then senders, then readers, by lists searched anew."""
    kept: list[tuple[int, str]] = []
    waiting: list[tuple[int, str]] = []
    found = []
    for now in range(400):
        late = [(time + 15, "not-received", who, 15) for time, who in waiting if time + 15 == now]
        late += [(time + 20, "message-expired", to, 20) for time, to in kept if time + 20 == now]
        found += late
        waiting = [one for one in waiting if one[0] + 15 > now]
        kept = [one for one in kept if one[0] + 20 > now]
        for to in [to for time, to in sent if time == now]:
            found.append((now, "sent", to, sum(who == to for _, who in waiting)))
            first = next((one for one in waiting if one[1] == to), None)
            if first is None:
                kept.append((now, to))
            else:
                waiting.remove(first)
                found.append((now, "received", to, now - first[0]))
        for who in [who for time, who in read if time == now]:
            first = next((one for one in kept if one[1] == who), None)
            if first is None:
                waiting.append((now, who))
            else:
                kept.remove(first)
                found.append((now, "received", who, 0))
    return found


TIMES = st.lists(st.tuples(st.integers(0, 60), st.sampled_from("ab")), min_size=1, max_size=12).map(sorted)


@settings(max_examples=60, deadline=None)
@given(TIMES, TIMES)
def test_who_gets_what_is_as_a_search_through_lists_says(
    sent: list[tuple[int, str]], read: list[tuple[int, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        events = flown(loaded(Path(folder), sent, read))
    simple = [(time, kind, place.strip("[]"), value) for time, kind, place, value, _ in told(events)]
    assert sorted(simple) == sorted(matched(sent, read))


BRANCHES = """\
windtunnel: 1
name: talk
start: 2026-01-05T00:00:00Z
horizon: 400s
workflows:
  talk:
    start: both
    steps:
      both: {kind: parallel, branches: [ask, hear], join: done}
      ask: {kind: wait, duration: 4s, next: question}
      question: {kind: send, message: question, next: answer}
      answer: {kind: receive, message: answer, timeout: 9s, next: done, on-timeout: never}
      hear: {kind: receive, message: question, next: think}
      think: {kind: wait, duration: THINKING, next: reply}
      reply: {kind: send, message: answer, next: done}
      never: {kind: end, outcome: failed}
      done: {kind: end}
work:
  w: {workflow: talk, arrivals: {kind: trace, file: one.csv, column: t}LIMIT}
"""


def talk(folder: Path, thinking: str, limit: str = "") -> list[tuple[int, str, str, int, str]]:
    (folder / "one.csv").write_text("t\n2026-01-05T00:00:00\n")
    (folder / "scenario.yaml").write_text(BRANCHES.replace("THINKING", thinking).replace("LIMIT", limit))
    return told(flown(load(folder)), (*KINDS, "ended"))


def test_branches_of_a_case_talk_and_the_receiver_goes_first(tmp_path: Path) -> None:
    """The question at 4 s; an answer at the very instant of the time-out comes in time."""
    assert talk(tmp_path, "9s") == [
        (4, "sent", "message:question", 1, ""),
        (4, "received", "message:question", 4, ""),
        (13, "sent", "message:answer", 1, ""),
        (13, "received", "message:answer", 9, ""),
        (13, "ended", "step:talk.done", 0, "completed"),
    ]
    assert talk(tmp_path, "9001ms")[2:] == [
        (13, "not-received", "message:answer", 9, ""),
        (13, "ended", "step:talk.never", 0, "failed"),
    ]


def test_who_is_ended_elsewhere_waits_no_more(tmp_path: Path) -> None:
    assert talk(tmp_path, "9s", ", deadline: 3s, on-deadline: cancel") == [
        (3, "not-received", "message:question", 3, "cut off"),
        (3, "ended", "step:talk.both", 0, "expired"),
    ]


def test_the_report_tells(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, [(0, "a"), (12, "a"), (30, "b")], [(3, "b"), (5, "a"), (10, "a"), (60, "b")])
    simulate(scenario, tmp_path / "run", replications=2, workers=1)
    [letter] = assess(open_run(tmp_path / "run")).messages
    counts = (letter.sent, letter.received, letter.expired, letter.in_vain)
    assert [count.estimate for count in counts] == [4, 3, 1, 2]
    assert letter.waited.estimate == pytest.approx(2_000_000 / 3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("receive, message: letter", "receive, message: leter", "no step sends the message `leter`"),
        ("send, message: letter", "send, message: note", "no step receives the message `note`"),
        ("send, message: letter, key: to", "send, message: letter", "has a `key` on one side only"),
        ("send, message: letter, key: to", "send, message: letter, key: tp", "comes here and has no attribute `tp`"),
        ("timeout: 15s, ", "", "`on-timeout` without a `timeout`"),
        ("timeout: 15s, ", "timeout: 0s, ", "is zero"),
        ("next: rest", "next: rset", "did you mean `rest`?"),
    ],
)
def test_what_messages_name_is_checked(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        loaded(tmp_path, [(0, "a")], [(0, "a")], TEXT.replace(old, new))
    assert message in str(raised.value)
