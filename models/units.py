"""Quantities with units, as scenario files write them: `15m`, `40/h`, `0.003 USD`, `08:00-17:00`.

Durations are integer microseconds, rates are events per second, money is integer millionths of a currency unit: sums of
durations and money are exact, so two runs add up to the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import (
    CoreSchema,
    no_info_plain_validator_function,
    plain_serializer_function_ser_schema,
    str_schema,
)

from models.diagnostics import quoted

MICROSECOND = 1
MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

_DURATION_UNITS = {
    "us": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "min": MINUTE,
    "h": HOUR,
    "d": DAY,
    "w": WEEK,
}
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_DURATION_UNIT = r"us|ms|min|s|m|h|d|w"
_DURATION_PART = re.compile(rf"({_NUMBER})({_DURATION_UNIT})")
_DURATION = re.compile(rf"(?:{_NUMBER}(?:{_DURATION_UNIT}))+")
_RATE = re.compile(rf"({_NUMBER})\s*/\s*({_DURATION_UNIT})")
_MONEY = re.compile(rf"({_NUMBER})\s+([A-Z]{{3}})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOURS = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_RATE_UNITS = ("d", "h", "min", "s", "w", "ms", "us")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DURATION_MAX = 10 * 366 * DAY
"""The longest duration a scenario may name: ten years, a guard against a mistyped unit."""


def value_error(fault: str, expected: str) -> PydanticCustomError:
    """A fault in a value of the file: what is wrong with it, and what was expected instead."""
    return PydanticCustomError("value", "{fault}: expected {expected}", {"fault": fault, "expected": expected})


def _not_a(what: str, expected: str, value: object) -> PydanticCustomError:
    return value_error(f"{quoted(value)} is not {what}", expected)


def parse_duration(value: object) -> int:
    """Microseconds of a text such as `15m`, `1h30m`, `0.5h`, `250us`. Raises a pydantic error, as all parsers here."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise _not_a(
            "a duration", "a number with a unit (us, ms, s, m, h, d, w), such as `15m`, `1h30m` or `40ms`", value
        )
    total = sum(Decimal(number) * _DURATION_UNITS[unit] for number, unit in _DURATION_PART.findall(value))
    if total != int(total):
        raise value_error(f"{quoted(value)} is finer than a microsecond", "a whole number of microseconds")
    if total > DURATION_MAX:
        raise value_error(f"{quoted(value)} is too long", "a duration of at most ten years")
    return int(total)


def format_duration(micros: int) -> str:
    """The exact text of a duration, largest unit first: `90m` reads `1h30m`. Inverse of `parse_duration`."""
    if micros == 0:
        return "0s"
    parts = []
    for unit in ("d", "h", "m", "s", "ms", "us"):
        count, micros = divmod(micros, _DURATION_UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_rate(value: object) -> float:
    """Events per second of a text such as `40/h`."""
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise _not_a("a rate", "a number per unit of time (us, ms, s, m, h, d, w), such as `40/h` or `600/min`", value)
    rate = float(found[1]) * SECOND / _DURATION_UNITS[found[2]]
    if not rate > 0:
        raise value_error(f"{quoted(value)} is no rate", "a rate above zero")
    return rate


def format_rate(rate: float) -> str:
    """The shortest text that `parse_rate` reads as exactly this rate. Nine decimals a day where there is none."""
    texts = [
        f"{rate * _DURATION_UNITS[unit] / SECOND:.{digits}f}/{unit}" for unit in _RATE_UNITS for digits in range(10)
    ]
    exact = [
        text for text in texts if _RATE.fullmatch(text) and float(text.split("/")[0]) > 0 and parse_rate(text) == rate
    ]
    return min(exact, key=len, default=f"{rate * 86400:.9f}/d")


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount of one currency. `micros` is millionths of the unit: `0.003 USD` is 3000."""

    micros: int
    currency: str

    def __str__(self) -> str:
        amount = Decimal(self.micros).scaleb(-6).normalize()
        return f"{amount:f} {self.currency}"


def parse_money(value: object) -> Money:
    """Money of a text such as `0.003 USD`."""
    found = _MONEY.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise _not_a("an amount of money", "an amount and a currency, such as `0.003 USD`", value)
    micros = Decimal(found[1]).scaleb(6)
    if micros != int(micros):
        raise value_error(f"{quoted(value)} is finer than a millionth", "at most six decimals")
    return Money(int(micros), found[2])


@dataclass(frozen=True, slots=True)
class Hours:
    """A daily window in minutes from local midnight, `start < end <= 1440`. A night shift is two windows."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.start // 60:02}:{self.start % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


def parse_hours(value: object) -> Hours:
    """A daily window of a text such as `08:00-17:00`. `24:00` is the end of the day."""
    expected = "hours such as `08:00-17:00`, the end after the start (split a night shift at `24:00`)"
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise _not_a("a window of hours", expected, value)
    start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if not start < end <= 1440:
        raise _not_a("a window of hours", expected, value)
    return Hours(start, end)


@dataclass(frozen=True, slots=True)
class Days:
    """Days of the week, Monday is 0, ascending."""

    days: tuple[int, ...]

    def __str__(self) -> str:
        return ",".join(_DAYS[day] for day in self.days)


def parse_date(value: object) -> date:
    """The day of a text such as `2026-12-25`."""
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:  # no such day, such as the 30th of February
        pass
    raise _not_a("a date", "a day such as `2026-12-25`", value)


def parse_days(value: object) -> Days:
    """Days of a text such as `mon-fri`, `sat,sun` or `daily`."""
    expected = "days such as `mon-fri`, `sat,sun` or `daily`"
    if not isinstance(value, str):
        raise _not_a("days of the week", expected, value)
    if value == "daily":
        return Days(tuple(range(7)))
    found: set[int] = set()
    for part in value.split(","):
        ends = part.strip().split("-")
        if len(ends) > 2 or any(end not in _DAYS for end in ends):
            raise _not_a("days of the week", expected, value)
        first, last = _DAYS.index(ends[0]), _DAYS.index(ends[-1])
        span = range(first, last + 1) if first <= last else (*range(first, 7), *range(last + 1))
        found.update(span)
    return Days(tuple(sorted(found)))


@dataclass(frozen=True, slots=True, eq=False)
class TextType:
    """How a value is written in a file: for pydantic, which asks no more of the type than this."""

    name: str
    parse: Callable[[object], Any]
    show: Callable[[Any], str]
    schema: Mapping[str, Any]
    """What the JSON Schema says beside the name."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        shown = plain_serializer_function_ser_schema(self.show, return_schema=str_schema())
        return no_info_plain_validator_function(self.parse, serialization=shown)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> dict[str, Any]:
        return {"$comment": self.name, **self.schema}


def _pattern(pattern: str, example: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$", "examples": [example]}


_ANY_DAY = "|".join(_DAYS)
_ANY_DAYS = rf"\s*({_ANY_DAY})(-({_ANY_DAY}))?\s*"


def parse_told(value: object) -> int | Literal["told"]:
    """A duration in microseconds, or the word `told`."""
    return "told" if value == "told" else parse_duration(value)


def format_told(value: int | Literal["told"]) -> str:
    """The text that `parse_told` reads."""
    return "told" if value == "told" else format_duration(value)


Duration = Annotated[int, TextType("duration", parse_duration, format_duration, _pattern(_DURATION.pattern, "15m"))]
"""Integer microseconds; a text with a unit in the file."""

Told = Annotated[
    int | Literal["told"],
    TextType("duration or `told`", parse_told, format_told, {"type": "string", "examples": ["20s", "told"]}),
]
"""A duration, or that it is told when it matters."""

Rate = Annotated[float, TextType("rate", parse_rate, format_rate, _pattern(_RATE.pattern, "40/h"))]
"""Events per second; a text with a unit of time in the file."""

MoneyText = Annotated[Money, TextType("money", parse_money, str, _pattern(_MONEY.pattern, "0.003 USD"))]
"""Money; an amount and an ISO 4217 code in the file."""

HoursText = Annotated[Hours, TextType("hours", parse_hours, str, _pattern(_HOURS.pattern, "08:00-17:00"))]
DaysText = Annotated[
    Days, TextType("days", parse_days, str, _pattern(rf"(daily|{_ANY_DAYS}(,{_ANY_DAYS})*)", "mon-fri"))
]

DateText = Annotated[date, TextType("date", parse_date, date.isoformat, _pattern(_DATE.pattern, "2026-12-25"))]
"""A day of the calendar."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
"""A number from 0 to 1."""
