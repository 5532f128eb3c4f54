"""Pools that keep cases out when their queue is full, and the slots that those keep where they come from.

This is blocking after service: the work is done, and its agent cannot turn to the next case until it has handed over
this one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sim.logs import Kind, pack
from sim.stations import Job, Station
from sim.tokens import Sender, Token

if TYPE_CHECKING:
    from sim.engine import Replication


class BlockingStation(Station):
    """A station before which jobs wait outside, in order of coming, while its queue is full. Invariant: nobody is
    outside while there is room. `held_up(job, now)` is called when one must stay outside, and `moved(job, now)` when it
    is let in or gives up."""

    held_up: Callable[[Any, int], None]
    moved: Callable[[Any, int], None]

    def __init__(self, *args: Any, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self.outside: OrderedDict[Job, int] = OrderedDict()

    def join(self, job: Job, now: int) -> bool:
        if self._has_room() and not self.outside:
            return super().join(job, now)
        self.outside[job] = now
        job.station = self
        job.waiting = True
        job.since = now
        self._write(pack(now, self.code + Kind.HELD_UP, job.case, len(self.outside)))
        self.held_up(job, now)
        return True

    def leave(self, job: Job, now: int) -> None:
        super().leave(job, now)
        self._let_in(now)

    def withdraw(self, job: Job, now: int) -> None:
        since = self.outside.pop(job, None)
        if since is None:
            super().withdraw(job, now)
            self._let_in(now)
            return
        job.station = None
        job.waiting = False
        self._write(pack(now, self.code + Kind.ABANDONED, job.case, now - since))
        self.moved(job, now)

    def _recount(self, now: int) -> None:
        super()._recount(now)
        self._let_in(now)

    def _has_room(self) -> bool:
        return self.busy < self.servers or self.waiting < self._room

    def _let_in(self, now: int) -> None:
        while self.outside and self._has_room():
            job, since = self.outside.popitem(last=False)
            job.waiting = False
            self._write(pack(now, self.code + Kind.LET_IN, job.case, now - since))
            super().join(job, now)
            self.moved(job, now)


def install_blocking(replication: Replication) -> None:
    """Let pools keep cases out, where they are told to."""
    if any(isinstance(pool, BlockingStation) for pool in replication.pools):
        _Blocking(replication)


class _Blocking:
    def __init__(self, replication: Replication) -> None:
        self._tasks = replication.tasks
        self._locks = replication.locks
        self._senders = replication.locks.senders
        self._handing: Token | None = None
        """The token whose attempt is being concluded."""
        self._free: deque[Sender] = deque()
        replication.tasks.hand_on = self._hand_on
        replication.flow.ending.append(self._ending)
        plan = replication.plan
        sending = {plan.capabilities[plan.steps[step].capability].pool for step in plan.supply.senders}
        for number, pool in enumerate(replication.pools):
            if isinstance(pool, BlockingStation):
                pool.held_up, pool.moved = self._held_up, self._moved
            elif number not in sending:
                continue
            pool.follow()

    def _hand_on(self, token: Token, now: int) -> None:
        """The attempt has produced something: its slot is kept until it is known where the token goes."""
        sender = Sender(token)
        token.law.pool.hand_over(token, sender, skipped=False)
        self._senders[token] = sender
        self._handing = token
        self._tasks.conclude(token, now)
        self._handing = None
        self._settle(token, now)

    def _ending(self, _: Token, __: int, now: int) -> bool:
        """A case may end by handing on its token: its slot is free before that."""
        if self._handing is not None:
            self._settle(self._handing, now)
        return False

    def _settle(self, token: Token, now: int) -> None:
        """The slot is free unless the token waits outside."""
        if token.station is None or token not in token.station.outside:
            self._release(token, now)

    def _held_up(self, token: Token, now: int) -> None:
        if not token.plan.called and token.station is not None:  # of called agents, their callers tell
            self._locks.detect(token, token.station.place, now)

    def _moved(self, token: Token, now: int) -> None:
        if not token.plan.called:
            self._locks.dissolve(token, now, "a member got its place" if token.station else "a member gave up")
        self._release(token, now)

    def _release(self, token: Token, now: int) -> None:
        """Free the slot that is kept for the token, if there is one. It may let in another token, and that free
        another slot: one after the other, for there may be many."""
        sender = self._senders.pop(token, None)
        if sender is None:
            return
        self._free.append(sender)
        if len(self._free) > 1:
            return
        while self._free:
            first = self._free[0]
            assert first.station is not None
            first.station.leave(first, now)
            self._free.popleft()
