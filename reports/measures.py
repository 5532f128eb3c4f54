"""Measures: the figures of one replication that studies compare, by name.

Every objective of a scenario is a measure. Others are objectives that nobody set: the same definitions, without a
limit, so that a figure means the same wherever it is told.

| name | meaning |
|---|---|
| `OBJECTIVE` | what the objective measures |
| `OBJECTIVE.p90` | the same at another quantile, where it has one |
| `OBJECTIVE.time`, `.back` | of a recovery: time until goodput is back; share of runs in which it is by their end |
| `work.NAME.time.p95`, `.time.mean` | time from arrival to completion |
| `work.NAME.completed`, `.wrong` | share of cases |
| `work.NAME.cost` | mean cost of a case |
| `desks.NAME.wait.p95`, `.wait.mean` | time in the desk's queue, until served or given up |
| `desks.NAME.unserved` | share of what joins the queue that is not served |
| `desks.NAME.load` | busy over staffed time |
| `desks.NAME.cases` | share of cases of which something comes to the desk; not by counts |
| `desks.NAME.items` | number of items that come to the desk in one replication |
| `events.deadlocks`, ... | number in one replication, by the names of `count` objectives |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from models.diagnostics import Diagnostic, InputError, input_error, listed, near, quoted
from models.objectives import CaseCost, CaseShare, CaseTime, DeskLoad, DeskWait, EventCount, Objective, Recovery
from models.scenario import Scenario
from models.units import Money
from reports.figures import FigureTables, counted
from reports.intervals import Sample, bounded
from reports.objectives import COUNTS, Measure, ObjectiveOutcome, measured, verdict_on
from reports.queue_times import (
    Extra,
    IsBack,
    Items,
    MeanTime,
    QueueTime,
    Reached,
    TimeBack,
    Unserved,
    extra_counted,
    extra_measured,
)
from reports.tables import RunTables, first_of, nothing_happened, tables_of
from reports.words import count
from sim.behaviours import BehaviourError
from sim.clock import EventLimitError
from sim.counted import CountedReplication
from sim.engine import Replication
from sim.executors.base import Poisoned
from sim.tables import FIGURES
from sim.windows import WindowLimitError
from sim.workload import CaseLimitError

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.behaviours import BehaviourFile
    from sim.plan import Plan
    from sim.rules import Rules

Volume = Literal["events", "summary"]
"""How a replication is measured: by all its events, exactly; or counted as it goes, in memory that does not grow,
quantiles up to a 128th."""

Definition = Objective | Extra
"""What a measure is."""

_QUANTILE: Final = re.compile(r"(?P<of>.+)\.p(?P<percent>[0-9]{1,2}(\.[0-9]{1,3})?)")
_ENDED: Final = ("completed", "denied", "failed", "expired", "aborted", "cancelled")
_EVENTS_SHOWN: Final = ("deadlocks", "violations", "unanswered-escalations")


_RETURNS: Final[Mapping[str, type[TimeBack | IsBack]]] = {"time": TimeBack, "back": IsBack}
"""What is measured of a recovery, by the end of its name."""

_NAN: Final = float("nan")


class Value(NamedTuple):
    """A measure of one replication: bounds, and the figure to tell. nan: nothing to measure."""

    low: float
    high: float
    best: float
    trials: int = 0
    """Cases behind a share."""
    obstacle: str = ""
    """Why it cannot pass, however good it looks."""


_MISSING: Final = Value(_NAN, _NAN, _NAN)

Row = tuple[Value, ...]
"""The measures of a replication, in the order of the names of the job."""


@dataclass(frozen=True)
class MeasureJob:
    """What a worker needs to measure any replication of a scenario."""

    plan: Plan
    rules: Rules
    digest: str
    seed: int
    scenario: Scenario
    """With an objective for every measure."""
    definitions: Mapping[str, Definition]
    volume: Volume
    behaviours: BehaviourFile | None = None


def definitions(scenario: Scenario, asked: Iterable[str] = (), option: str = "--measure") -> dict[str, Definition]:
    """The measures of a scenario by name: its objectives, the standard ones, and those asked for by name.

    Raises InputError with every name that means nothing; `option` is where they were given.
    """
    found: dict[str, Definition] = {**scenario.objectives, **_standard(scenario)}
    faults: list[Diagnostic] = []
    for name in asked:
        try:
            if name not in found:
                found[name] = _named(name, scenario, option)
        except InputError as error:
            faults += error.diagnostics
    if faults:
        raise InputError(*faults)
    return found


def _standard(scenario: Scenario) -> dict[str, Definition]:
    names = [f"work.{work}.{what}" for work in scenario.work for what in ("completed", "wrong", "cost", "time.p95")]
    names += [
        f"desks.{desk}.{what}" for desk in scenario.desks for what in ("load", "wait.mean", "wait.p95", "unserved")
    ]
    names += [f"events.{name}" for name in _EVENTS_SHOWN]
    return {name: _named(name, scenario) for name in names}


def _named(name: str, scenario: Scenario, option: str = "--measure") -> Definition:
    """What a name means. Raises InputError with the near name where it means nothing."""
    whole, quantile = name, None
    if parted := _QUANTILE.fullmatch(name):
        whole, quantile = parted["of"], float(parted["percent"]) / 100
    family, _, rest = whole.partition(".")
    found: Definition | None = None
    if quantile is not None and isinstance(objective := scenario.objectives.get(whole), CaseTime | DeskWait):
        found = objective.model_copy(update={"quantile": quantile})
    elif isinstance(objective := scenario.objectives.get(name.rpartition(".")[0]), Recovery):
        returned = _RETURNS.get(name.rpartition(".")[2])
        found = returned(objective) if returned else None
    elif family == "work":
        found = _of_work(*_owned(rest, scenario.work), quantile)
    elif family == "desks":
        found = _of_desk(*_owned(rest, scenario.desks), quantile)
    elif family == "events" and quantile is None and rest in COUNTS:
        found = EventCount.model_construct(kind="count", of=cast("Any", rest), at_most=0.0)
    if found is None or quantile == 0.0:
        raise _unknown(name, scenario, option)
    return found


def _owned(rest: str, owners: Iterable[str]) -> tuple[str, str]:
    """The owner and what of it is measured: names may hold dots, so the longest owner is meant."""
    owner = max((one for one in owners if rest.startswith(f"{one}.")), key=len, default="")
    return owner, rest[len(owner) + 1 :] if owner else ""


def _of_work(work: str, what: str, quantile: float | None) -> Definition | None:
    match what, quantile:
        case "completed", None:
            return CaseShare.model_construct(kind="case-share", work=work, outcomes=("completed",), at_least=0.0)
        case "wrong", None:
            return CaseShare.model_construct(kind="case-share", work=work, outcomes=_ENDED, wrong=True, at_most=1.0)
        case "cost", None:
            return CaseCost.model_construct(kind="case-cost", work=work, at_most=Money(0, ""))
        case "time.mean", None:
            return MeanTime(work)
        case "time", float(q):
            return CaseTime.model_construct(kind="case-time", work=work, quantile=q, at_most=0)
    return None


def _of_desk(desk: str, what: str, quantile: float | None) -> Definition | None:
    match what, quantile:
        case "load", None:
            return DeskLoad.model_construct(kind="desk-load", desk=desk, at_most=1.0)
        case "unserved", None:
            return Unserved(desk)
        case "cases", None:
            return Reached(desk)
        case "items", None:
            return Items(desk)
        case "wait.mean", None:
            return QueueTime(desk)
        case "wait", float(q):
            return QueueTime(desk, q)
    return None


def _unknown(name: str, scenario: Scenario, option: str) -> InputError:
    known = [*scenario.objectives, *_standard(scenario), *(f"events.{count}" for count in COUNTS)]
    known += [f"work.{work}.time.mean" for work in scenario.work]
    known += [f"desks.{desk}.{what}" for desk in scenario.desks for what in ("cases", "items")]
    known += [f"{o}.{what}" for o, one in scenario.objectives.items() if isinstance(one, Recovery) for what in _RETURNS]
    close = near(name, known)
    help = f"did you mean {quoted(close)}?" if close else f"known: {listed(known)}"
    return input_error(f"there is no measure {quoted(name)}", option, help)


# --- measuring --------------------------------------------------------------------------------------------------------


def measure_job(
    loaded: LoadedScenario,
    seed: int,
    chosen: Mapping[str, Definition],
    volume: Volume,
    behaviours: BehaviourFile | None = None,
) -> MeasureJob:
    """What workers need to measure replications of a scenario."""
    from sim.compile import compile_plan
    from sim.rules import compile_rules

    more = {name: one for name, one in chosen.items() if not isinstance(one, Extra)}
    scenario = loaded.scenario.model_copy(update={"objectives": {**loaded.scenario.objectives, **more}})
    whole = replace(loaded, scenario=scenario)
    return MeasureJob(
        compile_plan(whole), compile_rules(whole), loaded.digest, seed, scenario, chosen, volume, behaviours
    )


def measure(job: MeasureJob, numbers: Sequence[int]) -> list[Row | Poisoned]:
    """Simulate replications and measure each. The work of a study."""
    return [_measure(job, number) for number in numbers]


def _measure(job: MeasureJob, number: int) -> Row | Poisoned:
    functions = {} if job.behaviours is None else job.behaviours.functions()
    replication: Replication
    if job.volume == "summary":
        replication = CountedReplication(job.plan, job.rules, job.seed, number, job.digest, functions)
    else:
        replication = Replication(job.plan, job.rules, job.seed, number, "events", functions)
    try:
        replication.run()
    except (CaseLimitError, EventLimitError, WindowLimitError):
        return Poisoned("more cases, faults or happenings than one replication may have")
    except BehaviourError as error:
        return Poisoned(str(error))
    batches = replication.batches(job.digest, job.seed)
    tables = (
        FigureTables(job.scenario, 1, first_of(batches.figures, FIGURES))
        if job.volume == "summary"
        else tables_of(job.scenario, batches)
    )
    return tuple(_value(_measured(name, one, tables)) for name, one in job.definitions.items())


def _measured(name: str, one: Definition, tables: RunTables | FigureTables) -> Measure:
    if isinstance(one, Extra):
        return extra_counted(one, tables) if isinstance(tables, FigureTables) else extra_measured(one, tables)
    return counted(one, name, tables) if isinstance(tables, FigureTables) else measured(one, tables)


def _value(measure: Measure) -> Value:
    sample = measure.sample
    best = sample.best or sample.high
    return Value(sample.low[0], sample.high[0], best[0], measure.trials, measure.obstacle)


# --- what was measured ------------------------------------------------------------------------------------------------

Better = Literal["less", "more"]


@dataclass(frozen=True, slots=True)
class MeasureInfo:
    """What a measure is, apart from any replication."""

    name: str
    definition: Definition
    blank: Measure
    """The measure with its words, unit and limits, and no figures. Only an objective, whose limit somebody set, has
    one."""
    better: Better | None
    """Which way is better: as the objective's limit says; None where more and less are neither."""
    objective: bool


def infos(scenario: Scenario, chosen: Mapping[str, Definition]) -> dict[str, MeasureInfo]:
    """What the measures of a scenario are."""
    nothing = nothing_happened(scenario)
    return {name: _info(name, one, _measured(name, one, nothing), scenario) for name, one in chosen.items()}


def _info(name: str, one: Definition, measure: Measure, scenario: Scenario) -> MeasureInfo:
    objective = name in scenario.objectives
    better: Better | None = "more" if measure.at_least is not None else "less"
    if isinstance(one, DeskLoad | Reached | Items) and not objective:
        better = None  # neither idle people nor busy ones are what a scenario is for
    blank = replace(measure, notes=(), obstacle="", trials=0)
    if not objective:
        blank = replace(blank, at_most=None, at_least=None)
    return MeasureInfo(name, one, blank, better, objective)


def sample_of(values: Iterable[Value | None]) -> Sample:
    """The figures of replications; those of one that could not be run are missing."""
    known = [value or _MISSING for value in values]
    return bounded([one.low for one in known], [one.high for one in known], [one.best for one in known])


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that somebody asks about, and the level at which."""

    confidence: float
    at_most: float | None = None
    at_least: float | None = None
    kind: str = "limit"
    description: str = ""


def judge(
    info: MeasureInfo, values: Sequence[Value | None], currency: str, limit: Limit | None = None
) -> ObjectiveOutcome:
    """Judge a measure over replications as the objective of a run is judged, against its own limit or another.

    What stands in the way of a pass in any replication stands in its way; None is a replication that could not be run.
    """
    hindered = [value.obstacle for value in values if value and value.obstacle]
    unrun = sum(value is None for value in values)
    obstacle = f"{count(unrun, 'replication')} could not be run" if unrun else ""
    if hindered and not obstacle:
        obstacle = f"in {len(hindered)} of {count(len(values), 'replication')}, {hindered[0]}"
    trials = sum(value.trials for value in values if value)
    measure = replace(info.blank, sample=sample_of(values), trials=trials, obstacle=obstacle)
    if limit is None:
        return verdict_on(info.name, info.definition, measure, currency)
    measure = replace(measure, at_most=limit.at_most, at_least=limit.at_least)
    return verdict_on(info.name, limit, measure, currency)
