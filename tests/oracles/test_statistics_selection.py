"""Selection against its published constants, and against what it promises, over many runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics.selection import FIRST_STAGE, Selection, allocation, constants, correct_selection, ocba

RUNS = 1000


@pytest.mark.parametrize(
    ("variants", "eta", "h_squared"), [(2, 0.334050, 6.0129), (5, 0.634967, 11.4294), (10, 0.859083, 15.4635)]
)
def test_the_constants_of_kn(variants: int, eta: float, h_squared: float) -> None:
    found = constants(variants)
    assert found.eta == pytest.approx(eta, abs=5e-7)
    assert found.h_squared == pytest.approx(h_squared, abs=5e-5)


def _select(chance: np.random.Generator, variants: int, indifference: float, alpha: float = 0.05) -> tuple[bool, int]:
    """One selection with the best mean less than all others by the indifference: the hardest case."""
    means = np.full(variants, indifference)
    means[0] = 0.0
    names = [str(i) for i in range(variants)]
    first = chance.normal(size=(variants, FIRST_STAGE)) + means[:, None]
    found = Selection(dict(zip(names, first.tolist(), strict=True)), indifference, alpha)
    used = variants * FIRST_STAGE
    while not found.decided:
        used += len(found.left)
        found.add(dict(zip(names, (chance.normal(size=variants) + means).tolist(), strict=True)))
    return found.best == "0", used


@pytest.mark.parametrize(("variants", "published"), [(2, 82.0), (5, 389.4), (10, 970.7)])
def test_kn_tells_the_best_as_often_as_it_promises(variants: int, published: float) -> None:
    chance = np.random.default_rng(12345)
    runs = [_select(chance, variants, 1 / math.sqrt(FIRST_STAGE)) for _ in range(RUNS)]
    right = sum(ok for ok, _ in runs) / RUNS
    used = np.array([count for _, count in runs])
    assert right >= 0.95 - 2 * math.sqrt(0.05 * 0.95 / RUNS)
    assert abs(used.mean() - published) < 4 * used.std(ddof=1) / math.sqrt(RUNS)


def test_half_the_promised_region_is_wrong_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can say no: with a region of a quarter the width the promise is broken."""
    from reports.statistics import selection

    real = selection.constants
    monkeypatch.setattr(selection, "constants", lambda *given: selection.Constants(0.0, real(*given).h_squared / 4))
    chance = np.random.default_rng(12345)
    right = sum(_select(chance, 5, 1 / math.sqrt(FIRST_STAGE))[0] for _ in range(RUNS)) / RUNS
    assert right < 0.95 - 4 * math.sqrt(0.05 * 0.95 / RUNS)


@given(st.floats(-1e3, 1e3), st.integers(0, 2**32 - 1))
def test_kn_does_not_mind_a_shift_of_all_figures(shift: float, seed: int) -> None:
    figures = np.random.default_rng(seed).normal(size=(3, 40)).round(6)

    def course(by: float) -> list[list[str]]:
        named = {str(i): (row + by).tolist() for i, row in enumerate(figures)}
        found = Selection({name: values[:10] for name, values in named.items()}, 0.3)
        left = [list(found.left)]
        for i in range(10, 40):
            if not found.decided:
                found.add({name: values[i] for name, values in named.items()})
            left.append(list(found.left))
        return left

    assert course(0.0) == course(round(shift))


def test_a_cap_ends_a_selection_between_equals() -> None:
    figures = np.random.default_rng(1).normal(size=(2, 10)).tolist()
    found = Selection(dict(zip("ab", figures, strict=True)), 1e-6, cap=10)
    assert found.decided
    assert len(found.left) == 2


def test_the_shares_of_ocba() -> None:
    expected = [0.421823, 0.406134, 0.101534, 0.045126, 0.025383]
    assert ocba([1, 2, 3, 4, 5], [3] * 5) == pytest.approx(expected, abs=5e-7)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 5)), min_size=2, max_size=6))
def test_shares_are_shares(variants: list[tuple[float, float]]) -> None:
    shares = ocba([mean for mean, _ in variants], [spread for _, spread in variants])
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) >= 0.0


def test_a_budget_goes_where_it_is_short() -> None:
    assert allocation([0.5, 0.3, 0.2], [10, 10, 10], 20) == [15, 5, 0]
    assert sum(allocation([0.5, 0.5], [0, 0], 7)) == 7


def test_ocba_beats_equal_shares() -> None:
    """Chen et al.'s point: the same budget tells the best more often."""
    chance = np.random.default_rng(12345)
    means = np.arange(1.0, 11.0)

    def right(equal: bool) -> bool:
        figures = [list(chance.normal(mean, 6.0, 10)) for mean in means]
        for _ in range(20):
            done = [len(values) for values in figures]
            shares = [0.1] * 10 if equal else ocba([np.mean(v) for v in figures], [np.std(v, ddof=1) for v in figures])
            for values, mean, more in zip(figures, means, allocation(shares, done, 20), strict=True):
                values.extend(chance.normal(mean, 6.0, more))
        return int(np.argmin([np.mean(values) for values in figures])) == 0

    equal, optimal = (sum(right(flag) for _ in range(200)) for flag in (True, False))
    assert optimal > equal + 15


def test_the_chance_of_having_told_rightly() -> None:
    assert correct_selection([0.0, 10.0], [1.0, 1.0]) == pytest.approx(1.0, abs=1e-9)
    assert correct_selection([0.0, 0.0], [1.0, 1.0]) == pytest.approx(0.5)
    assert correct_selection([0.0, 1.0], [1.0, 0.0]) == pytest.approx(0.841344746, abs=1e-9)
