"""Paired differences against scipy's paired t-test, Holm's correction against the closed testing it abbreviates."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.intervals import bounded, exact
from reports.statistics.pairs import bonferroni, difference, holm

PAIRS = np.random.default_rng(12345).normal(size=(2, 12))


def test_the_interval_and_the_p_value_are_those_of_the_paired_t_test() -> None:
    one, other = PAIRS[0], PAIRS[0] + 0.4 + 0.3 * PAIRS[1]
    found = difference(exact(one), exact(other), 0.9)
    expected = stats.ttest_rel(other, one)
    interval = expected.confidence_interval(0.9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    assert (found.interval.low, found.interval.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    apart = stats.ttest_ind(other, one)
    assert apart.pvalue > 2 * found.p  # unpaired would be another test


def test_the_gain_is_the_ratio_of_variances() -> None:
    one, other = PAIRS[0], PAIRS[0] + 0.1 * PAIRS[1]
    expected = (one.var(ddof=1) + other.var(ddof=1)) / (other - one).var(ddof=1)
    assert difference(exact(one), exact(other)).gain == pytest.approx(expected)


def test_figures_between_bounds_differ_by_anything_between_theirs() -> None:
    one, other = PAIRS[0], PAIRS[0] + 5.0
    loose = difference(bounded(one - 1, one + 1), bounded(other - 1, other + 1))
    tight = difference(exact(one), exact(other))
    assert loose.interval.low == pytest.approx(tight.interval.low - 2)
    assert loose.interval.high == pytest.approx(tight.interval.high + 2)
    blurred = difference(bounded(one - 3, one + 3), bounded(other - 3, other + 3))
    assert blurred.p == 1.0


def test_pairs_with_a_missing_figure_are_left_out_and_an_unbounded_one_leaves_nothing_known() -> None:
    one, other = PAIRS.copy()
    one[3] = math.nan
    assert difference(exact(one), exact(other)).pairs == 11
    unbounded = difference(exact(one), bounded(other, np.where(other > 1, math.inf, other)))
    assert (unbounded.interval.low, unbounded.interval.high, unbounded.p) == (-math.inf, math.inf, 1.0)


def test_equal_differences_need_five_pairs() -> None:
    assert difference(exact([1.0] * 4), exact([2.0] * 4)).p == 1.0
    assert difference(exact([1.0] * 5), exact([2.0] * 5)).p == 0.0


def test_holm_on_the_example_of_its_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_closed_testing_with_bonferroni(p: list[float]) -> None:
    """A hypothesis falls where every group with it in it falls by its least p-value times its size."""
    for place, adjusted in enumerate(holm(p)):
        others = [one for one in range(len(p)) if one != place]
        groups = [(place, *rest) for size in range(len(p)) for rest in combinations(others, size)]
        closed = max(min(1.0, len(group) * min(p[one] for one in group)) for group in groups)
        assert adjusted == pytest.approx(closed)


def test_intervals_of_several_comparisons_hold_together() -> None:
    assert bonferroni(0.95, 5) == pytest.approx(0.99)
    assert bonferroni(0.95, 0) == bonferroni(0.95, 1) == pytest.approx(0.95)
