"""Who of a desk's people is at what, and for how long without a rest."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.stations import Job


class Seats:
    """The seats of one desk, numbered from 0. Whatever comes next goes to the free seat with the lowest number, so
    that with fewer people on duty those with the highest numbers are gone.

    Each seat counts what it has begun since it last had nothing to do for `rest` microseconds; who sits there in which
    shift is not told apart.
    """

    def __init__(self, rest: int) -> None:
        self._rest = rest
        self._free: list[int] = []
        self._begun: list[int] = []
        self._left: list[int] = []
        self._of: dict[Job, int] = {}

    def take(self, job: Job, now: int) -> None:
        """A person begins a job."""
        if self._free:
            seat = heappop(self._free)
        else:
            seat = len(self._begun)
            self._begun.append(0)
            self._left.append(now)
        if now - self._left[seat] >= self._rest:
            self._begun[seat] = 0
        self._begun[seat] += 1
        self._of[job] = seat

    def give(self, job: Job, now: int) -> None:
        """The person is done with the job, or it was taken away."""
        seat = self._of.pop(job)
        self._left[seat] = now
        heappush(self._free, seat)

    def seat(self, job: Job) -> int:
        """The number of the seat that is at a job."""
        return self._of[job]

    def begun(self, job: Job) -> int:
        """What the seat that is at a job has begun without a rest, the job included."""
        return self._begun[self._of[job]]
