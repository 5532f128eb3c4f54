"""Whether a run is long enough for what it tells: where its beginning ends, whether its times settle, and where what
was measured moves so slowly that intervals say too much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from reports import words
from reports.intervals import Array, Interval, exact, student
from reports.people import desk_load
from reports.section import Figure, Row, Section
from reports.statistics.steady import BATCHES, batch_means, mser, under_covers
from reports.tables import RunTables, ratio

FEWEST_CASES: Final = 5 * BATCHES
"""Ended cases of a replication below which its course is not told: a batch takes five at least. An assumption."""

CORRELATED_SHARE: Final = 0.5
"""Share of replications with dependent batches from which that is told: most. The test errs in 5 of 100 and is sharp,
so that a few of twenty say little. An assumption."""


@dataclass(frozen=True, slots=True)
class CourseOutcome:
    """The course of the times to completion of a stream, by order of arrival, from the start of the run."""

    work: str
    cases: int
    """Cases in the course: as many as ended in every replication."""
    begins: int
    """Cases that its beginning takes, by MSER-5 over the mean of all replications (Welch)."""
    begins_until: int
    """When the first case after them arrives, us, in the mean over replications."""
    settled: bool
    """False: the least error is at the end of what may be left out."""
    correlated: Interval
    """Share of replications whose batch means depend on each other."""


@dataclass(frozen=True, slots=True)
class SlowOutcome:
    """A place whose load is so near to one that intervals are known to cover less often than they say."""

    place: str
    load: Interval
    served: float
    """Items that were served in one replication."""


@dataclass(frozen=True, slots=True)
class Validity:
    """What stands behind the figures of a run."""

    warm_up: int
    courses: tuple[CourseOutcome, ...]
    slow: tuple[SlowOutcome, ...]


def assess_validity(tables: RunTables) -> Validity:
    """Assess the length of a run by its cases and the loads of its places."""
    courses = (_course(work, tables) for work in tables.scenario.work)
    return Validity(tables.scenario.warm_up, tuple(c for c in courses if c is not None), _slow(tables))


def _course(work: str, tables: RunTables) -> CourseOutcome | None:
    rows = tables.cases[(tables.cases["work"] == work) & (tables.cases["outcome"] == "completed")]
    rows = rows.sort_values(["replication", "arrived", "case"])
    times = (rows["ended"] - rows["arrived"]).to_numpy(dtype="float64")
    splits = np.cumsum(np.bincount(rows["replication"].to_numpy(), minlength=tables.replications))[:-1]
    each: list[Array] = np.split(times, splits)
    count = min(len(one) for one in each)
    if count < FEWEST_CASES:
        return None
    found = mser(np.mean([one[:count] for one in each], axis=0).tolist())
    arrived = [one[found.figures] for one in np.split(rows["arrived"].to_numpy(), splits)] if found.figures else [0]
    dependent = [float(batch_means(one[found.figures :].tolist()).correlated) for one in each]
    return CourseOutcome(
        work,
        count,
        found.figures,
        int(np.mean(arrived)),
        found.settled,
        student(exact(dependent), floor=0.0, ceiling=1.0),
    )


def _slow(tables: RunTables) -> tuple[SlowOutcome, ...]:
    started = tables.of_kind("started")
    found = [(f"desk:{desk}", student(exact(desk_load(tables, desk)), floor=0.0)) for desk in tables.scenario.desks]
    samples = tables.samples[tables.samples["capacity"] > 0]
    for pool in tables.scenario.agents:
        here = samples[samples["place"] == f"agent:{pool}"]
        load = ratio(tables.total(here, "busy"), tables.total(here, "capacity"))
        found.append((f"agent:{pool}", student(exact(load), floor=0.0)))
    served = started["place"].value_counts()
    counts = {place: float(served.get(place, 0)) / tables.replications for place, _ in found}
    return tuple(
        SlowOutcome(place, load, counts[place])
        for place, load in found
        if load.known and under_covers(load.estimate, int(counts[place]))
    )


def warnings(validity: Validity) -> tuple[str, ...]:
    """Sentences on what to make of the figures: for the terminal, and beside the method."""
    told = []
    for course in validity.courses:
        if course.settled and course.begins_until > validity.warm_up:
            told.append(
                f"The times of {course.work} settle after {words.duration(course.begins_until)} (MSER-5), the warm-up "
                f"is {words.duration(validity.warm_up)}: a longer one keeps the beginning out of the figures."
            )
        if not course.settled:
            told.append(
                f"The times of {course.work} do not settle: something changes in the course of the run, or it is too "
                "short. Its means are of the whole course."
            )
        if course.settled and course.correlated.estimate >= CORRELATED_SHARE:
            told.append(
                f"In {words.share(course.correlated.estimate)} of the replications the times of {course.work} depend "
                "on each other over longer than a thirtieth of the run: a longer horizon makes its figures steadier."
            )
    told += [
        f"{one.place} is at a load of {words.share(one.load.estimate)} with {words.number(one.served)} items a "
        "replication: its queue moves so slowly that intervals may cover less often than they say; lengthen the "
        "horizon."
        for one in validity.slow
    ]
    return tuple(told)


def validity_section(validity: Validity) -> Section | None:
    """The table of courses."""
    if not validity.courses:
        return None
    return Section(
        anchor="validity",
        label="Validity",
        title="Is the run long enough?",
        caption=(
            "The course of times to completion by order of arrival, averaged over replications (Welch), and the end of "
            "its beginning by the rule MSER-5. Correlated: replications in which the means of thirty batches depend on "
            "each other (von Neumann's test)."
        ),
        columns=("Work", "Cases", "Beginning ends", "Warm-up", "Correlated"),
        rows=tuple(
            Row(
                course.work,
                "" if course.settled else "does not settle",
                (
                    f"{course.cases:,}",
                    words.duration(course.begins_until) if course.settled else "not seen",
                    words.duration(validity.warm_up),
                    Figure(course.correlated, "share"),
                ),
            )
            for course in validity.courses
        ),
        nothing="",
        headlines=warnings(validity),
    )
