"""How right reviews are, how many are hardly made, and what goes through that ought not to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from models.objectives import ReviewShare
from models.units import SECOND
from reports.intervals import Array, Interval, exact, student
from reports.tables import RunTables, ratio

GLANCE: Final = 30 * SECOND
"""Time under which the report counts an approval as a glance where no objective says another. An assumption."""


@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """Reviews of one desk after the warm-up. Counts are means in one replication, intervals are over replications."""

    desk: str
    reviews: Interval
    """Reviews that granted or refused; those that sent the approval back are not among them."""
    glance: int
    """Time under which an approval counts as a glance, us."""
    glances: Interval
    """Share of approvals that took less."""
    judged: bool
    """Whether the scenario says what ought to be granted; if not, the figures below are not measured."""
    accuracy: Interval
    """Share of reviews that were right."""
    stamped: Interval
    """Share of reviews that were stamped without a look."""
    wrong_approvals: Interval
    wrong_refusals: Interval


def assess_reviews(tables: RunTables) -> tuple[ReviewOutcome, ...]:
    """Every desk that a chain asks, in the scenario's order."""
    asked = {level.desk for chain in tables.scenario.chains.values() for level in chain.levels}
    glances = {o.desk: o.under for o in tables.scenario.objectives.values() if isinstance(o, ReviewShare)}
    return tuple(
        _desk(name, desk.review is not None, glances.get(name, GLANCE), tables)
        for name, desk in tables.scenario.desks.items()
        if name in asked
    )


def _desk(name: str, judged: bool, glance: int, tables: RunTables) -> ReviewOutcome:
    answered, reviewed, granted = (_at(tables, kind, name) for kind in ("answered", "reviewed", "wrong-approval"))
    detail = reviewed["detail"].fillna("").astype("str")
    wrong, stamped = detail.str.contains("wrong", regex=False), detail.str.startswith("stamped")
    count = tables.count(reviewed)
    refused = tables.count(reviewed[wrong]) - tables.count(granted)
    return ReviewOutcome(
        desk=name,
        reviews=tables.mean_count(answered),
        glance=glance,
        glances=_share(glance_share(tables, name, glance)),
        judged=judged,
        accuracy=_share(ratio(tables.count(reviewed[~wrong]), count)),
        stamped=_share(ratio(tables.count(reviewed[stamped]), count)),
        wrong_approvals=_counted(tables.count(granted), judged=judged),
        wrong_refusals=_counted(refused, judged=judged),
    )


def _counted(values: Array, *, judged: bool) -> Interval:
    return student(exact(values if judged else np.full(len(values), np.nan)), floor=0.0)


def _share(values: Array) -> Interval:
    return student(exact(values), floor=0.0, ceiling=1.0)


def _at(tables: RunTables, kind: str, desk: str) -> pd.DataFrame:
    events = tables.of_kind(kind)
    return events[(events["place"] == f"desk:{desk}") & (events["time"] >= tables.scenario.warm_up)]


def glance_share(tables: RunTables, desk: str, under: int) -> Array:
    """The share of a desk's approvals after the warm-up that took less than a time, for each replication."""
    lasting = approvals(tables, desk)
    return ratio(tables.count(lasting[lasting["value"] < under]), tables.count(lasting))


def approvals(tables: RunTables, desk: str) -> pd.DataFrame:
    """Approvals that a desk granted after the warm-up, with the time that the review took (us) as `value`.

    The review that an answer ends is the last that its case has finished at the desk before: the two rows stand
    together, and what else the answer withdraws comes after it.
    """
    answered, finished = (_at(tables, kind, desk).sort_values("sequence") for kind in ("answered", "finished"))
    granted = answered[answered["value"] == 1].drop(columns="value")
    return pd.merge_asof(
        granted[["replication", "case", "sequence"]],
        finished[["replication", "case", "sequence", "value"]],
        on="sequence",
        by=["replication", "case"],
    )
