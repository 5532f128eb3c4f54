"""Livelocks: cases that went on without progress, what they spent on it, and what became of them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from reports.intervals import Interval, exact, student
from reports.tables import RunTables

PLACES_SHOWN: Final = 5
"""Sets of steps that are named; the rest is counted in the figures only."""


@dataclass(frozen=True, slots=True)
class LivelockOutcome:
    """Livelocks of a run. Intervals are of means over replications."""

    found: int
    """In all replications."""
    replications: int
    """Replications with any."""
    count: Interval
    spent: Interval
    """Money that cases had spent between their last progress and the finding, in one replication."""
    lost: Interval
    """Cases with one that were aborted or have not ended, in one replication."""
    steps: tuple[tuple[str, int], ...]
    """Where they were: steps of the members, joined, and how many; the most frequent first."""


def assess_livelocks(tables: RunTables) -> LivelockOutcome | None:
    """Livelocks; None where the scenario does not look for them."""
    if tables.scenario.deadlock.no_progress is None:
        return None
    found = tables.of_kind("livelock")
    told = [_told(detail) for detail in found["detail"].tolist()]
    spent = found.assign(spent=[money / 1e6 for _, money in told])
    where = Counter(steps for steps, _ in told)
    return LivelockOutcome(
        found=len(found),
        replications=int((tables.count(found) > 0).sum()),
        count=tables.mean_count(found),
        spent=student(exact(tables.total(spent, "spent")), floor=0.0),
        lost=tables.mean_count(livelocked(tables, tables.cases[tables.cases["outcome"].isin(_LOST)])),
        steps=tuple(sorted(where.items(), key=lambda item: (-item[1], item[0]))[:PLACES_SHOWN]),
    )


_LOST: Final = ("aborted", "in-flight", "stuck")


def livelocked(tables: RunTables, cases: pd.DataFrame) -> pd.DataFrame:
    """Those of the cases that were livelocked at some time."""
    found = tables.of_kind("livelock")
    pairs = set(zip(found["replication"].tolist(), found["case"].tolist(), strict=True))
    rows = zip(cases["replication"].tolist(), cases["case"].tolist(), strict=True)
    return cases[np.fromiter((pair in pairs for pair in rows), bool, len(cases))]


def _told(detail: str) -> tuple[str, int]:
    """The steps of a livelock, and the money it had spent. Tables are not trusted."""
    try:
        told = json.loads(detail)
        return ", ".join(dict.fromkeys(str(member["step"]) for member in told["members"])), int(told["spent"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", 0
