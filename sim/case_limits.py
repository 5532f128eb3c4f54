"""Cases that run out of time, and cases that whoever brought them takes back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sim.chance import Purpose, Stream
from sim.clock import Rank
from sim.logs import PLACE, Kind
from sim.plan import Outcome
from sim.values import durations

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.plan import LawPlan
    from sim.tokens import Token


def install_case_limits(replication: Replication) -> None:
    """Set deadlines and withdrawals of cases on the clock as they arrive."""
    if any(limit is not None for limit in replication.plan.supply.limits):
        limits = CaseLimits(replication)
        replication.flow.arrived.append(limits.arrived)
        replication.flow.ended.append(limits.ended)


class _Timer:
    """The limits of one case; its epoch changes when the case ends."""

    __slots__ = ("epoch", "token")

    def __init__(self, token: Token) -> None:
        self.epoch = 0
        self.token = token


class CaseLimits:
    """Deadlines and withdrawals of one replication."""

    def __init__(self, replication: Replication) -> None:
        self._plan = replication.plan
        self._clock = replication.clock
        self._flow = replication.flow
        self._log = replication.log
        self._late = replication.cases.late
        self._draws = replication.draws
        self._streams: dict[tuple[int, Purpose], Stream[int]] = {}
        self._timers: dict[int, _Timer] = {}
        """Of the cases under way that have a limit."""

    def arrived(self, token: Token, now: int) -> None:
        """Draw the limits of a case and set them."""
        limit = self._plan.supply.limits[token.work]
        if limit is None:
            return
        self._timers[token.case] = timer = _Timer(token)
        if limit.withdrawal is not None:
            after = self._draw(token, Purpose.WITHDRAWAL, limit.withdrawal)
            self._clock.at(now + after, Rank.TIMEOUT, self._withdrawn, timer)
        if limit.deadline is not None:
            after = self._draw(token, Purpose.DEADLINE, limit.deadline)
            passed = partial(self._passed, limit.cancels)
            self._clock.at(now + after, Rank.TIMEOUT, passed, timer)

    def ended(self, token: Token, _: int, __: int) -> None:
        """The case is over, and so are its limits."""
        timer = self._timers.pop(token.case, None)
        if timer is not None:
            timer.epoch += 1

    def _passed(self, cancels: bool, timer: _Timer, now: int) -> None:
        """The deadline is there, and the case has not ended."""
        self._late[timer.token.case] = True
        self._tell(timer, Kind.CASE_LATE, now)
        if cancels:
            self._flow.end(timer.token, Outcome.EXPIRED, now)

    def _withdrawn(self, timer: _Timer, now: int) -> None:
        if not timer.token.alive:
            return  # it has failed already, and is being undone
        self._tell(timer, Kind.WITHDRAWN, now)
        self._flow.end(timer.token, Outcome.CANCELLED, now)

    def _tell(self, timer: _Timer, kind: Kind, now: int) -> None:
        place = f"step:{self._plan.names.steps[timer.token.step]}"
        self._log.detailed(now, self._log.places.number(place) * PLACE + kind, timer.token.case, -1, "")

    def _draw(self, token: Token, purpose: Purpose, law: LawPlan) -> int:
        stream = self._streams.get((token.work, purpose))
        if stream is None:
            name = self._plan.names.works[token.work]
            stream = self._streams[token.work, purpose] = self._draws.stream(purpose, name, durations(law))
        return stream.at(token.entity, 0)
