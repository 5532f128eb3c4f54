"""The clock: a SimPy environment with integer microseconds and the written tie rule.

Happenings are ordered by (time, rank of kind, sequence of scheduling). The clock is a SimPy environment, so ordinary
SimPy events and processes run on it. The engine's own happenings are entries of one heap, a handler and what it is for,
which spares an event object and its list of callbacks for each; a SimPy event has a stand-in on the same heap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from heapq import heapify, heappop, heappush
from itertools import chain
from typing import Any, Final, Protocol

import simpy


class Rank(IntEnum):
    """Who goes first at one instant. SimPy's own events have the ranks 0 (urgent) and 1 (normal).

    The world changes first (a fault, a shift); then what ends at this instant counts as done in time; then those still
    waiting lose patience; then delayed things begin, then new cases arrive, and a sample sees all of it.
    """

    FAULT = 2
    STAFF = 3
    FINISH = 4
    TIMEOUT = 5
    RESUME = 6
    ARRIVE = 7
    SAMPLE = 8


class Subject(Protocol):
    """What a handler is called for. A handler scheduled under an older epoch of its subject does nothing."""

    epoch: int


Handler = Callable[[Any, int], None]
"""Called with the subject and the time."""


class EventLimitError(Exception):
    """A replication has scheduled more events than it may."""


class _HorizonError(Exception):
    """The time to stop at is reached."""


class _Always:
    """A subject whose timers always count."""

    epoch = 0


_ALWAYS: Final = _Always()
_ARRIVE: Final = int(Rank.ARRIVE)
_FIRST: Final = -1


class Clock(simpy.Environment):
    """A SimPy environment that also runs the engine's own entries: (time, rank, sequence, subject, handler, epoch)."""

    def __init__(self, event_limit: int) -> None:
        self._heap: list[tuple[int, int, int, Any, Handler, int]] = []
        self._numbers = chain(range(event_limit), _limit())
        super().__init__(0)

    def at(self, time: int, rank: int, handler: Handler, subject: Subject) -> None:
        """Call the handler at a time, unless the subject's epoch has changed by then."""
        heappush(self._heap, (time, rank, next(self._numbers), subject, handler, subject.epoch))

    def suspend(self, subject: Subject, rank: int) -> list[tuple[Handler, int]]:
        """Take what is to happen to a subject with this rank off the clock: the handlers, and how far off each was.

        It goes through everything on the clock: for what happens seldom.
        """
        taken = [e for e in self._heap if e[3] is subject and e[1] == rank and e[5] == subject.epoch]
        if taken:
            gone = {id(entry) for entry in taken}
            # In place: the loop of `run_before` holds on to the heap.
            self._heap[:] = [entry for entry in self._heap if id(entry) not in gone]
            heapify(self._heap)
        return [(handler, time - int(self._now)) for time, _, _, _, handler, _ in sorted(taken, key=lambda e: e[:3])]

    def count(self) -> None:
        """Count a happening that is done without being scheduled towards the limit."""
        next(self._numbers)

    def schedule(self, event: simpy.Event, priority: Any = simpy.events.NORMAL, delay: float = 0) -> None:
        """Schedule a SimPy event. Its time must be a whole number of microseconds."""
        time = self._now + delay
        if time != int(time):
            raise ValueError(f"expected a whole number of microseconds, got a delay of {delay}")
        super().schedule(event, priority, int(delay))
        heappush(self._heap, (int(time), int(priority), next(self._numbers), _ALWAYS, self._simpy_step, 0))

    def _simpy_step(self, _: Subject, __: int) -> None:
        # Stand-ins are on the heap in the order of their events on SimPy's own, so its next one is the one due.
        super().step()

    def peek(self) -> float:
        """Time of the next entry, or infinity."""
        return self._heap[0][0] if self._heap else simpy.core.Infinity

    def step(self) -> None:
        """Process the next entry. Raises simpy's EmptySchedule where there is none."""
        if not self._heap:
            raise simpy.core.EmptySchedule
        now, _, _, subject, handler, epoch = heappop(self._heap)
        if subject.epoch == epoch:
            self._now = now
            handler(subject, now)

    def run_before(self, horizon: int, arrivals: Iterable[int], arrive: Callable[[int, int], None]) -> None:
        """Process everything before the horizon, and nothing at or after it. Raises EventLimitError.

        `arrivals` are ascending times, and `arrive(number, now)` is called for each, with rank ARRIVE: they are known
        before the run, so they are read beside the heap instead of passing through it.
        """
        heap = self._heap
        heappush(heap, (horizon, _FIRST, next(self._numbers), _ALWAYS, _stop, 0))
        coming = iter(enumerate(chain(arrivals, (horizon + 1,))))
        number, next_arrival = next(coming)
        try:
            while True:
                first = heap[0]
                while next_arrival < first[0] or (next_arrival == first[0] and first[1] > _ARRIVE):
                    self._now = next_arrival
                    arrive(number, next_arrival)
                    number, next_arrival = next(coming)
                    first = heap[0]
                now, _, _, subject, handler, epoch = heappop(heap)
                if subject.epoch == epoch:
                    self._now = now
                    handler(subject, now)
        except _HorizonError:
            return


def _stop(_: Subject, __: int) -> None:
    raise _HorizonError


def _limit() -> Iterator[int]:
    raise EventLimitError
    yield
