"""Courses over time for charts: queues, and wrong effects of a capability. Aggregated, never one point a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from models.faults import struck
from models.scenario import Drift
from models.units import DAY
from reports.drift import wrong_effects
from reports.tables import RunTables

DAYS_SHOWN: Final = 31
"""Bars of a course by days at most; longer runs get bars of several days."""

SHORT_RUN: Final = 10 * DAY
"""Runs below this get 24 bars, longer ones bars of whole days, so that the daily rhythm does not beat with them."""

POINTS: Final = 240
"""Points of a course at most: one for each two pixels of a printed chart."""


@dataclass(frozen=True, slots=True)
class QueueCourse:
    """The queue of a desk over time: mean, least and most over replications, with the people on duty. Times in us."""

    desk: str
    time: tuple[int, ...]
    mean: tuple[float, ...]
    least: tuple[float, ...]
    most: tuple[float, ...]
    on_duty: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class HarmCourse:
    """Wrong effects of a drifting capability from each edge to the next, us.

    `mean` is the number for each `width` of time in one replication; the last stretch may be shorter.
    """

    agent: str
    capability: str
    width: int
    edges: tuple[int, ...]
    mean: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FaultBand:
    """A scheduled fault as it shows in a chart, us. `end` is -1 for what stays changed, as a drift does."""

    label: str
    begin: int
    end: int


def queue_courses(tables: RunTables) -> tuple[QueueCourse, ...]:
    """The queue of every desk, in the scenario's order."""
    courses = (_queue(name, tables) for name in tables.scenario.desks)
    return tuple(course for course in courses if course.time)


def _queue(desk: str, tables: RunTables) -> QueueCourse:
    here = tables.samples[tables.samples["place"] == f"desk:{desk}"]
    width = max(1, -(-tables.scenario.horizon // POINTS))
    binned = here.assign(bin=here["time"] // width)
    # A peak between two points must not vanish: each replication counts with its longest queue of the bin.
    peaks = binned.groupby(["replication", "bin"])[["queue", "capacity"]].max().reset_index()
    course = peaks.groupby("bin").agg(
        mean=("queue", "mean"), least=("queue", "min"), most=("queue", "max"), on_duty=("capacity", "mean")
    )
    return QueueCourse(
        desk,
        tuple(int(b) * width for b in course.index),
        *(tuple(float(v) for v in course[column]) for column in ("mean", "least", "most", "on_duty")),
    )


def harm_courses(tables: RunTables) -> tuple[HarmCourse, ...]:
    """Wrong effects of every capability that drifts."""
    drifts = [fault for fault in tables.scenario.faults if isinstance(fault, Drift) and fault.of != "input"]
    drifting = dict.fromkeys((drift.agent, drift.capability) for drift in drifts)
    return tuple(_harm(agent, capability, tables) for agent, capability in drifting)


def _harm(agent: str, capability: str, tables: RunTables) -> HarmCourse:
    horizon = tables.scenario.horizon
    days = -(-horizon // (DAYS_SHOWN * DAY))
    width = days * DAY if horizon >= SHORT_RUN else max(1, -(-horizon // 24))
    edges = np.append(np.arange(0, horizon, width), horizon)
    found, _ = np.histogram(wrong_effects(tables, agent, capability)["time"].to_numpy(), bins=edges)
    mean = found / tables.replications * width / np.diff(edges)
    return HarmCourse(agent, capability, width, tuple(map(int, edges)), tuple(map(float, mean)))


def fault_bands(tables: RunTables) -> tuple[FaultBand, ...]:
    """Scheduled faults, in the scenario's order."""
    bands = []
    for fault in tables.scenario.faults:
        told = f"{fault.kind} of {struck(fault)}"
        if isinstance(fault, Drift):
            bands.append(FaultBand(told, fault.at, -1))
        elif fault.at is not None and fault.lasts is not None:
            bands.append(FaultBand(told, fault.at, fault.at + fault.lasts))
    return tuple(band for band in bands if band.begin < tables.scenario.horizon)


def sample_every(samples: pd.DataFrame) -> int:
    """Distance of the sample moments, us; 0 where there are fewer than two."""
    times = np.unique(samples["time"].to_numpy())
    return int(times[1] - times[0]) if len(times) > 1 else 0
