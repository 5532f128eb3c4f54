"""Desks whose people wait until work for a batch has come in."""

from __future__ import annotations

from sim.by_case import ByCase
from sim.clock import Clock, Rank
from sim.logs import Kind, Log
from sim.plan import StationPlan
from sim.plans.people import BatchPlan
from sim.stations import Job, Station


class BatchStation(Station):
    """A desk whose work gathers before it joins the queue: until `size` jobs have, or the first of them has waited
    `wait` microseconds. Jobs that gather count as waiting. Nobody waits in the queue beside a free server, but for as
    long as work gathers.
    """

    def __init__(
        self,
        plan: StationPlan,
        batch: BatchPlan,
        clock: Clock,
        place: str,
        log: Log,
        costs: ByCase,
        levels: int,
    ) -> None:
        super().__init__(plan, place, log, costs, levels, quiet=False)
        self._size = batch.size
        self._wait = batch.wait
        self._clock = clock
        self._log = log
        self._gathering: dict[Job, None] = {}

    def join(self, job: Job, now: int) -> bool:
        """Let the job wait; False where there is no room. It is served at once where it is the last of a batch."""
        if self.waiting >= self._room:
            self._log.event(now, Kind.REJECTED, self.place, job.case)
            return False
        self.waiting += 1
        job.station = self
        job.waiting = True
        job.since = now
        self._log.event(now, Kind.QUEUED, self.place, job.case, self.waiting)
        self._gathering[job] = None
        if len(self._gathering) == self._size:
            self._gathered("size", now)
        else:
            self._clock.at(now + self._wait, Rank.TIMEOUT, self._waited, job)
        return True

    def _waited(self, job: Job, now: int) -> None:
        if job in self._gathering and now - job.since >= self._wait:
            self._gathered("wait", now)

    def _gathered(self, why: str, now: int) -> None:
        """Let all that has gathered join the queue, in order of coming."""
        self._log.event(now, Kind.GATHERED, self.place, value=len(self._gathering), detail=why)
        for job in self._gathering:
            self._queue_of[job.level].append(job)
        self._gathering.clear()
        self._recount(now)

    def withdraw(self, job: Job, now: int) -> None:
        """Take the job away, from those that gather, from the queue or from its server."""
        if job not in self._gathering:
            super().withdraw(job, now)
            return
        del self._gathering[job]
        job.station = None
        job.waiting = False
        self.waiting -= 1
        self._log.event(now, Kind.ABANDONED, self.place, job.case, now - job.since)

    def _recount(self, now: int) -> None:
        self.servers = max(self._staffed - self._away, 0) + self._hanging
        while self.waiting > len(self._gathering) and self.busy < self.servers:
            self._next(now)

    def _next(self, now: int) -> None:
        if self.waiting > len(self._gathering):
            super()._next(now)
