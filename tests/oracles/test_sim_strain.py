"""Endpoints that slow down with load and get worse in outages: hand-worked timelines, and a Markov chain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError
from scipy import stats

from models.curves import parse_curve
from models.diagnostics import InputError
from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules

LEVEL = 1e-3
TEXT = """\
windtunnel: 1
name: strain
start: 2026-01-05T00:00:00Z
horizon: {horizon}
endpoints: {{api: {{{endpoint}}}}}
agents:
  pool:
    {pool}
    capabilities: {{ask: {{endpoint: api, {capability}}}}}
workflows: {{flow: {{start: s, steps: {{s: {{kind: task, agent: pool, capability: ask}}}}}}}}
work: {{a: {{workflow: flow, arrivals: {{kind: {arrivals}}}}}}}
faults: [{faults}]
"""


def run(folder: Path, number: int = 0, **keys: str) -> Tables:
    given = {"horizon": "100s", "pool": "replicas: 100", "capability": "calls: 1", "faults": ""}
    given["arrivals"] = "renewal, rate: 1/s, cv: 0"
    (folder / "scenario.yaml").write_text(TEXT.format(**{**given, **keys}))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 4, number)
    replication.run()
    return replication.tables("", 0)


def spans(of: Tables) -> list[float]:
    cases = of.cases.to_pandas().dropna()
    return ((cases["ended"] - cases["arrived"]) / 1e6).tolist()


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), min_size=1, max_size=6, unique_by=lambda p: p[0]))
def test_a_curve_is_numpys_interpolation(points: list[tuple[int, int]]) -> None:
    points.sort()
    curve = parse_curve(f"points({', '.join(f'{x / 100}={y}' for x, y in points)})")
    shares = np.linspace(0, 1, 41)
    expected = np.interp(shares, [x / 100 for x, _ in points], [y for _, y in points])
    assert [curve.at(float(share)) for share in shares] == pytest.approx(expected.tolist())


@pytest.mark.parametrize(
    "text", ["line(0=1)", "points(0.5=1, 0.4=2)", "points(1.5=1)", "points(0=0)", "points(0=-1)", "3", "points()"]
)
def test_what_is_no_curve_is_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        parse_curve(text)


def test_calls_slow_down_by_the_places_that_are_taken(tmp_path: Path) -> None:
    """Four places, 10 s: at 1, 2, 3, 4 s calls start on shares 1/4, 2/4, 3/4, 4/4, so factors 1, 2, 3, 4. The call of
    5 s waits until 11 s, when the first ends, and starts on 4/4."""
    endpoint = "latency: 10s, concurrency: 4, load-latency: 'points(0.25=1, 0.5=2, 1=4)'"
    found = spans(run(tmp_path, endpoint=endpoint, horizon="60s"))
    assert found[:5] == [10, 20, 30, 40, 6 + 40]


def test_a_loss_system_slowed_by_load_has_the_blocking_of_its_chain(tmp_path: Path) -> None:
    """Two places, no queue, arrivals 1/s; who starts alone is served at 1/s (A), who starts beside another at .5/s
    (B)."""
    states = {"": 0, "A": 1, "B": 2, "AB": 3, "BB": 4}
    moves = [("", "A", 1), ("A", "AB", 1), ("A", "", 1), ("B", "BB", 1), ("B", "", 0.5)]
    moves += [("AB", "B", 1), ("AB", "A", 0.5), ("BB", "B", 1.0)]
    generator = np.zeros((5, 5))
    for start, end, rate in moves:
        generator[states[start], states[end]] += rate
        generator[states[start], states[start]] -= rate
    shares = np.linalg.lstsq(np.vstack([generator.T, np.ones(5)]), np.array([0, 0, 0, 0, 0, 1.0]), rcond=None)[0]
    blocked = shares[3] + shares[4]
    endpoint = "latency: 'exponential(mean=1s)', concurrency: 2, load-latency: 'points(0.5=1, 1=2)'"
    pool = "replicas: 2\n    queue: {capacity: 0}"
    found = []
    for number in range(16):
        keys = {"horizon": "4000s", "arrivals": "poisson, rate: 1/s"}
        cases = run(tmp_path, number, endpoint=endpoint, pool=pool, **keys).cases.to_pandas()
        found.append(float((cases["outcome"] == "failed").mean()))
    assert stats.ttest_1samp(found, blocked).pvalue > LEVEL
    assert stats.ttest_1samp(found, 0.2).pvalue < LEVEL, "Erlang's loss formula, without the slowing"


def test_an_outage_slows_the_calls_it_lets_through(tmp_path: Path) -> None:
    endpoint = "latency: 1s, degradation: {latency: 'points(0=1, 0.5=3)'}"
    faults = "{kind: outage, endpoint: api, at: 30s, lasts: 30s, severity: 0.25}"
    cases = run(tmp_path, endpoint=endpoint, faults=faults).cases.to_pandas().dropna()
    at, span = cases["arrived"] / 1e6, (cases["ended"] - cases["arrived"]) / 1e6
    inside = (at >= 30) & (at < 60)
    assert set(span[inside]) == {2.0}
    assert set(span[~inside]) == {1.0}


def outage(folder: Path, degradation: str, capability: str) -> pd.DataFrame:
    faults = "{kind: outage, endpoint: api, at: 0s, lasts: 20000s, severity: 0.5}" if degradation else ""
    keys = {"capability": capability, "faults": faults, "horizon": "20000s"}
    cases = run(folder, endpoint=f"latency: 0s{degradation}", **keys).cases.to_pandas()
    return cases[cases["outcome"] == "completed"]


WORSE = ", degradation: {success: 'points(0=1, 0.5=0.6)'}"


@pytest.mark.parametrize(("law", "mean"), [("0.8", 0.8), ("'beta(alpha=0.709, beta=0.276)'", 0.709 / 0.985), ("1", 1)])
def test_an_outage_makes_answers_worse_by_the_factor_once(tmp_path: Path, law: str, mean: float) -> None:
    """Whatever the number of calls, at the same severity the factor counts once."""
    cases = outage(tmp_path, WORSE, f"calls: 2, detected: 0, success: {law}")
    right = int((~cases["wrong"]).sum())
    assert stats.binomtest(right, len(cases), mean * 0.6).pvalue > LEVEL
    assert stats.binomtest(right, len(cases), mean * 0.36).pvalue < LEVEL


def test_degraded_answers_are_right_only_where_they_would_have_been(tmp_path: Path) -> None:
    capability = "detected: 0, success: 'beta(alpha=0.709, beta=0.276)'"
    worse, usual = outage(tmp_path, WORSE, capability), outage(tmp_path, "", capability).set_index("case")
    assert usual.loc[worse.loc[~worse["wrong"], "case"], "wrong"].sum() == 0


def test_after_the_outage_all_is_as_before(tmp_path: Path) -> None:
    faults = "{kind: outage, endpoint: api, at: 10s, lasts: 10s, severity: 0.5}"
    endpoint = "latency: 0s, degradation: {success: 'points(0=1, 0.5=0.000001)'}"
    cases = run(tmp_path, endpoint=endpoint, faults=faults, capability="detected: 0, success: 1").cases.to_pandas()
    inside = (cases["arrived"] >= 10_000_000) & (cases["arrived"] < 20_000_000)
    assert cases.loc[inside & (cases["outcome"] == "completed"), "wrong"].all()
    assert not cases.loc[~inside, "wrong"].any()


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("latency: 1s, load-latency: 'points(1=2)'", "goes by the share of `concurrency`"),
        ("latency: 1s, degradation: {}", "it changes nothing"),
        ("latency: 1s, degradation: {success: 'points(1=2)'}", "makes answers better"),
        ("latency: 1s, degradation: {success: 'points(1=2'}", "`)`"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, endpoint: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, endpoint=endpoint)
    assert any(message in diagnostic.message for diagnostic in caught.value.diagnostics)
