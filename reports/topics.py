"""Topics in a run: what became of their messages, and how long publishers were held back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.intervals import Array, Interval, exact, student
from reports.tables import RunTables, ratio

if TYPE_CHECKING:
    import pandas as pd

_MESSAGE = ["replication", "value"]
_SETTLED = ("acknowledged", "dead-letter")


@dataclass(frozen=True, slots=True)
class TopicOutcome:
    """One topic. Intervals are of means over replications; times are microseconds."""

    topic: str
    published: Interval
    """Messages it took in one replication, copies of the same included."""
    copies: Interval
    """Of these, messages that were sent again because their publisher did not hear that it had them."""
    rejected: Interval
    """Messages it turned away, being full."""
    acknowledged: Interval
    """Messages that a consumer has dealt with."""
    redelivered: Interval
    """Deliveries of a message beyond its first."""
    dead: Interval
    """Messages that are dead letters: delivered as often as may be in vain, or dropped from a full topic."""
    left: Interval
    """Messages that wait, or are under delivery, at the horizon."""
    oldest: Interval
    """Age of the oldest of these at the horizon; replications without any are left out."""
    took: Interval
    """Mean time from publishing to the acknowledgement; replications without any are left out."""
    held: Interval
    """Time that publishers were held back, all of them together: no room, or a partition."""


def assess_topics(tables: RunTables) -> tuple[TopicOutcome, ...]:
    """The topics, in the scenario's order."""
    return tuple(_topic(name, tables) for name in tables.scenario.topics)


def _topic(name: str, tables: RunTables) -> TopicOutcome:
    def here(*kinds: str) -> pd.DataFrame:
        rows = tables.of_kind(*kinds)
        return rows[rows["place"] == f"topic:{name}"]

    published = here("published")
    settled = published[["replication", "value", "time"]].merge(
        here(*_SETTLED)[["replication", "value", "time", "kind"]], on=_MESSAGE, how="left", suffixes=("", "_settled")
    )
    left = settled[settled["time_settled"].isna()]
    settled = settled.assign(took=settled["time_settled"] - settled["time"])
    done = settled[settled["kind"] == "acknowledged"]
    return TopicOutcome(
        name,
        published=tables.mean_count(published),
        copies=tables.mean_count(published[published["detail"] == "again"]),
        rejected=tables.mean_count(here("rejected")),
        acknowledged=tables.mean_count(here("acknowledged")),
        redelivered=tables.mean_count(here("redelivered")),
        dead=tables.mean_count(here("dead-letter")),
        left=tables.mean_count(left),
        oldest=_longest(left, tables),
        took=student(exact(ratio(tables.total(done, "took"), tables.count(done))), floor=0.0),
        held=_held(here("back-pressure", "published", "abandoned", "rejected"), tables),
    )


def _longest(rows: pd.DataFrame, tables: RunTables) -> Interval:
    """Age at the horizon of what was published first, of each replication that has any."""
    first = rows.drop_duplicates("replication")
    ages: Array = np.full(tables.replications, np.nan)
    ages[first["replication"].to_numpy()] = tables.scenario.horizon - first["time"].to_numpy()
    return student(exact(ages), floor=0.0)


def _held(rows: pd.DataFrame, tables: RunTables) -> Interval:
    """From each `back-pressure` to the next word of its case at the topic, or to the horizon."""
    ordered = rows.sort_values(["replication", "case", "sequence"])
    case = ordered[["replication", "case"]]
    same = (case == case.shift(-1)).all(axis=1)
    until = ordered["time"].shift(-1).where(same, tables.scenario.horizon)
    held = ordered.assign(held=until - ordered["time"])[ordered["kind"] == "back-pressure"]
    return student(exact(tables.total(held, "held")), floor=0.0)
