"""Pools that change their number of replicas with their load, by the rule of Kubernetes' horizontal pod autoscaler."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from sim.clock import Clock, Rank
from sim.logs import Kind, Log

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.plans.supply import ScalePlan
    from sim.stations import Station


def install_autoscaling(replication: Replication) -> None:
    """Look at the pools that scale, as often as they are to be looked at."""
    for plan in replication.plan.supply.scales:
        Autoscaler(plan, replication.clock, replication.log, replication.pools[plan.pool])


def recommended(plan: ScalePlan, replicas: int, in_hand: int) -> int:
    """How many replicas so much work in hand asks for: replicas x load / target, rounded up, where the load is off the
    target by more than the tolerance (Kubernetes documentation, Horizontal Pod Autoscaling, algorithm details)."""
    ratio = in_hand / (replicas * plan.slots) / plan.target
    if abs(ratio - 1.0) <= plan.tolerance:
        return replicas
    # Rounded first: 3 x (2.1 / 3 / .7) is 3.0000000000000004.
    return min(max(math.ceil(round(replicas * ratio, 9)), plan.least), plan.most)


class _Start:
    """A replica that starts up; its epoch changes when it is given up."""

    __slots__ = ("epoch",)

    def __init__(self) -> None:
        self.epoch = 0


class Autoscaler:
    """One pool's replicas: `ready` ones, and those that start up. Between `least` and `most` in all."""

    def __init__(self, plan: ScalePlan, clock: Clock, log: Log, station: Station) -> None:
        self.epoch = 0
        self._plan = plan
        self._clock = clock
        self._log = log
        self._station = station
        self._ready = plan.replicas
        self._starting: list[_Start] = []
        self._recent: deque[tuple[int, int]] = deque()
        """When something was recommended within the cool-down, and what."""
        clock.at(plan.every, Rank.STAFF, self._look, self)
        self._tell()

    def _tell(self) -> None:
        """What may still come: who waits while it may does not wait for ever."""
        self._station.spare = (self._plan.most - self._ready) * self._plan.slots

    def _look(self, _: Autoscaler, now: int) -> None:
        plan, recent = self._plan, self._recent
        self._clock.at(now + plan.every, Rank.STAFF, self._look, self)
        replicas = self._ready + len(self._starting)
        wanted = recommended(plan, replicas, self._station.busy + self._station.waiting)
        while recent and recent[0][0] <= now - plan.cool_down:
            recent.popleft()
        recent.append((now, wanted))
        if wanted > replicas:
            self._grow(wanted - replicas, now)
            self._log.event(now, Kind.SCALED_UP, self._station.place, value=wanted)
            return
        # Fewer only if nothing within the cool-down asked for more.
        settled = min(max(each for _, each in recent), replicas)
        if settled < replicas:
            self._shrink(replicas - settled, now)
            self._log.event(now, Kind.SCALED_DOWN, self._station.place, value=settled)

    def _grow(self, count: int, now: int) -> None:
        for _ in range(count):
            start = _Start()
            self._starting.append(start)
            self._clock.at(now + self._plan.start_up, Rank.STAFF, self._started, start)

    def _started(self, start: _Start, now: int) -> None:
        self._starting.remove(start)
        self._ready += 1
        self._tell()
        self._station.staff(self._ready * self._plan.slots, now)

    def _shrink(self, count: int, now: int) -> None:
        """Give up those that start up, the last first, then ready ones; attempts under way are finished."""
        while count and self._starting:
            self._starting.pop().epoch += 1
            count -= 1
        if count:
            self._ready -= count
            self._tell()
            self._station.staff(self._ready * self._plan.slots, now)
