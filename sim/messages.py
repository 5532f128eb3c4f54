"""Messages between cases, and between branches of one: kept until somebody receives them, one for each receiver."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sim.clock import Rank
from sim.hooks import CUT_OFF
from sim.logs import Kind
from sim.plan import Exit, StepKind
from sim.tokens import Token
from sim.values import keyed_place

if TYPE_CHECKING:
    from sim.engine import Replication


def install_messages(replication: Replication) -> None:
    """Let steps send and receive, where there are any."""
    if replication.plan.flows.messages:
        _Messages(replication)


class _Message:
    """One that is kept; its epoch changes when somebody receives it."""

    __slots__ = ("box", "epoch", "sent")

    def __init__(self, box: _Box, sent: int) -> None:
        self.box = box
        self.sent = sent
        self.epoch = 0


class _Box:
    """The messages of one name, or of one name and value. Invariant: nobody waits while one is kept."""

    __slots__ = ("kept", "place", "waiting")

    def __init__(self, place: str) -> None:
        self.place = place
        self.kept: deque[_Message] = deque()
        """In order of sending."""
        self.waiting: dict[Token, int] = {}
        """Receivers in order of asking, and since when."""


class _Messages:
    """All messages of a replication."""

    def __init__(self, replication: Replication) -> None:
        self._plan = plan = replication.plan
        self._workload = replication.workload
        self._clock = replication.clock
        self._log = replication.log
        self._flow = flow = replication.flow
        self._of_step = {step: (name, key) for step, name, key in plan.flows.messages}
        self._boxes: dict[str, _Box] = {}
        self._at: dict[Token, _Box] = {}
        """Where tokens wait."""
        flow.begins(StepKind.SEND, lambda _: self._send)
        flow.begins(StepKind.RECEIVE, lambda _: self._receive)
        flow.cancel.append(self._cut_off)

    def _send(self, token: Token, now: int) -> None:
        box = self._box(token)
        self._log.event(now, Kind.SENT, box.place, token.case, len(box.waiting))
        if box.waiting:
            receiver = next(iter(box.waiting))
            self._take(receiver, box, now - self._leave(receiver, box), now)
        else:
            message = _Message(box, now)
            box.kept.append(message)
            if token.plan.timeout >= 0:
                self._clock.at(now + token.plan.timeout, Rank.TIMEOUT, self._expired, message)
        self._flow.leave(token, Exit.NEXT, now)

    def _receive(self, token: Token, now: int) -> None:
        box = self._box(token)
        if box.kept:
            box.kept.popleft().epoch += 1
            self._take(token, box, 0, now)
            return
        box.waiting[token] = now
        self._at[token] = box
        if token.plan.timeout >= 0:
            self._clock.at(now + token.plan.timeout, Rank.TIMEOUT, self._timed_out, token)

    def _take(self, token: Token, box: _Box, waited: int, now: int) -> None:
        self._log.event(now, Kind.RECEIVED, box.place, token.case, waited)
        self._flow.leave(token, Exit.NEXT, now)

    def _expired(self, message: _Message, now: int) -> None:
        message.box.kept.remove(message)
        self._log.event(now, Kind.MESSAGE_EXPIRED, message.box.place, value=now - message.sent)

    def _timed_out(self, token: Token, now: int) -> None:
        self._give_up(token, "", now)
        self._flow.leave(token, Exit.EXPIRED, now)

    def _cut_off(self, token: Token, now: int) -> None:
        if token in self._at:
            self._give_up(token, CUT_OFF, now)

    def _give_up(self, token: Token, why: str, now: int) -> None:
        box = self._at[token]
        waited = now - self._leave(token, box)
        self._log.event(now, Kind.NOT_RECEIVED, box.place, token.case, waited, why)

    def _leave(self, token: Token, box: _Box) -> int:
        """The token waits no more; since when it did."""
        del self._at[token]
        token.epoch += 1
        return box.waiting.pop(token)

    def _box(self, token: Token) -> _Box:
        name, key = self._of_step[token.step]
        names, columns = self._plan.names.attributes[token.work], self._workload.attributes[token.work]
        place = keyed_place(f"message:{name}", key, names, columns, token.entity)
        box = self._boxes.get(place)
        if box is None:
            box = self._boxes[place] = _Box(place)
        return box
