"""Faults of the platform against what is known of them in closed form, judged by z over independent replications."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean, stdev

import pytest
from scipy import stats

from models.load import load
from models.units import SECOND
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

SURE = 0.001
"""Chance of a false alarm of one test."""

BREAKDOWNS = """\
windtunnel: 1
name: breakdowns
start: 2026-01-05T00:00:00Z
horizon: 20000s
agents: {pool: {capabilities: {work: {service: exponential(mean=1s)}}}}
workflows: {flow: {start: work, steps: {work: {kind: task, agent: pool, capability: work}}}}
work: {jobs: {workflow: flow, arrivals: {kind: poisson, rate: 0.5/s}}}
faults: [{kind: hang, agent: pool, between: exponential(mean=10s), repair: exponential(mean=2s)}]
"""
LAMBDA, MU, XI, ETA = 0.5, 1.0, 0.1, 0.5


def time_in_system(lam: float, mu: float, xi: float, eta: float) -> float:
    """Mean time in an M/M/1 queue whose server breaks down at rate xi, busy or not, is repaired at rate eta, and goes
    on where it was: the formula and its value for these rates are those of ../shared/reference/simulation.md."""
    available = eta / (xi + eta)
    return (1 + mu * xi / (xi + eta) ** 2) / (mu * available - lam)


def mean_times(folder: Path, text: str, replications: int) -> list[float]:
    """Of each replication, the mean time in seconds of the cases that came after 500 s and ended."""
    (folder / "scenario.yaml").write_text(text)
    loaded = load(folder)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    means = []
    for number in range(replications):
        replication = Replication(plan, rules, 11, number)
        replication.run()
        arrived, ended = replication.workload.arrived.tolist(), replication.cases.ended
        times = [(ended[n] - at) / SECOND for n, at in enumerate(arrived) if at > 500 * SECOND and ended[n]]
        means.append(fmean(times))
    return means


def is_apart(sample: list[float], theory: float) -> bool:
    """Whether a mean is further from theory than chance brings it, by Student's law."""
    t = (fmean(sample) - theory) / (stdev(sample) / math.sqrt(len(sample)))
    return bool(2 * stats.t.sf(abs(t), len(sample) - 1) < SURE)


def test_a_server_that_breaks_down_and_goes_on_agrees_with_theory(tmp_path: Path) -> None:
    theory = time_in_system(LAMBDA, MU, XI, ETA)
    assert theory == pytest.approx(3.833333, abs=1e-6)
    times = mean_times(tmp_path, BREAKDOWNS, 20)
    assert not is_apart(times, theory)
    # The test can say no: a server that is repaired a tenth later, or that does not break down.
    assert is_apart(times, time_in_system(LAMBDA, MU, XI, ETA * 0.9))
    assert is_apart(times, 1 / (MU - LAMBDA))


CRASHES = """\
windtunnel: 1
name: crashes
start: 2026-01-05T00:00:00Z
horizon: 100s
agents: {pool: {replicas: 5, capabilities: {work: {service: 20s}}}}
workflows: {flow: {start: work, steps: {work: {kind: task, agent: pool, capability: work}}}}
work: {jobs: {workflow: flow, arrivals: {kind: renewal, rate: 30/min, cv: 0}}}
faults: [{kind: crash, agent: pool, replicas: 2, at: 7s, lasts: 10s}]
"""


def test_which_slots_crash_is_drawn_without_regard_to_what_is_in_them(tmp_path: Path) -> None:
    """Three of five slots are busy when two crash: the jobs that die follow the hypergeometric law."""
    (tmp_path / "scenario.yaml").write_text(CRASHES)
    loaded = load(tmp_path)
    plan, rules = compile_plan(loaded), compile_rules(loaded)
    died = [0, 0, 0]
    each = [0, 0, 0]
    for number in range(600):
        replication = Replication(plan, rules, 3, number)
        replication.clock.run_before(8 * SECOND, replication.workload.arrived.tolist(), replication.flow.arrive)
        dead = [case for case in range(3) if replication.cases.ended[case]]
        died[len(dead)] += 1
        for case in dead:
            each[case] += 1
    expected = [600 * stats.hypergeom.pmf(k, 5, 3, 2) for k in range(3)]
    assert stats.chisquare(died, expected).pvalue > SURE
    assert all(stats.binomtest(count, 600, 0.4).pvalue > SURE for count in each)
    assert stats.chisquare(died, [600 * stats.binom.pmf(k, 2, 0.5) for k in range(3)]).pvalue < SURE
