"""Attempts and resilience: orphaned work, budgets, breakers, deadlines, fallbacks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Abandoned(IntEnum):
    """What becomes of work whose caller has given up."""

    CANCEL = 0
    SERVE = 1
    SKIP = 2


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """`ratio` is in millionths of a retry for each request, `reserve` in millionths of a retry for each window."""

    name: str
    ratio: int
    reserve: int
    window: int


@dataclass(frozen=True, slots=True)
class BreakerPlan:
    """`rate` is in millionths of the attempts; `counts` are the reasons that make an attempt a failure."""

    name: str
    window: int
    least: int
    rate: int
    open: int
    probes: int
    counts: frozenset[str]


@dataclass(frozen=True, slots=True)
class ResiliencePlan:
    """What a scenario says of it, empty by default."""

    pools: tuple[int, ...] = ()
    """Of each pool, what becomes of abandoned attempts (`Abandoned`)."""
    endpoints: tuple[int, ...] = ()
    """Of each endpoint, what becomes of abandoned calls."""

    budgets: tuple[BudgetPlan, ...] = ()
    breakers: tuple[BreakerPlan, ...] = ()
    budget_of: tuple[tuple[int, int], ...] = ()
    """Steps whose retries a budget pays for, and the budget; fallbacks are steps, too."""
    breaker_of: tuple[tuple[int, int], ...] = ()
    """Steps whose attempts are behind a breaker, and the breaker."""
    deadline_of: tuple[tuple[int, int], ...] = ()
    """Steps with a deadline, and how long it is."""
    mains: tuple[tuple[int, int], ...] = ()
    """Fallbacks, in the order they are tried, and the step that each stands in for."""

    def has_orphans(self) -> bool:
        """Whether work goes on that nobody waits for."""
        return any(self.pools) or any(self.endpoints)
