"""Places with servers and a queue: agent pools, desks of people, endpoints with a limit of concurrent calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sim.by_case import ByCase
from sim.logs import PLACE, Kind, Log, pack
from sim.plan import StationPlan
from sim.queues import Line
from sim.seats import Seats

if TYPE_CHECKING:
    from sim.bulkheads import Compartments

_HOUR = 3_600_000_000


class Job:
    """Something a station serves: a token at a task or desk step, a review, an endpoint call.

    `begin(job, now)` is called when a server takes it. `station` is where it waits or is served, else None; `since` is
    when it joined, and from the start of service on, when it started.
    """

    __slots__ = ("begin", "case", "epoch", "level", "since", "station", "waiting")

    begin: Callable[[Any, int], None]
    since: int

    def __init__(self, case: int, level: int) -> None:
        self.case = case
        self.level = level
        """Position of its work's priority among all priorities; 0 is served first."""
        self.epoch = 0
        self.station: Station | None = None
        self.waiting = False


class Station:
    """Servers and the queue before them. Invariants: `busy` grows only below `servers`; nobody waits beside a free one;
    `serving`, where it is kept, holds the `busy` jobs in service.

    Each priority has its own queue in order of arrival. A job that leaves early stays in it as a husk, which is skipped
    when its turn comes: joining, taking the next and leaving early cost the same at any length. Another order, and
    giving up jobs of low priority, take a `line` instead. Another job may take a job's place, its heir. A `quiet`
    station logs no service that started at once (endpoint calls would drown the rest).
    """

    outside: Mapping[Job, int] = MappingProxyType({})
    """Who came here and has not even been let into the queue, and since when: nobody, but where the place blocks."""

    def __init__(self, plan: StationPlan, place: str, log: Log, costs: ByCase, levels: int, *, quiet: bool) -> None:
        self.servers = plan.servers
        self.busy = 0
        self.waiting = 0
        self.serving: dict[Job, bool] | None = None
        """Jobs in service, in order of their start, and whether their servers hang; None where nobody has called
        `follow`: it costs a twentieth."""
        self.seats: Seats | None = None
        """Who of its people is at what, at a followed desk that asks."""
        self.spent = 0
        """What has been paid for work here."""
        self.calls = -1
        """Calls that have been made here, where such are counted."""
        self._staffed = plan.servers
        self._away = 0
        self.spare = 0
        """Servers that load may still bring, where the place scales with it."""
        self._hanging = 0
        self.place = place
        self._room = plan.room
        self._cost_per_hour = plan.cost_per_hour
        self._queues: list[deque[Job]] = [deque() for _ in range(levels if plan.by_priority else 1)]
        self._queue_of = self._queues if plan.by_priority else self._queues * levels
        self.line: Line | Compartments | None = None if plan.line is None else Line(plan.line, levels)
        """Those who wait, where neither order of arrival nor priority alone tells who is next."""
        self.shed: Callable[[Any, int], None]
        """Called with a job that is given up. Its owner withdraws it, at the same instant."""
        self._given_up: set[Job] = set()
        self._husks: dict[Job, deque[Job | None]] = {}
        """Jobs that left their place in a queue, and who has it now, each time: their heir, or nobody. A husk stands
        before the job's real place, if it has come back."""
        self._skipped: set[Job] = set()
        """Jobs in the queue that are not served when their turn comes."""
        self._write = log.write
        self.code = log.places.number(place) * PLACE
        self._started = self.code + Kind.STARTED
        self._finished = self.code + Kind.FINISHED
        self._queued = self.code + Kind.QUEUED
        self._costs = costs
        self.paid: ByCase | None = None
        """Of each case, what its servers have cost, where that is kept by itself."""
        self._quiet = quiet

    def follow(self) -> dict[Job, bool]:
        """Keep the jobs in service from now on, and give them. Called before the first job comes."""
        if self.serving is None:
            assert not self.busy
            self.serving = {}
        return self.serving

    def is_short(self) -> bool:
        """Whether servers may come: a fault has taken some away, or the place scales with its load."""
        return self._away > 0 or self.spare > 0

    def join(self, job: Job, now: int) -> bool:
        """Serve the job at once or let it wait; False where the queue is full."""
        if self.busy < self.servers:
            self.busy += 1
            if self.serving is not None:
                self._serve(job, now)
            job.station = self
            job.since = now
            if not self._quiet:
                write = self._write
                write(pack(now, self._started, job.case, 0))
            begin = job.begin
            begin(job, now)
            return True
        if self.waiting >= self._room:
            given_up = self.line.below(job.level) if self.line is not None and self.line.sheds else None
            if given_up is None:
                self._write(pack(now, self.code + Kind.REJECTED, job.case, -1))
                return False
            self._give_up(given_up, now)
        self.waiting += 1
        job.station = self
        job.waiting = True
        job.since = now
        if self.line is None:
            self._queue_of[job.level].append(job)
        else:
            self.line.push(job)
        write = self._write
        write(pack(now, self._queued, job.case, self.waiting))
        return True

    def _give_up(self, job: Job, now: int) -> None:
        """Take a job out of the line and tell its owner."""
        assert self.line is not None
        self.line.remove(job)
        self.waiting -= 1
        self._given_up.add(job)
        self._write(pack(now, self.code + Kind.SHED, job.case, now - job.since))
        self.shed(job, now)

    def leave(self, job: Job, now: int) -> None:
        """End the job's service and take the next."""
        job.station = None
        if not self._quiet:
            write = self._write
            write(pack(now, self._finished, job.case, now - job.since))
        if self._cost_per_hour:
            paid = ((now - job.since) * self._cost_per_hour + _HOUR // 2) // _HOUR
            self.spent += paid
            self._costs[job.case] += paid
            if self.paid is not None:
                self.paid[job.case] += paid
        self.busy -= 1
        if self.serving is not None:
            self._served(job, now)
        if self.waiting and self.busy < self.servers:
            self._next(now)

    def gave_up(self, job: Job) -> bool:
        """Whether the job has lost its place to another, and its owner has not withdrawn it yet."""
        return job in self._given_up

    def withdraw(self, job: Job, now: int) -> None:
        """Take the job away, from the queue or from its server."""
        if not job.waiting:
            self.leave(job, now)
            return
        job.station = None
        job.waiting = False
        self._skipped.discard(job)
        if job in self._given_up:
            self._given_up.remove(job)
            return
        self.waiting -= 1
        if self.line is None:
            self._husks.setdefault(job, deque()).append(None)
        else:
            self.line.remove(job)
        self._write(pack(now, self.code + Kind.ABANDONED, job.case, now - job.since))

    def hand_over(self, job: Job, heir: Job, *, skipped: bool) -> None:
        """Put the heir in the job's place, waiting or served; it may be the job itself. One that waits may be skipped
        when its turn comes: it is not served then, and nobody is told."""
        heir.station, heir.since, heir.waiting = self, job.since, job.waiting
        if heir is not job:
            job.station = None
            job.waiting = False
        if not heir.waiting:
            if self.serving is not None:
                # In place, and in order of start.
                served = [(heir if served is job else served, hangs) for served, hangs in self.serving.items()]
                self.serving.clear()
                self.serving.update(served)
            return
        if skipped:
            self._skipped.add(heir)
        if self.line is not None:
            self.line.replace(job, heir)
        else:
            self._husks.setdefault(job, deque()).append(heir)

    def hangs(self, job: Job) -> bool:
        """Whether the server of a job in service hangs."""
        return self.serving is not None and self.serving.get(job, False)

    @property
    def working(self) -> int:
        """Servers that are there, busy or free; not those that hang."""
        return self.servers - self._hanging

    def staff(self, servers: int, now: int) -> None:
        """Change the number of servers. Those who are busy finish first."""
        self._staffed = servers
        self._recount(now)

    def take_away(self, servers: int, now: int) -> None:
        """A fault takes servers away, whatever the staffing; a negative number gives them back."""
        self._away += servers
        self._recount(now)

    def hang(self, job: Job, hangs: bool, now: int) -> None:
        """The server of a job in service hangs, or works again. It counts as busy, and serves nobody else meanwhile,
        though it is one of those taken away. Takes a followed station."""
        assert self.serving is not None
        self.serving[job] = hangs
        self._hanging += 1 if hangs else -1
        self._recount(now)

    def _count(self) -> None:
        self.servers = max(self._staffed - self._away, 0) + self._hanging

    def holders(self, _: Job) -> tuple[Job, ...]:
        """Of a followed place, the jobs in service of which one must leave before a waiting job is served."""
        return tuple(self.serving or ())

    def _recount(self, now: int) -> None:
        self._count()
        while self.waiting and self.busy < self.servers:
            self._next(now)

    def _next(self, now: int) -> None:
        """Serve the first of those who wait, if they are not all skipped."""
        if self.line is not None:
            job = self.line.pop()
        else:
            for queue in self._queues:
                if queue:
                    job = queue.popleft()
                    break
            if self._husks and job in self._husks:
                job = self._behind(job)
        if self._skipped:
            while job in self._skipped:
                self._skip(job, now)
                if not self.waiting:
                    return
                job = self._pop()
        self.waiting -= 1
        self.busy += 1
        if self.serving is not None:
            self._serve(job, now)
        job.waiting = False
        write = self._write
        write(pack(now, self._started, job.case, now - job.since))
        job.since = now
        begin = job.begin
        begin(job, now)

    def _serve(self, job: Job, now: int) -> None:
        """Keep a job that comes into service at a followed station."""
        assert self.serving is not None
        self.serving[job] = False
        if self.seats is not None:
            self.seats.take(job, now)

    def _served(self, job: Job, now: int) -> None:
        """Let go of it."""
        assert self.serving is not None
        if self.serving.pop(job):
            self._hanging -= 1
            self.servers -= 1
        if self.seats is not None:
            self.seats.give(job, now)

    def _behind(self, job: Job) -> Job:
        """The heir of a husk, or the first job behind it that is none."""
        husks = self._husks
        while job in husks:
            places = husks[job]
            heir = places.popleft()
            if not places:
                del husks[job]
            if heir is job:
                return job
            job = heir or next(queue for queue in self._queues if queue).popleft()
        return job

    def _pop(self) -> Job:
        """Take out the first of those who wait; there is one."""
        if self.line is not None:
            return self.line.pop()
        job = next(queue for queue in self._queues if queue).popleft()
        return self._behind(job)

    def _skip(self, job: Job, now: int) -> None:
        self._skipped.remove(job)
        self.waiting -= 1
        job.station = None
        job.waiting = False
        self._write(pack(now, self.code + Kind.SKIPPED, job.case, now - job.since))
