"""Requests that are made again: a closed form, and timelines worked by hand."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import stats

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules

SECOND = 1_000_000
LEVEL = 1e-3
PRICE = 10_000
TEXT = """\
windtunnel: 1
name: hedging
start: 2026-01-05T00:00:00Z
horizon: {horizon}
endpoints: {{api: {{latency: {latency}, price: 0.01 USD{endpoint}}}}}
agents:
  pool:
    replicas: 1000
    abandoned: {abandoned}
    capabilities:
      ask:
        {{endpoint: api, calls: {calls}{hedge}, tokens: {{input: exponential(mean=900), output: exponential(mean=90)}}}}
workflows: {{flow: {{start: s, steps: {{s: {{kind: task, agent: pool, capability: ask{step}}}}}}}}}
work: {{a: {{workflow: flow, arrivals: {{kind: renewal, rate: {rate}, cv: 0}}}}}}
{more}
"""


def fly(folder: Path, **keys: str) -> Tables:
    given = {
        "horizon": "100s",
        "latency": "5s",
        "endpoint": "",
        "hedge": ", hedge: {after: 2s}",
        "calls": "1",
        "step": "",
    }
    given |= {"rate": "1/min", "more": "", "abandoned": "cancel"}
    (folder / "scenario.yaml").write_text(TEXT.format(**(given | keys)))
    loaded = load(folder)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 5, 0)
    flight.run()
    return flight.tables("", 5)


def times(tables: Tables) -> np.ndarray:
    cases = tables.cases.to_pandas()
    done = cases[cases["outcome"] == "completed"]
    return np.asarray((done["ended"] - done["arrived"]) / SECOND)


def costs(tables: Tables) -> list[int]:
    return [row["cost"] // PRICE for row in tables.cases.to_pylist() if row["ended"] is not None]


def hedges(tables: Tables, case: int = 0) -> list[tuple[float, int]]:
    rows = tables.events.to_pylist()
    return [
        (row["time"] / SECOND - 60, row["value"]) for row in rows if row["kind"] == "hedged" and row["case"] == case
    ]


# --- exponential latency ----------------------------------------------------------------------------------------------


def test_hedging_at_the_median_takes_a_quarter_off_for_half_a_call_more(tmp_path: Path) -> None:
    """Exponential of mean 1 s, hedged after ln 2 s: half are answered before. The others take the lesser of what is
    left, exponential again, and of a new one: 1/2 s on the mean. So .5 + .5 x .5 = .75 s and 1.5 calls; and the chance
    of more than ln 2 + t is e^-2t / 2."""
    after = f"{round(math.log(2) * SECOND)}us"
    keys = {
        "latency": "exponential(mean=1s)",
        "hedge": f", hedge: {{after: {after}}}",
        "rate": "20/s",
        "horizon": "1000s",
    }
    tables = fly(tmp_path, **keys)
    took, calls = times(tables), np.array(costs(tables))
    assert len(took) > 19_000
    assert stats.ttest_1samp(took, 0.75).pvalue > LEVEL
    assert stats.ttest_1samp(calls, 1.5).pvalue > LEVEL
    assert set(calls) == {1, 2}

    def law(t: np.ndarray) -> np.ndarray:
        return np.where(t < math.log(2), 1 - np.exp(-t), 1 - 0.5 * np.exp(-2 * (t - math.log(2))))

    assert stats.kstest(took, law).pvalue > LEVEL
    assert stats.kstest(took, lambda t: 1 - np.exp(-t)).pvalue < LEVEL, "calls that are not made again would be seen"


def test_the_first_calls_are_those_without_hedging(tmp_path: Path) -> None:
    keys = {"latency": "exponential(mean=1s)", "rate": "5/s"}
    hedged, plain = (times(fly(tmp_path, hedge=hedge, **keys)) for hedge in (", hedge: {after: 700ms, most: 3}", ""))
    count = min(len(hedged), len(plain)) - 40
    assert all(h <= p for h, p in zip(hedged[:count], plain[:count], strict=True))
    assert [h for h, p in zip(hedged[:count], plain[:count], strict=True) if p <= 0.7] == [
        p for p in plain[:count] if p <= 0.7
    ]


# --- timelines: the first case arrives after a minute -----------------------------------------------------------------


def test_a_request_is_made_again_so_often_and_paid_each_time(tmp_path: Path) -> None:
    """Five seconds: again after 2 s and 4 s. The first call is the first to answer."""
    for most, again in ((1, [(2, 1)]), (2, [(2, 1), (4, 2)]), (3, [(2, 1), (4, 2)])):
        tables = fly(tmp_path, hedge=f", hedge: {{after: 2s, most: {most}}}")
        assert hedges(tables) == again
        assert (list(times(tables)), costs(tables)) == ([5], [1 + len(again)])


def test_each_request_of_an_attempt_is_made_again(tmp_path: Path) -> None:
    tables = fly(tmp_path, calls="2", hedge=", hedge: {after: 2s, most: 9}")
    assert hedges(tables) == [(2, 1), (4, 2), (7, 1), (9, 2)]
    assert (list(times(tables)), costs(tables)) == ([10], [6])
    counted = Counter(row["case"] for row in tables.events.to_pylist() if row["kind"] == "hedged")
    assert counted == {0: 4}


def test_an_answer_at_the_instant_of_a_hedge_comes_first(tmp_path: Path) -> None:
    tables = fly(tmp_path, hedge=", hedge: {after: 5s}")
    assert hedges(tables) == []


OUTAGE = "faults: [{kind: outage, endpoint: api, at: 59s, lasts: 2s}]"


def test_a_failure_counts_only_when_no_other_call_is_open(tmp_path: Path) -> None:
    """The first call, made in an outage, fails at 5 s; the second, made at 2 s, answers at 7 s. In a longer outage both
    fail, and the attempt with the second. Without a hedge in time, it fails with the first."""
    tables = fly(tmp_path, more=OUTAGE)
    assert (list(times(tables)), costs(tables)) == ([7], [2])
    for outage, hedge, at in (
        (OUTAGE.replace("2s", "4s"), ", hedge: {after: 2s}", 7),
        (OUTAGE, ", hedge: {after: 6s}", 5),
    ):
        rows = fly(tmp_path, more=outage, hedge=hedge).events.to_pylist()
        assert [row["time"] / SECOND - 60 for row in rows if row["kind"] == "attempt-failed"] == [at]


def test_a_call_that_waits_its_turn_is_not_paid(tmp_path: Path) -> None:
    """One call at a time: the second waits behind the first, and is given up unpaid when that answers."""
    tables = fly(tmp_path, endpoint=", concurrency: 1")
    assert (list(times(tables)), costs(tables), hedges(tables)) == ([5], [1], [(2, 1)])


def test_a_hedge_that_is_refused_is_lost(tmp_path: Path) -> None:
    """One call every 10 s and one early: the third is refused, and the request goes on with the others."""
    tables = fly(tmp_path, endpoint=", rate: 6/min", hedge=", hedge: {after: 1s, most: 3}", horizon="70s")
    assert hedges(tables) == [(1, 1), (2, 2), (3, 3)]
    assert (list(times(tables)), costs(tables)) == ([5], [2])


def test_calls_that_lose_go_on_where_the_endpoint_does_not_take_them_back(tmp_path: Path) -> None:
    """Made at 2 s, over at 7 s for nobody."""
    rows = fly(tmp_path, endpoint=", abandoned: serve").events.to_pylist()
    seen = [
        (row["time"] / SECOND - 60, row["kind"])
        for row in rows
        if row["kind"] in ("hedged", "orphaned", "ended", "wasted")
    ]
    assert sorted(seen) == [(2, "hedged"), (5, "ended"), (5, "orphaned"), (7, "wasted")]


def test_the_attempt_s_time_is_out_for_all_its_calls(tmp_path: Path) -> None:
    tables = fly(tmp_path, step=", timeout: 3s")
    rows = tables.events.to_pylist()
    assert [row["time"] / SECOND - 60 for row in rows if row["kind"] == "ended"] == [3]
    assert costs(tables) == [2]
    assert tables.samples.to_pandas().query("place == 'endpoint:api' and time > 63000000")["busy"].max() == 0


def test_an_attempt_that_nobody_waits_for_goes_on_hedging(tmp_path: Path) -> None:
    rows = fly(tmp_path, step=", timeout: 1s", abandoned="serve").events.to_pylist()
    seen = [(row["time"] / SECOND - 60, row["kind"]) for row in rows if row["kind"] in ("orphaned", "hedged", "wasted")]
    assert seen == [(1, "orphaned"), (2, "hedged"), (5, "wasted")]


def test_what_an_agent_that_hangs_is_told_it_takes_up_at_the_end(tmp_path: Path) -> None:
    """All agents hang from 3 s to 30 s: both calls are out by then, their answers at 5 s and 7 s wait, and no more are
    made."""
    more = "faults: [{kind: hang, agent: pool, at: 63s, lasts: 27s}]"
    tables = fly(tmp_path, more=more, hedge=", hedge: {after: 2s, most: 5}")
    assert (list(times(tables)), costs(tables), hedges(tables)) == ([30], [2], [(2, 1)])


def test_a_further_call_has_as_many_tokens_in_and_an_answer_of_its_own(tmp_path: Path) -> None:
    one, two = (fly(tmp_path, hedge=hedge) for hedge in ("", ", hedge: {after: 2s}"))
    (plain,), (hedged,) = (tables.cases.to_pylist() for tables in (one, two))
    assert hedged["tokens_in"] == 2 * plain["tokens_in"]
    assert plain["tokens_out"] < hedged["tokens_out"] != 2 * plain["tokens_out"]
