"""Agents that agents call: an attempt makes its calls one after the other, and keeps its slot until the last answer.

A called agent is a token of its own at a step of its own, so it queues, works, calls its endpoint, fails and is
retried as any attempt is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.hooks import CUT_OFF
from sim.logs import Kind
from sim.plan import Exit
from sim.tokens import Token

if TYPE_CHECKING:
    from sim.engine import Replication


def install_calls(replication: Replication) -> None:
    """Let attempts call agents, where steps say so."""
    if any(step.callees for step in replication.plan.steps):
        _Calls(replication)


class _Calls:
    def __init__(self, replication: Replication) -> None:
        self._plan = plan = replication.plan
        self._log = replication.log
        self._tasks = tasks = replication.tasks
        self._locks = replication.locks
        self._pools = replication.pools
        self._begun: dict[Token, int] = {}
        """Callees under way, and when they were called."""
        self._leave = tasks.leave
        tasks.leave = self._left
        tasks.delegate = self._first
        tasks.forget = self._forget
        tasks.waits = self._waits
        tasks.pace.append(self._served)
        tasks.closed.append(self._closed)
        for number, step in enumerate(plan.steps):
            if step.called:
                tasks.watch(number)
                self._pools[plan.capabilities[step.capability].pool].follow()

    def _first(self, caller: Token, now: int) -> None:
        self._call(caller, 0, now)

    def _call(self, caller: Token, number: int, now: int) -> None:
        """Make the caller's call of this number. Its draws are numbered by the caller's attempt."""
        step = caller.plan.callees[number]
        caller.callee = callee = Token(caller.case, caller.work, caller.entity, caller.level)
        callee.parent = caller
        callee.step = step
        callee.plan = self._plan.steps[step]
        callee.visit = caller.index
        self._begun[callee] = now
        self._log.event(now, Kind.CALLED, self._place(callee), caller.case, number + 1)
        self._tasks.attempt(callee, now)

    def _left(self, token: Token, exit: int, now: int) -> None:
        """A task is over; where it was a called agent's, the caller goes on."""
        caller = token.parent
        if not token.plan.called or caller is None:
            self._leave(token, exit, now)
            return
        place = self._over(token, caller, now, "" if exit == Exit.NEXT else "failed")
        number = caller.plan.callees.index(token.step) + 1
        if exit != Exit.NEXT:
            self._tasks.answered(caller, f"{place}: failed", now)
        elif number < len(caller.plan.callees):
            self._call(caller, number, now)
        else:
            self._tasks.answered(caller, "", now)

    def _forget(self, caller: Token, now: int) -> None:
        """The caller's attempt is over: whatever the agent that it called does, it stops."""
        callee = caller.callee
        assert callee is not None
        self._tasks.cut_off(callee, now)
        self._over(callee, caller, now, CUT_OFF)

    def _over(self, callee: Token, caller: Token, now: int, how: str) -> str:
        callee.alive = False
        callee.epoch += 1
        caller.callee = None
        place = self._place(callee)
        self._log.event(now, Kind.RETURNED, place, callee.case, now - self._begun.pop(callee), how)
        return place

    # --- the wait-for graph -------------------------------------------------------------------------------------------

    def _waits(self, callee: Token, now: int) -> None:
        self._locks.detect(callee, self._place(callee), now)

    def _served(self, token: Token, work: int, now: int) -> int:
        if token.plan.called:
            self._locks.dissolve(token, now, "a member got its slot")
        return work

    def _closed(self, token: Token, _: str, now: int) -> None:
        if token.plan.called:
            self._locks.dissolve(token, now, "a member gave up")

    def _place(self, callee: Token) -> str:
        return self._pools[self._plan.capabilities[callee.plan.capability].pool].place
