"""Summary: what is counted of a run whose events are not kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CaseTimePlan:
    """An objective on a quantile of the time to completion. `work` is -1 for all."""

    name: str
    work: int
    at_most: int


@dataclass(frozen=True, slots=True)
class CaseSharePlan:
    """An objective on a share of cases. `within` is -1 for no time; `wrong` is -1 where it does not matter, else 0 or
    1; `bounds_above` tells that the share is bounded from above."""

    name: str
    work: int
    outcomes: frozenset[int]
    within: int
    wrong: int
    bounds_above: bool


@dataclass(frozen=True, slots=True)
class DeskWaitPlan:
    """An objective on a quantile of the wait at a desk."""

    name: str
    place: str
    at_most: int


@dataclass(frozen=True, slots=True)
class ReviewPlan:
    """An objective on the share of a desk's approvals that took less than a time."""

    name: str
    place: str
    under: int


@dataclass(frozen=True, slots=True)
class SummaryPlan:
    """What is counted for objectives; all else is counted for every scenario alike."""

    times: tuple[CaseTimePlan, ...] = ()
    shares: tuple[CaseSharePlan, ...] = ()
    waits: tuple[DeskWaitPlan, ...] = ()
    reviews: tuple[ReviewPlan, ...] = ()
