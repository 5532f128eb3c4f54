"""What is told of a run that keeps counts alone: its objectives, and tables of what was counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from models.units import DAY
from reports.figures import FigureTables, desk_load, judge_counted, read_figures
from reports.intervals import Array, Interval, exact, student
from reports.objectives import ObjectiveOutcome
from reports.provenance import Provenance, provenance
from reports.section import Figure, Row, Section
from reports.tables import OPEN, ratio

if TYPE_CHECKING:
    from sim.run import Run

EVENTS_SHOWN: Final = 60
"""Rows of the table of events; the rest is counted."""


@dataclass(frozen=True, slots=True)
class WorkDigest:
    """One stream of cases, measured cases only. Intervals are of means over replications."""

    name: str
    cases: int
    by_outcome: tuple[tuple[str, int], ...]
    throughput: Interval
    """Cases that arrived measured and ended, for each day after the warm-up."""
    time_median: Interval
    """Time from arrival to completion, us, with the bounds of its bucket; unfinished cases count as longer than all
    finished ones."""
    time_p95: Interval
    cost: Interval
    """Mean cost of an ended case, in the scenario's currency, without what was paid after its block was gone."""
    wrong: Interval
    attempts: Interval


@dataclass(frozen=True, slots=True)
class DeskDigest:
    """One desk after the warm-up. Waits are of the items that were served."""

    name: str
    load: Interval
    wait_median: Interval
    wait_p95: Interval
    unserved: Interval


@dataclass(frozen=True, slots=True)
class EventDigest:
    """How often something happened at a place, in one replication."""

    place: str
    kind: str
    count: Interval


@dataclass(frozen=True, slots=True)
class DecisionDigest:
    """How often a step was decided in one way, for one reason, in one replication: `answer` is the action, what policy
    says, what was done and the rules or the reason, as JSON."""

    step: str
    answer: str
    count: Interval


@dataclass(frozen=True, slots=True)
class Digest:
    """What is known of a run whose volume is `summary`. What is not here was not kept."""

    provenance: Provenance
    volume: str
    objectives: tuple[ObjectiveOutcome, ...]
    work: tuple[WorkDigest, ...]
    desks: tuple[DeskDigest, ...]
    events: tuple[EventDigest, ...]
    decisions: tuple[DecisionDigest, ...]


def assess_counted(run: Run) -> Digest:
    """Assess a run by its figures."""
    tables = read_figures(run)
    scenario = run.scenario
    return Digest(
        provenance=provenance(run, run.samples(), int(tables.of("events")["amount"].sum())),
        volume=run.manifest.volume,
        objectives=tuple(judge_counted(name, o, tables) for name, o in scenario.objectives.items()),
        work=tuple(_work(name, tables) for name in scenario.work),
        desks=tuple(_desk(name, tables) for name in scenario.desks),
        events=tuple(EventDigest(place, kind, _mean(rows, tables)) for (place, kind), rows in _each(tables, "events")),
        decisions=tuple(
            DecisionDigest(step, answer, _mean(rows, tables)) for (step, answer), rows in _each(tables, "decisions")
        ),
    )


def _each(tables: FigureTables, figure: str) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    groups = tables.of(figure).groupby(["of", "key"], sort=True)
    return [((str(of), str(key)), rows) for (of, key), rows in groups]


def _mean(rows: pd.DataFrame, tables: FigureTables) -> Interval:
    return student(exact(tables.total(rows)), floor=0.0)


def _work(name: str, tables: FigureTables) -> WorkDigest:
    cases = tables.of("cases", name)
    begun = tables.total(cases)
    ended = tables.total(cases[~cases["key"].isin(OPEN)])
    days = (tables.scenario.horizon - tables.scenario.warm_up) / DAY
    counts = cases.groupby("key")["amount"].sum()
    times = pd.concat([tables.of("time", name, "completed"), tables.of("age", name, *OPEN).assign(key="open")])
    costs = tables.of("cost", name)
    spent = tables.total(costs[~costs["key"].isin(OPEN)]) / 1e6

    def each(figure: str) -> Array:
        return ratio(tables.total(tables.of(figure, name)), begun)

    return WorkDigest(
        name=name,
        cases=int(begun.sum()),
        by_outcome=tuple((str(outcome), int(count)) for outcome, count in counts.items()),
        throughput=student(exact(ended / days if days > 0 else np.full(len(ended), np.nan)), floor=0.0),
        time_median=student(tables.quantiles(times, 0.5, "open"), floor=0.0),
        time_p95=student(tables.quantiles(times, 0.95, "open"), floor=0.0),
        cost=student(exact(ratio(spent, ended)), floor=0.0),
        wrong=student(exact(each("wrong")), floor=0.0, ceiling=1.0),
        attempts=student(exact(each("attempts")), floor=0.0),
    )


def _desk(name: str, tables: FigureTables) -> DeskDigest:
    place = f"desk:{name}"
    served = tables.of("wait", place, "started")
    return DeskDigest(
        name=name,
        load=student(exact(desk_load(tables, name)), floor=0.0),
        wait_median=student(tables.quantiles(served, 0.5, ""), floor=0.0),
        wait_p95=student(tables.quantiles(served, 0.95, ""), floor=0.0),
        unserved=_mean(tables.of("wait", place, "abandoned", "waiting"), tables),
    )


# --- sections of the report -------------------------------------------------------------------------------------------


def digest_sections(digest: Digest) -> tuple[Section, ...]:
    """The tables of the report."""
    return tuple(
        section for section in (_works(digest), _desks(digest), _decisions(digest), _events(digest)) if section
    )


def _works(digest: Digest) -> Section:
    return Section(
        anchor="work",
        label="Work and cost",
        title="Work and cost",
        caption=(
            "Measured cases of all replications; means of one replication with 95% intervals. Times are those to "
            "completion, known up to a 128th, and unfinished cases count as longer; costs are of ended cases."
        ),
        columns=("Work", "Ended in a day", "Median time", "95th percentile", "Cost of a case", "Wrong", "Attempts"),
        rows=tuple(
            Row(
                work.name,
                ", ".join(f"{number:,} {outcome}" for outcome, number in work.by_outcome),
                (
                    Figure(work.throughput, "count"),
                    Figure(work.time_median, "duration"),
                    Figure(work.time_p95, "duration"),
                    Figure(work.cost, "money"),
                    Figure(work.wrong, "share"),
                    Figure(work.attempts, "count"),
                ),
            )
            for work in digest.work
        ),
        nothing="No case was measured.",
    )


def _desks(digest: Digest) -> Section | None:
    if not digest.desks:
        return None
    return Section(
        anchor="people",
        label="People",
        title="People",
        caption=(
            "Load is busy over staffed time; waits are those of items that were served, known up to a 128th. Means of "
            "one replication with 95% intervals."
        ),
        columns=("Desk", "Load", "Median wait", "95th percentile", "Unserved"),
        rows=tuple(
            Row(
                desk.name,
                "",
                (
                    Figure(desk.load, "share"),
                    Figure(desk.wait_median, "duration"),
                    Figure(desk.wait_p95, "duration"),
                    Figure(desk.unserved, "count"),
                ),
            )
            for desk in digest.desks
        ),
        nothing="",
    )


def _decisions(digest: Digest) -> Section | None:
    if not digest.decisions:
        return None
    ranked = sorted(digest.decisions, key=lambda decision: -decision.count.estimate)
    return Section(
        anchor="compliance",
        label="Decisions",
        title="Decisions",
        caption="Action, what policy says, what was done, and by which rules or why. Counts of one replication."
        + _cut(len(ranked)),
        columns=("Step", "Times"),
        rows=tuple(
            Row(decision.step, decision.answer, (Figure(decision.count, "count"),))
            for decision in ranked[:EVENTS_SHOWN]
        ),
        nothing="",
    )


def _events(digest: Digest) -> Section:
    ranked = sorted(digest.events, key=lambda event: -event.count.estimate)
    return Section(
        anchor="events",
        label="Events",
        title="What happened",
        caption="Events of one replication by kind and place." + _cut(len(ranked)),
        columns=("Event", "Times"),
        rows=tuple(Row(event.kind, event.place, (Figure(event.count, "count"),)) for event in ranked[:EVENTS_SHOWN]),
        nothing="Nothing happened.",
    )


def _cut(rows: int) -> str:
    return f" The {EVENTS_SHOWN} most frequent of {rows}; the JSON has all." if rows > EVENTS_SHOWN else ""
