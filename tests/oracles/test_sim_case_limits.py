"""Deadlines and withdrawals of cases: against birth-death chains, and hand-worked timelines."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from models.diagnostics import InputError
from models.load import load
from reports.outcomes import assess
from reports.sections import sections
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules
from sim.simulate import simulate

LEVEL = 1e-3
TEXT = """\
windtunnel: 1
name: limits
start: 2026-01-05T00:00:00Z
horizon: {horizon}
replications: 3
endpoints: {{api: {{latency: 5s}}}}
agents:
  pool: {{capabilities: {{serve: {{service: exponential(mean=1s)}}}}}}
  slow: {{capabilities: {{work: {{service: 10s}}, ask: {{endpoint: api, service: 1s}}}}}}
locks: {{key: {{}}}}
workflows:
  visit: {{start: s, steps: {{s: {{kind: task, agent: pool, capability: serve}}}}}}
  held: {{start: s, steps: {{s: {{kind: task, agent: slow, capability: work, acquire: [key]}}}}}}
  asked: {{start: s, steps: {{s: {{kind: task, agent: slow, capability: ask}}}}}}
  both:
    start: fork
    steps:
      fork: {{kind: parallel, branches: [a, b], join: out}}
      a: {{kind: task, agent: slow, capability: work, next: out}}
      b: {{kind: wait, duration: 1h, next: out}}
      out: {{kind: end}}
work: {{a: {{workflow: {work}}}}}
"""
POISSON = "visit, arrivals: {kind: poisson, rate: 0.8/s}"
EVENLY = "arrivals: {kind: renewal, rate: 1/s, cv: 0}"


def run(folder: Path, work: str, number: int = 0, horizon: str = "100s") -> Tables:
    (folder / "scenario.yaml").write_text(TEXT.format(work=work, horizon=horizon))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 12, number)
    replication.run()
    return replication.tables("", 0)


def share(folder: Path, work: str, column: str, value: object) -> list[float]:
    found = []
    for number in range(20):
        cases = run(folder, work, number, "4000s").cases.to_pandas()
        measured = cases[(cases["arrived"] > 300_000_000) & (cases["arrived"] < 3_900_000_000)]
        found.append(float((measured[column] == value).mean()))
    return found


def test_cases_taken_back_are_those_of_the_chain(tmp_path: Path) -> None:
    """M/M/1 at .8 whose cases leave after an exponential time of mean 5 s, waiting or in service: n cases die at rate
    1 + n/5, and a share E[N]/5/.8 is taken back."""
    weights = [1.0]
    for n in range(1, 200):
        weights.append(weights[-1] * 0.8 / (1 + n / 5))
    mean = sum(n * weight for n, weight in enumerate(weights)) / sum(weights)
    theory = mean / 5 / 0.8
    found = share(tmp_path, f"{POISSON}, withdrawal: 'exponential(mean=5s)'", "outcome", "cancelled")
    assert stats.ttest_1samp(found, theory).pvalue > LEVEL
    assert stats.ttest_1samp(found, theory * 1.1).pvalue < LEVEL, "the test is sharp"


def test_late_cases_are_the_tail_of_the_time_in_the_system(tmp_path: Path) -> None:
    """The time in M/M/1 at .8 is exponential of mean 5 s, so e^-2 of the cases are late at 10 s."""
    found = share(tmp_path, f"{POISSON}, deadline: 10s", "late", True)
    assert stats.ttest_1samp(found, math.exp(-2)).pvalue > LEVEL
    ended = share(tmp_path, f"{POISSON}, deadline: 10s, on-deadline: cancel", "outcome", "expired")
    assert stats.ttest_1samp(ended, math.exp(-2)).pvalue < LEVEL, "those who are ended make way for others"


def rows(of: Tables, case: int) -> list[tuple[float, str]]:
    events = of.events.to_pandas()
    return [(row.time / 1e6, row.kind) for row in events[events["case"] == case].itertuples()]


def test_a_deadline_that_is_kept_changes_nothing_else(tmp_path: Path) -> None:
    bare, late = run(tmp_path, POISSON), run(tmp_path, f"{POISSON}, deadline: 2s")
    events = late.events.to_pandas()
    told = events[events["kind"] == "case-late"]
    assert len(told) == late.cases.to_pandas()["late"].sum() > 10
    kept = events[events["kind"] != "case-late"].drop(columns="sequence").reset_index(drop=True)
    assert kept.equals(bare.events.to_pandas().drop(columns="sequence"))
    cases = late.cases.to_pandas()
    span = cases["ended"].fillna(100_000_000) - cases["arrived"]
    assert (cases["late"] == (span > 2_000_000)).all()


def test_a_case_that_is_taken_back_frees_its_slot_and_its_lock(tmp_path: Path) -> None:
    """Cases at 1, 2, 3 s, work of 10 s under one lock; taken back after 4 s each: the second begins when the first
    goes."""
    of = run(tmp_path, f"held, withdrawal: 4s, {EVENLY}", horizon="9s")
    assert rows(of, 0) == [
        (1, "arrived"),
        (1, "entered"),
        (1, "locked"),
        (1, "started"),
        (5, "withdrawn"),
        (5, "finished"),
        (5, "unlocked"),
        (5, "ended"),
    ]
    assert (5, "started") in rows(of, 1)
    assert (6, "started") in rows(of, 2)
    assert of.cases.to_pandas()["outcome"].tolist()[:3] == ["cancelled"] * 3


def test_a_call_and_a_place_in_the_queue_are_given_up_at_the_deadline(tmp_path: Path) -> None:
    of = run(tmp_path, f"asked, deadline: 3s, on-deadline: cancel, {EVENLY}", horizon="6s")
    assert rows(of, 0)[-3:] == [(4, "case-late"), (4, "finished"), (4, "ended")]
    assert rows(of, 1)[-3:] == [(5, "case-late"), (5, "finished"), (5, "ended")]
    assert run(tmp_path, f"asked, deadline: 6s, on-deadline: cancel, {EVENLY}").cases.to_pandas()["late"][0] == False  # noqa: E712


def test_all_branches_of_a_case_that_is_taken_back_end(tmp_path: Path) -> None:
    of = run(tmp_path, f"both, withdrawal: 4s, {EVENLY}", horizon="30s")
    cases, events = of.cases.to_pandas(), of.events.to_pandas()
    ended = cases[cases["outcome"] == "cancelled"]
    assert len(ended) >= 24
    assert (ended["ended"] - ended["arrived"] == 4_000_000).all()
    last = events.groupby("case")["time"].max()
    assert (last[ended["case"]].to_numpy() == ended["ended"].to_numpy()).all()
    assert (events["kind"] == "started").sum() == (events["kind"] == "finished").sum() + 1


def test_limits_are_drawn_for_each_case_by_its_stream(tmp_path: Path) -> None:
    of = run(tmp_path, f"both, withdrawal: 'uniform(low=1s, high=5s)', {EVENLY}", horizon="2000s")
    cases = of.cases.to_pandas().dropna()
    span = ((cases["ended"] - cases["arrived"]) / 1e6).to_numpy()
    assert stats.kstest(span, stats.uniform(1, 4).cdf).pvalue > LEVEL
    assert abs(np.corrcoef(span[1:], span[:-1])[0, 1]) < 4 / math.sqrt(len(span))


def test_the_report_tells_late_and_withdrawn_cases(tmp_path: Path) -> None:
    work = f"{POISSON}, deadline: 10s, withdrawal: 'exponential(mean=100s)'"
    (tmp_path / "scenario.yaml").write_text(TEXT.format(work=work, horizon="2000s"))
    run_ = simulate(load(tmp_path), tmp_path / "run", workers=1)
    outcomes = assess(run_)
    (limit,) = outcomes.limits
    cases = run_.cases()
    assert limit.late.estimate == pytest.approx(cases["late"].mean(), abs=0.01)
    assert limit.withdrawn.estimate == pytest.approx((cases["outcome"] == "cancelled").mean(), abs=0.01)
    assert dict(outcomes.work[0].by_outcome)["cancelled"] == (cases["outcome"] == "cancelled").sum() > 0
    assert "limits" in {section.anchor for section in sections(outcomes)}


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (f"visit, deadline: 0s, {EVENLY}", "is always zero"),
        (f"visit, on-deadline: cancel, {EVENLY}", "without a `deadline`"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, work: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, work)
    assert any(message in diagnostic.message for diagnostic in caught.value.diagnostics)
