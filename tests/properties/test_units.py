"""Quantities: texts and values go back and forth without loss."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic_core import PydanticCustomError

from models import units
from models.units import (
    DURATION_MAX,
    Days,
    Hours,
    Money,
    format_duration,
    format_rate,
    parse_days,
    parse_duration,
    parse_hours,
    parse_money,
    parse_rate,
)


@given(st.integers(0, DURATION_MAX))
def test_durations_go_back_and_forth(micros: int) -> None:
    assert parse_duration(format_duration(micros)) == micros


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("15m", 900e6),
        ("15min", 900e6),
        ("1h30m", 5400e6),
        ("0.5h", 1800e6),
        ("250us", 250),
        ("1.5ms", 1500),
        ("2w", 1209600e6),
    ],
)
def test_durations_are_read_exactly(text: str, micros: float) -> None:
    assert parse_duration(text) == micros


@given(
    st.decimals(min_value="0.001", max_value="99999", places=3), st.sampled_from(["d", "h", "min", "m", "s", "w", "ms"])
)
def test_a_rate_that_a_file_wrote_is_shown_so_that_it_reads_the_same(number: object, unit: str) -> None:
    rate = parse_rate(f"{number}/{unit}")
    assert parse_rate(format_rate(rate)) == rate


def test_a_rate_is_shown_in_its_shortest_form() -> None:
    assert format_rate(parse_rate("40/h")) == "40/h"
    assert format_rate(parse_rate("86.1/d")) == "86.1/d"
    assert parse_rate("3600 / h") == 1.0


@given(st.integers(0, 10**15), st.sampled_from(["USD", "EUR", "SEK"]))
def test_money_goes_back_and_forth(micros: int, currency: str) -> None:
    assert parse_money(str(Money(micros, currency))) == Money(micros, currency)


@given(st.integers(0, 1439), st.integers(1, 1440))
def test_hours_go_back_and_forth(start: int, end: int) -> None:
    if start < end:
        assert parse_hours(str(Hours(start, end))) == Hours(start, end)
    else:
        with pytest.raises(PydanticCustomError):
            parse_hours(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")


@given(st.sets(st.integers(0, 6), min_size=1))
def test_days_go_back_and_forth(days: set[int]) -> None:
    assert parse_days(str(Days(tuple(sorted(days))))) == Days(tuple(sorted(days)))


def test_spans_of_days_go_over_the_weekend() -> None:
    assert parse_days("mon-fri").days == (0, 1, 2, 3, 4)
    assert parse_days("sat-mon").days == (0, 5, 6)
    assert parse_days("daily").days == tuple(range(7))


WRONG = {
    parse_duration: ["15 minutes", "15", 15, "", "-1s", "1.5us", "99999999w", None, True, "1e3s", "½h", "1h 30m"],
    parse_rate: ["40", "0/h", "40/fortnight", "-1/s", 40, None],
    parse_money: ["3 dollars", "0.0000001 USD", "3USD", "3 usd", 3, None],
    parse_hours: ["8-17", "17:00-08:00", "08:00-08:00", "00:00-24:01", "25:00-26:00", 8, None],
    parse_days: ["", "monday", "mon-", "mon--fri", "mon,,tue", "mon-tue-wed", 1, None],
}


@pytest.mark.parametrize(("parse", "value"), [(parse, value) for parse, values in WRONG.items() for value in values])
def test_a_wrong_quantity_says_what_was_expected(parse, value) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        parse(value)
    context = caught.value.context
    assert context is not None
    assert context["fault"]
    assert context["expected"]


TYPES = {
    "Duration": parse_duration,
    "Rate": parse_rate,
    "MoneyText": parse_money,
    "HoursText": parse_hours,
    "DaysText": parse_days,
}
pieces = st.sampled_from(
    [*"0123456789", ".", "/", " ", ":", "-", ",", "m", "h", "s", "us", "USD", "mon", "fri", "daily"]
)


@given(st.sampled_from(sorted(TYPES)), st.lists(pieces, max_size=8).map("".join))
def test_what_is_read_fits_the_pattern_of_the_json_schema(name: str, text: str) -> None:
    pattern = TypeAdapter(getattr(units, name)).json_schema()["pattern"]
    try:
        TYPES[name](text)
    except PydanticCustomError:
        return
    assert re.search(pattern, text)
