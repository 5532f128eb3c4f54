"""Desk steps: work by people, as a step of a workflow. And the shifts of the people."""

from __future__ import annotations

from collections.abc import Callable

from sim.chance import Draws, Purpose, Stream
from sim.clock import Clock, Rank
from sim.plan import Exit, LawPlan, Plan
from sim.stations import Station
from sim.tokens import Token
from sim.values import durations


class Shifts:
    """Changes the staff of one desk as its roster says."""

    epoch = 0

    def __init__(self, clock: Clock, station: Station, staffing: tuple[tuple[int, int], ...]) -> None:
        self._clock = clock
        self._station = station
        self._staffing = staffing
        self._next = 1
        self._schedule()

    def _schedule(self) -> None:
        if self._next < len(self._staffing):
            self._clock.at(self._staffing[self._next][0], Rank.STAFF, self._change, self)

    def _change(self, _: Shifts, now: int) -> None:
        staff = self._staffing[self._next][1]
        self._next += 1
        self._schedule()
        self._station.staff(staff, now)


class DeskSteps:
    """Tokens at desk steps. `leave(token, exit, now)` is called when the step is over."""

    def __init__(self, plan: Plan, clock: Clock, draws: Draws, desks: list[Station]) -> None:
        self.leave: Callable[[Token, int, int], None]
        self._plan = plan
        self._clock = clock
        self._draws = draws
        self._desks = desks
        self._services: dict[tuple[int, int], Stream[int]] = {}
        self._patiences: dict[tuple[int, int], Stream[int]] = {}
        self._on_start = self._started

    def begin(self, token: Token, now: int) -> None:
        plan = token.plan
        token.begin = self._on_start
        if plan.timeout >= 0:
            self._clock.at(now + plan.timeout, Rank.TIMEOUT, self._timed_out, token)
        if not self._desks[plan.desk].join(token, now):
            self.leave(token, Exit.EXPIRED, now)
        elif token.waiting and plan.patience is not None:
            patience = self._draw(self._patiences, token, Purpose.PATIENCE, plan.patience)
            self._clock.at(now + patience, Rank.TIMEOUT, self._lost_patience, token)

    def _started(self, token: Token, now: int) -> None:
        law = token.plan.service or self._plan.desks[token.plan.desk].service
        busy = self._draw(self._services, token, Purpose.SERVICE, law)
        self._clock.at(now + busy, Rank.FINISH, self._finished, token)

    def _finished(self, token: Token, now: int) -> None:
        self._desks[token.plan.desk].leave(token, now)
        self.leave(token, Exit.NEXT, now)

    def _timed_out(self, token: Token, now: int) -> None:
        self._desks[token.plan.desk].withdraw(token, now)
        self.leave(token, Exit.EXPIRED, now)

    def _lost_patience(self, token: Token, now: int) -> None:
        if token.waiting:
            self._timed_out(token, now)

    def _draw(self, streams: dict[tuple[int, int], Stream[int]], token: Token, purpose: Purpose, law: LawPlan) -> int:
        stream = streams.get((token.work, token.step))
        if stream is None:
            names = self._plan.names
            place = f"{names.works[token.work]}/{names.steps[token.step]}"
            stream = streams[token.work, token.step] = self._draws.stream(purpose, place, durations(law))
        return stream.at(token.entity, token.visit)
