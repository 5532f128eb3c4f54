"""Faults: what goes wrong, from when to when, and what is in force."""

from __future__ import annotations

from collections.abc import Callable

from sim.clock import Clock, Rank
from sim.logs import NONE, Kind, Log
from sim.plan import FOREVER


class Fault:
    """One fault from `begin` to `end` (FOREVER: nothing ends it). `start(now)` and `stop(now)` make it so.

    `name` is the scenario's own, empty for none; a fault with a name is told in the log. `kind` is that of the file.
    """

    __slots__ = ("begin", "end", "epoch", "kind", "name", "start", "stop")

    def __init__(
        self,
        name: str,
        kind: str,
        begin: int,
        end: int,
        start: Callable[[int], None],
        stop: Callable[[int], None],
    ) -> None:
        self.name = name
        self.kind = kind
        self.begin = begin
        self.end = end
        self.start = start
        self.stop = stop
        self.epoch = 0


class Faults:
    """The faults of a replication. Those of one instant happen in the order in which they were scheduled."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self.standing: dict[Fault, None] = {}
        """Faults in force, in order of their begin."""
        self._clock = clock
        self._log = log

    def schedule(self, fault: Fault) -> None:
        """Set a fault on the clock."""
        self._clock.at(fault.begin, Rank.FAULT, self._begin, fault)

    def _begin(self, fault: Fault, now: int) -> None:
        self.standing[fault] = None
        if fault.name:
            length = fault.end - now if fault.end < FOREVER else NONE
            self._log.event(now, Kind.FAULT, f"fault:{fault.name}", value=length, detail=fault.kind)
        fault.start(now)
        if fault.end < FOREVER:
            self._clock.at(fault.end, Rank.FAULT, self._end, fault)

    def _end(self, fault: Fault, now: int) -> None:
        del self.standing[fault]
        if fault.name:
            self._log.event(now, Kind.FAULT_OVER, f"fault:{fault.name}", detail=fault.kind)
        fault.stop(now)
