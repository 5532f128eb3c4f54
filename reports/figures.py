"""Objectives of a run that keeps counts instead of events, by its figures.

What `reports.objectives` counts in tables is counted here by the run itself; shares, costs and counts are the same to
the last digit. Quantiles are known up to their bucket, a 128th of what it holds: the interval spans it. An objective
that the figures do not tell is undecided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from models.objectives import ReviewShare, Throughput
from models.scenario import CaseCost, CaseShare, CaseTime, DeskLoad, DeskWait, EventCount, Objective, Recovery, Scenario
from models.units import SECOND
from reports.intervals import Array, Sample, bounded, exact
from reports.objectives import (
    COUNTS,
    OPEN_SHARE_MAX,
    Measure,
    ObjectiveOutcome,
    lacking_some,
    ordinal,
    share_words,
    too_late,
    verdict_on,
    whose,
)
from reports.people import staffed_time
from reports.poisoned import lacking, renumbered
from reports.recovery import WINDOWS, Goodput, away_after, first_begins
from reports.resilience import FAULTS, joined
from reports.tables import OPEN, ratio
from reports.words import count, duration, share
from sim.buckets import bounds

if TYPE_CHECKING:
    from sim.run import Run

_ENDED: Final = ("completed", "denied", "failed", "expired", "aborted", "cancelled")


@dataclass(frozen=True)
class FigureTables:
    """The figures of a run, by the schema of `sim.tables`."""

    scenario: Scenario
    replications: int
    figures: pd.DataFrame
    lacking: str = ""
    """Why no objective passes: replications that could not be run."""

    def of(self, figure: str, of: str | None = None, *keys: str) -> pd.DataFrame:
        """Rows of a figure, of one thing or of all, with some keys or all."""
        rows = self.figures[self.figures["figure"] == figure]
        if of is not None:
            rows = rows[rows["of"] == of]
        return rows[rows["key"].isin(keys)] if keys else rows

    def total(self, rows: pd.DataFrame) -> Array:
        """The sum of the rows' amounts in each replication."""
        weights = rows["amount"].to_numpy(dtype="float64")
        return np.bincount(rows["replication"].to_numpy(), weights=weights, minlength=self.replications)

    def quantiles(self, rows: pd.DataFrame, q: float, unknown: str) -> Sample:
        """Bounds of the quantile of each replication; rows of the key `unknown` have no upper bound."""
        low, high = (np.full(self.replications, math.nan) for _ in range(2))
        for number, own in rows.groupby("replication"):
            ends = [end.astype("float64") for end in bounds(own["bucket"].to_numpy())]
            ends[1] = np.where(own["key"] == unknown, math.inf, ends[1])
            amounts = own["amount"].to_numpy()
            rank = max(math.ceil(q * amounts.sum() - 1e-9), 1)
            for result, values in zip((low, high), ends, strict=True):
                order = np.argsort(values, kind="stable")
                reached = np.searchsorted(np.cumsum(amounts[order]), rank)
                result[int(str(number))] = values[order][reached]
        return bounded(low, high)


def read_figures(run: Run) -> FigureTables:
    """The figures of a run that keeps them, of the replications that there are."""
    manifest = run.manifest
    figures = renumbered(run, "figures", run.figures())
    return FigureTables(run.scenario, manifest.replications - len(manifest.poisoned), figures, lacking(manifest))


def judge_counted(name: str, objective: Objective, tables: FigureTables) -> ObjectiveOutcome:
    """Measure an objective by the figures of a run and judge it."""
    measure = lacking_some(counted(objective, name, tables), tables.lacking)
    return verdict_on(name, objective, measure, tables.scenario.currency)


@singledispatch
def counted(objective: Objective, name: str, tables: FigureTables) -> Measure:  # noqa: ARG001
    """What an objective's definition gives in the figures of a run; by default they do not tell."""
    nothing = np.full(tables.replications, math.nan)
    obstacle = "a run of this volume does not keep what it is measured by; simulate with `--volume events`"
    least, most = getattr(objective, "at_least", None), getattr(objective, "at_most", None)
    words = objective.kind.replace("-", " ")
    return Measure(words, "share", exact(nothing), at_least=least, at_most=most, obstacle=obstacle)


@counted.register
def _(objective: ReviewShare, name: str, tables: FigureTables) -> Measure:
    judged, hits = (tables.total(tables.of("objective", name, key)) for key in ("judged", "hit"))
    return Measure(
        f"the share of approvals at {objective.desk} that took less than {duration(objective.under)}",
        "share",
        exact(ratio(hits, judged)),
        at_most=objective.at_most,
        ceiling=1.0,
        trials=int(judged.sum()),
    )


@counted.register
def _(objective: CaseTime, name: str, tables: FigureTables) -> Measure:
    what = f"time to completion{whose(objective.work)}"
    return _quantile(
        objective, name, what, ("case", "unfinished case", "count as longer than all finished ones"), tables
    )


@counted.register
def _(objective: DeskWait, name: str, tables: FigureTables) -> Measure:
    told = ("wait", "wait", "that did not end in service count as longer than all that did")
    return _quantile(objective, name, f"wait at {objective.desk}", told, tables)


def _quantile(
    objective: CaseTime | DeskWait, name: str, what: str, told: tuple[str, str, str], tables: FigureTables
) -> Measure:
    """A quantile that is bounded from above. `told` names one of what is measured, one that is open, and what the open
    ones count as."""
    one, open_one, count_as = told
    rows = tables.of("objective", name, "ended", "open")
    judged, concerned = int(rows["amount"].sum()), int(tables.of("objective", name, "concerned")["amount"].sum())
    notes, obstacle = too_late(concerned - judged, concerned, one, objective.at_most)
    unfinished = int(rows[rows["key"] == "open"]["amount"].sum())
    if unfinished:
        notes += (f"{count(unfinished, open_one)} {count_as}.",)
    return Measure(
        f"the {ordinal(objective.quantile)} percentile of the {what}",
        "duration",
        tables.quantiles(rows, objective.quantile, "open"),
        at_most=float(objective.at_most),
        notes=notes,
        obstacle=obstacle,
        coarse=1 / 128,
    )


@counted.register
def _(objective: CaseShare, name: str, tables: FigureTables) -> Measure:
    kept = {key: tables.of("objective", name, key) for key in ("concerned", "judged", "hit", "unknown")}
    judged, hits, unknowns = (tables.total(kept[key]) for key in ("judged", "hit", "unknown"))
    concerned = int(kept["concerned"]["amount"].sum())
    notes: tuple[str, ...] = ()
    obstacle = ""
    if objective.within is not None:
        notes, obstacle = too_late(concerned - int(judged.sum()), concerned, "case", objective.within)
    if unknowns.any():
        notes += (f"{count(int(unknowns.sum()), 'case')} unfinished at the horizon count both ways.",)
    if objective.wrong is not None and not obstacle:
        obstacle = _afterwards(tables, "wrong")
    best = np.where(judged > unknowns, ratio(hits, judged - unknowns), ratio(hits, judged))
    return Measure(
        share_words(objective),
        "share",
        bounded(ratio(hits, judged), ratio(hits + unknowns, judged), best),
        at_most=objective.at_most,
        at_least=objective.at_least,
        ceiling=1.0,
        trials=int(judged.sum()),
        notes=notes,
        obstacle=obstacle,
    )


@counted.register
def _(objective: Throughput, _: str, tables: FigureTables) -> Measure:
    seconds = (tables.scenario.horizon - tables.scenario.warm_up) / SECOND
    return Measure(
        f"the rate at which cases{whose(objective.work)} are {' or '.join(objective.outcomes)}",
        "rate",
        exact(tables.total(tables.of("ended", objective.work, *objective.outcomes)) / seconds),
        at_least=objective.at_least,
    )


def _afterwards(tables: FigureTables, column: str) -> str:
    """Why a figure of cases is not known: it may have changed when they had ended and were gone."""
    changed = int(tables.of("after", "", column)["amount"].sum())
    if not changed:
        return ""
    return f"{count(changed, 'case')} may have become {column} after their end; simulate with `--volume events`"


@counted.register
def _(objective: CaseCost, _: str, tables: FigureTables) -> Measure:
    cases, costs = tables.of("cases", objective.work), tables.of("cost", objective.work)
    after = tables.total(tables.of("after", "", "cost")) / 1e6
    spent = tables.total(costs) / 1e6
    begun, ended = tables.total(cases), tables.total(cases[~cases["key"].isin(OPEN)])
    still_open = float(1 - ended.sum() / begun.sum()) if begun.any() else 0.0
    unbounded = ended < begun if still_open > OPEN_SHARE_MAX else (ended == 0) & (begun > 0)
    high = np.where(unbounded, math.inf, ratio(spent + after, ended))
    return Measure(
        f"the mean cost of a case{whose(objective.work)}",
        "money",
        bounded(ratio(spent, begun), high),
        at_most=objective.at_most.micros / 1e6,
        obstacle=f"{share(still_open)} of the cases were unfinished, so their cost is not known"
        if still_open > OPEN_SHARE_MAX
        else "",
    )


@counted.register
def _(objective: DeskLoad, _: str, tables: FigureTables) -> Measure:
    return Measure(
        f"busy over staffed time of {objective.desk}",
        "share",
        exact(desk_load(tables, objective.desk)),
        at_most=objective.at_most,
    )


def desk_load(tables: FigureTables, desk: str) -> Array:
    """Busy over staffed time of a desk after the warm-up, for each replication; nan where nobody is ever on duty."""
    busy = tables.total(tables.of("busy", f"desk:{desk}"))
    return ratio(busy, np.full(tables.replications, staffed_time(tables.scenario, desk)))


@counted.register
def _(objective: EventCount, _: str, tables: FigureTables) -> Measure:
    return Measure(
        f"the number of {objective.of.replace('-', ' ')} in one replication",
        "count",
        exact(tables.total(tables.of("events", None, *COUNTS[objective.of]))),
        at_most=objective.at_most,
        happenings=True,
    )


def recovery_figures(objective: Recovery, tables: FigureTables) -> tuple[pd.DataFrame, Goodput, Array, pd.DataFrame]:
    """The windows of the fault of an objective, the goodput, when the fault first begins, and the windows of all."""
    ended = _windows(tables, ("fault",), f"fault:{objective.fault}")
    begins = first_begins(ended, tables.replications)
    return ended, _goodput(tables, objective.work), begins, _windows(tables, FAULTS)


@counted.register
def _(objective: Recovery, _: str, tables: FigureTables) -> Measure:
    ended, course, begins, every = recovery_figures(objective, tables)
    sample = away_after(objective, course, begins, ended, every, tables.scenario.warm_up)
    return Measure(
        f"the number of times goodput{whose(objective.work)} is not back {duration(objective.within)} after "
        f"{objective.fault}, in one replication",
        "count",
        sample,
        at_most=objective.at_most,
        obstacle=_afterwards(tables, "wrong") if len(ended) else f"{objective.fault} never happened",
    )


def _windows(tables: FigureTables, kinds: tuple[str, ...], place: str | None = None) -> pd.DataFrame:
    rows = tables.of("fault", place, *kinds)
    events = pd.DataFrame(
        {
            "replication": rows["replication"],
            "kind": rows["key"],
            "place": rows["of"],
            "time": rows["bucket"],
            "value": rows["amount"] - 1,
        }
    )
    return joined(events, tables.scenario.horizon)


def _goodput(tables: FigureTables, work: str | None) -> Goodput:
    def counts(*keys: str) -> Array:
        rows = tables.of("goodput", work, *keys)
        cells = rows["replication"].to_numpy() * WINDOWS + rows["bucket"].to_numpy()
        sums = np.bincount(cells, rows["amount"].to_numpy(dtype="float64"), tables.replications * WINDOWS)
        return sums.reshape(tables.replications, WINDOWS)

    return Goodput(counts("arrived"), counts("well"), counts("well", "unknown"), tables.scenario.horizon / WINDOWS)
