"""The least value of a field that meets a condition, with confidence.

Bisection over whole numbers, with a sequential test at each: replications are added until the interval of the measure
lies on one side of the limit. More of the field is taken to help; where what was seen contradicts that, the answer says
so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from models.changes import told_as
from models.diagnostics import Diagnostic, InputError, input_error, listed, near, quoted
from models.fleet import Desk
from models.load import LoadedScenario, load
from models.scenario import Scenario
from reports.intervals import CONFIDENCE, Interval
from reports.studies.chances import Said, ShareTests, meets, share_of
from reports.studies.conditions import Condition, parse_condition
from reports.studies.study import OF_THE_STUDY, Lab, Unrun, Variant
from verify.findings import Overall

FIRST_LOOK: Final = 10
"""Replications before the first look at a value; each further look has twice as many. An assumption: fewer leave the
spread uncertain."""

RUNS_AT_ONCE: Final = 20
"""Replications of a value that are asked for at once where each is looked at by itself: the answer does not depend on
it."""

VALUE_MAX: Final = 1_000_000
_STAFF: Final = "staff"
"""Of a desk: the staff of every shift, which is no field of the scenario."""

Answer = Literal["met", "not met", "undecided"]
_ANSWERS: Final[Mapping[Overall, Answer]] = {"pass": "met", "fail": "not met", "undecided": "undecided"}


@dataclass(frozen=True, slots=True)
class Visit:
    """A value that was tried: what was measured there, and whether it meets the condition."""

    value: int
    answer: Answer
    interval: Interval
    """At the level that the answer rests on."""
    replications: int
    why: str = ""
    """Why it is undecided."""


@dataclass(frozen=True)
class Sizing:
    """The answer of `Size`."""

    condition: Condition
    find: str
    changes: Mapping[str, Any]
    """What was set to `least`, or to what was tried last."""
    least: int | None
    """The least value that meets the condition with confidence, None where none does."""
    visits: tuple[Visit, ...]
    """By value."""
    low: int
    high: int | None
    confidence: float
    replications_max: int
    contradicted: bool
    """Whether a greater value was seen to miss what a lesser one meets."""
    currency: str
    unrun: tuple[Unrun, ...]
    kind: Literal["size"] = "size"

    def at(self, value: int) -> Visit | None:
        """What was seen at a value."""
        return next((visit for visit in self.visits if visit.value == value), None)

    @property
    def below(self) -> Visit | None:
        """What was seen one below the least value."""
        return None if self.least is None else self.at(self.least - 1)


@dataclass(frozen=True)
class Size:
    """The question what the least value of a field is that meets a condition."""

    find: str
    condition: Condition
    low: int = 1
    high: int | None = None
    """The greatest value that is tried; None: it is doubled until the condition is met."""
    replications_max: int = 640
    """Of one value."""
    confidence: float = CONFIDENCE
    """That no value that was tried is told wrongly."""
    kind: Literal["size"] = "size"

    @property
    def planned(self) -> int | None:
        return None

    def answer(self, lab: Lab) -> Sizing:
        search = _Search(self, lab)
        least = search.least()
        visits = tuple(search.seen[value] for value in sorted(search.seen))
        met = [visit.value for visit in visits if visit.answer == "met"]
        missed = [visit.value for visit in visits if visit.answer == "not met"]
        base = lab.base
        return Sizing(
            condition=self.condition,
            find=self.find,
            changes=set_to(self.find, base, least if least is not None else visits[-1].value),
            least=least,
            visits=visits,
            low=self.low,
            high=self.high,
            confidence=self.confidence,
            replications_max=self.replications_max,
            contradicted=bool(met and missed and min(met) < max(missed)),
            currency=base.currency,
            unrun=tuple(lab.poisoned()),
        )


class _Search:
    """The values tried so far. The error that may be made is spent over them, whatever their number: the j-th gets a
    part of 6 / (pi j) ** 2, and each of its looks an equal part of that (Bonferroni)."""

    def __init__(self, question: Size, lab: Lab) -> None:
        self._question = question
        self._lab = lab
        self.seen: dict[int, Visit] = {}

    def least(self) -> int | None:
        """The least value that is met: doubled until one is, then bisected."""
        question = self._question
        misses, value = question.low - 1, question.low
        while self._answer(value) != "met":
            misses = value
            if value == question.high or value >= VALUE_MAX:
                return None
            value = min(max(2 * value, 1), question.high or VALUE_MAX)
        meets = value
        while meets - misses > 1:
            middle = (meets + misses) // 2
            if self._answer(middle) == "met":
                meets = middle
            else:
                misses = middle
        return meets

    def _answer(self, value: int) -> Answer:
        if value not in self.seen:
            self.seen[value] = self._try(value, len(self.seen) + 1)
        return self.seen[value].answer

    def _try(self, value: int, nth: int) -> Visit:
        question = self._question
        changes = set_to(question.find, self._lab.base, value)
        variant = self._lab.variant(f"{question.find}={value}", changes)
        if question.condition.chance is not None:
            return self._try_chance(value, variant, tests_of(question.condition.chance, question.confidence, nth))
        looks = looks_up_to(question.replications_max)
        level = 1.0 - error_at(nth, question.confidence) / len(looks)
        limit = question.condition.limit(level)
        for count in looks:
            judged = self._lab.judged(variant, question.condition.measure, range(count), limit)
            if judged.verdict != "undecided":
                break
            if count == looks[0]:
                self._check_any(variant, count)
        return Visit(value, _ANSWERS[judged.verdict], judged.interval, count, judged.open_because)

    def _try_chance(self, value: int, variant: Variant, tests: ShareTests) -> Visit:
        question, condition = self._question, self._question.condition
        said: Said = "open"
        runs = 0
        while said == "open" and runs < question.replications_max:
            runs = min(runs + RUNS_AT_ONCE, question.replications_max)
            values = self._lab.values(variant, condition.measure, range(runs))
            if runs <= RUNS_AT_ONCE:
                self._check_any(variant, runs)
            surely, maybe = meets(values, *condition.ends)
            said, count = tests.say(surely, maybe)
        interval = share_of(surely[:count], maybe[:count], 1.0 - 2.0 * tests.error)
        if said in ("met", "not met"):
            return Visit(value, said, interval, count)
        why = "the share is close to what is wanted" if said == "about" else "more runs may tell"
        return Visit(value, "undecided", interval, count, why)

    def _check_any(self, variant: Variant, count: int) -> None:
        """Raises InputError where no replication can be run: then no other value will tell."""
        unrun = [one for one in self._lab.poisoned() if one.variant == variant.name]
        if len(unrun) == count:
            raise input_error(f"no replication can be run: {unrun[0].why}", variant.name)


def result(found: Sizing) -> Overall:
    """Whether there is an answer: a value, or that none in the range does; undecided where one may."""
    if found.least is not None:
        return "pass"
    return "undecided" if any(visit.answer == "undecided" for visit in found.visits) else "fail"


def ask(
    loaded: LoadedScenario, find: str, until: str, low: int, high: int | None, most: int, confidence: float
) -> Size:
    """The question of a field and of the text of a condition. Raises InputError with every fault."""
    faults: list[Diagnostic] = []
    condition = None
    try:
        condition = parse_condition(until, loaded.scenario, "--until")
    except InputError as error:
        faults += error.diagnostics
    try:
        with told_as("--find"):
            load(loaded.path, {**loaded.changes, **set_to(find, loaded.scenario, low)})
    except InputError as error:
        faults += error.diagnostics
    faults += _range_faults(low, high, most, confidence)
    if not faults and condition is not None and condition.chance is not None:
        least = tests_of(condition.chance, confidence, 1).fewest
        if most < least:
            help = "with fewer not even runs that all meet the condition tell"
            faults.append(Diagnostic(f"expected {least} replications or more", "--replications-max", help=help))
    if faults or condition is None:
        raise InputError(*faults)
    return Size(find, condition, low, high, most, confidence)


def _range_faults(low: int, high: int | None, most: int, confidence: float) -> list[Diagnostic]:
    faults = []
    if low < 0 or (high is not None and high < low):
        faults.append(Diagnostic(f"expected a range from 0 on, got {low} to {high}", "--from"))
    if most < FIRST_LOOK:
        faults.append(Diagnostic(f"expected {FIRST_LOOK} replications or more, got {most}", "--replications-max"))
    if not 0.5 < confidence < 1.0:
        faults.append(Diagnostic(f"expected a confidence between 0.5 and 1, got {confidence}", "--confidence"))
    return faults


def error_at(nth: int, confidence: float) -> float:
    """The part of the error that may be made at the n-th value that is tried."""
    return (1.0 - confidence) * 6.0 / (math.pi * nth) ** 2


def tests_of(chance: float, confidence: float, nth: int) -> ShareTests:
    """The tests of the n-th value: either of the two may be wrong."""
    return ShareTests(chance, error_at(nth, confidence) / 2.0)


def looks_up_to(most: int) -> list[int]:
    """The numbers of replications at which a value is looked at."""
    looks = [min(FIRST_LOOK, most)]
    while looks[-1] < most:
        looks.append(min(2 * looks[-1], most))
    return looks


# --- what is set ------------------------------------------------------------------------------------------------------


def set_to(find: str, scenario: Scenario, value: Any, option: str = "--find") -> dict[str, Any]:
    """The changes that set a field to a value. `desks.NAME.staff` is the staff of every shift of a desk.

    Raises InputError where the desk is not there, or where the field is one that a study sets itself; other paths are
    checked as they are set.
    """
    if find in OF_THE_STUDY:
        help = "every variant of a study has the same: give the study its own"
        raise input_error(f"{quoted(find)} changes nothing here", f"{option} {find}", help)
    family, _, rest = find.partition(".")
    name, dot, field = rest.rpartition(".")
    of_shift = any(name.startswith(f"{desk}.roster.") for desk in scenario.desks)
    if family != "desks" or field != _STAFF or not dot or of_shift:
        if family == "desks" and name in scenario.desks and near(field, (*Desk.model_fields, _STAFF)) == _STAFF:
            raise input_error(f"there is no {quoted(find)}", option, f"did you mean `desks.{name}.{_STAFF}`?")
        return {find: value}
    if name not in scenario.desks:
        close = near(name, scenario.desks)
        help = f"did you mean {quoted(f'desks.{close}.staff')}?" if close else f"known: {listed(scenario.desks)}"
        raise input_error(f"there is no {quoted(f'desks.{name}')}", option, help)
    return {f"desks.{name}.roster.{shift}.staff": value for shift in range(len(scenario.desks[name].roster))}
