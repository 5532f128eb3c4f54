"""Conditions of the command line: `refund-answered.p95 <= 15m`, or the name of an objective; `P(answered) >= 95%` asks
that a share of all runs meets one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

from pydantic_core import PydanticCustomError

from models.diagnostics import input_error, quoted
from models.scenario import Scenario
from models.units import parse_duration, parse_money, parse_rate, value_error
from reports import words
from reports.measures import Limit, definitions, infos
from reports.words import Unit

_CONDITION: Final = re.compile(
    r"\s*(?P<measure>[A-Za-z][\w.\-]{0,200})\s*(?:(?P<sign><=|>=)\s*(?P<value>\S.{0,60}?))?\s*"
)
_CHANCE: Final = re.compile(r"\s*P\((?P<condition>[^()]*)\)\s*>=\s*(?P<share>\S{1,60})\s*")
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """That a measure's mean over replications is at most, or at least, so much, in the measure's unit; or, with a
    `chance`, that it is so in single replications with that probability or more."""

    measure: str
    sign: Literal["<=", ">="]
    value: float
    unit: Unit
    words: str
    """What the measure is."""
    chance: float | None = None

    @property
    def shown(self) -> tuple[float, Unit]:
        """The limit of what is told of a value, and its unit."""
        return (self.value, self.unit) if self.chance is None else (self.chance, "share")

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The greatest and the least value that meet it."""
        return (self.value, None) if self.sign == "<=" else (None, self.value)

    @property
    def figure(self) -> str:
        """The name of what is told of a value."""
        return self.measure if self.chance is None else "runs that meet it"

    def told(self, currency: str) -> str:
        """The condition in words."""
        told = f"{self.measure} is {words.limit(*self.ends, self.unit, currency)}"
        return told if self.chance is None else f"{told} in {words.share(self.chance)} of runs or more"

    def limit(self, confidence: float) -> Limit:
        """The condition at a level."""
        return Limit(confidence, *self.ends)


def parse_condition(text: str, scenario: Scenario, option: str) -> Condition:
    """The condition that a text states of a scenario. Raises InputError."""
    if chance := _CHANCE.fullmatch(text):
        share = parse_value(chance["share"], "share", scenario.currency, option)
        if not 0.0 < share < 1.0:
            help = "expected a share between 0 and 1: no number of runs shows that all do"
            raise input_error(f"{quoted(text)} asks for {words.share(share)} of runs", option, help)
        return replace(parse_condition(chance["condition"], scenario, option), chance=share)
    found = _CONDITION.fullmatch(text)
    if found is None:
        help = "expected a measure, `<=` or `>=`, and a value, such as `refund-answered.p95 <= 15m`"
        raise input_error(f"{quoted(text)} is no condition", option, help)
    name = found["measure"]
    info = infos(scenario, definitions(scenario, [name], option))[name]
    blank = info.blank
    if found["sign"] is None:
        if blank.at_most is not None:
            return Condition(name, "<=", blank.at_most, blank.unit, blank.measures)
        if blank.at_least is not None:
            return Condition(name, ">=", blank.at_least, blank.unit, blank.measures)
        raise input_error(f"{quoted(name)} has no limit of its own", option, f"say which: `{name} <= ...`")
    value = parse_value(found["value"], blank.unit, scenario.currency, option)
    return Condition(name, "<=" if found["sign"] == "<=" else ">=", value, blank.unit, blank.measures)


def parse_value(text: str, unit: Unit, currency: str, option: str) -> float:
    """A figure of a unit, as it stands in a scenario: `15m`, `0.95` or `95%`, `3 USD`, `40/h`. Raises InputError."""
    try:
        match unit:
            case "duration":
                return float(parse_duration(text))
            case "rate":
                return parse_rate(text)
            case "money":
                money = parse_money(text)
                if money.currency != currency:
                    raise input_error(f"{quoted(text)} is not in {currency}", option)
                return money.micros / 1e6
        return _number(text, unit)
    except PydanticCustomError as error:
        context = error.context or {}
        raise input_error(str(context.get("fault")), option, f"expected {context.get('expected')}") from None


def _number(text: str, unit: Unit) -> float:
    percent = unit == "share" and text.endswith("%")
    number = text[:-1].strip() if percent else text
    if not _NUMBER.fullmatch(number):
        what = "a share, such as `0.95` or `95%`" if unit == "share" else "a number"
        raise value_error(f"{quoted(text)} is not {'a share' if unit == 'share' else 'a number'}", what)
    return float(number) / (100.0 if percent else 1.0)
