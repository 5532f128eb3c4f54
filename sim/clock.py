"""The clock: a SimPy environment with integer microseconds and the written tie rule.

Happenings are ordered by (time, rank of kind, sequence of scheduling). SimPy keeps the heap and the time. The engine
puts its own entries on that heap, a handler and what it is for, which spares an event object and its list of callbacks
for each; ordinary SimPy events and processes run on the same clock beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from heapq import heappop, heappush
from itertools import chain
from typing import Any, Protocol

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


class EventLimit(Exception):
    """A replication has scheduled more events than it may."""


class Clock(simpy.Environment):
    """A SimPy environment that also runs the engine's own entries.

    An entry is (time, rank, sequence, subject, handler, epoch), a SimPy event (time, priority, sequence, event): the
    unique sequence orders the two kinds among each other.
    """

    def __init__(self, event_limit: int) -> None:
        super().__init__(0)
        self._heap: list[Any] = self._queue
        self._sequence = chain(range(event_limit), _limit())
        self._eid: Any = self._sequence  # one sequence for both kinds

    def at(self, time: int, rank: int, handler: Handler, subject: Subject) -> None:
        """Call the handler at a time, unless the subject's epoch has changed by then."""
        heappush(self._heap, (time, rank, next(self._sequence), subject, handler, subject.epoch))

    def step(self) -> None:
        """Process the next event or entry."""
        if self._heap and len(self._heap[0]) == 4:
            super().step()
            return
        if not self._heap:
            raise simpy.core.EmptySchedule
        self._now, _, _, subject, handler, epoch = heappop(self._heap)
        if subject.epoch == epoch:
            handler(subject, self._now)

    def run_before(self, horizon: int) -> None:
        """Process everything before the horizon, and nothing at or after it. Raises EventLimit."""
        heap = self._heap
        while heap and heap[0][0] < horizon:
            if len(heap[0]) == 4:
                super().step()
                continue
            now, _, _, subject, handler, epoch = heappop(heap)
            if subject.epoch == epoch:
                self._now = now
                handler(subject, now)


def _limit() -> Iterator[int]:
    raise EventLimit
    yield
