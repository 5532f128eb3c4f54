"""Whole cases from a trace: the run's cases, decisions, tokens and queues are what the rows of the file say."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules

TEXT = """\
windtunnel: 1
name: whole
start: 2026-01-05T00:00:00Z
horizon: 1000s
policies: {path: p.cedar}
endpoints: {llm: {latency: 1s}}
agents:
  own:
    replicas: 50
    principal: Agent::"own"
    capabilities:
      think: {endpoint: llm, calls: 2, tokens: {input: "7", output: "5", input-from: size}}
workflows:
  flow:
    start: think
    steps: {think: {kind: task, agent: own, capability: think, action: Action::"pay", resource: Desk::"a"}}
work:
  replayed:
    workflow: flow
    arrivals: {kind: trace, file: t.csv, column: at, attributes: {size: Tokens, zone: Zone, net.vip: VIP}}
    attributes:
      size: uniform(low=0, high=9000)
      zone: choice(EU=0.5, far-away=0.5)
      net.vip: chance(p=0.9)
      own: uniform(low=0, high=9)
  drawn: {workflow: flow, arrivals: {kind: renewal, rate: 1/s, cv: 0}}
"""
POLICY = """\
permit (principal, action, resource);
@id("big") forbid (principal, action, resource) when { context has size && context.size > 4000 };
@id("far") forbid (principal, action, resource) when { context has zone && context.zone == "far-away" };
"""
ROWS = "\n".join(f"{7 * n},x,{(n * 977) % 9001},{('EU', 'far-away')[n % 3 == 0]},true" for n in range(200))
HEAD = "at,other,Tokens,Zone,VIP\n"


def run(folder: Path, text: str, **files: str) -> Tables:
    (folder / "scenario.yaml").write_text(text)
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content)
    loaded = load(folder)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 4, 0)
    flight.run()
    return flight.tables("", 4)


def test_cases_and_decisions_are_the_rows_of_the_file(tmp_path: Path) -> None:
    tables = run(tmp_path, TEXT, t_csv=HEAD + ROWS, p_cedar=POLICY)
    rows = [row for row in csv.DictReader((tmp_path / "t.csv").read_text().splitlines()) if int(row["at"]) < 1000]
    cases = [case for case in tables.cases.to_pylist() if case["work"] == "replayed"]
    assert len(rows) == 143
    assert [(c["arrived"], c["attr.size"], c["attr.zone"], c["attr.net.vip"]) for c in cases] == [
        (int(row["at"]) * 1_000_000, int(row["Tokens"]), row["Zone"], True) for row in rows
    ]
    reason = {row["case"]: row["reason"] for row in tables.decisions.to_pylist()}
    for case, row in zip(cases, rows, strict=True):
        forbids = [name for name, holds in (("big", int(row["Tokens"]) > 4000), ("far", row["Zone"] != "EU")) if holds]
        assert reason[case["case"]] == (",".join(forbids) or "policy0")
        if not forbids and case["outcome"] == "completed":
            assert (case["tokens_in"], case["tokens_out"]) == (2 * int(row["Tokens"]), 10)


def test_cases_without_the_attribute_draw_their_tokens(tmp_path: Path) -> None:
    tables = run(tmp_path, TEXT, t_csv=HEAD + ROWS, p_cedar="permit (principal, action, resource);")
    drawn = [c for c in tables.cases.to_pylist() if c["work"] == "drawn" and c["outcome"] == "completed"]
    assert len(drawn) > 900
    assert {case["tokens_in"] for case in drawn} == {14}


def test_what_the_file_does_not_tell_is_drawn_as_ever(tmp_path: Path) -> None:
    """A law drawn beside the columns is that of a trace of arrivals alone, and a row's value moves no draw."""
    whole = run(tmp_path, TEXT, t_csv=HEAD + ROWS, p_cedar=POLICY)
    plain = TEXT.replace(", attributes: {size: Tokens, zone: Zone, net.vip: VIP}", "")
    alone = run(tmp_path, plain, t_csv=HEAD + ROWS, p_cedar=POLICY)
    assert whole.cases.column("attr.own") == alone.cases.column("attr.own")
    assert whole.cases.column("attr.size") != alone.cases.column("attr.size")


# --- the priority of each case ----------------------------------------------------------------------------------------

QUEUE = """\
windtunnel: 1
name: ranked
start: 2026-01-05T00:00:00Z
horizon: 100000s
agents: {{pool: {{queue: {queue}, capabilities: {{work: {{service: 10s}}}}}}}}
desks: {{desk: {{service: 10s, roster: [{{days: daily, hours: "00:00-24:00", staff: 1}}], queue: {{order: priority}}}}}}
workflows: {{flow: {{start: s, steps: {{s: {step}}}}}}}
work:
  main:
    workflow: flow
    priority-from: urgency
    arrivals: {{kind: trace, file: t.csv, column: at, attributes: {{urgency: rank}}}}
    attributes: {{urgency: "uniform(low=-1000, high=1000)"}}
"""
TASK, DESK = "{kind: task, agent: pool, capability: work}", "{kind: desk, desk: desk}"


def served(ranks: list[int], room: int | None) -> tuple[list[int], list[int]]:
    """Who is served, in order, and who is turned away: one arrival a second, services of ten seconds and a half
    microsecond's place, as plain lists."""
    line: list[int] = []
    order: list[int] = []
    away: list[int] = []
    level = [min(max(rank, 0), 100) for rank in ranks]
    free = 0.0
    for case in range(len(ranks)):
        while line and free <= case:  # what ends at the instant of an arrival ends before it
            first = min(line, key=lambda one: (level[one], one))
            line.remove(first)
            order.append(first)
            free += 10
        if free <= case:
            order.append(case)
            free = case + 10.0
            continue
        if room is not None and len(line) >= room:
            last = max(line, key=lambda one: (level[one], one), default=case)
            if level[last] > level[case]:
                line.remove(last)
                line.append(case)
                away.append(last)
            else:
                away.append(case)
        else:
            line.append(case)
    return order + sorted(line, key=lambda one: (level[one], one)), away


def ranked(folder: Path, ranks: list[int], step: str, queue: str) -> tuple[list[int], list[int]]:
    rows = "at,rank\n" + "\n".join(f"{n},{rank}" for n, rank in enumerate(ranks))
    tables = run(folder, QUEUE.format(step=step, queue=queue), t_csv=rows)
    events = tables.events.to_pylist()
    gone = [row["case"] for row in events if row["kind"] in ("shed", "rejected")]
    return [row["case"] for row in events if row["kind"] == "started"], gone


RANKS = st.lists(st.integers(-1000, 1000) | st.integers(-2, 3) | st.integers(98, 102), min_size=1, max_size=40)


@settings(max_examples=25, deadline=None)
@given(ranks=RANKS, room=st.none() | st.integers(0, 6), desk=st.booleans())
def test_who_is_served_first_is_who_a_plain_list_says(
    tmp_path_factory: pytest.TempPathFactory, ranks: list[int], room: int | None, desk: bool
) -> None:
    folder = tmp_path_factory.mktemp("ranked")
    shed = f"{{order: priority, capacity: {room}, when-full: shed-lowest}}"
    queue = "{order: priority}" if room is None or desk else shed
    assert ranked(folder, ranks, DESK if desk else TASK, queue) == served(ranks, None if desk else room)


def test_a_priority_that_is_not_clamped_would_be_seen(tmp_path: Path) -> None:
    """101 and 1000 are equals, so the first to come is served first; and 0 goes before 1."""
    order, _ = ranked(tmp_path, [0, 1000, 101, 1, -5, 0], TASK, "{order: priority}")
    assert order == [0, 4, 5, 3, 1, 2]


def test_priorities_and_tokens_follow_an_attribute_that_drifts(tmp_path: Path) -> None:
    """From 495 s on ranks are those of another law, that no case had before. Below nothing there are no tokens."""
    text = """\
windtunnel: 1
name: drift
start: 2026-01-05T00:00:00Z
horizon: 1000s
endpoints: {llm: {latency: 1s}}
agents:
  pool:
    queue: {order: priority}
    capabilities: {work: {service: 90s, endpoint: llm, tokens: {input: "1", output: "1", input-from: rank}}}
workflows: {flow: {start: s, steps: {s: {kind: task, agent: pool, capability: work}}}}
work:
  main: {workflow: flow, priority-from: rank, arrivals: {kind: renewal, rate: 6/min, cv: 0}, attributes: {rank: "7"}}
faults: [{kind: drift, of: input, work: main, attribute: rank, to: "values(-5=0.5, 300=0.5)", at: 495s}]
"""
    tables = run(tmp_path, text)
    cases = tables.cases.to_pylist()
    assert {row["attr.rank"] for row in cases} == {7, -5, 300}
    served = [row["case"] for row in tables.events.to_pylist() if row["kind"] == "started" and row["time"] > 600e6]
    assert {cases[case]["attr.rank"] for case in served} == {-5}, "those who came later go first"
    assert {row["tokens_in"] for row in cases if row["attr.rank"] == -5} == {0}
