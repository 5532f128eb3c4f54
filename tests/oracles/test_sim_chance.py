"""Draws against the recipe's known answers, numpy against Python, and laws against scipy."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.laws import parse_duration_law, parse_success
from sim.chance import Draws, Purpose, Stream, key, uniform, uniforms, unit, word
from sim.compile_values import law_plan, success_plan
from sim.plan import FOREVER, LAW_KINDS, LawPlan
from sim.values import durations, microseconds, success_chance

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
WORDS = st.integers(0, 2**64 - 1)
KNOWN_KEYS = [
    ((1, 2), 0x0B95F66D327E8D78),
    ((12345, 0), 0x040D6020823FBD3F),
    ((777, 3), 0x132A9B7772E34E87),
    ((1, 2, 3), 0x8568F7C4E53B5A35),
]
KNOWN_DRAWS = [
    ((1, 2), 0, 0, 0.854601373724658),
    ((1, 2), 1, 0, 0.5014116913860658),
    ((1, 2), 0, 1, 0.5371630043023705),
    ((12345, 0), 199_999, 0, 0.27628031857787366),
    ((777, 3), 4_999, 3, 0.31309373691798453),
    ((1, 2, 3), 0, 0, 0.10579491542137226),
    ((1, 2, 3), 4, 5, 0.4443935243868959),
]
"""../shared/reference/simulation.md, section 4.1."""


@pytest.mark.parametrize(("words", "expected"), KNOWN_KEYS)
def test_keys_have_the_known_answers(words: tuple[int, ...], expected: int) -> None:
    assert key(*words) == expected


@pytest.mark.parametrize(("words", "entity", "index", "expected"), KNOWN_DRAWS)
def test_draws_have_the_known_answers(words: tuple[int, ...], entity: int, index: int, expected: float) -> None:
    assert uniform(key(*words), entity, index) == expected


@given(WORDS, st.lists(st.integers(0, 2**40), min_size=1, max_size=50), st.integers(0, 2**40))
def test_vector_and_scalar_draws_have_the_same_bits(k: int, entities: list[int], index: int) -> None:
    vector = uniforms(k, np.array(entities, np.uint64), index)
    assert vector.tolist() == [uniform(k, entity, index) for entity in entities]


@given(WORDS, st.integers(0, 200_000), st.integers(0, 9), st.integers(0, 4))
def test_blocks_hold_the_single_draws(k: int, entity: int, index: int, width: int) -> None:
    stream = Stream(k, lambda us: us, width)
    assert stream.at(entity, index) == uniform(k, entity, index)


@given(
    st.lists(st.tuples(st.one_of(st.integers(0, 5_000), st.integers(0, 10**7)), st.integers(0, 3)), max_size=60),
    st.integers(0, 3),
)
def test_a_stream_gives_the_same_draws_in_any_order(wanted: list[tuple[int, int]], width: int) -> None:
    stream = Stream(11, lambda us: us, width)
    assert [stream.at(*one) for one in wanted] == [uniform(11, *one) for one in wanted]


def test_a_block_that_was_dropped_is_drawn_again_alike() -> None:
    stream = Stream(5, lambda us: us)
    first = [stream.at(block * 1024, 0) for block in range(200)]
    assert [stream.at(block * 1024, 0) for block in range(200)] == first


@pytest.mark.parametrize("bits", [0, 1, 2**63, 2**64 - 1, 2**64 - 2048])
def test_no_draw_is_zero_or_one(bits: int) -> None:
    assert 0 < unit(bits) < 1


def test_draws_are_uniform_and_purposes_independent() -> None:
    draws = Draws(3, 0)
    entities = np.arange(50_000, dtype=np.uint64)
    one, other = (uniforms(draws.key(purpose, "a/b"), entities, 0) for purpose in (Purpose.SERVICE, Purpose.SUCCESS))
    assert stats.kstest(one, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(one, other)[0, 1]) < 5 / math.sqrt(len(entities))
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 5 / math.sqrt(len(entities))


def test_a_word_is_eight_bytes_of_the_names_sha256() -> None:
    assert word("abc") == 0xBA7816BF8F01CFEA  # FIPS 180-2, appendix B.1
    assert word("") == 0xE3B0C44298FC1C14


# --- laws -------------------------------------------------------------------------------------------------------------

LAWS = [
    "3s",
    "uniform(low=1s, high=5s)",
    "exponential(mean=2s)",
    "lognormal(median=2s, p95=9s)",
    "weibull(shape=0.7, scale=3s)",
    "quantiles(p0=0s, p50=2s, p95=5s, p100=9s)",
    "values(1s=0.25, 2s=0.75)",
]


@pytest.mark.parametrize("text", LAWS)
def test_durations_are_the_laws_quantiles_to_the_microsecond(text: str) -> None:
    law = parse_duration_law(text)
    us = [uniform(7, n, 0) for n in range(2_000)] + [1e-300, 2.0**-53, 1 - 2.0**-53]
    drawn = durations(law_plan(law))(us)
    assert drawn == [int(law.quantile(u) + 0.5) for u in us]
    assert drawn[:5] == [microseconds(law_plan(law))(u) for u in us[:5]]


@pytest.mark.parametrize("sigma", [10.0, 500.0])
def test_a_duration_beyond_measure_is_for_ever(sigma: float) -> None:
    assert durations(LawPlan(LAW_KINDS.index("lognormal"), (25.0, sigma)))([1 - 2.0**-53]) == [FOREVER]


@pytest.mark.parametrize(
    "text", ["beta(alpha=0.709, beta=0.276)", "beta(alpha=2.35, beta=0.418)", "beta(alpha=30, beta=9)"]
)
def test_the_table_of_a_beta_law_is_scipys(text: str) -> None:
    law = parse_success(text)
    plan = success_plan(law)
    us = (np.arange(20_000) + 0.5) / 20_000
    table = np.array([success_chance(plan, u) for u in us.tolist()])
    exact = stats.beta.ppf(us, law.alpha, law.beta)
    assert abs(table.mean() - law.mean) < 1e-4
    within = (us > 0.002) & (us < 0.998)  # beyond, the line between two quantiles is coarse, but seldom drawn
    assert np.abs(table - exact)[within].max() < 2e-3
    assert np.abs(table - exact).mean() < 1e-4


def test_a_fixed_chance_is_the_same_for_every_case() -> None:
    plan = success_plan(parse_success("0.8"))
    assert {success_chance(plan, u) for u in (0.01, 0.5, 0.99)} == {0.8}


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data folder is not beside the project")
def test_attempts_on_one_case_predict_the_published_pass_4() -> None:
    """tau2: the chance that four attempts all succeed is the fourth moment of the case's Beta law."""
    with (DATA / "calibration" / "tau2_passk_calibration.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["alpha"] and row["beta"]]
    assert len(rows) > 40
    us = ((np.arange(4_000) + 0.5) / 4_000).tolist()
    for row in rows:
        plan = success_plan(parse_success(f"beta(alpha={row['alpha']}, beta={row['beta']})"))
        fourth = float(np.mean([success_chance(plan, u) ** 4 for u in us]))
        assert fourth == pytest.approx(float(row["betabin_pass4"]), abs=6e-3), row["model"]
