"""Fallbacks: other agents that take a task over when its own have failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.logs import Kind
from sim.plan import Exit

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.tokens import Token


def install_fallbacks(replication: Replication) -> None:
    """Let fallbacks take over, where steps name them. The token stands at a step of the fallback's own meanwhile, so
    its attempts are like any others, and leaves from the step that it entered. Nobody takes over when the deadline of
    the step is what ended it."""
    mains = dict(replication.plan.resilience.mains)
    if not mains:
        return
    plan, tasks = replication.plan, replication.tasks
    leave = tasks.leave
    following = _following(mains)

    def left(token: Token, exit: int, now: int) -> None:
        after = following.get(token.step)
        if exit == Exit.FAILURE and after is not None:
            token.step = after
            token.plan = plan.steps[after]
            token.attempt = 0
            pool = replication.pools[plan.capabilities[token.plan.capability].pool]
            replication.log.event(now, Kind.FALLBACK, pool.place, token.case)
            tasks.attempt(token, now)
            return
        token.step = mains.get(token.step, token.step)
        leave(token, exit, now)

    tasks.leave = left


def _following(mains: dict[int, int]) -> dict[int, int]:
    """Of each step, the fallback that comes after it."""
    last: dict[int, int] = {}
    following: dict[int, int] = {}
    for fallback, main in mains.items():
        following[last.get(main, main)] = fallback
        last[main] = fallback
    return following
