"""Extension values as Cedar writes them: from text and JSON to plain values, and back.

A `decimal` is its number of ten-thousandths, a `datetime` its milliseconds since 1970, a `duration` its milliseconds.
Cedar refuses a text that is not of the grammar here, or whose number has more than 64 bits. The grammars are those of
the Cedar reference (docs.cedarpolicy.com, "Cedar data types"), checked against cedarpy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from models.cedar.values import LONG_MAX, LONG_MIN

DAY = 86_400_000
"""Milliseconds of a day; Cedar's days have no leap seconds."""

_UNITS = {"d": DAY, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_DECIMAL = re.compile(r"(-?)([0-9]+)\.([0-9]{1,4})")
_DURATION = re.compile(r"(-?)" + "".join(rf"(?:([0-9]+){unit})?" for unit in _UNITS))
_DATETIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{3}))?(?:Z|([+-])([0-9]{2})([0-9]{2})))?"
)
_LEAP_YEAR = 2000
"""Stands in for year 0, which Python's calendar lacks: both are leap years, 2000 years of the calendar apart."""


class Ip(NamedTuple):
    """An address with the length of its prefix. An IPv4 address is below 2^32 and its prefix at most 32."""

    v6: bool
    address: int
    prefix: int

    def within(self, block: Ip) -> bool:
        """Whether every address that this one's prefix covers is covered by the block."""
        if self.v6 != block.v6 or self.prefix < block.prefix:
            return False
        hidden = (128 if self.v6 else 32) - block.prefix
        return self.address >> hidden == block.address >> hidden


Literal = int | Ip


def parse(function: str, text: str) -> Literal:
    """The value that a constructor (`decimal`, `datetime`, `duration`, `ip`) makes of a text. Raises ValueError."""
    return _PARSERS[function](text)


def of_json(value: object) -> Literal:
    """The value of Cedar's JSON, marked by `__extn` or by the constructor's name alone. Raises ValueError."""
    match value:
        case {"__extn": inner}:
            return of_json(inner)
        case {"fn": "offset", "args": [start, distance]}:
            first, second = of_json(start), of_json(distance)
            if isinstance(first, int) and isinstance(second, int):
                return _bounded(first + second)
        case {"fn": str(function), "arg": str(text)} if function in _PARSERS:
            return parse(function, text)
    raise ValueError(f"expected an extension value, got {str(value)[:80]}")


def to_json(function: str, value: Literal) -> dict[str, Any]:
    """Cedar's JSON for a value of a constructor's type. A datetime that no text names is an offset from 1970."""
    if function == "datetime" and isinstance(value, int) and not _FIRST <= value < _LAST:
        args = [to_json("datetime", 0), to_json("duration", value)]
        return {"__extn": {"fn": "offset", "args": args}}
    return {"__extn": {"fn": function, "arg": write(function, value)}}


def write(function: str, value: Literal) -> str:
    """The plainest text of a value. A datetime has one from year 0 to year 9999."""
    if isinstance(value, Ip):
        return _write_ip(value)
    return {"decimal": _write_decimal, "datetime": _write_datetime, "duration": _write_duration}[function](value)


def _bounded(number: int) -> int:
    if not LONG_MIN <= number <= LONG_MAX:
        raise ValueError(f"{number} has more than 64 bits")
    return number


def _matched(pattern: re.Pattern[str], text: str, wanted: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(f"expected {wanted}, got {text[:80]!r}")
    return found


# --- decimal ----------------------------------------------------------------------------------------------------------


def _decimal(text: str) -> int:
    sign, whole, fraction = _matched(_DECIMAL, text, "a decimal such as `-12.5`").groups()
    number = _number(whole) * 10_000 + int(fraction.ljust(4, "0"))
    return _bounded(-number if sign else number)


def _number(digits: str) -> int:
    """A number, refused where it is longer than any that fits."""
    if len(digits.lstrip("0")) > 20:
        raise ValueError(f"{digits[:30]}... has more than 64 bits")
    return int(digits.lstrip("0") or "0")


def _write_decimal(value: int) -> str:
    whole, fraction = divmod(abs(value), 10_000)
    return f"{'-' * (value < 0)}{whole}.{f'{fraction:04}'.rstrip('0') or '0'}"


# --- datetime and duration --------------------------------------------------------------------------------------------


def _duration(text: str) -> int:
    sign, *numbers = _matched(_DURATION, text, "a duration such as `1d2h3m4s5ms`").groups()
    if not any(numbers):
        raise ValueError("a duration needs a number and a unit")
    total = sum(_number(number) * unit for number, unit in zip(numbers, _UNITS.values(), strict=True) if number)
    return _bounded(-total if sign else total)


def _write_duration(value: int) -> str:
    left, words = abs(value), []
    for name, unit in _UNITS.items():
        count, left = divmod(left, unit)
        words += [f"{count}{name}"] if count else []
    return "-" * (value < 0) + ("".join(words) or "0ms")


def _datetime(text: str) -> int:
    year, month, day, *clock, fraction, sign, hours, minutes = _matched(
        _DATETIME, text, "a datetime such as `2026-01-31` or `2026-01-31T12:30:00Z`"
    ).groups("0")
    hour, minute, second = map(int, clock)
    if hour > 23 or minute > 59 or second > 59 or int(hours) > 23 or int(minutes) > 59:
        raise ValueError(f"{text[:80]!r} names no time of the day")
    ahead = (int(hours) * 60 + int(minutes)) * _UNITS["m"] * (-1 if sign == "-" else 1)
    time = ((hour * 60 + minute) * 60 + second) * 1_000 + int(fraction)
    return _days(int(year), int(month), int(day)) * DAY + time - ahead


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the proleptic Gregorian calendar. Raises ValueError where there is no such day."""
    if year == 0:
        return (date(_LEAP_YEAR, month, day) - date(1970, 1, 1)).days - _DAYS_OF_2000_YEARS
    return (date(year, month, day) - date(1970, 1, 1)).days


_DAYS_OF_2000_YEARS = 5 * 146_097
_FIRST = -_DAYS_OF_2000_YEARS * DAY + (date(_LEAP_YEAR, 1, 1) - date(1970, 1, 1)).days * DAY
_LAST = ((date.max - date(1970, 1, 1)).days + 1) * DAY


def _write_datetime(value: int) -> str:
    days, time = divmod(value, DAY)
    first = date(_LEAP_YEAR, 1, 1)
    if value < (date.min - date(1970, 1, 1)).days * DAY:
        day = f"0000{first + timedelta(days - _FIRST // DAY):-%m-%d}"
    else:
        day = (date(1970, 1, 1) + timedelta(days)).isoformat()
    if not time:
        return day
    seconds, fraction = divmod(time, 1_000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{day}T{clock}{f'.{fraction:03}' if fraction else ''}Z"


# --- addresses --------------------------------------------------------------------------------------------------------

_OCTET = re.compile(r"0|[1-9][0-9]{0,2}")
_GROUP = re.compile(r"[0-9a-fA-F]{1,4}")
_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}")
_ZEROS = re.compile(r"(?<![0-9a-f])0(?::0)*(?![0-9a-f])")
_GROUPS = 8


def _ip(text: str) -> Ip:
    host, slash, length = text.partition("/")
    v6 = ":" in host
    bits = 128 if v6 else 32
    prefix = int(_matched(_PREFIX, length, "the length of a prefix")[0]) if slash else bits
    if prefix > bits:
        raise ValueError(f"{text[:80]!r} has a prefix longer than the address")
    return Ip(v6, _v6(host) if v6 else _v4(host), prefix)


def _v4(text: str) -> int:
    octets = text.split(".")
    if len(octets) != 4 or not all(_OCTET.fullmatch(octet) and int(octet) < 256 for octet in octets):
        raise ValueError(f"expected an address such as `10.0.0.1`, got {text[:80]!r}")
    return int.from_bytes(map(int, octets), "big")


def _v6(text: str) -> int:
    head, gap, tail = text.partition("::")
    front, back = (part.split(":") if part else [] for part in (head, tail))
    missing = _GROUPS - len(front) - len(back)
    fits = missing > 0 if gap else missing == 0
    if not fits or not all(map(_GROUP.fullmatch, (*front, *back))):
        raise ValueError(f"expected an address such as `::1`, got {text[:80]!r}")
    return int("".join(group.rjust(4, "0") for group in (*front, *["0"] * missing, *back)), 16)


def _write_ip(ip: Ip) -> str:
    host = _write_v6(ip.address) if ip.v6 else ".".join(map(str, ip.address.to_bytes(4, "big")))
    return host if ip.prefix == (128 if ip.v6 else 32) else f"{host}/{ip.prefix}"


def _write_v6(address: int) -> str:
    """The groups, the longest run of zeros left out."""
    text = ":".join(f"{address >> 16 * position & 0xFFFF:x}" for position in reversed(range(_GROUPS)))
    run = max(_ZEROS.finditer(text), key=lambda run: len(run[0]), default=None)
    return text if run is None else f"{text[: run.start()].rstrip(':')}::{text[run.end() :].lstrip(':')}"


_PARSERS: Mapping[str, Callable[[str], Literal]] = {
    "decimal": _decimal,
    "datetime": _datetime,
    "duration": _duration,
    "ip": _ip,
}
