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
class ResiliencePlan:
    """What a scenario says of it, empty by default."""

    pools: tuple[int, ...] = ()
    """Of each pool, what becomes of abandoned attempts (`Abandoned`)."""
    endpoints: tuple[int, ...] = ()
    """Of each endpoint, what becomes of abandoned calls."""

    def has_orphans(self) -> bool:
        """Whether work goes on that nobody waits for."""
        return any(self.pools) or any(self.endpoints)
