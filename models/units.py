"""Quantities with units, as scenario files write them: `15m`, `40/h`, `0.003 USD`, `08:00-17:00`.

Durations are integer microseconds, rates are events per second, money is integer millionths of a currency unit: sums of
durations and money are exact, so two runs add up to the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

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
_HOURS = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DURATION_MAX = 10 * 366 * DAY
"""The longest duration a scenario may name: ten years, a guard against a mistyped unit."""


def _expected(kind: str, what: str, value: object) -> PydanticCustomError:
    return PydanticCustomError(kind, "expected {what}, got {value}", {"what": what, "value": repr(value)[:80]})


def parse_duration(value: object) -> int:
    """Microseconds of a text such as `15m`, `1h30m`, `0.5h`, `250us`. Raises a pydantic error that says what was expected."""
    what = "a duration with a unit, such as `15m`, `1h30m` or `40ms`"
    if isinstance(value, bool) or not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise _expected("duration", what, value)
    total = sum(Decimal(number) * _DURATION_UNITS[unit] for number, unit in _DURATION_PART.findall(value))
    if total != int(total):
        raise _expected("duration", "a whole number of microseconds", value)
    if total > DURATION_MAX:
        raise _expected("duration", "a duration of at most ten years", value)
    return int(total)


def format_duration(micros: int) -> str:
    """The shortest exact text of a duration, largest unit first: `90m` reads `1h30m`. Inverse of `parse_duration`."""
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
        raise _expected("rate", "a rate with a unit of time, such as `40/h` or `600/min`", value)
    rate = float(found[1]) * SECOND / _DURATION_UNITS[found[2]]
    if not rate > 0:
        raise _expected("rate", "a rate above zero", value)
    return rate


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
    what = "an amount and a currency, such as `0.003 USD`"
    found = _MONEY.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise _expected("money", what, value)
    try:
        micros = Decimal(found[1]).scaleb(6)
    except InvalidOperation:  # pragma: no cover - the pattern admits only plain decimals
        raise _expected("money", what, value) from None
    if micros != int(micros):
        raise _expected("money", "at most six decimals", value)
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
    what = "hours such as `08:00-17:00`, the end after the start (split a night shift at `24:00`)"
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise _expected("hours", what, value)
    start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if not start < end <= 1440:
        raise _expected("hours", what, value)
    return Hours(start, end)


@dataclass(frozen=True, slots=True)
class Days:
    """Days of the week, Monday is 0, ascending."""

    days: tuple[int, ...]

    def __str__(self) -> str:
        return ",".join(_DAYS[day] for day in self.days)


def parse_days(value: object) -> Days:
    """Days of a text such as `mon-fri`, `sat,sun` or `daily`."""
    what = "days such as `mon-fri`, `sat,sun` or `daily`"
    if not isinstance(value, str):
        raise _expected("days", what, value)
    if value == "daily":
        return Days(tuple(range(7)))
    found: set[int] = set()
    for part in value.split(","):
        ends = part.strip().split("-")
        if len(ends) > 2 or any(end not in _DAYS for end in ends):
            raise _expected("days", what, value)
        first, last = _DAYS.index(ends[0]), _DAYS.index(ends[-1])
        span = range(first, last + 1) if first <= last else (*range(first, 7), *range(last + 1))
        found.update(span)
    return Days(tuple(sorted(found)))


def _text_type(parse: Any, show: Any, pattern: str, example: str) -> Any:
    schema = {"type": "string", "pattern": pattern, "examples": [example]}
    return (PlainValidator(parse), PlainSerializer(show, return_type=str), WithJsonSchema(schema))


Duration = Annotated[int, *_text_type(parse_duration, format_duration, rf"^({_NUMBER}({_DURATION_UNIT}))+$", "15m")]
"""Integer microseconds; a text with a unit in the file."""

Rate = Annotated[
    float,
    *_text_type(
        parse_rate,
        lambda r: f"{r * 86400:.9f}".rstrip("0").rstrip(".") + "/d",
        rf"^{_NUMBER}\s*/\s*({_DURATION_UNIT})$",
        "40/h",
    ),
]
"""Events per second; a text with a unit of time in the file."""

MoneyText = Annotated[Money, *_text_type(parse_money, str, rf"^{_NUMBER}\s+[A-Z]{{3}}$", "0.003 USD")]
"""Money; an amount and an ISO 4217 code in the file."""

HoursText = Annotated[Hours, *_text_type(parse_hours, str, f"^{_HOURS.pattern}$", "08:00-17:00")]
DaysText = Annotated[Days, *_text_type(parse_days, str, r"^(daily|(mon|tue|wed|thu|fri|sat|sun)([-,].+)?)$", "mon-fri")]

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
"""A number from 0 to 1."""
