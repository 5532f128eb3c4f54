"""Figures as people read them: three significant digits, a unit, no false precision. The same in every format."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Final, Literal

from models.units import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from reports.intervals import Interval

Unit = Literal["duration", "share", "money", "count", "ratio", "rate"]
"""What a figure is: microseconds, a share of one, currency units, a number of things, a plain ratio, a number a
second."""

_UNITS: Final = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (MILLISECOND, "ms"), (1, "us"))
_UNIT_FROM: Final = {"d": 2.0, "h": 1.5, "min": 1.5}
"""A unit is used from this many of it on: 36 h and 90 s read better than 1.5 d and 1.5 min do."""


_TIMES: Final = ((SECOND, "s"), (MINUTE, "min"), (HOUR, "h"), (DAY, "d"))


_HUGE: Final = 1e15
"""From here on digits cannot be counted at a glance: `1.2e+15`. An assumption."""


def number(value: float) -> str:
    """Three significant digits, thousands apart: `1,240`, `12.4`, `0.0124`; `1.2e+15` where they are too many."""
    if math.isnan(value):
        return "not measured"
    if math.isinf(value):
        return "without bound"
    if value == 0:
        return "0"
    if abs(value) >= _HUGE:
        return f"{value:.3g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{round(value, digits):,.{min(digits, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(micros: float) -> str:
    """A time in the unit that suits its size: `12.4 min`, `3.4 h`."""
    if not math.isfinite(micros):
        return number(micros)
    if micros == 0:
        return "0 s"
    scale, unit = next((u for u in _UNITS if abs(micros) >= u[0] * _UNIT_FROM.get(u[1], 1.0)), _UNITS[-1])
    return f"{number(micros / scale)} {unit}"


def share(value: float) -> str:
    """A share of one in per cent."""
    if 0.99 < value < 1:
        # 99.97 must not read 100: the digits that count are those of the rest
        decimals = min(6, -math.floor(math.log10((1 - value) * 100)))
        return f"{math.floor(value * 100 * 10**decimals + 1e-6) / 10**decimals:.{decimals}f}%"
    return f"{number(value * 100)}%" if math.isfinite(value) else number(value)


def rate(value: float) -> str:
    """A number of things a second, for the shortest time that ten or more come in: `12.4/min`, `100/d`, `3.4/d`."""
    if not math.isfinite(value):
        return number(value)
    scale, unit = next((u for u in _TIMES if value * u[0] >= 10 * SECOND), _TIMES[-1])
    return f"{number(value * scale / SECOND)}/{unit}"


def figure(value: float, unit: Unit, currency: str = "") -> str:
    """A figure with its unit."""
    match unit:
        case "duration":
            return duration(value)
        case "share":
            return share(value)
        case "rate":
            return rate(value)
        case "money":
            return f"{number(value)} {currency}".strip() if math.isfinite(value) else number(value)
        case _:
            return number(value)


def estimate(interval: Interval, unit: Unit, currency: str = "") -> str:
    """The estimate of an interval: a figure, a lower bound, or that nothing was measured."""
    text = figure(interval.estimate, unit, currency)
    return f"at least {text}" if interval.at_least and interval.known else text


def span(interval: Interval, unit: Unit, currency: str = "") -> str:
    """The ends of an interval, `11.8 to 12.9 min` where both share a unit."""
    if not interval.known or not math.isfinite(interval.low):
        return "no interval"
    low, high = figure(interval.low, unit, currency), figure(interval.high, unit, currency)
    if math.isinf(interval.high):
        return f"{low} or more"
    if interval.low == interval.high:
        return f"{low} every time"
    for sign in (" ", "%", "/"):
        number_low, _, unit_low = low.partition(sign)
        if number_low != low and high.endswith(sign + unit_low):
            return f"{number_low} to {high}"
    return f"{low} to {high}"


def below(interval: Interval, unit: Unit, currency: str = "") -> str:
    """The small print below an estimate: the ends of its interval, which says nothing anew where it is a point."""
    if not interval.known:
        return ""
    return "every time" if interval.low == interval.high else span(interval, unit, currency)


def change(value: float, unit: Unit, currency: str = "") -> str:
    """A difference with its sign; of shares, in percentage points: `+6.4 points`."""
    sign = "+" if value > 0 else "-" if value < 0 else ""
    if unit == "share" and math.isfinite(value):
        return f"{sign}{number(abs(value) * 100)} points"
    return sign + figure(abs(value), unit, currency)


def change_span(interval: Interval, unit: Unit, currency: str = "") -> str:
    """The ends of an interval of a difference."""
    if not interval.known or not (math.isfinite(interval.low) or math.isfinite(interval.high)):
        return "no interval"
    if interval.low == interval.high:
        return "every time"
    low, high = change(interval.low, unit, currency), change(interval.high, unit, currency)
    number_low, _, unit_low = low.partition(" ")
    return f"{number_low} to {high}" if unit_low and high.endswith(f" {unit_low}") else f"{low} to {high}"


def limit(at_most: float | None, at_least: float | None, unit: Unit, currency: str = "") -> str:
    """`at most 4 h`, `at least 95%`, or both."""
    low = f"at least {figure(at_least, unit, currency)}" if at_least is not None else ""
    high = f"at most {figure(at_most, unit, currency)}" if at_most is not None else ""
    return " and ".join(filter(None, (low, high)))


def short(text: str, most: int) -> str:
    """A text of at most so many characters; a longer one is cut and ends in an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def printable(text: str, keep: str = "") -> str:
    """Text with control and format characters spelt out: they come from files, and terminals and bidirectional layout
    obey them. Characters in `keep` stay. So are the marks by which a CI runner knows a command in what is printed:
    `::` where a word starts, and `##[` anywhere."""
    plain = "".join(c if c in keep or not _obeyed(c) else f"\\u{ord(c):04x}" for c in text)
    return _COMMAND.sub(lambda found: "".join(f"\\u{ord(c):04x}" for c in found[0]), plain)


_COMMAND: Final = re.compile(r"(?<!\S)::(?=\w)|(?<=##)\[")


def _obeyed(character: str) -> bool:
    return unicodedata.category(character)[0] == "C" or character in "\u2028\u2029"


def count(value: int, noun: str, plural: str = "") -> str:
    """`1 case`, `12 cases`."""
    return f"{value:,} {noun if value == 1 else plural or noun + 's'}"


def listed(words: Sequence[str], most: int = 5) -> str:
    """`a, b and c`; beyond `most` the rest is counted."""
    shown = list(words[:most])
    if len(words) > most:
        shown.append(f"{len(words) - most} more")
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else "none"


def percent_of_confidence(confidence: float) -> str:
    """`95%`."""
    return f"{confidence * 100:g}%"
