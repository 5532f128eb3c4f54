"""Detectors against other implementations of them, and against what is known exactly."""

from __future__ import annotations

import random
import warnings
from copy import copy
from itertools import combinations
from math import log
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from river.drift import ADWIN, binary
from scipy.stats import ks_2samp

from sim.detectors import DDM, Adwin, Cusum, Detector, KolmogorovSmirnov, StabilityIndex
from sim.detectors.ks import chance_of, critical_distance, distance
from sim.detectors.psi import quantile_edges, stability_index

labels = st.lists(
    st.tuples(st.integers(1, 300), st.sampled_from([0.0, 0.02, 0.1, 0.5, 0.9, 1.0])), min_size=1, max_size=6
)


def stream(pieces: list[tuple[int, float]], seed: int) -> list[float]:
    chance = random.Random(seed)
    return [float(chance.random() < p) for length, p in pieces for _ in range(length)]


def alarms(detector: Detector, values: list[float]) -> list[int]:
    return [position for position, value in enumerate(values) if detector.update(value)]


def rivers(detector: ADWIN | binary.DDM, values: list[float]) -> list[int]:
    found = []
    for position, value in enumerate(values):
        detector.update(value)  # type: ignore[arg-type]
        if detector.drift_detected:
            found.append(position)
    return found


def changed(run: int) -> list[float]:
    """Errors of 0.05, then of 0.15: the stream of ../shared/reference/formal.md, section 6.1."""
    return stream([(2000, 0.05), (3000, 0.15)], 1000 + run)


@settings(max_examples=40, deadline=None)
@given(labels, st.integers(0, 1000), st.sampled_from([0.002, 0.05, 0.5]), st.sampled_from([1, 7, 32]))
def test_adwin_is_rivers(pieces: list[tuple[int, float]], seed: int, delta: float, clock: int) -> None:
    values = stream(pieces, seed)
    assert alarms(Adwin(delta, clock), values) == rivers(ADWIN(delta=delta, clock=clock), values)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 32]), st.lists(st.floats(0.1, 10), min_size=2, max_size=4))
def test_adwin_is_rivers_on_times(seed: int, clock: int, means: list[float]) -> None:
    chance = random.Random(seed)
    values = [chance.expovariate(1 / m) for m in means for _ in range(250)]
    assert alarms(Adwin(0.002, clock), values) == rivers(ADWIN(delta=0.002, clock=clock), values)


@settings(max_examples=80, deadline=None)
@given(labels, st.integers(0, 1000), st.integers(1, 60), st.sampled_from([1.0, 2.5, 3.0]))
def test_ddm_is_rivers(pieces: list[tuple[int, float]], seed: int, minimum: int, drift: float) -> None:
    values = stream(pieces, seed)
    twin = binary.DDM(warm_start=minimum, warning_threshold=drift / 2, drift_threshold=drift)
    assert alarms(DDM(minimum, drift), values) == rivers(twin, values)


@pytest.mark.parametrize(
    ("make", "delay", "spread"),
    [
        (lambda: Adwin(0.002, 32), 257.3, 114.4),
        (lambda: Adwin(0.05, 32), 155.2, 78.0),
        (lambda: DDM(30, 3.0), 311.5, 310.9),
        (lambda: Cusum(0.05, 0.15, 5.0), 63.4, 48.0),
    ],
)
def test_delay_is_the_measured_one(make: type[Detector], delay: float, spread: float) -> None:
    """Mean and sd of 200 such streams are in ../shared/reference/formal.md, 6.1; here the first 50 of them."""
    delays = [min((at for at in alarms(make(), changed(run)) if at >= 2000), default=5000) - 1999 for run in range(50)]
    assert mean(delays) == pytest.approx(delay, abs=4 * spread * (1 / 50 + 1 / 200) ** 0.5)


# --- CUSUM, exactly ---------------------------------------------------------------------------------------------------

P0, P1 = 0.05, 0.147281
"""ln(p1/p0) is ten times -ln((1-p1)/(1-p0)), so the sum stays on a lattice of such units."""
UNIT = -log((1 - P1) / (1 - P0))


def run_length(height: float, rate: float) -> float:
    """Mean labels till the alarm from zero: (I - Q) L = 1, where Q is found by trying the detector in every state."""
    start = Cusum(P0, P1, height * UNIT)
    numbers, found, chances = {0: 0}, [start], []
    for state in found:
        for label, chance in ((1.0, rate), (0.0, 1 - rate)):
            after = copy(state)
            if after.update(label):
                continue
            units = round(after._sum / UNIT)
            if units not in numbers:
                numbers[units] = len(found)
                found.append(after)
            chances.append((numbers[round(state._sum / UNIT)], numbers[units], chance))
    moves = np.zeros((len(found), len(found)))
    for before, behind, chance in chances:
        moves[before, behind] += chance
    return float(np.linalg.solve(np.eye(len(found)) - moves, np.ones(len(found)))[0])


@pytest.mark.parametrize(
    ("height", "quiet", "delay"),
    [(44, 3337.2, 59.93), (55, 11231.3, 76.83), (66, 37178.3, 93.74), (88, 402012.9, 127.58)],
)
def test_run_lengths_of_cusum_are_exact(height: int, quiet: float, delay: float) -> None:
    """../shared/reference/formal.md, 6.2. The alarm is at a sum of `height` units; p1 is given to six digits."""
    at_height = height - 0.01
    assert run_length(at_height, 0.05) == pytest.approx(quiet, rel=1e-4)
    assert run_length(at_height, 0.15) == pytest.approx(delay, abs=0.01)
    assert run_length(height + 0.99, 0.15) != pytest.approx(delay, abs=0.1)


# --- PSI and KS -------------------------------------------------------------------------------------------------------


def test_a_tripled_error_rate_has_a_stability_index_of_012() -> None:
    assert stability_index([0.95, 0.05], [0.85, 0.15]) == pytest.approx(0.120984, abs=5e-7)


def test_stability_index_alarms_at_its_threshold_after_a_whole_window() -> None:
    reference = [0.0] * 95 + [1.0] * 5
    window = [0.0] * 85 + [1.0] * 15
    assert alarms(StabilityIndex(100, 100, 10, 0.1209), reference + window) == [199]
    assert alarms(StabilityIndex(100, 100, 10, 0.1210), reference + window) == []
    again = StabilityIndex(100, 100, 10, 0.1209)
    assert alarms(again, reference + window + reference + window) == [199, 399]


def test_an_empty_bin_counts_as_half_a_label() -> None:
    index = (0.5 / 100 - 0.05) * log(0.005 / 0.05) + (1.0 - 0.95) * log(1.0 / 0.95)
    for threshold, found in ((index - 1e-9, [199]), (index + 1e-9, [])):
        assert alarms(StabilityIndex(100, 100, 10, threshold), [0.0] * 95 + [1.0] * 5 + [0.0] * 100) == found


@given(st.lists(st.integers(0, 30), min_size=2, max_size=80), st.integers(2, 20))
def test_bins_hold_equal_shares_of_the_reference_but_for_ties(values: list[int], bins: int) -> None:
    edges = quantile_edges([float(v) for v in values], bins)
    wanted = {float(q) for q in np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")}
    assert set(edges) == {edge for edge in wanted if edge < max(values)}


samples = st.lists(st.integers(0, 15), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(samples, samples)
def test_distance_and_p_are_scipys(first: list[int], second: list[int]) -> None:
    n, m = len(first), len(second)
    apart = distance(sorted(map(float, first)), sorted(map(float, second)))
    with warnings.catch_warnings():
        # Where scipy's own exact way fails by a rounding, it says so and goes another; other examples count then.
        warnings.filterwarnings("error", "ks_2samp: Exact calculation unsuccessful")
        try:
            theirs = ks_2samp(first, second, method="exact")
        except RuntimeWarning:
            reject()
    assert apart / np.lcm(n, m) == pytest.approx(theirs.statistic, abs=1e-12)
    assert chance_of(n, m, apart) == pytest.approx(theirs.pvalue, abs=1e-9)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (4, 4), (5, 3), (5, 5), (2, 8)])
def test_p_is_the_share_of_all_orders(n: int, m: int) -> None:
    orders = [(set(first), range(n + m)) for first in combinations(range(n + m), n)]
    found = [
        distance([float(x) for x in places if x in first], [float(x) for x in places if x not in first])
        for first, places in orders
    ]
    for least in range(1, n * m + 2):
        assert chance_of(n, m, least) == pytest.approx(mean(d >= least for d in found), abs=1e-12)


@pytest.mark.parametrize(("n", "m", "alpha"), [(100, 100, 0.05), (100, 50, 0.01), (30, 7, 0.05), (2, 2, 0.01)])
def test_the_critical_distance_is_the_least_that_is_rare_enough(n: int, m: int, alpha: float) -> None:
    critical = critical_distance(n, m, alpha)
    assert chance_of(n, m, critical) < alpha or critical > np.lcm(n, m)
    assert chance_of(n, m, critical - 1) >= alpha


def test_false_alarms_of_ks_are_as_rare_as_alpha() -> None:
    """Of 400 pairs of samples of one law at 5 %: 20 expected, 4 sd are 18; the test is exact, so never more."""
    chance = random.Random(7)
    found = sum(
        bool(alarms(KolmogorovSmirnov(50, 50, 0.05), [chance.gauss(0, 1) for _ in range(100)])) for _ in range(400)
    )
    assert 4 <= found <= 38
    moved = [chance.gauss(0, 1) for _ in range(50)] + [chance.gauss(2, 1) for _ in range(50)]
    assert alarms(KolmogorovSmirnov(50, 50, 0.05), moved) == [99]
