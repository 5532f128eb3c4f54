"""What became of the work: cases by outcome, time, cost, throughput, wrong effects and hand-offs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from models.units import DAY
from reports.intervals import Interval, bounded, exact, student
from reports.kept import NotKeptError
from reports.tables import RunTables, quantiles, ratio

OUTCOMES: Final = ("completed", "denied", "failed", "expired", "aborted", "cancelled", "in-flight", "stuck")
"""Outcomes of a case, the wished-for first, unfinished last."""


def _possible(tables: RunTables) -> tuple[str, ...]:
    """Outcomes that cases of the scenario may have: `cancelled` only where some are withdrawn."""
    withdrawn = any(work.withdrawal is not None for work in tables.scenario.work.values())
    return tuple(outcome for outcome in OUTCOMES if withdrawn or outcome != "cancelled")


@dataclass(frozen=True, slots=True)
class WorkOutcome:
    """One stream of cases, measured cases only. Intervals are of means over replications."""

    name: str
    cases: int
    """Measured cases in all replications."""
    by_outcome: tuple[tuple[str, int], ...]
    throughput: Interval
    """Cases that arrived measured and ended, for each day after the warm-up."""
    time_median: Interval
    """Time from arrival to completion, us; unfinished cases count as longer than all finished ones."""
    time_p95: Interval
    cost: Interval
    """Mean cost of an ended case, in the scenario's currency."""
    wrong: Interval
    """Share of cases with a wrong effect that stands."""
    attempts: Interval
    """Mean attempts by agents on a case."""
    handed_off: Interval
    """Share of cases that an agent gave to a person."""
    needless_hand_off: Interval
    """Share of cases that an agent gave to a person without need."""
    missed_hand_off: Interval
    """Share of cases that an agent should have given to a person and did not."""
    approved: Interval
    """Share of cases with an approval by a person."""


def assess_work(tables: RunTables) -> tuple[WorkOutcome, ...]:
    """Outcomes of every stream of cases, in the scenario's order."""
    return tuple(_work(name, tables) for name in tables.scenario.work)


def _work(name: str, tables: RunTables) -> WorkOutcome:
    cases = tables.measured[tables.measured["work"] == name]
    ended = cases[~cases["open"]]
    begun = tables.count(cases)
    days = (tables.scenario.horizon - tables.scenario.warm_up) / DAY
    by_outcome = cases["outcome"].value_counts()

    def share_of(rows: pd.Series) -> Interval:
        return student(exact(ratio(tables.count(cases[rows]), begun)), floor=0.0, ceiling=1.0)

    return WorkOutcome(
        name=name,
        cases=len(cases),
        by_outcome=tuple((o, int(by_outcome.get(o, 0))) for o in _possible(tables)),
        throughput=student(exact(tables.count(ended) / days if days > 0 else begun * math.nan), floor=0.0),
        time_median=_time(cases, 0.5, tables),
        time_p95=_time(cases, 0.95, tables),
        cost=student(exact(ratio(tables.total(ended, "cost") / 1e6, tables.count(ended))), floor=0.0),
        wrong=share_of(cases["wrong"]),
        attempts=student(exact(ratio(tables.total(cases, "attempts"), begun)), floor=0.0),
        handed_off=share_of(cases["hand_offs"] > 0),
        needless_hand_off=_needless(cases, tables),
        missed_hand_off=share_of(cases["missed_hand_off"]),
        approved=share_of(cases["approvals"] > 0),
    )


def _needless(cases: pd.DataFrame, tables: RunTables) -> Interval:
    """Share of the cases handed off without need; unknown where the events that tell it are not kept."""
    try:
        handed = tables.of_kind("handed-off")
    except NotKeptError:
        return student(exact([math.nan] * tables.replications))
    hit = cases[_among(cases, handed[handed["detail"] == "not needed"])]
    return student(exact(ratio(tables.count(hit), tables.count(cases))), floor=0.0, ceiling=1.0)


def _among(cases: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    """Whether each case has one of the events."""
    keys = ["replication", "case"]
    found = pd.MultiIndex.from_frame(cases[keys]).isin(pd.MultiIndex.from_frame(events[keys]))
    return pd.Series(found, index=cases.index)


def _time(cases: pd.DataFrame, q: float, tables: RunTables) -> Interval:
    concerned = cases[(cases["outcome"] == "completed") | cases["open"]]
    is_open = concerned["open"].to_numpy()
    low = np.where(is_open, concerned["age"], concerned["time"]).astype("float64")
    high = np.where(is_open, math.inf, low)
    replication = concerned["replication"].to_numpy()
    ends = (quantiles(replication, values, q, tables.replications) for values in (low, high))
    return student(bounded(*ends), floor=0.0)
