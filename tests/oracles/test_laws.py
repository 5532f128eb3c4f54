"""Laws against scipy's, and the properties every law has."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError
from scipy import integrate, stats

from models.laws import (
    Beta,
    Chance,
    Choice,
    Law,
    parse_attribute_law,
    parse_duration_law,
    parse_number_law,
    parse_success,
)

SHARES = [1e-6, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1 - 1e-6]
Z95 = stats.norm.ppf(0.95)
SIGMA_P95 = math.log(90_000 / 40_000) / Z95
CV_SIGMA = math.sqrt(math.log(1 + 1.5**2))

KNOWN = {
    "uniform(low=2s, high=5s)": stats.uniform(2e6, 3e6),
    "exponential(mean=3m)": stats.expon(scale=180e6),
    "lognormal(median=40ms, p95=90ms)": stats.lognorm(SIGMA_P95, scale=40_000),
    "lognormal(median=40ms, sigma=1.3)": stats.lognorm(1.3, scale=40_000),
    "lognormal(mean=10s, cv=1.5)": stats.lognorm(CV_SIGMA, scale=10e6 * math.exp(-(CV_SIGMA**2) / 2)),
    "weibull(shape=0.7, scale=86h)": stats.weibull_min(0.7, scale=86 * 3600e6),
    "weibull(shape=3, scale=1s)": stats.weibull_min(3, scale=1e6),
}


@pytest.mark.parametrize("text", KNOWN)
def test_quantiles_and_mean_are_scipys(text: str) -> None:
    law, known = parse_duration_law(text), KNOWN[text]
    assert [law.quantile(u) for u in SHARES] == pytest.approx(list(known.ppf(SHARES)), rel=1e-9)
    assert law.mean == pytest.approx(known.mean(), rel=1e-12)


def test_a_quantile_table_is_numpys_linear_interpolation() -> None:
    import numpy as np

    law = parse_duration_law("quantiles(p0=1s, p50=32m, p95=86h, p100=200h)")
    points = [1e6, 32 * 60e6, 86 * 3600e6, 200 * 3600e6]
    assert [law.quantile(u) for u in SHARES] == pytest.approx(list(np.interp(SHARES, [0, 0.5, 0.95, 1], points)))
    assert law.mean == pytest.approx(
        sum((a + b) / 2 * w for a, b, w in zip(points, points[1:], [0.5, 0.45, 0.05], strict=False))
    )


def test_cv_is_the_standard_deviation_over_the_mean() -> None:
    law = parse_duration_law("lognormal(mean=10s, cv=0.5)")
    second, _ = integrate.quad(lambda u: (law.quantile(u) / 1e6) ** 2, 0, 1, limit=500)
    assert math.sqrt(second - (law.mean / 1e6) ** 2) / (law.mean / 1e6) == pytest.approx(0.5, rel=1e-4)


numbers = st.floats(0.01, 1000).map(lambda value: f"{value:.6f}")


@st.composite
def number_laws(draw: st.DrawFn) -> Law:
    a, b = sorted((float(draw(numbers)), float(draw(numbers))))
    kind = draw(st.sampled_from(["constant", "uniform", "exponential", "lognormal", "weibull", "quantiles", "values"]))
    sigma, shape = draw(st.floats(0.1, 1.5)), draw(st.floats(0.5, 5))
    weight = draw(st.integers(1, 99))
    return parse_number_law(
        {
            "constant": f"constant(value={a})",
            "uniform": f"uniform(low={a}, high={b})",
            "exponential": f"exponential(mean={a})",
            "lognormal": f"lognormal(median={a}, sigma={sigma:.6f})",
            "weibull": f"weibull(shape={shape:.6f}, scale={a})",
            "quantiles": f"quantiles(p0={a}, p30={b}, p100={b + 1})",
            "values": f"values({b}={weight / 100}, {a - 1:.6f}={1 - weight / 100:.2f})",
        }[kind]
    )


@given(number_laws(), st.floats(1e-12, 1 - 1e-12), st.floats(1e-12, 1 - 1e-12))
def test_quantiles_rise_within_the_support(law: Law, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert law.quantile(low) <= law.quantile(high)
    assert law.support[0] <= law.quantile(low)
    assert law.quantile(high) <= law.support[1]


@given(number_laws())
def test_the_mean_is_the_integral_of_the_quantiles(law: Law) -> None:
    steps = 20_000
    middle = math.fsum(law.quantile((i + 0.5) / steps) for i in range(steps)) / steps
    assert middle == pytest.approx(law.mean, rel=0.02, abs=1e-3)


@given(number_laws())
def test_the_text_of_a_law_reads_as_the_same_law(law: Law) -> None:
    assert parse_number_law(str(law)) == law


def test_values_are_drawn_with_their_weights_in_ascending_order() -> None:
    law = parse_number_law("values(1=0.25, 0.5=0.75)")
    assert [law.quantile(u) for u in (0.1, 0.74, 0.76, 0.99)] == [0.5, 0.5, 1, 1]


def test_a_choice_covers_the_whole_unit_interval() -> None:
    law = parse_attribute_law("choice(low=0.4, high=0.6)")
    assert isinstance(law, Choice)
    assert [law.values[law.index(u)] for u in (1e-9, 0.39, 0.41, 1 - 1e-12)] == ["low", "low", "high", "high"]


@pytest.mark.parametrize(
    ("plain", "law"),
    [
        ("DE", "choice(DE=1)"),
        ("NO", "choice(NO=1)"),
        (True, "chance(p=1)"),
        (False, "chance(p=0)"),
        (7, "constant(value=7)"),
        ("7", "constant(value=7)"),
    ],
)
def test_a_plain_attribute_is_always_that_and_reads_back_from_its_own_text(plain: object, law: str) -> None:
    always = parse_attribute_law(plain)
    assert always == parse_attribute_law(law) == parse_attribute_law(str(always))


@pytest.mark.parametrize("text", ["Ümit Öz", "New York", "2nd-line", "a/b:c", "x" * 200])
def test_a_plain_text_is_itself(text: str) -> None:
    if text[0].isalpha():
        assert parse_attribute_law(text) == Choice((text,), (1.0,), text)
    else:
        with pytest.raises(PydanticCustomError):
            parse_attribute_law(text)


PLAIN_REFUSED = {
    "5m": "`choice(5m=1)`",
    "true": "`true` without quotes or `chance(p=1)`; for the text, `choice(true=1)`",
    "False": "`false` without quotes or `chance(p=0)`; for the text, `choice(False=1)`",
    "inf": "`choice(inf=1)`",
    "lognormal": "`choice(lognormal=1)`",
    "choice": "a law such as `choice(DE=1)`",
    "low=0.4": "a law such as `choice(DE=1)`",
    "low, high": "a law such as `choice(DE=1)`",
    " DE": "a text that begins with a letter",
    "": "a text that begins with a letter",
    "x" * 201: "a text that begins with a letter",
}


@pytest.mark.parametrize("text", PLAIN_REFUSED)
def test_a_plain_text_that_may_be_meant_otherwise_is_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        parse_attribute_law(text)
    assert caught.value.context is not None
    assert PLAIN_REFUSED[text] in caught.value.context["expected"]


def test_the_mean_of_beta_is_scipys() -> None:
    law = parse_success("beta(alpha=0.709, beta=0.276)")
    assert law.mean == pytest.approx(stats.beta(0.709, 0.276).mean())
    assert parse_success(0.95) == Beta(0, 0, 0.95, "0.95")
    assert parse_attribute_law("chance(p=0.1)") == Chance(0.1, "")


@pytest.mark.parametrize("shares", [1e-300, 5e-324, 1 - 2**-53])
@pytest.mark.parametrize(
    "text", ["lognormal(median=1e99, sigma=10)", "weibull(shape=0.05, scale=1e99)", "exponential(mean=1e99)"]
)
def test_the_heaviest_tails_admitted_do_not_overflow(text: str, shares: float) -> None:
    law = parse_number_law(text)
    assert math.isfinite(law.quantile(shares))
    assert math.isfinite(law.mean)


WRONG = {
    "lognorml(median=1s, p95=2s)": "did you mean `lognormal`?",
    "lognormal(median=2s, p95=1s)": "a p95 above the median",
    "lognormal(median=1s)": "the arguments `median`, `p95`",
    "lognormal(median=1, p95=2)": "a number with a unit",
    "lognormal(median=1s, p95=2s, p95=3s)": "each argument once",
    "lognormal(median=1us, p95=3650d)": "a sigma of the logarithm of at most 10",
    "lognormal(median=0s, p95=2s)": "values above zero",
    "lognormal(median 1s)": "arguments such as `median=40ms`",
    "lognormal(median=1s": "quotes about a law inside `{}`",
    "lognormal)(": "a law such as",
    "weibull(shape=0.01, scale=1h)": "a shape of at least 0.05",
    "exponential(mean=0s)": "values above zero",
    "uniform(low=2s, high=1s)": "low at most high",
    "quantiles(p10=1s, p100=2s)": "from `p0` to `p100`",
    "quantiles(p0=2s, p100=1s)": "from `p0` to `p100`",
    "quantiles(q0=2s, p100=1s)": "quantiles such as `p50=32m`",
    "values(1s=0.5, 2s=0.4)": "probabilities that add up to 1",
    "15 minutes": "a number with a unit",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_law_says_what_was_expected(text: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        parse_duration_law(text)
    context = caught.value.context
    assert context is not None
    assert WRONG[text] in context["expected"]


@pytest.mark.parametrize(
    "text", ["beta(alpha=0, beta=1)", "beta(alpha=1)", "lognormal(median=1, p95=2)", "1.5", True, None]
)
def test_success_is_a_beta_law_or_a_probability(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        parse_success(text)


@given(st.text(max_size=60))
def test_any_text_is_a_law_or_a_fault(text: str) -> None:
    for parse in (parse_duration_law, parse_number_law, parse_success, parse_attribute_law):
        try:
            law = parse(text)
        except PydanticCustomError:
            continue
        assert str(law) == text
