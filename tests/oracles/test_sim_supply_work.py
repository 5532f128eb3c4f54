"""Work that comes in bursts and batches: against closed formulas, and streams that do not disturb each other."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from models.diagnostics import InputError
from models.load import load
from sim.chance import Draws
from sim.compile import compile_plan
from sim.engine import Replication
from sim.mmpp import stationary
from sim.plan import Plan
from sim.rules import Rules, compile_rules
from sim.workload import CaseLimitError, materialise

TEXT = """\
windtunnel: 1
name: arrivals
start: 2026-01-05T00:00:00Z
horizon: {horizon}
agents: {{servers: {{capabilities: {{serve: {{service: exponential(mean=1s)}}}}}}}}
workflows:
  flow: {{start: s, steps: {{s: {{kind: wait, duration: 0s}}}}}}
  visit: {{start: s, steps: {{s: {{kind: task, agent: servers, capability: serve}}}}}}
work: {{{work}}}
"""
MMPP = "a: {workflow: flow, arrivals: {kind: mmpp, rates: [10/s, 1/s], stays: [10s, 20s]}}"
POISSON = "a: {workflow: flow, arrivals: {kind: poisson, rate: 4/s}}"
LEVEL = 1e-3


def compiled(folder: Path, work: str, horizon: str) -> tuple[Plan, Rules]:
    (folder / "scenario.yaml").write_text(TEXT.format(horizon=horizon, work=work))
    loaded = load(folder)
    return compile_plan(loaded), compile_rules(loaded)


def counts(folder: Path, work: str, replications: int) -> np.ndarray:
    plan, rules = compiled(folder, work, "50s")
    return np.array([len(materialise(plan, rules, Draws(3, n)).arrived) for n in range(replications)])


def dispersion(seconds: float) -> float:
    """Variance over mean of the arrivals in a time, of a stationary process of two states (after Fischer and
    Meier-Hellstern 1993), rates 10 and 1, left at .1 and .05 a second; 61 in the limit."""
    fast, slow, leave_fast, leave_slow = 10.0, 1.0, 0.1, 0.05
    both = leave_fast + leave_slow
    excess = 2 * (fast - slow) ** 2 * leave_fast * leave_slow / (both**2 * (fast * leave_slow + slow * leave_fast))
    return 1 + excess * (1 - (1 - math.exp(-both * seconds)) / (both * seconds))


def test_modulated_arrivals_have_the_mean_and_the_dispersion_of_theory(tmp_path: Path) -> None:
    assert dispersion(1e9) == pytest.approx(61)
    found = counts(tmp_path, MMPP, 2000)
    assert stats.ttest_1samp(found, 4 * 50).pvalue > LEVEL
    deviations = (found - 200.0) ** 2
    assert stats.ttest_1samp(deviations, 200 * dispersion(50)).pvalue > LEVEL
    assert stats.ttest_1samp(deviations, 200 * dispersion(50) * 1.25).pvalue < LEVEL, "the test is sharp"


def test_a_poisson_process_of_the_same_rate_is_not_taken_for_it(tmp_path: Path) -> None:
    found = counts(tmp_path, POISSON, 500)
    assert stats.ttest_1samp((found - 200.0) ** 2, 200 * dispersion(50)).pvalue < LEVEL


def test_a_process_begun_in_one_state_is_not_stationary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.compile_supply.stationary", lambda stays, _: (1.0, *[0.0] * (len(stays) - 1)))
    assert stats.ttest_1samp(counts(tmp_path, MMPP, 500), 4 * 50).pvalue < LEVEL


def test_the_long_run_of_the_states_is_that_of_the_generator() -> None:
    stays, to = [3.0, 5.0, 2.0, 9.0], [[0, 0.5, 0.5, 0], [0.2, 0, 0.3, 0.5], [1, 0, 0, 0], [0.1, 0.9, 0, 0]]
    generator = (np.array(to) - np.eye(4)) / np.array(stays)[:, None]
    equations = np.vstack([generator.T, np.ones(4)])
    solved = np.linalg.lstsq(equations, np.array([0, 0, 0, 0, 1.0]), rcond=None)[0]
    assert stationary(stays, to) == pytest.approx(solved, abs=1e-12)


def test_states_come_as_the_chances_say(tmp_path: Path) -> None:
    """State 1 is only ever left for state 2, so the three states never come in the order 0, 1, 0."""
    work = (
        "a: {workflow: flow, arrivals: {kind: mmpp, rates: [100/s, 1/h, 10/s], stays: [10s, 10s, 10s], "
        "to: [[0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]]}}"
    )
    plan, rules = compiled(tmp_path, work, "20h")
    share = len(materialise(plan, rules, Draws(1, 0)).arrived) / 72_000
    visits = np.array([0.5, 1.0, 1.0])
    assert share == pytest.approx(float(visits @ [100, 1 / 3600, 10] / visits.sum()), rel=0.05)


# --- batches ----------------------------------------------------------------------------------------------------------

BATCH = "a: {{workflow: visit, batch: {law}, arrivals: {{kind: poisson, rate: 0.3/s}}}}"


def times(folder: Path, law: str) -> list[float]:
    """Mean time in the system of each replication, seconds."""
    plan, rules = compiled(folder, BATCH.format(law=law), "8000s")
    means = []
    for number in range(16):
        replication = Replication(plan, rules, 5, number)
        replication.run()
        cases = replication.tables("", 0).cases.to_pandas()
        cases = cases[(cases["arrived"] > 500_000_000) & (cases["arrived"] < 7_900_000_000)]
        means.append(float((cases["ended"] - cases["arrived"]).mean()) / 1e6)
    return means


def test_a_queue_of_pairs_has_the_time_of_theory(tmp_path: Path) -> None:
    """M^X/M/1 with X = 2: L = rho (1 + E[X^2]/E[X]) / (2 (1 - rho)) = 2.25 at rho .6, so W = 3.75."""
    found = times(tmp_path, "2")
    assert stats.ttest_1samp(found, 3.75).pvalue > LEVEL
    single = 1 / (1 - 0.6)
    assert stats.ttest_1samp(found, single).pvalue < LEVEL, "cases one by one wait less"


def test_batches_are_drawn_and_come_together(tmp_path: Path) -> None:
    plan, rules = compiled(tmp_path, BATCH.format(law="'values(1=0.8, 5=0.2)'"), "40000s")
    arrived = materialise(plan, rules, Draws(1, 0)).arrived
    _, sizes = np.unique(arrived, return_counts=True)
    assert set(sizes) == {1, 5}
    assert stats.binomtest(int((sizes == 5).sum()), len(sizes), 0.2).pvalue > LEVEL


def test_batches_leave_the_moments_of_arrival_and_other_streams_alone(tmp_path: Path) -> None:
    beside = ", b: {workflow: flow, arrivals: {kind: poisson, rate: 1/s}, attributes: {n: 'uniform(low=0, high=9)'}}"
    drawn = []
    for law in ("1", "3"):
        plan, rules = compiled(tmp_path, BATCH.format(law=law) + beside, "1000s")
        drawn.append(materialise(plan, rules, Draws(1, 0)))
    one, three = ((w.arrived[np.array(w.work) == 0], w.arrived[np.array(w.work) == 1]) for w in drawn)
    assert three[0].tolist() == np.repeat(one[0], 3).tolist()
    assert three[1].tolist() == one[1].tolist()
    assert drawn[0].attributes[1][0].tolist() == drawn[1].attributes[1][0].tolist()


def test_batches_beyond_all_measure_are_refused(tmp_path: Path) -> None:
    plan, rules = compiled(tmp_path, BATCH.format(law="1000000000000"), "1000s")
    with pytest.raises(CaseLimitError):
        materialise(plan, rules, Draws(1, 0))


@pytest.mark.parametrize(
    ("work", "message"),
    [
        ("a: {workflow: flow, arrivals: {kind: mmpp, rates: [1/s, 2/s], stays: [1s, 2s, 3s]}}", "2 rates, but 3 stays"),
        ("a: {workflow: flow, arrivals: {kind: mmpp, rates: [1/s, 2/s], stays: [0s, 2s]}}", "is zero"),
        ("a: {workflow: flow, arrivals: {kind: mmpp, rates: [1/s, 2/s], stays: [1us, 2s]}}", "this short are too many"),
        (
            "a: {workflow: flow, arrivals: {kind: mmpp, rates: [1/s, 2/s], stays: [1s, 2s], to: [[0, 1], [1, 0.2]]}}",
            "does not come after itself",
        ),
        (
            "a: {workflow: flow, arrivals: {kind: mmpp, rates: [1/s, 2/s], stays: [1s, 2s], to: [[0, 0.5], [1, 0]]}}",
            "add up to 0.5",
        ),
        (
            "a: {workflow: flow, arrivals: {kind: mmpp, rates: [1/s, 2/s, 3/s], stays: [1s, 2s, 1s], "
            "to: [[0, 1, 0], [1, 0, 0], [1, 0, 0]]}}",
            "some states never come",
        ),
        ("a: {workflow: flow, batch: 0, arrivals: {kind: poisson, rate: 1/s}}", "a batch may have no case"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, work: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        compiled(tmp_path, work, "1000s")
    assert any(message in diagnostic.message for diagnostic in caught.value.diagnostics)
