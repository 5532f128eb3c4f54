"""Answers before they count: what votes gain, and what checks stop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.intervals import Array, Interval, exact, student
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class VoteOutcome:
    """Votes of one size by the agents of one pool. Intervals are of means over replications."""

    place: str
    answers: int
    votes: Interval
    """Votes in one replication."""
    right: Interval
    """Share of single answers that are right."""
    majorities: Interval
    """Share of votes whose majority is right."""
    independent: Interval
    """Share that would be right if the answers on a case were as independent as those on different cases."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """Answers stopped by one kind of check in one pool. Intervals are of means over replications."""

    kind: str
    """`self-check` or `guardrail`."""
    place: str
    wrong: Interval
    """Wrong answers stopped in one replication."""
    right: Interval
    """Right answers stopped in one replication: false alarms."""


def assess_votes(tables: RunTables) -> tuple[VoteOutcome, ...]:
    """Votes by pool and size, sorted."""
    events = tables.of_kind("voted")
    found = []
    for (place, detail), votes in events.astype({"place": "str"}).groupby(["place", "detail"], sort=True):
        size = str(detail).removeprefix("of ")
        if size.isascii() and size.isdigit() and 1 <= int(size[:3]) <= 99:
            found.append(_vote(str(place), int(size), votes, tables))
    return tuple(sorted(found, key=lambda vote: (vote.place, vote.answers)))


def _vote(place: str, answers: int, votes: pd.DataFrame, tables: RunTables) -> VoteOutcome:
    count = tables.count(votes)
    right = ratio(tables.total(votes, "value"), answers * count)
    majorities = ratio(tables.count(votes[2 * votes["value"] > answers]), count)
    independent = np.array([_majority(float(p), answers) for p in right])
    return VoteOutcome(place, answers, tables.mean_count(votes), _share(right), _share(majorities), _share(independent))


def _majority(p: float, answers: int) -> float:
    """The chance that most of so many independent answers are right."""
    tail = range(answers // 2 + 1, answers + 1)
    return math.fsum(math.comb(answers, k) * p**k * (1 - p) ** (answers - k) for k in tail)


def _share(values: Array) -> Interval:
    return student(exact(values), floor=0.0, ceiling=1.0)


def assess_checks(tables: RunTables) -> tuple[CheckOutcome, ...]:
    """Checks by kind and pool, sorted."""
    found = []
    for kind in ("guardrail", "self-check"):
        rows = tables.of_kind(f"{kind}-stopped").astype({"place": "str"})
        for place, stopped in rows.groupby("place", sort=True):
            is_wrong = stopped["detail"] == "wrong"
            wrong, right = (tables.mean_count(stopped[each]) for each in (is_wrong, ~is_wrong))
            found.append(CheckOutcome(kind, str(place), wrong, right))
    return tuple(found)
