"""A recovery map: load against retry settings, where goodput comes back after a trigger and where it does not.

A system that stays down though what brought it down is over is in a metastable failure (Bronson, Aghayev, Charapko and
Zhu, Metastable Failures in Distributed Systems, HotOS 2021). Their picture of it is this map: where the load is low it
comes back whatever the retries; where it is high the retries decide.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final, Literal

from models.diagnostics import Diagnostic, InputError, input_error, listed, near, quoted
from models.objectives import Recovery
from models.scenario import Scenario
from reports.intervals import CONFIDENCE, Interval, Sample, bounded, student
from reports.measures import Value
from reports.statistics.proportions import clopper_pearson
from reports.studies.designs import Axis, axis_faults, parse_axis
from reports.studies.study import Lab, Unrun, Variant
from verify.findings import Overall

CELLS_MAX: Final = 400
"""Cells of a map: more are not read."""

_LOOKS: Final = 2
"""How often a cell is looked at: as soon as replications that all agree may tell, and when there are all."""

Answer = Literal["comes back", "stays down", "undecided"]


@dataclass(frozen=True)
class Cell:
    """One load with one retry setting."""

    load: Any
    retry: Any
    answer: Answer
    """What is more likely than not; undecided where that is not sure, or where it did happen that runs ended before it
    was known."""
    back: int
    """Replications whose goodput was surely back by their end."""
    down: int
    """Those in which it surely was not."""
    replications: int
    """All that had the fault, and something to compare with before it."""
    share: Interval
    """Chance that goodput comes back by the end of a run, at the level that the answer rests on."""
    time: Interval
    """Mean time until it is back, of the replications in which it surely is, us."""
    verdict: Overall
    """Of the objective, which has a time of its own."""


@dataclass(frozen=True)
class Mapped:
    """The answer of `RecoveryMap`."""

    objective: str
    fault: str
    within: int
    """What the objective allows, us."""
    load: Axis
    retry: Axis
    cells: tuple[Cell, ...]
    """By retry setting, then load."""
    confidence: float
    replications_max: int
    currency: str
    unrun: tuple[Unrun, ...]
    kind: Literal["recovery-map"] = "recovery-map"

    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The cells of each retry setting, by load."""
        width = len(self.load.values)
        return tuple(self.cells[start : start + width] for start in range(0, len(self.cells), width))


@dataclass(frozen=True)
class RecoveryMap:
    """The question with which loads and retry settings a scenario comes back after the fault of an objective."""

    objective: str
    load: Axis
    retry: Axis
    replications_max: int = 40
    """Of one cell."""
    confidence: float = CONFIDENCE
    """That no cell is told wrongly, all together."""
    kind: Literal["recovery-map"] = field(default="recovery-map")

    @property
    def planned(self) -> int | None:
        return None

    @property
    def level(self) -> float:
        """That of the interval that a cell is told by: the error is shared by all looks at all cells (Bonferroni)."""
        return 1.0 - (1.0 - self.confidence) / (len(self.load.values) * len(self.retry.values) * _LOOKS)

    def answer(self, lab: Lab) -> Mapped:
        self._check(lab)
        variants = _variants(self, lab)
        found: dict[str, Cell] = {}
        for count in (fewest(self.level), self.replications_max):
            still = [key for key in variants if key not in found or found[key].answer == "undecided"]
            lab.ask((variants[key][0], range(count)) for key in still)
            found |= {key: _cell(self, lab, *variants[key], count) for key in still}
        objective = lab.base.objectives[self.objective]
        assert isinstance(objective, Recovery)
        return Mapped(
            objective=self.objective,
            fault=objective.fault,
            within=objective.within,
            load=self.load,
            retry=self.retry,
            cells=tuple(found[key] for key in variants),
            confidence=self.confidence,
            replications_max=self.replications_max,
            currency=lab.base.currency,
            unrun=tuple(lab.poisoned()),
        )

    def _check(self, lab: Lab) -> None:
        """Every value of both fields alone. Raises InputError with every fault."""
        faults = [*axis_faults(self.load, lab.check, "--load"), *axis_faults(self.retry, lab.check, "--retry")]
        if faults:
            raise InputError(*faults)


def _variants(question: RecoveryMap, lab: Lab) -> dict[str, tuple[Variant, Any, Any]]:
    """The variant of each cell by name, with its load and its retry setting. Raises InputError with every fault."""
    found: dict[str, tuple[Variant, Any, Any]] = {}
    faults: dict[Diagnostic, None] = {}
    for retry, load in product(question.retry.values, question.load.values):
        changes = {question.load.path: load, question.retry.path: retry}
        name = ", ".join(f"{path}={_written(value)}" for path, value in changes.items())
        try:
            found[name] = lab.variant(name, changes), load, retry
        except InputError as error:
            faults |= dict.fromkeys(error.diagnostics)
    if faults:
        raise InputError(*faults)
    return found


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _cell(question: RecoveryMap, lab: Lab, variant: Variant, load: Any, retry: Any, count: int) -> Cell:
    numbers = range(count)
    returned = lab.values(variant, f"{question.objective}.back", numbers)
    known = [value for value in returned if value is None or not math.isnan(value.low)]
    back = sum(value is not None and value.low == 1.0 for value in known)
    down = sum(value is not None and value.high == 0.0 for value in known)
    share = chance(back, down, len(known), question.level)
    times = lab.values(variant, f"{question.objective}.time", numbers)
    return Cell(
        load=load,
        retry=retry,
        answer=told(share),
        back=back,
        down=down,
        replications=len(known),
        share=share,
        time=student(_of_those_back(times, returned), floor=0.0),
        verdict=lab.judged(variant, question.objective, numbers).verdict,
    )


def _of_those_back(times: Iterable[Value | None], returned: Iterable[Value | None]) -> Sample:
    pairs = zip(times, returned, strict=True)
    chosen = [time for time, is_back in pairs if time and is_back and is_back.low == 1.0 and math.isfinite(time.high)]
    return bounded([time.low for time in chosen], [time.high for time in chosen])


def chance(back: int, down: int, replications: int, level: float) -> Interval:
    """The chance of coming back, from replications that did, that did not, and others of which it is not known: the
    exact interval, as wide as these leave it."""
    if not replications:
        return Interval(math.nan, math.nan, math.nan, level, 0)
    low, _ = clopper_pearson(back, replications, level)
    _, high = clopper_pearson(replications - down, replications, level)
    return Interval(back / replications, low, high, level, replications)


def told(share: Interval) -> Answer:
    """What is more likely than not."""
    return "comes back" if share.low > 0.5 else "stays down" if share.high < 0.5 else "undecided"


def fewest(level: float) -> int:
    """The fewest replications that can tell a cell, when all agree: ((1 - level) / 2) ** (1 / n) exceeds one half."""
    return math.floor(math.log2(2.0 / (1.0 - level))) + 1


def result(found: Mapped) -> Overall:
    """Whether the map is whole: undecided where a cell is."""
    return "undecided" if any(cell.answer == "undecided" for cell in found.cells) else "pass"


# --- what is asked ----------------------------------------------------------------------------------------------------


def ask(
    scenario: Scenario, load: str, retry: str, objective: str | None, replications_max: int, confidence: float
) -> RecoveryMap:
    """The question of texts `path=a,b,c` for load and retry setting. Raises InputError with every fault."""
    faults: list[Diagnostic] = []
    axes: list[Axis] = []
    for text, option in ((load, "--load"), (retry, "--retry")):
        try:
            axes.append(_axis(text, option))
        except InputError as error:
            faults += error.diagnostics
    try:
        objective = _recovery(scenario, objective)
    except InputError as error:
        faults += error.diagnostics
    if not 0.5 < confidence < 1.0:
        faults.append(Diagnostic(f"expected a confidence between 0.5 and 1, got {confidence}", "--confidence"))
    if faults or objective is None:
        raise InputError(*faults)
    question = RecoveryMap(objective, axes[0], axes[1], replications_max, confidence)
    _check(question)
    return question


def _check(question: RecoveryMap) -> None:
    cells = len(question.load.values) * len(question.retry.values)
    if question.load.path == question.retry.path:
        raise input_error(f"{quoted(question.load.path)} is both load and retry setting", "--retry")
    if cells > CELLS_MAX:
        raise input_error(f"a map has {CELLS_MAX} cells at most, this has {cells:,}", "--load", "name fewer values")
    if question.replications_max < (least := fewest(question.level)):
        help = f"{cells} cells are told at {question.confidence:.0%} together: with fewer not even one whose runs agree"
        raise input_error(f"expected {least} replications or more", "--replications-max", help)


def _axis(text: str, option: str) -> Axis:
    axis = parse_axis(text, option)
    if axis.is_range:
        help = f"say how many values: `{axis.path}={axis.low}..{axis.high}:5`"
        raise input_error("a map needs values, not a range", option, help)
    return axis


def _recovery(scenario: Scenario, name: str | None) -> str:
    known = [name for name, one in scenario.objectives.items() if isinstance(one, Recovery)]
    if name in known:
        return name
    if not known:
        help = "add one of `kind: recovery` that names the fault"
        raise input_error("the scenario has no objective of recovery", "--objective", help)
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        raise input_error(
            "the scenario has several objectives of recovery", "--objective", f"name one: {listed(known)}"
        )
    close = near(name, known)
    help = f"did you mean {quoted(close)}?" if close else f"known: {listed(known)}"
    raise input_error(f"there is no objective of recovery {quoted(name)}", "--objective", help)
