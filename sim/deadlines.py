"""Deadlines of steps: one for all attempts of a visit, fallbacks included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sim.clock import Rank
from sim.logs import Kind

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.tokens import Token

DEADLINE: Final = "deadline"
"""Why an attempt failed that the deadline of its step overtook."""


class _Timer:
    """The deadline of one visit to a step."""

    __slots__ = ("due", "epoch", "step", "token", "visit")

    def __init__(self, token: Token, step: int, due: int) -> None:
        self.epoch = 0
        self.token = token
        self.step = step
        self.visit = token.visit
        self.due = due


class Deadlines:
    """The deadlines of one replication, by token: the one of its latest visit to a step that has one."""

    def __init__(self, replication: Replication) -> None:
        resilience = replication.plan.resilience
        self._replication = replication
        self._of_step = dict(resilience.deadline_of)
        self._mains = dict(resilience.mains)
        self._timers: dict[Token, _Timer] = {}
        tasks = replication.tasks
        for step in self._of_step:
            tasks.watch(step)
        tasks.admit.append(self._admit)
        tasks.retrying.append(self._retrying)

    def _admit(self, token: Token, now: int) -> str:
        after = self._of_step.get(token.step)
        if after is not None and token.attempt == 0 and token.step not in self._mains:
            timer = self._timers[token] = _Timer(token, token.step, now + after)
            self._replication.clock.at(now + after, Rank.TIMEOUT, self._passed, timer)
        return ""

    def _retrying(self, token: Token, _: str, begins: int, now: int) -> bool:
        """A retry that would begin at the deadline or later is not waited for."""
        timer = self._timers.get(token) if token.step in self._of_step else None
        if timer is None or begins < timer.due:
            return True
        self._deny(token, now)
        return False

    def _passed(self, timer: _Timer, now: int) -> None:
        token = timer.token
        if self._timers.get(token) is timer:
            del self._timers[token]
        here = self._mains.get(token.step, token.step) == timer.step and token.visit == timer.visit
        if token.alive and here:
            self._replication.tasks.expire(token, DEADLINE, now)

    def _deny(self, token: Token, now: int) -> None:
        pool = self._replication.plan.capabilities[token.plan.capability].pool
        place = self._replication.pools[pool].place
        self._replication.log.event(now, Kind.RETRY_DENIED, place, token.case, token.attempt + 1, DEADLINE)


def install_deadlines(replication: Replication) -> None:
    """Set the deadlines of the steps that have one."""
    if replication.plan.resilience.deadline_of:
        Deadlines(replication)
