"""Intervals and verdicts against scipy, brute force and their own coverage."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.objectives import EventCount
from reports.intervals import Interval, bounded, decide, exact, student, unseen, with_happenings, with_trials
from reports.objectives import Measure, verdict_on
from reports.tables import quantiles

VALUES = st.lists(st.integers(-(10**9), 10**9).map(lambda n: n / 1000), min_size=2, max_size=30).filter(
    lambda v: len(set(v)) > 1
)
CONFIDENCES = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@given(VALUES, CONFIDENCES)
def test_student_is_scipys(values: list[float], confidence: float) -> None:
    found = student(exact(values), confidence)
    low, high = stats.t.interval(confidence, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
    assert found.low == pytest.approx(low, rel=1e-9, abs=1e-3)
    assert found.high == pytest.approx(high, rel=1e-9, abs=1e-3)
    assert found.low <= found.estimate <= found.high


@pytest.mark.parametrize(("confidence", "count"), [(0.95, 5), (0.95, 20), (0.9, 10)])
def test_intervals_cover_as_often_as_they_say(confidence: float, count: int) -> None:
    generator = np.random.default_rng(20260101)
    rounds = 2_000
    covered = 0
    for sample in generator.normal(3.0, 2.0, size=(rounds, count)):
        found = student(exact(sample), confidence)
        covered += found.low <= 3.0 <= found.high
    # Exact for normal figures, so the number of covering intervals is binomial: p below 1e-6 outside this range.
    low, high = stats.binom.interval(1 - 1e-6, rounds, confidence)
    assert low <= covered <= high


def test_a_known_bad_interval_does_not_cover() -> None:
    generator = np.random.default_rng(20260101)
    covered = 0
    for sample in generator.normal(3.0, 2.0, size=(2_000, 5)):
        half = 1.96 * sample.std(ddof=1) / math.sqrt(5)  # the normal quantile where Student's belongs
        covered += abs(sample.mean() - 3.0) <= half
    low, _ = stats.binom.interval(1 - 1e-6, 2_000, 0.95)
    assert covered < low


@given(st.integers(1, 100_000), CONFIDENCES)
def test_a_share_without_a_miss_gets_the_clopper_pearson_bound(trials: int, confidence: float) -> None:
    all_hit, none_hit = (
        with_trials(student(seen, confidence, floor=0.0, ceiling=1.0), seen, trials)
        for seen in (exact([1.0] * 10), exact([0.0] * 10))
    )
    assert all_hit.low == pytest.approx(
        stats.binomtest(trials, trials).proportion_ci(confidence, method="exact").low, abs=1e-9
    )
    assert none_hit.high == pytest.approx(
        stats.binomtest(0, trials).proportion_ci(confidence, method="exact").high, abs=1e-9
    )


@given(st.integers(1, 9), st.integers(10, 1_000), CONFIDENCES)
def test_a_share_with_few_hits_reaches_as_far_as_the_exact_interval(hits: int, each: int, confidence: float) -> None:
    """A hit more never makes the bound less: without a hit it is exact, and with one Student's alone is below that."""
    shares = [float(n < hits) / each for n in range(10)]
    for values in (shares, [1.0 - share for share in shares]):
        seen = exact(values)
        one = student(seen, confidence, floor=0.0, ceiling=1.0)
        found = with_trials(one, seen, 10 * each)
        _, high = stats.binomtest(hits, 10 * each).proportion_ci(confidence, method="exact")
        far = found.high if values is shares else 1.0 - found.low
        assert far >= high - 1e-9
        assert found.low <= one.low
        assert found.high >= one.high


@pytest.mark.parametrize("expected", [3.3, 5.0, 8.0])
def test_a_limit_below_a_rare_share_is_seldom_kept(expected: float) -> None:
    """The true share is just above the limit: 2.5 of 100 runs may pass at 95 %. With Student's alone 8 to 12 do."""
    chance = np.random.default_rng(20261123)
    each, runs = 400, 2_000
    share = expected / (20 * each)
    passed = passed_by_student = 0
    for hits in chance.binomial(each, share, size=(runs, 20)):
        seen = exact(hits / each)
        one = student(seen, 0.95, floor=0.0, ceiling=1.0)
        passed += with_trials(one, seen, 20 * each).high < share
        passed_by_student += 0.0 < one.high < share
    assert passed <= stats.binom.ppf(1 - 1e-6, runs, 0.025)
    assert passed_by_student > stats.binom.ppf(1 - 1e-6, runs, 0.025)


@pytest.mark.parametrize("expected", [3.3, 5.0, 8.0])
def test_a_limit_below_a_rare_happening_is_seldom_kept(expected: float) -> None:
    chance = np.random.default_rng(20261123)
    runs, passed, passed_by_student = 2_000, 0, 0
    for seen in map(exact, chance.poisson(expected / 20, size=(runs, 20))):
        one = student(seen, 0.95, floor=0.0)
        passed += with_happenings(one, seen).high < expected / 20
        passed_by_student += one.high < expected / 20
    assert passed <= stats.binom.ppf(1 - 1e-6, runs, 0.025)
    assert passed_by_student > stats.binom.ppf(1 - 1e-6, runs, 0.025)


@pytest.mark.parametrize(("at_most", "verdict"), [(0.0, "pass"), (0.1, "undecided"), (0.2, "pass")])
def test_none_in_twenty_replications_keeps_no_small_limit(at_most: float, verdict: str) -> None:
    """Garwood's bound of none in 20 is ln(40) / 20 = .184; a limit of none is told as not seen."""
    objective = EventCount.model_validate({"kind": "count", "of": "violations", "at-most": at_most})
    nothing = Measure("violations", "count", exact([0.0] * 20), at_most=at_most, happenings=True)
    found = verdict_on("none", objective, nothing, "USD")
    assert found.verdict == verdict
    assert ("more replications" in found.open_because) == (verdict == "undecided")
    few = replace(nothing, sample=exact([0.0] * 4), at_most=5.0)
    assert verdict_on("none", objective, few, "USD").verdict == "undecided"


def test_what_was_never_seen_stays_possible() -> None:
    # formal.md section 7: no failure in 299 trials shows p <= 1 % at 95 %.
    assert unseen(299, 0.95) <= 0.01 < unseen(298, 0.95)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.one_of(st.integers(0, 20), st.just(math.inf))), max_size=60),
    st.sampled_from([0.05, 0.5, 0.55, 0.9, 0.95, 0.99]),
)
def test_quantiles_are_the_least_value_that_enough_do_not_exceed(rows: list[tuple[int, float]], q: float) -> None:
    replication = np.array([r for r, _ in rows], dtype="int64")
    values = np.array([v for _, v in rows], dtype="float64")
    found = quantiles(replication, values, q, 5)
    for number in range(5):
        mine = sorted(v for r, v in rows if r == number)
        reached = [v for i, v in enumerate(mine, 1) if i >= q * len(mine) - 1e-9]
        if mine:
            assert found[number] == reached[0]
        else:
            assert math.isnan(found[number])


def test_quantiles_are_numpys_inverted_cdf() -> None:
    values = np.array([random.Random(7).expovariate(1) for _ in range(1_000)])
    for q in (0.5, 0.9, 0.95, 0.99):
        found = quantiles(np.zeros(1_000, dtype="int64"), values, q, 1)
        assert found[0] == np.quantile(values, q, method="inverted_cdf")


@pytest.mark.parametrize(
    ("values", "at_most", "verdict"),
    [
        ([1.0, 2.0, 3.0, 2.0, 1.0, 2.0], 5.0, "pass"),
        ([1.0, 2.0, 3.0, 2.0, 1.0, 2.0], 0.5, "fail"),
        ([1.0, 2.0, 3.0, 2.0, 1.0, 2.0], 2.0, "undecided"),
        ([1.0], 5.0, "undecided"),
        ([], 5.0, "undecided"),
        ([math.nan] * 10, 5.0, "undecided"),
        ([1.0] * 4, 5.0, "undecided"),
        ([1.0] * 5, 5.0, "pass"),
        ([0.0] * 5, 0.0, "pass"),
        ([0.1 + 0.2] * 7, 0.1 + 0.2, "pass"),
    ],
)
def test_verdicts_have_three_values(values: list[float], at_most: float, verdict: str) -> None:
    assert decide(student(exact(values)), at_most=at_most) == verdict
    mirrored = student(exact([-v for v in values]))
    assert decide(mirrored, at_least=-at_most) == verdict


def test_a_figure_without_an_upper_bound_never_passes_and_can_fail() -> None:
    waits = student(bounded([9.0, 10.0, 11.0, 10.0, 9.0], [math.inf, 10.0, 11.0, 10.0, 9.0]))
    assert waits.at_least
    assert decide(waits, at_most=1e12) == "undecided"
    assert decide(waits, at_most=5.0) == "fail"


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=2, max_size=20), CONFIDENCES)
def test_the_interval_of_bounds_contains_that_of_each_end(pairs: list[tuple[float, float]], confidence: float) -> None:
    lows, highs = [min(p) for p in pairs], [max(p) for p in pairs]
    both = student(bounded(lows, highs), confidence)
    assert both.low == student(exact(lows), confidence).low
    assert both.high == student(exact(highs), confidence).high


def test_bounds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValueError, match="bounds"):
        bounded([2.0], [1.0])
    with pytest.raises(ValueError, match="best"):
        bounded([1.0], [2.0], [3.0])


def test_one_replication_has_no_interval() -> None:
    assert student(exact([3.0])) == Interval(3.0, -math.inf, math.inf, 0.95, 1)
