"""Objectives of a scenario: what each measures in a run, its interval over replications, and its verdict.

Unfinished work never helps an objective. Where a limit is a time, only cases (or waits) that began at least that long
before the horizon are judged: of each of them it is known whether it kept the limit, finished or not, and the choice
does not depend on how it went. Where there is no time limit, or a share is bounded from above, unfinished cases are
counted both ways, and the interval spans both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Final, Protocol

import numpy as np
import pandas as pd

from models.objectives import FalseAlarms
from models.scenario import (
    CaseCost,
    CaseShare,
    CaseTime,
    Compliance,
    DeskLoad,
    DeskWait,
    EventCount,
    Objective,
    Recovery,
    ReviewShare,
    Throughput,
)
from models.units import SECOND
from reports.compliance import decisions_of, enforced_share
from reports.drift import false_alarm_rates
from reports.intervals import (
    Array,
    Interval,
    Sample,
    bounded,
    decide,
    exact,
    student,
    too_few,
    unseen,
    with_happenings,
    with_trials,
)
from reports.kept import NotKeptError
from reports.people import desk_load
from reports.recovery import away_after, first_begins, goodput
from reports.resilience import named_windows, windows
from reports.reviews import approvals, glance_share
from reports.tables import RunTables, quantiles, ratio
from reports.waits import waits
from reports.words import Unit, count, duration, estimate, limit, percent_of_confidence, share, span
from verify.findings import Overall

OPEN_SHARE_MAX: Final = 0.05
"""Share of unfinished cases above which a mean cost cannot pass: what they will cost is unknown. An assumption."""

MISSING_SHARE_MAX: Final = 0.5
"""Share of replications with nothing to measure above which there is no verdict. An assumption."""

COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "cases-over-limit": ("step-limit",),
    "dead-letters": ("dead-letter",),
    "attacks-through": ("attack-through",),
    "deadlocks": ("deadlock",),
    "drift-alarms": ("alarm",),
    "duplicate-effects": ("effect-repeated",),
    "livelocks": ("livelock",),
    "residency-breaches": ("residency-breach",),
    "shadow-differences": ("shadow-difference",),
    "stale-decisions": ("stale-decision",),
    "late-cases": ("case-late",),
    "unanswered-escalations": ("exhausted",),
    "violations": ("violation",),
    "wrong-approvals": ("wrong-approval",),
}
"""The kinds of events that each `of` of a `count` counts."""


@dataclass(frozen=True, slots=True)
class ObjectiveOutcome:
    """One objective, judged. `sample` has a value (or its bounds) for each replication; limits are in the same unit."""

    name: str
    kind: str
    description: str
    measures: str
    unit: Unit
    at_most: float | None
    at_least: float | None
    interval: Interval
    sample: Sample
    verdict: Overall
    sentence: str
    notes: tuple[str, ...]
    open_because: str = ""
    """Why the verdict is `undecided`; empty where it is not."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What an objective's definition gives in a run, before it is judged."""

    measures: str
    unit: Unit
    sample: Sample
    at_most: float | None = None
    at_least: float | None = None
    ceiling: float = math.inf
    trials: int = 0
    """Cases behind a share, for the exact bound where no replication saw a miss."""
    notes: tuple[str, ...] = ()
    obstacle: str = ""
    """Why it cannot pass however good its interval looks; empty where nothing stands in the way."""
    kept: bool = True
    """Whether the run keeps what it is measured by."""
    coarse: float = 0.0
    """Share of a quantile by which its histogram leaves it open; 0 where every value is kept."""
    happenings: bool = False
    """Whether the figure is a number of happenings in one replication, so that few of them tell little."""


def judge_objective(name: str, objective: Objective, tables: RunTables) -> ObjectiveOutcome:
    """Measure an objective in a run and judge it."""
    try:
        measure = measured(objective, tables)
    except NotKeptError as error:
        measure = _unmeasured(objective, tables, str(error))
    return verdict_on(name, objective, lacking_some(measure, tables.lacking), tables.scenario.currency)


def lacking_some(measure: Measure, why: str) -> Measure:
    """A measure of a run that lacks replications, which may be the ones that would tell against it: it cannot pass."""
    return replace(measure, obstacle=why) if why else measure


class Promise(Protocol):
    """What an objective is, apart from what it measures."""

    @property
    def kind(self) -> str: ...
    @property
    def confidence(self) -> float: ...
    @property
    def description(self) -> str: ...


def verdict_on(name: str, objective: Promise, measure: Measure, currency: str) -> ObjectiveOutcome:
    """Judge what an objective's definition gives in a run."""
    interval = _interval(measure, measure.sample, objective.confidence)
    verdict = decide(interval, at_most=measure.at_most, at_least=measure.at_least)
    if _refuted(measure):
        verdict = "fail"
    obstacle = _obstacle(measure, interval)
    if obstacle and verdict == "pass":
        verdict = "undecided"
    open_because = _why_open(measure, interval, obstacle) if verdict == "undecided" else ""
    return ObjectiveOutcome(
        name=name,
        kind=objective.kind,
        description=objective.description,
        measures=measure.measures,
        unit=measure.unit,
        at_most=measure.at_most,
        at_least=measure.at_least,
        interval=interval,
        sample=measure.sample,
        verdict=verdict,
        sentence=_sentence(name, measure, interval, verdict, open_because, currency),
        notes=measure.notes + _notes(measure, interval),
        open_because=open_because,
    )


def _interval(measure: Measure, sample: Sample, confidence: float) -> Interval:
    interval = student(sample, confidence, floor=0.0, ceiling=measure.ceiling)
    # A limit of none is a promise about what is seen: it is refuted by one, and told as not seen without.
    if measure.happenings and measure.at_most:
        return with_happenings(interval, sample)
    return with_trials(interval, sample, measure.trials)


def _unmeasured(objective: Objective, tables: RunTables, why: str) -> Measure:
    """What an objective gives where the run does not keep what it is measured by."""
    units: dict[type[object], Unit] = {DeskWait: "duration", DeskLoad: "share", ReviewShare: "share"}
    at_most = getattr(objective, "at_most", None)
    return Measure(
        objective.kind.replace("-", " "),
        units.get(type(objective), "count"),
        exact([math.nan] * tables.replications),
        at_most=float(at_most) if isinstance(at_most, (int, float)) else None,
        obstacle=why,
        kept=False,
    )


def _refuted(measure: Measure) -> bool:
    """Whether "none" is promised and one was seen: no figure is below zero, so the mean is above it."""
    return measure.at_most == 0 and any(low > 0 for low in measure.sample.low)


def _obstacle(measure: Measure, interval: Interval) -> str:
    missing = measure.sample.missing
    if missing > MISSING_SHARE_MAX * len(measure.sample.low) and not too_few(interval):
        return f"there was nothing to measure in {missing} of {count(len(measure.sample.low), 'replication')}"
    return too_few(interval) or measure.obstacle


def _notes(measure: Measure, interval: Interval) -> tuple[str, ...]:
    notes = []
    if _refuted(measure):
        seen = sum(low > 0 for low in measure.sample.low)
        of = count(len(measure.sample.low), "replication")
        notes.append(f"Seen in {seen} of {of}: a promise of none is refuted.")
    if measure.sample.missing > 0 and measure.kept:
        notes.append(f"{count(measure.sample.missing, 'replication')} had nothing to measure and are left out.")
    if measure.unit == "count" and interval.point and interval.estimate == 0:
        chance = share(unseen(interval.replications, interval.confidence))
        confidence = percent_of_confidence(interval.confidence)
        notes.append(
            f"None was seen in {interval.replications} replications. At {confidence} confidence one replication may "
            f"still have any with a chance of up to {chance}."
        )
    elif interval.point:
        notes.append("All replications agree exactly.")
    return tuple(notes)


def _sentence(
    name: str, measure: Measure, interval: Interval, verdict: Overall, open_because: str, currency: str
) -> str:
    promised = limit(measure.at_most, measure.at_least, measure.unit, currency)
    word = {"pass": "is met", "fail": "is missed", "undecided": "is undecided"}[verdict]
    if not interval.known:
        return f"{name} {word}: {open_because}."
    confidence = percent_of_confidence(interval.confidence)
    seen = f"{measure.measures} is {estimate(interval, measure.unit, currency)}"
    if interval.point:
        seen += " in every replication"
    elif math.isfinite(interval.low):
        seen += f" ({confidence} interval {span(interval, measure.unit, currency)})"
    because = f" It is open because {open_because}." if open_because else ""
    return f"{name} {word}: {seen}; the objective is {promised}.{because}"


def _why_open(measure: Measure, interval: Interval, obstacle: str) -> str:
    """An obstacle, or what keeps the interval on both sides of a limit: unfinished work, or chance."""
    if not interval.known:
        return measure.obstacle or "there was nothing to measure"
    if obstacle:
        return obstacle
    if interval.at_least:
        return "too much was unfinished at the horizon to bound it from above"
    best = exact(measure.sample.best or measure.sample.high)
    settled = _interval(measure, best, interval.confidence)
    if decide(settled, at_most=measure.at_most, at_least=measure.at_least) != "undecided":
        low, high = np.asarray(measure.sample.low), np.asarray(measure.sample.high)
        if measure.coarse and (np.isnan(low) | (high <= low * (1 + measure.coarse))).all():
            return f"times are known up to a {1 / measure.coarse:.0f}th of themselves; `--volume events` settles that"
        return "unfinished cases could tip it either way; a `within` or a longer horizon settles that"
    return "the interval reaches both sides of the limit; more replications narrow it"


@singledispatch
def measured(objective: Objective, tables: RunTables) -> Measure:  # noqa: ARG001 - each kind registers its own
    """What an objective's definition gives in a run."""
    raise TypeError(f"no measure for {type(objective).__name__}")


def _cases(tables: RunTables, work: str | None) -> pd.DataFrame:
    cases = tables.measured
    return cases if work is None else cases[cases["work"] == work]


def whose(work: str | None) -> str:
    """Which cases a sentence speaks of."""
    return f" of {work}" if work else ""


def ordinal(quantile: float) -> str:
    """A quantile as a percentile: `95th`."""
    percent = f"{quantile * 100:g}"
    if "." in percent:
        return f"{percent}th"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(int(percent) % 10, "th") if int(percent) not in (11, 12, 13) else "th"
    return f"{percent}{ending}"


def too_late(left_out: int, all_of_them: int, what: str, within: int) -> tuple[tuple[str, ...], str]:
    """A note on what began too late to be judged, and the obstacle where nothing is left."""
    if 0 < left_out == all_of_them:
        return (), f"the run is too short: no measured {what} began {duration(within)} before its end"
    if not left_out:
        return (), ""
    note = f"{count(left_out, what)} that began in the last {duration(within)} are left out: too late to be judged."
    return (note,), ""


@measured.register
def _(objective: CaseTime, tables: RunTables) -> Measure:
    cases = _cases(tables, objective.work)
    concerned = cases[(cases["outcome"] == "completed") | cases["open"]]
    judged = concerned[concerned["age"] >= objective.at_most]
    is_open = judged["open"].to_numpy()
    low = np.where(is_open, judged["age"], judged["time"])
    notes, obstacle = too_late(len(concerned) - len(judged), len(concerned), "case", objective.at_most)
    if is_open.any():
        notes += (f"{count(int(is_open.sum()), 'unfinished case')} count as longer than all finished ones.",)
    return Measure(
        f"the {ordinal(objective.quantile)} percentile of the time to completion{whose(objective.work)}",
        "duration",
        _quantile_bounds(judged, low, np.where(is_open, math.inf, low), objective.quantile, tables),
        at_most=float(objective.at_most),
        notes=notes,
        obstacle=obstacle,
    )


def _quantile_bounds(rows: pd.DataFrame, low: Array, high: Array, q: float, tables: RunTables) -> Sample:
    replication = rows["replication"].to_numpy()
    ends = (quantiles(replication, values.astype("float64"), q, tables.replications) for values in (low, high))
    return bounded(*ends)


@measured.register
def _(objective: CaseShare, tables: RunTables) -> Measure:
    cases = _cases(tables, objective.work)
    hit = cases["outcome"].isin(objective.outcomes)
    if objective.wrong is not None:
        hit &= cases["wrong"] == objective.wrong
    # For a least share an unfinished case is a miss at worst. For a most share that would reward being stuck.
    unknown = cases["open"] if objective.at_most is not None else cases["outcome"] == "in-flight"
    notes: tuple[str, ...] = ()
    obstacle = ""
    if objective.within is not None:
        judged = cases["age"] >= objective.within
        notes, obstacle = too_late(int((~judged).sum()), len(cases), "case", objective.within)
        hit &= cases["time"] <= objective.within
        unknown &= objective.at_most is not None
        cases, hit, unknown = cases[judged], hit[judged], unknown[judged]
    if unknown.any():
        notes += (f"{count(int(unknown.sum()), 'case')} unfinished at the horizon count both ways.",)
    all_of_them, hits, unknowns = (tables.count(rows) for rows in (cases, cases[hit], cases[unknown]))
    best = np.where(all_of_them > unknowns, ratio(hits, all_of_them - unknowns), ratio(hits, all_of_them))
    return Measure(
        share_words(objective),
        "share",
        bounded(ratio(hits, all_of_them), ratio(hits + unknowns, all_of_them), best),
        at_most=objective.at_most,
        at_least=objective.at_least,
        ceiling=1.0,
        trials=len(cases),
        notes=notes,
        obstacle=obstacle,
    )


def share_words(objective: CaseShare) -> str:
    """What share an objective bounds."""
    outcomes = " or ".join(objective.outcomes)
    within = f" within {duration(objective.within)}" if objective.within is not None else ""
    wrong = {None: "", True: " with a wrong effect", False: " without a wrong effect"}[objective.wrong]
    return f"the share of cases{whose(objective.work)} {outcomes}{within}{wrong}"


@measured.register
def _(objective: DeskWait, tables: RunTables) -> Measure:
    every = waits(tables, f"desk:{objective.desk}")
    judged = every[every["since"] <= tables.scenario.horizon - objective.at_most]
    notes, obstacle = too_late(len(every) - len(judged), len(every), "wait", objective.at_most)
    unserved = int((judged["end"] != "started").sum())
    if unserved:
        notes += (f"{count(unserved, 'wait')} that did not end in service count as longer than all that did.",)
    low, high = judged["low"].to_numpy(), judged["high"].to_numpy()
    return Measure(
        f"the {ordinal(objective.quantile)} percentile of the wait at {objective.desk}",
        "duration",
        _quantile_bounds(judged, low, high, objective.quantile, tables),
        at_most=float(objective.at_most),
        notes=notes,
        obstacle=obstacle,
    )


@measured.register
def _(objective: DeskLoad, tables: RunTables) -> Measure:
    return Measure(
        f"busy over staffed time of {objective.desk}",
        "share",
        exact(desk_load(tables, objective.desk)),
        at_most=objective.at_most,
    )


@measured.register
def _(objective: ReviewShare, tables: RunTables) -> Measure:
    return Measure(
        f"the share of approvals at {objective.desk} that took less than {duration(objective.under)}",
        "share",
        exact(glance_share(tables, objective.desk, objective.under)),
        at_most=objective.at_most,
        ceiling=1.0,
        trials=len(approvals(tables, objective.desk)),
    )


@measured.register
def _(objective: CaseCost, tables: RunTables) -> Measure:
    cases = _cases(tables, objective.work)
    spent = tables.total(cases, "cost") / 1e6
    begun, ended = tables.count(cases), tables.count(cases[~cases["open"]])
    still_open = float(cases["open"].mean()) if len(cases) else 0.0
    # What unfinished cases have cost is spent: it counts against the ended ones on the high side. Where they are many,
    # what they will cost yet leaves the mean without a bound from above.
    unbounded = ended < begun if still_open > OPEN_SHARE_MAX else (ended == 0) & (begun > 0)
    high = np.where(unbounded, math.inf, ratio(spent, ended))
    obstacle = f"{share(still_open)} of the cases were unfinished, so their cost is not known"
    return Measure(
        f"the mean cost of a case{whose(objective.work)}",
        "money",
        bounded(ratio(spent, begun), high),
        at_most=objective.at_most.micros / 1e6,
        obstacle=obstacle if still_open > OPEN_SHARE_MAX else "",
    )


@measured.register
def _(objective: Throughput, tables: RunTables) -> Measure:
    cases, scenario = tables.cases, tables.scenario
    if objective.work is not None:
        cases = cases[cases["work"] == objective.work]
    ended = cases[cases["outcome"].isin(objective.outcomes) & (cases["ended"] >= scenario.warm_up)]
    seconds = (scenario.horizon - scenario.warm_up) / SECOND
    return Measure(
        f"the rate at which cases{whose(objective.work)} are {' or '.join(objective.outcomes)}",
        "rate",
        exact(tables.count(ended) / seconds),
        at_least=objective.at_least,
    )


@measured.register
def _(objective: Compliance, tables: RunTables) -> Measure:
    rows = decisions_of(tables, objective.work)
    decided = rows[["replication", "case"]].drop_duplicates()
    return Measure(
        f"the share of decisions{whose(objective.work)} that are enforced as policy says",
        "share",
        exact(enforced_share(tables, rows)),
        at_least=objective.at_least,
        ceiling=1.0,
        trials=len(decided),  # decisions of one case are not independent
        obstacle="" if len(rows) else "policy was asked for no decision",
    )


@measured.register
def _(objective: FalseAlarms, tables: RunTables) -> Measure:
    return Measure(
        f"false alarms of {objective.monitor} in 1000 labels",
        "count",
        exact(false_alarm_rates(objective.monitor, tables)),
        at_most=objective.at_most,
    )


@measured.register
def _(objective: EventCount, tables: RunTables) -> Measure:
    return Measure(
        f"the number of {objective.of.replace('-', ' ')} in one replication",
        "count",
        exact(tables.occurrences(*COUNTS[objective.of])),
        at_most=objective.at_most,
        happenings=True,
    )


@measured.register
def _(objective: Recovery, tables: RunTables) -> Measure:
    ended = named_windows(tables, objective.fault)
    course = goodput(tables, objective.work)
    begins = first_begins(ended, tables.replications)
    sample = away_after(objective, course, begins, ended, windows(tables), tables.scenario.warm_up)
    return Measure(
        f"the number of times goodput{whose(objective.work)} is not back {duration(objective.within)} after "
        f"{objective.fault}, in one replication",
        "count",
        sample,
        at_most=objective.at_most,
        obstacle="" if len(ended) else f"{objective.fault} never happened",
    )
