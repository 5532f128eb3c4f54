"""Endpoints that tell whom they refuse how long to wait, and callers that do so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.endpoints import RATE_LIMITED
from sim.logs import Kind

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.tokens import Call, Token


def install_retry_after(replication: Replication) -> None:
    """Let callers wait as they are told, where endpoints tell it."""
    if replication.plan.supply.waits:
        told = _Told(replication)
        replication.endpoints.closed.append(told.closed)
        replication.tasks.hold.append(told.hold)


class _Told:
    def __init__(self, replication: Replication) -> None:
        self._log = replication.log
        self._endpoints = replication.endpoints
        self._waits = dict(replication.plan.supply.waits)
        self._by_token: dict[Token, tuple[tuple[int, int], int]] = {}
        """Of tokens, the attempt that was refused last, by its step and number, and what it was told."""

    def closed(self, call: Call, failure: str, now: int) -> None:
        """Tell the caller of a call that is refused how long to wait, if somebody still waits for the attempt."""
        refused = failure == RATE_LIMITED and call.token.alive
        wait = self._waits.get(call.endpoint) if refused else None
        if wait is not None and wait < 0:
            rooms = [room(call, now) for room in self._endpoints.room]
            known = [room for room in rooms if room is not None]
            wait = max(known) if len(known) == len(rooms) else None
        if wait is not None:
            self._log.event(now, Kind.RETRY_AFTER, self._endpoints.stations[call.endpoint].place, call.case, wait)
            self._by_token[call.token] = (call.token.step, call.token.index), wait

    def hold(self, token: Token) -> int:
        """The time that the attempt which has just failed was told to wait."""
        attempt, wait = self._by_token.pop(token, (None, 0))
        return wait if attempt == (token.step, token.index) else 0
