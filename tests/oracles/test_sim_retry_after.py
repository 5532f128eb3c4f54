"""Callers wait as refusals tell them: timelines worked by hand of the generic cell rate algorithm."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.load import load
from sim.compile import compile_plan
from sim.endpoints import RateLimit
from sim.engine import Replication
from sim.rules import compile_rules
from sim.token_use import TokenLimit

SECOND = 1_000_000
TEXT = """\
windtunnel: 1
name: told
start: 2026-01-05T00:00:00Z
horizon: 200s
endpoints: {{api: {{latency: 1s, {endpoint}}}}}
agents: {{pool: {{replicas: 9, capabilities: {{ask: {{endpoint: api, tokens: {{input: {tokens}, output: "0"}}}}}}}}}}
workflows:
  flow:
    start: s
    steps:
      s: {{kind: task, agent: pool, capability: ask, retry: {{attempts: 6, backoff: 3s, factor: 1}}, on-failure: again}}
      again: {{kind: task, agent: none, capability: fail, retry: {{attempts: 2, backoff: 5s}}, on-failure: out}}
      out: {{kind: end, outcome: failed}}
work: {{a: {{workflow: flow, arrivals: {{kind: trace, file: t.csv, column: at}}}}}}
"""
TEXT = TEXT.replace("agents: {{pool:", "agents: {{none: {{capabilities: {{fail: {{success: 0}}}}}}, pool:")


def timeline(folder: Path, endpoint: str, *, tokens: str = "1", cases: int = 4) -> list[tuple[float, int, str]]:
    """What is refused, told and served: (second, case, what)."""
    (folder / "scenario.yaml").write_text(TEXT.format(endpoint=endpoint, tokens=tokens))
    (folder / "t.csv").write_text("at\n" + "0\n" * cases)
    loaded = load(folder)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    flight.run()
    seen = {"attempt-failed": "refused", "retry-after": "told", "started": "starts", "ended": "ends"}
    return [
        (
            row["time"] / SECOND,
            row["case"],
            seen[row["kind"]] + (f" {row['value'] / SECOND:g}" if "after" in row["kind"] else ""),
        )
        for row in flight.tables("", 1).events.to_pylist()
        if row["kind"] in seen and row["place"] != "agent:none"
    ]


def told(lines: list[tuple[float, int, str]], case: int) -> list[tuple[float, str]]:
    return [(at, what) for at, of, what in lines if of == case]


def test_a_told_caller_comes_when_there_is_room(tmp_path: Path) -> None:
    """Six a minute and one early: due every 10 s, a call is taken up to 10 s early. At 0 the first two are taken (due
    10, 20). The others are told 20 - 10 - 0 = 10 s, more than their backoff of 3 s. At 10 s the third is taken (due
    30), and the fourth is told 30 - 10 - 10 = 10 s more."""
    lines = timeline(tmp_path, "rate: 6/min, retry-after: told")
    assert told(lines, 0) == told(lines, 1) == [(0, "starts"), (1, "ends")]
    assert told(lines, 2) == [(0, "starts"), (0, "told 10"), (0, "refused"), (10, "starts"), (11, "ends")]
    again = [(10, "starts"), (10, "told 10"), (10, "refused"), (20, "starts"), (21, "ends")]
    assert told(lines, 3) == [(0, "starts"), (0, "told 10"), (0, "refused"), *again]


def test_a_fixed_time_is_waited_where_it_is_longer_than_the_backoff(tmp_path: Path) -> None:
    """Told 4 s: the third comes at 4, 8 and 12 s, when it is taken; without a word it would come at 3, 6, 9 and 12 s.
    Told 2 s, it waits for its backoff of 3 s."""
    served = [(12, "starts"), (13, "ends")]
    for told_time, times in ((4, (0, 4, 8)), (2, (0, 3, 6, 9))):
        lines = timeline(tmp_path, f"rate: 6/min, retry-after: {told_time}s", cases=3)
        refused = [(at, what) for at in times for what in ("starts", f"told {told_time}", "refused")]
        assert told(lines, 2) == [*refused, *served]
    lines = timeline(tmp_path, "rate: 6/min", cases=3)
    assert told(lines, 2) == [(at, what) for at in (0, 3, 6, 9) for what in ("starts", "refused")] + served


def test_the_limit_on_tokens_tells_by_the_tokens_of_the_call(tmp_path: Path) -> None:
    """A token a second, 30 at a time, and calls of 20: the first is taken (20 of 30), the second is short of 10."""
    lines = timeline(tmp_path, "token-rate: 1/s, token-burst: 30, retry-after: told", tokens="20", cases=2)
    assert told(lines, 1) == [(0, "starts"), (0, "told 10"), (0, "refused"), (10, "starts"), (11, "ends")]


def test_of_a_call_that_is_never_taken_nothing_is_told(tmp_path: Path) -> None:
    lines = timeline(tmp_path, "token-rate: 1/s, token-burst: 30, retry-after: told", tokens="31", cases=1)
    assert not any("told" in what for _, _, what in lines)
    assert [at for at, _, what in lines if what == "starts"] == [0, 3, 6, 9, 12, 15]


def test_what_was_told_at_a_step_holds_at_no_other(tmp_path: Path) -> None:
    """The last attempt at 100 s is told 20 s too; the next step's retry after its own 5 s does not wait for that."""
    lines = timeline(tmp_path, "token-rate: 1/s, token-burst: 5, retry-after: 20s", tokens="9", cases=1)
    assert [at for at, _, what in lines if what == "starts"] == [0, 20, 40, 60, 80, 100]
    assert lines[-1] == (105, 0, "ends")


CALLS = st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 9)), max_size=30)


@given(CALLS, st.integers(1, 5), st.integers(1, 7_000_000))
def test_it_is_just_the_time_until_the_limit_accepts(calls: list[tuple[int, int]], burst: int, gap: int) -> None:
    """Against the limits in fractions: accepted after what is told, and not a microsecond earlier."""
    requests, tokens, due, filled, now = (
        RateLimit(float(gap), burst),
        TokenLimit(float(gap), 9 * burst),
        Fraction(0),
        Fraction(0),
        0,
    )
    for wait, size in calls:
        now += wait
        assert requests.room_in(now) == max(due - gap * burst - now, 0)
        if requests.accepts(now):
            due = max(due, Fraction(now)) + gap
        assert tokens.room_in(size, now) == max(filled + size * gap - 9 * gap * burst - now, 0)
        if tokens.accepts(size, now):
            filled = max(filled, Fraction(now)) + size * gap
    assert tokens.room_in(9 * burst + 1, now) is None


@pytest.mark.parametrize("rate", [1 / 3, 7.7, 1e-3])
def test_a_rate_that_is_no_round_number_is_told_exactly_too(rate: float) -> None:
    limit = RateLimit(1e6 / rate, 2)
    now = 10**12 + 1
    while limit.accepts(now):
        pass
    wait = limit.room_in(now)
    assert limit.has_room(now + wait)
    assert not limit.has_room(now + wait - 1)
