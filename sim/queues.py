"""Waiting lines that are served in another order than that of arrival, or that give up the least when they are full."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Final

from sim.clock import Rank
from sim.plans.supply import Order

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.plans.supply import LinePlan
    from sim.stations import Job
    from sim.tokens import Token

SHED: Final = "shed"
"""Why an attempt failed that gave up its place to one of a higher priority."""


class Line:
    """Jobs that wait, in order of joining, as a whole and by priority. Every operation costs the same at any length."""

    def __init__(self, plan: LinePlan, levels: int, numbers: Iterator[int] | None = None) -> None:
        self.sheds = plan.sheds
        self._order = plan.order
        self._above = plan.above
        self._tickets: dict[Job, int] = {}
        self._numbers = count() if numbers is None else numbers
        self._all: OrderedDict[int, Job] = OrderedDict()
        self._levels: list[OrderedDict[int, Job]] = [OrderedDict() for _ in range(levels)]

    def push(self, job: Job) -> None:
        """Let a job wait behind those who are there."""
        ticket = self._tickets[job] = next(self._numbers)
        self._all[ticket] = self._levels[job.level][ticket] = job

    def remove(self, job: Job) -> None:
        """Take a job out of the line, wherever it stands."""
        ticket = self._tickets.pop(job)
        del self._all[ticket]
        del self._levels[job.level][ticket]

    def replace(self, job: Job, heir: Job) -> None:
        """Put another job of its level in a job's place."""
        ticket = self._tickets[heir] = self._tickets.pop(job)
        self._all[ticket] = self._levels[job.level][ticket] = heir

    def pop(self) -> Job:
        """Take out the job whose turn it is; there is one."""
        job = self.first(len(self._all))
        self.remove(job)
        return job

    def first(self, length: int) -> Job:
        """The job whose turn it is, in a queue of this length in all; there is one."""
        if self._order == Order.PRIORITY:
            return next(iter(next(level for level in self._levels if level).values()))
        return next(reversed(self._all.values()) if self._newest_first(length) else iter(self._all.values()))

    def turn(self, job: Job, length: int) -> tuple[int, int]:
        """Whoever has the least of this is first."""
        ticket = self._tickets[job]
        if self._order == Order.PRIORITY:
            return job.level, ticket
        return 0, -ticket if self._newest_first(length) else ticket

    def _newest_first(self, length: int) -> bool:
        return self._order == Order.LIFO or (self._order == Order.ADAPTIVE_LIFO and length > self._above)

    def __len__(self) -> int:
        return len(self._all)

    def last(self, level: int) -> tuple[int, int, Job] | None:
        """Of `below`, with its level and number before it."""
        job = self.below(level)
        return None if job is None else (job.level, self._tickets[job], job)

    def below(self, level: int) -> Job | None:
        """Who of a lower priority than this level is given up first: of the lowest, the last to come."""
        lowest = next((number for number in range(len(self._levels) - 1, level, -1) if self._levels[number]), None)
        return None if lowest is None else next(reversed(self._levels[lowest].values()))


def install_shedding(replication: Replication) -> None:
    """Fail the attempts that their pools give up."""
    tasks, clock = replication.tasks, replication.clock

    def fail(token: Token, now: int) -> None:
        tasks.fail(token, SHED, now)

    for pool in replication.pools:
        if pool.line is not None and pool.line.sheds:
            # After the move that filled the queue: it is not interrupted by one that ends another attempt.
            pool.shed = lambda token, now: clock.at(now, Rank.RESUME, fail, token)
