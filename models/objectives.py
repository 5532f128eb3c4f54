"""Objectives: what must come out of a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.part import Name, Part
from models.units import Duration, MoneyText, Probability, Rate


class _Objective(Part):
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    """Level of the two-sided interval over replications."""
    description: str = ""
    """What it is for, for readers."""


class CaseTime(_Objective):
    """A quantile of the time from arrival to completion."""

    kind: Literal["case-time"]
    work: Name | None = None
    """Stream of cases; no key: all."""
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Which quantile; 0.5 is the median."""
    at_most: Duration
    """Longest time that passes."""


class CaseShare(_Objective):
    """The share of ended cases with one of the outcomes, optionally within a time."""

    kind: Literal["case-share"]
    work: Name | None = None
    """Stream of cases; no key: all."""
    outcomes: tuple[Literal["completed", "denied", "failed", "expired", "aborted", "cancelled"], ...] = ("completed",)
    """Outcomes that count."""
    within: Duration | None = None
    """Longest time from arrival to end that counts. No key: any."""
    wrong: bool | None = None
    """`true`: only cases with a wrong effect; `false`: only those without."""
    at_least: Probability | None = None
    """Least share that passes; this or `at-most`."""
    at_most: Probability | None = None
    """Greatest share that passes; this or `at-least`."""


class DeskWait(_Objective):
    """A quantile of the wait in a desk's queue, calendar time."""

    kind: Literal["desk-wait"]
    desk: Name
    """The desk."""
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Which quantile; 0.5 is the median."""
    at_most: Duration
    """Longest wait that passes."""


class DeskLoad(_Objective):
    """Busy time over staffed time of a desk."""

    kind: Literal["desk-load"]
    desk: Name
    """The desk."""
    at_most: Annotated[float, Field(gt=0)]
    """Greatest load that passes; 1 is always busy."""


class ReviewShare(_Objective):
    """The share of a desk's approvals that took less than a time: hardly more than a glance. A review counts from when
    somebody takes it up to the answer; refusals do not count."""

    kind: Literal["review-share"]
    desk: Name
    """The desk."""
    under: Duration
    """Approvals that took less count."""
    at_most: Probability
    """Greatest share that passes."""


class CaseCost(_Objective):
    """Mean cost of an ended case: calls, attempts and people."""

    kind: Literal["case-cost"]
    work: Name | None = None
    """Stream of cases; no key: all."""
    at_most: MoneyText
    """Greatest mean that passes."""


class Throughput(_Objective):
    """Cases that end, for the time from the warm-up to the horizon. Cases that arrived in the warm-up count where they
    end after it."""

    kind: Literal["throughput"]
    work: Name | None = None
    """Stream of cases; no key: all."""
    outcomes: tuple[Literal["completed", "denied", "failed", "expired", "aborted", "cancelled"], ...] = ("completed",)
    """Outcomes that count."""
    at_least: Rate
    """Least rate that passes."""


class Compliance(_Objective):
    """The share of policy decisions that were enforced as policy says; the others were made while the decision point
    was unreachable, or were given from a cache that policy had left behind."""

    kind: Literal["compliance"]
    work: Name | None = None
    """Stream of cases; no key: all."""
    at_least: Probability
    """Least share that passes."""


class EventCount(_Objective):
    """The mean number of happenings in one replication. A limit of 0 is kept where none is seen, and the report tells
    what that leaves possible; a greater one is kept where the exact bound shows it."""

    kind: Literal["count"]
    of: Literal[
        "deadlocks",
        "violations",
        "drift-alarms",
        "unanswered-escalations",
        "late-cases",
        "residency-breaches",
        "stale-decisions",
        "duplicate-effects",
        "livelocks",
        "shadow-differences",
        "attacks-through",
        "wrong-approvals",
        "dead-letters",
        "cases-over-limit",
    ]
    """What is counted. `violations` are steps that took effect though policy would have denied or escalated them: the
    decision point failed open, and the step then succeeded; or a compromised agent's request got through so.
    `unanswered-escalations` are approvals that ran out of levels or of time, `late-cases` cases that their deadline
    overtook, `attacks-through` requests of compromised agents that were allowed,
    `residency-breaches` attempts, calls and reviews where data may not be, `stale-decisions` answers
    that a cache gave past their time, `livelocks` cases that
    went on without progress (see `deadlock`),
    `duplicate-effects` effects, at steps without an idempotency key, that their case or message had already,
    `dead-letters` messages of topics that nobody dealt with,
    `shadow-differences` decisions that the policies of a rollout in shadow mode would make otherwise,
    `wrong-approvals` reviews that granted what ought not to be granted, at desks with a `review`,
    `cases-over-limit` times that a limit of steps ended a case, or the delivery of a message."""
    at_most: Annotated[float, Field(ge=0)]
    """Greatest mean that passes."""


class Recovery(_Objective):
    """That goodput comes back after a fault. Goodput is a share of the load: of the cases that arrive in a window of a
    200th of the horizon, those that are completed, right and not late. It is back where it is good for three windows in
    a row; what it was before is the mean of the windows from the warm-up on that no fault touches, five at least."""

    kind: Literal["recovery"]
    fault: Name
    """The name of the fault; one that ends."""
    work: Name | None = None
    """Stream of cases; no key: all."""
    goodput: Annotated[Probability, Field(gt=0)] = 0.9
    """Share of the goodput before the fault that is good."""
    within: Duration
    """Longest time from the end of the fault until goodput is back. Where it is not back by then, the fault has left
    the system in a metastable failure."""
    at_most: Annotated[float, Field(ge=0)] = 0
    """Greatest mean number of times in one replication that it is not back by then."""


class FalseAlarms(_Objective):
    """False alarms of a monitor in 1000 of its labels: those before anything that it watches changes, by a drift, by a
    rollout of a model or by an attack. Where this is asked for, the event log tells how many labels came before."""

    kind: Literal["false-alarms"]
    monitor: Name
    """The monitor."""
    at_most: Annotated[float, Field(ge=0, le=1000)]
    """Most alarms in 1000 labels that pass."""


Objective = Annotated[
    CaseTime
    | FalseAlarms
    | CaseShare
    | DeskWait
    | DeskLoad
    | ReviewShare
    | CaseCost
    | Throughput
    | Compliance
    | EventCount
    | Recovery,
    Field(discriminator="kind"),
]
