"""The sequential test against its exact figures, and the stopping rule against the precision that it promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from reports.intervals import Interval, exact, student
from reports.statistics.sequential import Sprt, fixed_size, replications_for

TEST = Sprt(0.05, 0.10)


@pytest.mark.parametrize(
    ("share", "says_high", "trials"),
    [(0.05, 0.03947, 163.44), (0.10, 0.95086, 140.08), (0.07, 0.41059, 252.73)],
)
def test_errors_and_sample_sizes_are_exact(share: float, says_high: float, trials: float) -> None:
    found = TEST.exactly(share)
    assert found[0] == pytest.approx(says_high, abs=6e-6)
    assert found[1] == pytest.approx(trials, abs=6e-3)


@pytest.mark.parametrize(("share", "trials"), [(0.03, 93.82), (0.15, 55.32)])
def test_shares_beyond_the_bounds_take_fewer(share: float, trials: float) -> None:
    assert TEST.exactly(share)[1] == pytest.approx(trials, abs=6e-3)


@pytest.mark.parametrize(("share", "trials"), [(0.05, 158.62), (0.10, 128.30)])
def test_walds_approximation(share: float, trials: float) -> None:
    assert TEST.wald(share) == pytest.approx(trials, abs=6e-3)


def test_walds_approximation_where_there_is_no_drift() -> None:
    hit, miss = TEST.steps
    flat = -miss / (hit - miss)
    assert TEST.wald(flat) == pytest.approx(TEST.wald(flat + 1e-7), rel=1e-3)


def test_both_errors_are_kept_and_half_the_trials_saved() -> None:
    trials, hits = fixed_size(0.05, 0.10)
    assert (trials, hits) == (298, 22)
    assert binom.sf(hits - 1, trials, 0.05) <= 0.05
    assert binom.cdf(hits - 1, trials, 0.10) <= 0.05
    assert max(TEST.exactly(share)[1] for share in (0.05, 0.10)) < 0.6 * trials


def test_a_test_with_swapped_bounds_would_not_keep_them() -> None:
    """The figures above can say no: bounds that forget the errors of the other kind are not those of the test."""
    naive = Sprt(0.05, 0.10, 0.2, 0.2)
    assert naive.exactly(0.05)[0] > 0.05


def test_walks_of_the_test_are_as_its_figures_say() -> None:
    chance = np.random.default_rng(12345)
    ends = []
    for _ in range(2000):
        hits = trials = 0
        while (said := TEST.decision(hits, trials)) is None:
            trials += 1
            hits += int(chance.random() < 0.07)
        ends.append((said == "high", trials))
    high, taken = np.array(ends, dtype="float64").T
    expected = TEST.exactly(0.07)
    assert abs(high.mean() - expected[0]) < 4 * math.sqrt(expected[0] * (1 - expected[0]) / len(ends))
    assert abs(taken.mean() - expected[1]) < 4 * taken.std() / math.sqrt(len(ends))


@pytest.mark.parametrize("given", [(0.1, 0.05, 0.05, 0.05), (0.0, 0.1, 0.05, 0.05), (0.1, 0.2, 0.6, 0.05)])
def test_what_is_no_test_is_refused(given: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Sprt(*given)


def _until(chance: np.random.Generator, relative: float, first: int) -> tuple[float, int]:
    figures = list(chance.exponential(1.0, first))
    while (more := replications_for(student(exact(figures)), relative, 100_000)) is not None:
        figures += list(chance.exponential(1.0, more - len(figures)))
    return student(exact(figures)).estimate, len(figures)


def test_the_wanted_precision_is_kept_as_often_as_the_level_says() -> None:
    """Exponential figures, a hard case for Student: relative error within 10 % at 95 %, from ten replications on."""
    chance = np.random.default_rng(12345)
    runs = [_until(chance, 0.10, 10) for _ in range(300)]
    within = sum(abs(mean - 1.0) <= 0.10 for mean, _ in runs) / len(runs)
    assert within >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / len(runs))
    expected = (1.96 / (0.10 / 1.10)) ** 2  # the coefficient of variation is 1
    assert np.mean([count for _, count in runs]) == pytest.approx(expected, rel=0.15)


def test_what_is_precise_needs_no_more_and_what_is_unknown_needs_all() -> None:
    assert replications_for(Interval(10.0, 9.9, 10.1, 0.95, 5), 0.05, 100) is None
    assert replications_for(Interval(10.0, 9.4, 10.6, 0.95, 50), 0.05, 10_000) == 80
    assert replications_for(Interval(10.0, 5.0, 15.0, 0.95, 5), 0.05, 10_000) == 10
    assert replications_for(Interval(math.nan, math.nan, math.nan, 0.95, 0), 0.05, 100) == 100
    assert replications_for(Interval(0.0, -1.0, 1.0, 0.95, 80), 0.05, 100) == 100
