"""Measures that no objective has: mean times, what comes to people and waits for them, and how goodput comes back.

An objective on a wait counts one that was given up as longer than all others, since nobody was served. Here it counts
as long as it lasted, beside the share that was not served: what is compared must be a figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.objectives import Recovery
from reports.figures import FigureTables, recovery_figures
from reports.intervals import Array, Sample, bounded, exact
from reports.objectives import OPEN_SHARE_MAX, Measure, ordinal, whose
from reports.recovery import Goodput, first_begins, goodput, returns_after
from reports.resilience import named_windows, windows
from reports.tables import OPEN, RunTables, quantiles, ratio
from reports.waits import waits
from sim.buckets import bounds


@dataclass(frozen=True, slots=True)
class MeanTime:
    """The mean time from arrival to completion of a stream of cases."""

    work: str
    confidence: float = 0.95
    kind: str = "mean-time"
    description: str = ""


@dataclass(frozen=True, slots=True)
class QueueTime:
    """Time in a desk's queue of what joins it after the warm-up, until it is served, gives up or the run ends: the
    mean, or a quantile."""

    desk: str
    quantile: float | None = None
    confidence: float = 0.95
    kind: str = "queue-time"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Unserved:
    """The share of what joins a desk's queue after the warm-up that is not served."""

    desk: str
    confidence: float = 0.95
    kind: str = "unserved"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """The share of cases of which something comes to a desk: a step, or a question of theirs."""

    desk: str
    confidence: float = 0.95
    kind: str = "reached"
    description: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """The number of items that come to a desk after the warm-up, in one replication."""

    desk: str
    confidence: float = 0.95
    kind: str = "items"
    description: str = ""


@dataclass(frozen=True)
class TimeBack:
    """The time from the end of the fault of a recovery objective until goodput is back."""

    of: Recovery
    confidence: float = 0.95
    kind: str = "time-back"
    description: str = ""


@dataclass(frozen=True)
class IsBack:
    """Whether goodput is back by the end of the run, after the fault of a recovery objective: 0 or 1."""

    of: Recovery
    confidence: float = 0.95
    kind: str = "is-back"
    description: str = ""


Extra = MeanTime | QueueTime | Unserved | Reached | Items | TimeBack | IsBack


def extra_measured(extra: Extra, tables: RunTables) -> Measure:
    """The measure in the tables of a run."""
    match extra:
        case MeanTime():
            cases = tables.measured
            rows = cases[(cases["work"] == extra.work) & ((cases["outcome"] == "completed") | cases["open"])]
            ended, still = rows[~rows["open"]], rows[rows["open"]]
            sums = tables.total(ended, "time"), tables.total(still, "age")
            return _told(extra, _mean(tables.count(ended), sums[0], tables.count(rows), sums[1]))
        case QueueTime():
            rows = waits(tables, f"desk:{extra.desk}")
            if extra.quantile is None:
                return _told(extra, exact(ratio(tables.total(rows, "low"), tables.count(rows))))
            of = (rows["replication"].to_numpy(), rows["low"].to_numpy())
            return _told(extra, exact(quantiles(*of, extra.quantile, tables.replications)))
        case Unserved():
            rows = waits(tables, f"desk:{extra.desk}")
            return _told(
                extra, exact(ratio(tables.count(rows[rows["end"] != "started"]), tables.count(rows))), len(rows)
            )
        case Items():
            return _told(extra, exact(tables.count(waits(tables, f"desk:{extra.desk}")).astype("float64")))
        case Reached():
            return _told(extra, *_reached(extra, tables))
        case TimeBack() | IsBack():
            ended = named_windows(tables, extra.of.fault)
            begins = first_begins(ended, tables.replications)
            return _returned(extra, tables, (ended, goodput(tables, extra.of.work), begins, windows(tables)))


def extra_counted(extra: Extra, tables: FigureTables) -> Measure:
    """The measure in histograms: the bounds of the buckets bound it."""
    if isinstance(extra, MeanTime):
        ended, still = tables.of("time", extra.work, "completed"), tables.of("age", extra.work, *OPEN)
        counts = tables.total(ended), tables.total(ended) + tables.total(still)
        sums = [(_sum(tables, ended, end), _sum(tables, still, end)) for end in (0, 1)]
        least, most = (_mean(counts[0], of[0], counts[1], of[1]) for of in sums)
        return _told(extra, bounded(least.low, most.high, _between(least.best, most.best)))
    if isinstance(extra, TimeBack | IsBack):
        return _returned(extra, tables, recovery_figures(extra.of, tables))
    if isinstance(extra, Reached):
        why = "counts do not tell which case an item is of; measure by all events"
        return replace(_told(extra, exact(np.full(tables.replications, math.nan))), obstacle=why)
    rows = tables.of("wait", f"desk:{extra.desk}")
    all_of_them = tables.total(rows)
    if isinstance(extra, Items):
        return _told(extra, exact(all_of_them))
    if isinstance(extra, Unserved):
        served = tables.total(rows[rows["key"] == "started"])
        return _told(extra, exact(ratio(all_of_them - served, all_of_them)), int(all_of_them.sum()))
    if extra.quantile is None:
        low, high = (ratio(_sum(tables, rows, end), all_of_them) for end in (0, 1))
        return _told(extra, bounded(low, high, _between(low, high)))
    return _told(extra, tables.quantiles(rows, extra.quantile, ""))


def _reached(extra: Reached, tables: RunTables) -> tuple[Sample, int]:
    """Which measured cases come to a desk, as a share of all of them, and how many there are."""
    events = tables.of_kind("queued", "started")
    here = events.loc[events["place"] == f"desk:{extra.desk}", ["replication", "case"]].drop_duplicates()
    cases = tables.measured
    came = cases[["replication", "case"]].merge(here.astype("int64"), on=["replication", "case"])
    return exact(ratio(tables.count(came), tables.count(cases))), len(cases)


def _returned(
    extra: TimeBack | IsBack,
    tables: RunTables | FigureTables,
    figures: tuple[pd.DataFrame, Goodput, Array, pd.DataFrame],
) -> Measure:
    """The measure, from the windows of the fault, goodput, first begins and all windows."""
    ended, course, begins, every = figures
    time, back = returns_after(extra.of, course, begins, ended, every, tables.scenario.warm_up)
    return _told(extra, time if isinstance(extra, TimeBack) else back)


def _told(extra: Extra, sample: Sample, trials: int = 0) -> Measure:
    match extra:
        case MeanTime():
            return Measure(f"the mean time to completion{whose(extra.work)}", "duration", sample)
        case Unserved():
            words = f"the share of the queue of {extra.desk} that is not served"
            return Measure(words, "share", sample, ceiling=1.0, trials=trials)
        case Reached():
            return Measure(f"the share of cases that come to {extra.desk}", "share", sample, ceiling=1.0, trials=trials)
        case Items():
            return Measure(f"the number of items that come to {extra.desk}", "count", sample)
        case TimeBack():
            words = f"the time from the end of {extra.of.fault} until goodput{whose(extra.of.work)} is back"
            return Measure(words, "duration", sample)
        case IsBack():
            words = f"the share of runs whose goodput{whose(extra.of.work)} is back after {extra.of.fault} by their end"
            return Measure(words, "share", sample, at_least=0.0, ceiling=1.0)
        case QueueTime(quantile=None):
            return Measure(f"the mean time in the queue of {extra.desk}", "duration", sample)
        case QueueTime():
            words = f"the {ordinal(extra.quantile or 0)} percentile of the time in the queue of {extra.desk}"
            return Measure(words, "duration", sample)


def _between(low: object, high: object) -> Array:
    middle: Array = (np.asarray(low) + np.asarray(high)) / 2
    return middle


def _mean(ended: Array, time: Array, all_of_them: Array, age: Array) -> Sample:
    """Bounds of the mean time to completion: what is open counts with its age for the low one. Where more than a few
    are open there is no upper bound; the figure told is that of the ended ones."""
    counted_in, known = ratio(time + age, all_of_them), ratio(time, ended)
    low, best = np.fmin(counted_in, known), np.where(ended > 0, known, counted_in)
    many = all_of_them - ended > OPEN_SHARE_MAX * all_of_them
    high = np.where(many, math.inf, np.fmax(counted_in, best))
    return bounded(low, high, best)


def _sum(tables: FigureTables, rows: pd.DataFrame, end: int) -> Array:
    values = bounds(rows["bucket"].to_numpy())[end].astype("float64")
    return tables.total(rows.assign(amount=rows["amount"] * values))
