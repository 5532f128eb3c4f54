"""Answers that callers cannot read for a while: a timeline worked by hand, and the share of calls it strikes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scipy import stats

from models.load import load
from models.units import SECOND
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

SCENARIO = """\
windtunnel: 1
name: skew
start: 2026-01-05T00:00:00Z
horizon: {horizon}
endpoints: {{bank: {{latency: 4s, price: 0.01 USD}}}}
agents: {{payer: {{replicas: 100, capabilities: {{pay: {{endpoint: bank}}}}}}}}
workflows:
  flow:
    start: pay
    steps:
      pay: {{kind: task, agent: payer, capability: pay, idempotency-key: false, retry: {retry}}}
work: {{stream: {{workflow: flow, arrivals: {{kind: renewal, rate: 1/s, cv: 0}}}}}}
faults: [{faults}]
"""


def fly(
    folder: Path, *faults: str, horizon: str = "20s", attempts: int = 3
) -> tuple[list[dict[str, Any]], Replication]:
    retry = f"{{attempts: {attempts}, backoff: 1s}}"
    text = SCENARIO.format(faults=", ".join(faults), horizon=horizon, retry=retry)
    (folder / "scenario.yaml").write_text(text)
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    replication.run()
    rows: list[dict[str, Any]] = replication.tables("", 1).events.to_pylist()
    return rows, replication


def test_an_answer_that_cannot_be_read_has_taken_effect(tmp_path: Path) -> None:
    rows, replication = fly(tmp_path, "{kind: contract-skew, endpoint: bank, share: 1, at: 0s, lasts: 5s}")
    mine = [(row["time"] // SECOND, row["kind"], row["detail"]) for row in rows if row["case"] == 0]
    assert mine == [
        (1, "arrived", ""),
        (1, "entered", ""),
        (1, "started", ""),
        (5, "effect", ""),
        (5, "finished", ""),
        (5, "attempt-failed", "bank: contract"),
        (6, "started", ""),
        (10, "effect-repeated", ""),
        (10, "finished", ""),
        (10, "ended", "completed"),
    ]
    assert replication.cases.cost[0] == 20_000
    world = [(row["time"] // SECOND, row["kind"], row["place"], row["detail"]) for row in rows if row["case"] is None]
    assert world == [
        (0, "contract-skew", "endpoint:bank", "1 cannot be read"),
        (5, "contract-skew-over", "endpoint:bank", ""),
    ]


def test_two_faults_leave_what_both_let_through(tmp_path: Path) -> None:
    half, fifth = (f"{{kind: contract-skew, endpoint: bank, share: {s}, at: 0s, lasts: 1h}}" for s in (0.5, 0.2))
    rows, _ = fly(tmp_path, half, fifth, horizon="2000s", attempts=1)
    failed = sum(row["kind"] == "attempt-failed" for row in rows)
    ended = sum(row["kind"] == "ended" for row in rows)
    assert stats.binomtest(failed, ended, 0.6).pvalue > 0.001
    assert stats.binomtest(failed, ended, 0.7).pvalue < 0.001
    alone, _ = fly(tmp_path, half, horizon="2000s", attempts=1)
    struck = {row["case"] for row in alone if row["kind"] == "attempt-failed"}
    assert struck < {row["case"] for row in rows if row["kind"] == "attempt-failed"}
