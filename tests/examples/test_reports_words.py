"""Figures as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.units import DAY, HOUR, MINUTE, SECOND
from reports import words
from reports.intervals import Interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1234567, "1,234,567"), (12.345, "12.3"), (0.0123456, "0.0123"), (99.96, "100"), (0.5, "0.5"),
        (-2.5, "-2.5"), (1e-9, "0"), (math.nan, "not measured"), (math.inf, "without bound"), (1.234e300, "1.23e+300"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0 s"), (850_000, "850 ms"), (90 * SECOND, "1.5 min"), (80 * SECOND, "80 s"), (45 * MINUTE, "45 min"),
        (90 * MINUTE, "1.5 h"), (36 * HOUR, "36 h"), (14 * DAY, "14 d"), (250, "250 us"), (math.inf, "without bound"),
    ],
)  # fmt: skip
def test_times_have_the_unit_of_their_size(micros: float, text: str) -> None:
    assert words.duration(micros) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0%"), (1, "100%"), (0.5, "50%"), (0.9, "90%"), (0.9997, "99.97%"), (0.99999999, "99.999999%"),
        (0.995, "99.5%"), (1.25, "125%"), (0.0004, "0.04%"), (math.nan, "not measured"),
    ],
)  # fmt: skip
def test_a_share_below_one_never_reads_as_all(value: float, text: str) -> None:
    assert words.share(value) == text


@pytest.mark.parametrize(
    ("a_second", "text"),
    [
        (100 / 86_400, "100/d"), (0.5 / 86_400, "0.5/d"), (40 / 3600, "40/h"), (5 / 60, "300/h"), (600 / 60, "10/s"),
        (12.34 / 60, "12.3/min"), (1000, "1,000/s"), (0, "0/d"), (math.nan, "not measured"),
    ],
)  # fmt: skip
def test_rates_are_for_the_shortest_time_with_ten_or_more(a_second: float, text: str) -> None:
    assert words.rate(a_second) == text
    assert words.span(Interval(2 / 60, 1 / 60, 3 / 60, 0.95, 5), "rate") == "60 to 180/h"


def test_intervals_share_a_unit_where_both_ends_have_it() -> None:
    assert words.span(Interval(12, 11.8 * MINUTE, 12.9 * MINUTE, 0.95, 9), "duration") == "11.8 to 12.9 min"
    assert words.span(Interval(1, 50 * MINUTE, 2 * HOUR, 0.95, 9), "duration") == "50 min to 2 h"
    assert words.span(Interval(0.5, 0.4, 0.6, 0.95, 9), "share") == "40 to 60%"
    assert words.span(Interval(2, 1, 3, 0.95, 9), "money", "USD") == "1 to 3 USD"
    assert words.span(Interval(0, 0, 0, 0.95, 9), "count") == "0 every time"
    assert words.span(Interval(1, 1, math.inf, 0.95, 9, at_least=True), "count") == "1 or more"
    assert words.span(Interval(1, -math.inf, math.inf, 0.95, 1), "count") == "no interval"
    assert words.estimate(Interval(2 * HOUR, 1, math.inf, 0.95, 9, at_least=True), "duration") == "at least 2 h"


@given(st.floats(0.001, 1e12))
def test_a_number_is_off_by_half_a_unit_of_its_third_digit_at_most(value: float) -> None:
    read = float(words.number(value).replace(",", ""))
    assert abs(read - value) <= max(0.5 * 10 ** (math.floor(math.log10(value)) - 2), 0.5e-6) * (1 + 1e-9)


def test_control_characters_are_spelt_out() -> None:
    assert words.printable("a\x1b[31m\u202eb\nc") == r"a\u001b[31m\u202eb\u000ac"
    assert words.printable("a\nb", keep="\n") == "a\nb"
    assert words.printable("Zürich 話 40\u00a0h") == "Zürich 話 40\u00a0h"


def test_lists_are_counted_beyond_the_most() -> None:
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert words.listed([]) == "none"
