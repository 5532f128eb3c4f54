"""Bulkheads: a pool of which the attempts at some steps may hold only so many slots."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from sim.plan import StationPlan
from sim.queues import Line
from sim.stations import Job, Station

if TYPE_CHECKING:
    from sim.plans.supply import LinePlan


class Compartments:
    """A waiting line in compartments, one for each cap and one for all other jobs; used as a `Line` is.

    `held` are the servers that the jobs of each compartment hold. Numbers of joining are shared, so the jobs that may
    be served come in the order of one line.
    """

    def __init__(self, plan: LinePlan, levels: int, caps: tuple[tuple[frozenset[int], int], ...]) -> None:
        self.sheds = plan.sheds
        self.held = [0] * (len(caps) + 1)
        numbers = count()
        self._lines = [Line(plan, levels, numbers) for _ in self.held]
        self._caps = [slots for _, slots in caps]
        self._by_step = {step: number for number, (steps, _) in enumerate(caps) for step in steps}
        self._of: dict[Job, int] = {}
        """The compartments of those who wait."""

    def number(self, job: Any) -> int:
        """The compartment of a job that joins."""
        return self._by_step.get(job.step, len(self._caps))

    def has_slots(self, number: int) -> bool:
        """Whether the jobs of a compartment may hold a server more."""
        return number == len(self._caps) or self.held[number] < self._caps[number]

    def push(self, job: Job) -> None:
        number = self._of[job] = self.number(job)
        self._lines[number].push(job)

    def remove(self, job: Job) -> None:
        self._lines[self._of.pop(job)].remove(job)

    def replace(self, job: Job, heir: Job) -> None:
        number = self._of[heir] = self._of.pop(job)
        self._lines[number].replace(job, heir)

    def first(self) -> Job | None:
        """The job whose turn it is among those that may be served."""
        length = len(self._of)
        heads = [(line, line.first(length)) for n, line in enumerate(self._lines) if len(line) and self.has_slots(n)]
        return min(heads, key=lambda head: head[0].turn(head[1], length))[1] if heads else None

    def pop(self) -> Job:
        job = self.first()
        assert job is not None
        self.remove(job)
        return job

    def below(self, level: int) -> Job | None:
        """Who of a lower priority is given up first, in all compartments."""
        found = [last for line in self._lines if (last := line.last(level)) is not None]
        return max(found, key=lambda last: last[:2])[2] if found else None


class BulkheadStation(Station):
    """A station with caps. Invariant: nobody who may be served waits beside a free server."""

    def __init__(self, plan: StationPlan, place: str, log: Any, costs: Any, levels: int, *, quiet: bool) -> None:
        super().__init__(plan, place, log, costs, levels, quiet=quiet)
        assert plan.line is not None
        self._line = self.line = Compartments(plan.line, levels, plan.caps)
        self._number: dict[Job, int] = {}
        """The compartments of jobs in service."""
        self.follow()

    def join(self, job: Job, now: int) -> bool:
        if self._line.has_slots(self._line.number(job)):
            return super().join(job, now)
        servers, self.servers = self.servers, self.busy  # to this one, no server is free
        waits = super().join(job, now)
        self.servers = servers
        return waits

    def hand_over(self, job: Job, heir: Job, *, skipped: bool) -> None:
        if job in self._number:
            self._number[heir] = self._number.pop(job)
        super().hand_over(job, heir, skipped=skipped)

    def holders(self, job: Job) -> tuple[Job, ...]:
        number = self._line.number(job)
        if self._line.has_slots(number):
            return super().holders(job)
        return tuple(each for each, its in self._number.items() if its == number)

    def _serve(self, job: Job, now: int) -> None:
        super()._serve(job, now)
        number = self._number[job] = self._line.number(job)
        self._line.held[number] += 1

    def _served(self, job: Job, now: int) -> None:
        super()._served(job, now)
        self._line.held[self._number.pop(job)] -= 1

    def _next(self, now: int) -> None:
        """Serve those whose turn it is, as long as there are servers; those that nobody waits for are passed over."""
        while self.busy < self.servers and (job := self._line.first()) is not None:
            if job in self._skipped:
                self._line.remove(job)
                self._skip(job, now)
            else:
                super()._next(now)

    def _recount(self, now: int) -> None:
        self._count()
        self._next(now)
