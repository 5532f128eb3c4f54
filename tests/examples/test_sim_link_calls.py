"""Calls and questions over links: timelines worked by hand."""

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
name: links
start: 2026-01-05T00:00:00Z
horizon: 100s
policies: {{path: policies.cedar}}
sites: {{eu: {{}}, us: {{}}}}
links: {links}
decision-point: {{site: us, latency: 1s, timeout: 6s}}
endpoints: {{api: {{site: us, latency: 4s}}}}
agents:
  pool:
    site: eu
    replicas: 5
    principal: 'Agent::"a"'
    capabilities: {{ask: {{endpoint: api}}, work: {{service: 1s}}}}
workflows:
  flow:
    start: first
    steps:
      first: {{kind: task, agent: pool, {step}}}
work:
  stream: {{workflow: flow, arrivals: {{kind: renewal, rate: 6/min, cv: 0}}}}
faults: [{fault}]
"""
CALL = "capability: ask"
DECIDE = "capability: work, action: 'Action::\"act\"', resource: 'Thing::\"thing\"'"

Rows = list[dict[str, Any]]


def fly(folder: Path, links: str, step: str = CALL, fault: str = "") -> tuple[Rows, Rows]:
    (folder / "policies.cedar").write_text("permit (principal, action, resource);\n")
    (folder / "scenario.yaml").write_text(SCENARIO.format(links=links, step=step, fault=fault))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    tables = replication.tables("", 1)
    return tables.events.to_pylist(), tables.decisions.to_pylist()


def ended(rows: Rows) -> list[tuple[int, int]]:
    """Milliseconds and case of each end."""
    return [(row["time"] // 1000, row["case"]) for row in rows if row["kind"] == "ended"]


def test_a_call_takes_the_link_there_and_back(tmp_path: Path) -> None:
    rows, _ = fly(tmp_path, "{sea: {from: us, to: eu, latency: 150ms}}")
    assert ended(rows)[:2] == [(14_300, 0), (24_300, 1)]
    rows, _ = fly(tmp_path, "{sea: {from: us, to: eu, latency: 150ms, both-ways: false}}")
    assert ended(rows)[:2] == [(14_150, 0), (24_150, 1)]


def test_a_lost_call_fails_when_the_caller_gives_it_up(tmp_path: Path) -> None:
    rows, _ = fly(tmp_path, "{sea: {from: eu, to: us, loss: 1, lost-after: 2500ms}}")
    failed = [(row["time"] // 1000, row["detail"]) for row in rows if row["kind"] == "attempt-failed"]
    assert failed[:2] == [(12_500, "api: lost"), (22_500, "api: lost")]


def test_a_question_takes_the_link_too_and_one_that_is_lost_has_no_answer(tmp_path: Path) -> None:
    rows, decisions = fly(tmp_path, "{sea: {from: eu, to: us, latency: 500ms}}", DECIDE)
    assert ended(rows)[0] == (13_000, 0)
    assert (decisions[0]["time"], decisions[0]["enforced"]) == (12 * SECOND, "allow")
    rows, decisions = fly(tmp_path, "{sea: {from: eu, to: us, latency: 3s}}", DECIDE)
    assert [decisions[0][key] for key in ("time", "enforced", "reason")] == [
        16 * SECOND,
        "deny",
        "unreachable: timeout",
    ]
    _, decisions = fly(tmp_path, "{sea: {from: us, to: eu, loss: 1}}", DECIDE)
    assert [decisions[0][key] for key in ("time", "enforced", "reason")] == [16 * SECOND, "deny", "unreachable: lost"]


def test_faults_of_a_link_come_and_go(tmp_path: Path) -> None:
    link = "{sea: {from: us, to: eu, latency: 100ms}}"
    rows, _ = fly(tmp_path, link, fault="{kind: slowdown, link: sea, factor: 5, at: 15s, lasts: 10s}")
    assert ended(rows)[:3] == [(14_200, 0), (25_000, 1), (34_200, 2)]
    rows, _ = fly(tmp_path, link, fault="{kind: loss, link: sea, loss: 1, at: 15s, lasts: 10s}")
    told = [(row["time"] // SECOND, row["kind"], row["detail"]) for row in rows if "loss" in row["kind"]]
    assert told == [(15, "loss", "1 is lost"), (25, "loss-over", "")]
    assert [row["case"] for row in rows if row["kind"] == "attempt-failed"] == [1]


@pytest.mark.parametrize(
    ("links", "fault", "message"),
    [
        ("{sea: {from: eu, to: uss}}", "", "unknown site `uss`"),
        ("{sea: {from: eu, to: eu}}", "", "leads from `eu` to itself"),
        ("{sea: {from: eu, to: us}, air: {from: us, to: eu, both-ways: false}}", "", "`sea` goes that way already"),
        ("{sea: {from: eu, to: us}}", "{kind: loss, link: see, loss: 1, at: 1s, lasts: 1s}", "unknown link `see`"),
        ("{sea: {from: eu, to: us}}", "{kind: loss, link: sea, loss: 0, at: 1s, lasts: 1s}", "a loss of nothing"),
    ],
)
def test_a_link_that_makes_no_sense_is_refused(tmp_path: Path, links: str, fault: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        fly(tmp_path, links, fault=fault)
    assert any(message in str(diagnostic) for diagnostic in caught.value.diagnostics)


PAID = """\
windtunnel: 1
name: twice
start: 2026-01-05T00:00:00Z
horizon: 1000s
sites: {{eu: {{}}, us: {{}}}}
links: {{sea: {{from: eu, to: us, latency: 1s, duplication: {share}}}}}
endpoints: {{bank: {{site: us, latency: 4s, price: 0.01 USD, price-per-million: {{input: 10 USD, output: 0 USD}}}}}}
agents:
  payer:
    site: eu
    replicas: 50
    capabilities: {{pay: {{endpoint: bank, tokens: {{input: 1000, output: 10}}}}}}
workflows:
  flow: {{start: pay, steps: {{pay: {{kind: task, agent: payer, capability: pay, idempotency-key: {key}}}}}}}
work: {{stream: {{workflow: flow, arrivals: {{kind: renewal, rate: 1/s, cv: 0}}}}}}
"""


def paid(folder: Path, share: str, key: str = "false") -> tuple[Rows, Rows]:
    (folder / "scenario.yaml").write_text(PAID.format(share=share, key=key))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    tables = replication.tables("", 1)
    return tables.events.to_pylist(), tables.cases.to_pylist()


def test_a_call_that_comes_twice_is_paid_and_takes_effect_twice(tmp_path: Path) -> None:
    events, cases = paid(tmp_path, "1")
    mine = [(row["time"] // SECOND, row["kind"], row["place"]) for row in events if row["case"] == 0]
    assert mine == [
        (1, "arrived", "step:flow.pay"),
        (1, "entered", "step:flow.pay"),
        (1, "started", "agent:payer"),
        (1, "duplicated", "link:sea"),
        (7, "effect", "step:flow.pay"),
        (7, "effect-repeated", "step:flow.pay"),
        (7, "finished", "agent:payer"),
        (7, "ended", "step:flow.pay"),
    ]
    # A cent for the call and one for a thousand tokens of 10 USD the million, twice.
    assert (cases[0]["cost"], cases[0]["tokens_in"], cases[0]["tokens_out"]) == (40_000, 2000, 20)
    events, _ = paid(tmp_path, "1", "true")
    assert [row["kind"] for row in events if row["case"] == 0 and "effect" in row["kind"]] == [
        "effect",
        "effect-suppressed",
    ]


def test_the_share_of_calls_that_come_twice_is_the_links(tmp_path: Path) -> None:
    from scipy import stats

    events, cases = paid(tmp_path, "0.3")
    twice = sum(row["kind"] == "duplicated" for row in events)
    assert stats.binomtest(twice, len(cases), 0.3).pvalue > 0.001
    assert stats.binomtest(twice, len(cases), 0.4).pvalue < 0.001
    assert sum(row["cost"] for row in cases) == 20_000 * (len(cases) + twice)
    plain, _ = paid(tmp_path, "0")
    assert [row for row in plain if row["kind"] == "ended"] == [
        row | {"sequence": other["sequence"]}
        for row, other in zip(
            [row for row in events if row["kind"] == "ended"],
            [row for row in plain if row["kind"] == "ended"],
            strict=True,
        )
    ]
