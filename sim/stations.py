"""Places with servers and a queue: agent pools, desks of people, endpoints with a limit of concurrent calls."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from sim.logs import PLACE, Kind, Log
from sim.plan import StationPlan

_HOUR = 3_600_000_000


class Job:
    """Something a station serves: a token at a task or desk step, a review, an endpoint call.

    `begin(job, now)` is called when a server takes it. `station` is where it waits or is served, else None; `since` is
    when it joined, and from the start of service on, when it started.
    """

    epoch: int = 0
    case: int
    level: int
    """Position of its work's priority among all priorities; 0 is served first."""
    begin: Callable[[Any, int], None]
    station: Station | None = None
    waiting: bool = False
    since: int = 0


class Station:
    """Servers and the queue before them. Invariants: `busy` grows only below `servers`; nobody waits beside a free one.

    Each priority has its own queue in order of arrival, so joining, taking the next and leaving early cost the same at
    any length. A `quiet` station logs no service that started at once (endpoint calls would drown the rest).
    """

    def __init__(self, plan: StationPlan, place: str, log: Log, costs: list[int], levels: int, *, quiet: bool) -> None:
        self.servers = plan.servers
        self.busy = 0
        self.waiting = 0
        self.place = place
        self._room = plan.room
        self._by_priority = plan.by_priority
        self._cost_per_hour = plan.cost_per_hour
        self._queues: list[OrderedDict[Job, None]] = [OrderedDict() for _ in range(levels if plan.by_priority else 1)]
        self._add = log.add
        self.code = log.places.number(place) * PLACE
        self._started = self.code + Kind.STARTED
        self._finished = self.code + Kind.FINISHED
        self._costs = costs
        self._quiet = quiet

    def join(self, job: Job, now: int) -> bool:
        """Serve the job at once or let it wait; False where the queue is full."""
        if self.busy < self.servers:
            self.busy += 1
            job.station = self
            job.since = now
            if not self._quiet:
                self._add((now, self._started, job.case, 0, 0))
            job.begin(job, now)
            return True
        if self.waiting >= self._room:
            self._add((now, self.code + Kind.REJECTED, job.case, -1, 0))
            return False
        self.waiting += 1
        job.station = self
        job.waiting = True
        job.since = now
        self._queues[job.level if self._by_priority else 0][job] = None
        self._add((now, self.code + Kind.QUEUED, job.case, self.waiting, 0))
        return True

    def leave(self, job: Job, now: int) -> None:
        """End the job's service and take the next."""
        job.station = None
        busy = now - job.since
        if not self._quiet:
            self._add((now, self._finished, job.case, busy, 0))
        if self._cost_per_hour:
            self._costs[job.case] += (busy * self._cost_per_hour + _HOUR // 2) // _HOUR
        self.busy -= 1
        if self.waiting:
            self._fill(now)

    def withdraw(self, job: Job, now: int) -> None:
        """Take the job away, from the queue or from its server."""
        if not job.waiting:
            self.leave(job, now)
            return
        job.station = None
        job.waiting = False
        self.waiting -= 1
        del self._queues[job.level if self._by_priority else 0][job]
        self._add((now, self.code + Kind.ABANDONED, job.case, now - job.since, 0))

    def staff(self, servers: int, now: int) -> None:
        """Change the number of servers. Those who are busy finish first."""
        self.servers = servers
        self._fill(now)

    def _fill(self, now: int) -> None:
        while self.waiting and self.busy < self.servers:
            job = self._next()
            self.waiting -= 1
            self.busy += 1
            job.waiting = False
            self._add((now, self._started, job.case, now - job.since, 0))
            job.since = now
            job.begin(job, now)

    def _next(self) -> Job:
        for queue in self._queues:
            if queue:
                return queue.popitem(last=False)[0]
        raise AssertionError("the count of waiting jobs is wrong")  # pragma: no cover
