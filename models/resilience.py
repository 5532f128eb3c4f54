"""Resilience: what keeps failures from spreading, and what takes over."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.part import Count, Name, Part
from models.units import MINUTE, SECOND, Duration, Probability

Cause = Literal[
    "timeout",
    "deadline",
    "rejected",
    "shed",
    "crash",
    "outage",
    "partition",
    "lost",
    "rate-limited",
    "failed",
    "wrong",
    "self-check",
    "guardrail",
    "format",
    "contract",
]


class Budget(Part):
    """A retry budget, shared by the tasks that name it: in any `window`, retries are at most `ratio` of the first
    attempts in it, plus `least-per-second` over it. Defaults are those of Finagle and Linkerd: 20 %, 10 a second,
    10 seconds (Finagle blog, Retry Budgets, 2016; Linkerd, Retries and Timeouts)."""

    ratio: Annotated[float, Field(ge=0, le=1000)] = 0.2
    """Retries for each first attempt."""
    least_per_second: Annotated[float, Field(ge=0, le=1_000_000)] = 10.0
    """Retries that are always paid for, in the mean over the window."""
    window: Duration = 10 * SECOND
    """How long a first attempt pays."""


class Breaker(Part):
    """A circuit breaker, shared by the tasks that name it. While it is open, attempts fail at once, unserved and with
    no further attempt. Rule and defaults are those of Resilience4j with a count-based window."""

    window: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Attempts that are looked back at."""
    least_calls: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Attempts that must be over before it may open."""
    failure_rate: Annotated[Probability, Field(gt=0)] = 0.5
    """Share of failures among them that opens it."""
    open: Duration = MINUTE
    """How long it stays open; the first attempt after that finds it half-open."""
    half_open: Annotated[int, Field(ge=1, le=100_000)] = 10
    """Attempts that are let through half-open; when all are over, their failures open or close it."""
    counts: Annotated[tuple[Cause, ...], Field(min_length=1)] = (
        "timeout",
        "rejected",
        "shed",
        "crash",
        "outage",
        "partition",
        "lost",
        "rate-limited",
        "failed",
    )
    """Reasons that make a failed attempt count as a failure; any other is a success to it. `failed`: an agent that was
    called failed. Attempts that are cut off, or that lose patience, do not count at all."""


class Fallback(Part):
    """Another agent that takes a task over after the last attempt of those before it."""

    agent: Name
    """The pool; where the task has an action, one with the same principal, for it acts by the same decision."""
    capability: Name
    """The pool's capability that it takes."""
    timeout: Duration | None = None
    """Longest time of one attempt, queue and service together."""
    attempts: Count = 1
    """Attempts at most, with the task's own backoff."""
