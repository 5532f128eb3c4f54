"""Autoscaling: hand-worked timelines, the rule on a grid, and the limit of a pool as large as its load."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import pytest
from scipy import stats

from models.diagnostics import InputError
from models.load import load
from reports.outcomes import assess
from reports.sections import sections
from sim.autoscaling import recommended
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.plans.supply import ScalePlan
from sim.rules import compile_rules
from sim.simulate import simulate

TEXT = """\
windtunnel: 1
name: scaling
start: 2026-01-05T00:00:00Z
horizon: {horizon}
replications: 3
agents:
  pool: {{{pool}, capabilities: {{serve: {{service: "{service}"}}}}}}
workflows: {{visit: {{start: s, steps: {{s: {{kind: task, agent: pool, capability: serve}}}}}}}}
work: {{a: {{workflow: visit, arrivals: {{kind: {arrivals}}}}}}}
"""


def write(folder: Path, pool: str, service: str, arrivals: str, horizon: str) -> None:
    text = TEXT.format(pool=pool, service=service, arrivals=arrivals, horizon=horizon)
    (folder / "scenario.yaml").write_text(text)


def run(folder: Path, pool: str, service: str, arrivals: str, horizon: str, number: int = 0) -> Tables:
    write(folder, pool, service, arrivals, horizon)
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 2, number)
    replication.run()
    return replication.tables("", 0)


def rows(of: Tables, *kinds: str) -> list[tuple[float, str, int]]:
    events = of.events.to_pandas()
    return [(row.time / 1e6, row.kind, int(row.value)) for row in events[events["kind"].isin(kinds)].itertuples()]


def test_the_rule_is_that_of_the_reference() -> None:
    """Twice the load that is aimed at doubles the replicas, half of it halves them."""
    for replicas in range(1, 12):
        for in_hand in range(60):
            for slots in (1, 3):
                plan = ScalePlan(0, 1, slots, 2, 9, 0.7, 1, 0, 0, 0.1)
                ratio = Fraction(in_hand, replicas * slots) / Fraction(7, 10)
                wanted = min(max(math.ceil(replicas * ratio), 2), 9)
                near = abs(ratio - 1) <= Fraction(1, 10)
                assert recommended(plan, replicas, in_hand) == (replicas if near else wanted)
    double = ScalePlan(0, 1, 1, 1, 99, 0.5, 1, 0, 0, 0.1)
    assert (recommended(double, 4, 4), recommended(double, 4, 1)) == (8, 2)


def test_replicas_come_after_their_start_up_and_go_after_the_cool_down(tmp_path: Path) -> None:
    """Cases at 10, 20 .. 60 s, work of 40 s, one replica, target 1, a look each 15 s, start-up 10 s, cool-down 30 s.

    Look 15: one in hand, as wanted. 30: two (the case of 30 comes after the look), so 2 replicas, one ready at 40.
    45: four in hand, so 4 replicas, ready at 55. 60: four in hand; the case of 60 finds all four at work.
    """
    pool = "replicas: 1, autoscale: {most: 8, target: 1, start-up: 10s, cool-down: 30s, tolerance: 0}"
    of = run(tmp_path, pool, "40s", "renewal, rate: 6/min, cv: 0", "61s")
    assert rows(of, "scaled-up", "scaled-down") == [(30, "scaled-up", 2), (45, "scaled-up", 4)]
    started = [(at, wait / 1e6) for at, _, wait in rows(of, "started")]
    assert started == [(10, 0), (40, 20), (50, 20), (55, 15), (55, 5)]


def test_fewer_are_kept_than_the_most_within_the_cool_down(tmp_path: Path) -> None:
    """A case at 0 and five at 10 s, work of 20 s: the looks of 15, 30 and 45 s want 6, 5 and 1. At 60 s the 6 of 15 s
    are past the cool-down of 40 s, at 75 s the 5 of 30 s."""
    (tmp_path / "t.csv").write_text("at\n0\n" + "10\n" * 5 + "200\n")
    pool = "replicas: 1, autoscale: {most: 8, target: 1, cool-down: 40s, tolerance: 0}"
    of = run(tmp_path, pool, "20s", "trace, file: t.csv, column: at", "190s")
    changes = rows(of, "scaled-up", "scaled-down")
    assert changes[0] == (15, "scaled-up", 6)
    assert changes[1:] == [(60, "scaled-down", 5), (75, "scaled-down", 1)]


def test_who_starts_up_goes_first(tmp_path: Path) -> None:
    """Four cases at 0, work of 10 s: 3 in hand at 15 s, 2 at 30 s, none at 45 s. Only the first replica ever works."""
    (tmp_path / "t.csv").write_text("at\n0\n0\n0\n0\n")
    pool = "replicas: 1, autoscale: {most: 8, target: 1, start-up: 1h, cool-down: 1us, tolerance: 0}"
    of = run(tmp_path, pool, "10s", "trace, file: t.csv, column: at", "3h")
    assert rows(of, "scaled-up", "scaled-down") == [
        (15, "scaled-up", 3),
        (30, "scaled-down", 2),
        (45, "scaled-down", 1),
    ]
    assert [at for at, _, _ in rows(of, "started")] == [0, 10, 20, 30]


def replicas(folder: Path, number: int) -> float:
    pool = "replicas: 5, autoscale: {most: 60, target: 1, every: 1s, cool-down: 1us, tolerance: 0}"
    of = run(folder, pool, "exponential(mean=100s)", "poisson, rate: 0.05/s", "20000s", number)
    samples = of.samples.to_pandas()
    return float(samples[samples["time"] > 500_000_000]["capacity"].mean())


def test_a_pool_as_large_as_its_load_is_a_queue_without_end_of_servers(tmp_path: Path) -> None:
    """M/M/inf at 5: as many replicas as cases in hand, one at the least: 5 + e^-5 on the mean."""
    found = [replicas(tmp_path, number) for number in range(16)]
    assert stats.ttest_1samp(found, 5 + math.exp(-5)).pvalue > 1e-3
    assert stats.ttest_1samp(found, 5.6).pvalue < 1e-3


def test_replicas_stay_within_their_bounds(tmp_path: Path) -> None:
    pool = "replicas: 3, concurrency: 2, autoscale: {least: 2, most: 4, target: 0.5, every: 5s, cool-down: 20s}"
    of = run(tmp_path, pool, "exponential(mean=10s)", "mmpp, rates: [2/s, 1/min], stays: [60s, 120s]", "2000s")
    capacity = of.samples.to_pandas()["capacity"]
    assert set(capacity) == {4, 6, 8}


def test_the_report_tells_how_a_pool_scaled(tmp_path: Path) -> None:
    pool = "replicas: 1, autoscale: {most: 8, target: 0.7, every: 5s, cool-down: 30s}"
    write(tmp_path, pool, "exponential(mean=10s)", "poisson, rate: 0.2/s", "2000s")
    outcomes = assess(simulate(load(tmp_path), tmp_path / "run", workers=1))
    (scale,) = outcomes.scaling
    assert scale.ups.estimate > 3
    assert scale.downs.estimate > 3
    assert 1 < scale.replicas.estimate < 8
    assert "scaling" in {section.anchor for section in sections(outcomes)}


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        ("replicas: 9, autoscale: {most: 8, target: 1}", "are not between 1 and 8"),
        ("autoscale: {most: 8, target: 1, every: 0s}", "is zero"),
        ("autoscale: {most: 8, target: 1, every: 1us}", "looks too often"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, pool: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        run(tmp_path, pool, "1s", "poisson, rate: 1/s", "100s")
    assert any(message in diagnostic.message for diagnostic in caught.value.diagnostics)
