"""Work that nobody waits for any more: served to its end, passed over at its turn, or taken back at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from models.load import load
from models.units import SECOND
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

LEVEL = 1e-3
TEXT = """\
windtunnel: 1
name: orphans
start: 2026-01-05T00:00:00Z
horizon: {horizon}
endpoints: {{api: {{latency: {latency}, price: 1 USD, {endpoint}}}}}
agents:
  pool: {{{pool}, capabilities: {{work: {{service: {service}}}, ask: {{endpoint: api, calls: {calls}}}}}}}
workflows: {{flow: {{start: s, steps: {{s: {{kind: task, agent: pool, capability: {capability}, {step}}}}}}}}}
work: {{a: {{workflow: flow, {work} arrivals: {{kind: {arrivals}}}}}}}
faults: [{faults}]
"""
Rows = list[dict[str, Any]]


def fly(folder: Path, number: int = 0, **keys: str) -> tuple[Rows, Rows]:
    """Events and cases of one replication."""
    given = {"horizon": "100s", "pool": "replicas: 1", "capability": "work", "service": "10s", "latency": "10s"}
    given |= {"calls": "1", "work": ""}
    given |= {"endpoint": "concurrency: 1", "step": "", "faults": "", "arrivals": "renewal, rate: 6/min, cv: 0"}
    (folder / "scenario.yaml").write_text(TEXT.format(**{**given, **keys}))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 3, number)
    replication.run()
    tables = replication.tables("", 0)
    return tables.events.to_pylist(), tables.cases.to_pylist()


def told(rows: Rows, *kinds: str) -> list[tuple[float, str, int | None, float | None]]:
    """Seconds, kind, case and value in seconds of the events of some kinds, in order."""

    def value(row: dict[str, Any]) -> float | None:
        return None if row["value"] is None or row["kind"] == "attempt-failed" else row["value"] / SECOND

    return [(row["time"] / SECOND, row["kind"], row["case"], value(row)) for row in rows if row["kind"] in kinds]


# --- what the server sees ---------------------------------------------------------------------------------------------

BUSY = {
    "horizon": "2000s",
    "service": "exponential(mean=1s)",
    "pool": "replicas: 2",
    "arrivals": "poisson, rate: 1.8/s",
}
SERVED = ("queued", "started", "finished")


@pytest.mark.parametrize("order", ["fifo", "priority", "lifo", "adaptive-lifo, lifo-above: 3"])
def test_a_pool_that_serves_what_was_given_up_works_as_if_nobody_ever_gave_up(tmp_path: Path, order: str) -> None:
    """The exact oracle: row by row what the pool does without any time-out. Cancelling it does something else."""
    pool = f"replicas: 2, queue: {{order: {order}}}"
    patient, _ = fly(tmp_path, **BUSY | {"pool": pool})
    hasty, _ = fly(tmp_path, **BUSY | {"pool": f"{pool}, abandoned: serve", "step": "timeout: 3s"})
    cancelling, _ = fly(tmp_path, **BUSY | {"pool": pool, "step": "timeout: 3s"})
    assert sum(row["kind"] == "orphaned" for row in hasty) > 300
    assert told(hasty, *SERVED) == told(patient, *SERVED)
    assert told(cancelling, *SERVED) != told(patient, *SERVED)


def test_an_endpoint_that_serves_what_was_given_up_works_as_if_nobody_ever_gave_up(tmp_path: Path) -> None:
    keys = {"capability": "ask", "latency": "exponential(mean=1s)", "pool": "replicas: 10000", "horizon": "1000s"}
    keys |= {"arrivals": "poisson, rate: 0.9/s"}
    patient, _ = fly(tmp_path, **keys)
    hasty, _ = fly(tmp_path, **keys | {"endpoint": "concurrency: 1, abandoned: serve", "step": "timeout: 2s"})

    def at_endpoint(rows: Rows) -> Rows:
        kept = ("time", "kind", "case", "value")
        rows = [row for row in rows if row["place"] == "endpoint:api" and row["kind"] in ("queued", "started")]
        return [{key: row[key] for key in kept} for row in rows]

    assert sum(row["kind"] == "orphaned" for row in hasty) > 200
    assert at_endpoint(hasty) == at_endpoint(patient)


def test_passing_over_expired_work_is_a_queue_with_fixed_patience(tmp_path: Path) -> None:
    """M/M/c+D, lambda 11, mu 1, c 10, tau 2: P(abandon) .099674. Work begun in time is served to its end, so a job is
    passed over just where its wait is above the time-out. Half as much patience is rejected."""
    lam, c, tau = 11.0, 10, 2.0

    def theory(tau: float) -> float:
        d, term, total = lam - c, 1.0, 0.0
        for n in range(c):
            total, term = total + term, term * lam / (n + 1)
        last = term * c / lam  # a^(c-1) / (c-1)!
        z = total + lam * last * ((np.exp(d * tau) - 1) / d + np.exp(d * tau) / c)
        return float(lam * last * np.exp(d * tau) / (c * z))

    assert theory(tau) == pytest.approx(0.099674, abs=1e-6)
    keys = {"horizon": "2500s", "service": "exponential(mean=1s)", "arrivals": "poisson, rate: 11/s"}
    keys |= {"pool": "replicas: 10, abandoned: skip", "step": "timeout: 2s"}
    shares = []
    for number in range(10):
        counts = Counter(row["kind"] for row in fly(tmp_path, number, **keys)[0] if row["time"] > 100 * SECOND)
        shares.append(counts["skipped"] / (counts["skipped"] + counts["started"]))
    assert stats.ttest_1samp(shares, theory(tau)).pvalue > LEVEL
    assert stats.ttest_1samp(shares, theory(tau / 2)).pvalue < LEVEL


# --- timelines by hand ------------------------------------------------------------------------------------------------

KINDS = ("started", "finished", "orphaned", "wasted", "skipped", "abandoned", "attempt-failed")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # One slot, 10 s of work, a case each 6 s from 6 s on, 8 s of patience in all.
        (
            "cancel",
            [
                (6.0, "started", 0, 0.0),
                (14.0, "finished", 0, 8.0),
                (14.0, "started", 1, 2.0),
                (14.0, "attempt-failed", 0, None),
                (20.0, "finished", 1, 6.0),
                (20.0, "started", 2, 2.0),
            ],
        ),
        (
            "serve",
            [
                (6.0, "started", 0, 0.0),
                (14.0, "orphaned", 0, 8.0),
                (14.0, "attempt-failed", 0, None),
                (16.0, "finished", 0, 10.0),
                (16.0, "started", 1, 4.0),
                (16.0, "wasted", 0, 10.0),
                (20.0, "orphaned", 1, 4.0),
                (20.0, "attempt-failed", 1, None),
                (26.0, "finished", 1, 10.0),
                (26.0, "started", 2, 8.0),
                (26.0, "wasted", 1, 10.0),
                (26.0, "orphaned", 2, 0.0),
                (26.0, "attempt-failed", 2, None),
                (32.0, "orphaned", 3, None),
                (32.0, "attempt-failed", 3, None),
                (36.0, "finished", 2, 10.0),
                (36.0, "started", 3, 12.0),
            ],
        ),
        (
            "skip",
            [
                (6.0, "started", 0, 0.0),
                (14.0, "orphaned", 0, 8.0),
                (14.0, "attempt-failed", 0, None),
                (16.0, "finished", 0, 10.0),
                (16.0, "started", 1, 4.0),
                (16.0, "wasted", 0, 10.0),
                (20.0, "orphaned", 1, 4.0),
                (20.0, "attempt-failed", 1, None),
                (26.0, "finished", 1, 10.0),
                (26.0, "started", 2, 8.0),
                (26.0, "wasted", 1, 10.0),
                (26.0, "orphaned", 2, 0.0),
                (26.0, "attempt-failed", 2, None),
                (32.0, "orphaned", 3, None),
                (32.0, "attempt-failed", 3, None),
                (36.0, "finished", 2, 10.0),
                (36.0, "skipped", 3, 12.0),
                (36.0, "started", 4, 6.0),
            ],
        ),
    ],
)
def test_what_becomes_of_an_attempt_whose_time_is_out(tmp_path: Path, rule: str, expected: list[Any]) -> None:
    pool = f"replicas: 1, abandoned: {rule}"
    rows, _ = fly(tmp_path, pool=pool, step="timeout: 8s", arrivals="renewal, rate: 10/min, cv: 0")
    assert told(rows, *KINDS)[: len(expected)] == expected


def test_an_endpoint_finishes_the_call_under_way_and_gets_no_further_one(tmp_path: Path) -> None:
    """Two calls of 10 s, the time is out at 5 s: the second is never made, the first is paid. A slot of the pool is
    free at once: the agents' side cancels."""
    keys = {
        "capability": "ask",
        "calls": "2",
        "step": "timeout: 5s",
        "horizon": "25s",
        "arrivals": "renewal, rate: 6/min, cv: 0",
    }
    rows, cases = fly(tmp_path, endpoint="concurrency: 1, abandoned: serve", **keys)
    assert told(rows, "orphaned", "wasted", "finished") == [
        (15.0, "orphaned", 0, 5.0),
        (15.0, "finished", 0, 5.0),
        (20.0, "wasted", 0, 10.0),
    ]
    assert [case["cost"] for case in cases] == [1_000_000, 1_000_000]
    cancelled, _ = fly(tmp_path, endpoint="concurrency: 1", **keys)
    assert told(cancelled, "orphaned", "wasted") == []


def test_a_call_that_waits_is_passed_over_and_not_paid(tmp_path: Path) -> None:
    """Two agents, one place of 10 s: the call of 12 s waits behind that of 6 s, its time is out at 14 s."""
    keys = {"capability": "ask", "pool": "replicas: 2", "step": "timeout: 8s", "horizon": "17s"}
    keys |= {"arrivals": "renewal, rate: 10/min, cv: 0"}
    rows, cases = fly(tmp_path, endpoint="concurrency: 1, abandoned: skip", **keys | {"step": "timeout: 3s"})
    assert told(rows, "orphaned", "wasted", "skipped") == [
        (9.0, "orphaned", 0, 3.0),
        (15.0, "orphaned", 1, None),
        (16.0, "skipped", 1, 4.0),
        (16.0, "wasted", 0, 10.0),
    ]
    assert [case["cost"] for case in cases] == [1_000_000, 0]


def test_what_is_left_of_an_ended_case_goes_on(tmp_path: Path) -> None:
    """The deadline ends the case at 4 s; its attempt is served to its end, and the case's cost grows by the attempt."""
    keys = {"pool": "replicas: 1, abandoned: serve", "work": "deadline: 4s, on-deadline: cancel,", "horizon": "25s"}
    rows, cases = fly(tmp_path, **keys)
    assert told(rows, "orphaned", "wasted", "ended") == [
        (14.0, "orphaned", 0, 4.0),
        (14.0, "ended", 0, None),
        (20.0, "wasted", 0, 10.0),
        (24.0, "orphaned", 1, 4.0),
        (24.0, "ended", 1, None),
    ]
    assert [case["outcome"] for case in cases] == ["expired", "expired"]


def test_a_crash_ends_an_attempt_that_nobody_waits_for(tmp_path: Path) -> None:
    keys = {"pool": "replicas: 1, abandoned: serve", "step": "timeout: 4s", "horizon": "19s"}
    rows, _ = fly(tmp_path, faults="{kind: crash, agent: pool, at: 17s, lasts: 1s}", **keys)
    assert told(rows, "orphaned", "finished", "wasted", "attempt-failed") == [
        (14.0, "orphaned", 0, 4.0),
        (14.0, "attempt-failed", 0, None),
        (17.0, "finished", 0, 7.0),
        (17.0, "wasted", 0, 7.0),
    ]


def test_an_attempt_that_hung_has_its_whole_work_before_it_when_it_is_given_up(tmp_path: Path) -> None:
    """10 s of work from 10 s on, 4 s of them hanging, given up at 19 s: it is done at 24 s, not at 20 s."""
    keys = {"pool": "replicas: 1, abandoned: serve", "step": "timeout: 9s", "horizon": "25s"}
    rows, _ = fly(tmp_path, faults="{kind: hang, agent: pool, at: 12s, lasts: 4s}", **keys)
    assert told(rows, "orphaned", "wasted") == [(19.0, "orphaned", 0, 9.0), (24.0, "wasted", 0, 14.0)]


def test_an_effect_that_nobody_waits_for_is_an_effect(tmp_path: Path) -> None:
    """5 s of work, given up after 4 s, tried again 1 s later: the orphans are done at 35 s and 40 s. The case has ended
    by then, and its second effect still counts as repeated."""
    step = "timeout: 4s, retry: {attempts: 2, backoff: 1s}, idempotency-key: false"
    keys = {"horizon": "59s", "service": "5s", "arrivals": "renewal, rate: 2/min, cv: 0", "step": step}
    rows, cases = fly(tmp_path, pool="replicas: 2, abandoned: serve", **keys)
    assert [row[:3] for row in told(rows, "effect", "effect-repeated")] == [
        (35.0, "effect", 0),
        (40.0, "effect-repeated", 0),
    ]
    assert [case["ended"] / SECOND for case in cases] == [39.0]
    cancelled, _ = fly(tmp_path, **keys)
    assert told(cancelled, "effect", "effect-repeated") == []


SHEDDING = """\
windtunnel: 1
name: shedding
start: 2026-01-05T00:00:00Z
horizon: 50s
agents:
  pool:
    queue: {{capacity: 2, order: priority, when-full: shed-lowest}}
    abandoned: {rule}
    {pool}
    capabilities: {{work: {{service: 10s}}}}
workflows:
  flow:
    start: all
    steps:
      all: {{kind: parallel, branches: [a, b, c], join: over}}
      a: {{kind: task, agent: pool, capability: work, next: over}}
      b: {{kind: task, agent: pool, capability: work, next: over}}
      c: {{kind: task, agent: pool, capability: work, next: over}}
      over: {{kind: end}}
work:
  low: {{workflow: flow, priority: 5, arrivals: {{kind: renewal, rate: 90/h, cv: 0}}}}
  high: {{workflow: flow, arrivals: {{kind: renewal, rate: 80/h, cv: 0}}}}
"""


@pytest.mark.parametrize("pool", ["", "bulkheads: {flow.a: 1}"])
@pytest.mark.parametrize("rule", ["cancel", "serve", "skip"])
def test_branches_that_are_given_up_at_one_instant_leave_nothing_behind(tmp_path: Path, rule: str, pool: str) -> None:
    """The first branch works at 40 s. At 45 s both others lose their places to another case: the one ends the case,
    and the other is cut off before it has failed itself."""
    (tmp_path / "scenario.yaml").write_text(SHEDDING.format(rule=rule, pool=pool))
    loaded = load(tmp_path)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 3, 0)
    replication.run()
    rows = replication.tables("", 0).events.to_pylist()
    low = [row for row in rows if row["case"] == 0]
    assert told(low, "started", "shed", "ended") == [
        (40.0, "started", 0, 0.0),
        (45.0, "shed", 0, 5.0),
        (45.0, "shed", 0, 5.0),
        (45.0, "ended", 0, None),
    ]
    assert [row["time"] / SECOND for row in low if row["kind"] == "orphaned"] == ([] if rule == "cancel" else [45.0])
