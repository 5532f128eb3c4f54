"""Livelock: a case that goes on and on without progress.

A case makes progress when it comes to a step that is new to it, and when it gets an approval or an effect. It repeats
itself when it makes another attempt, or comes to a step again. One that has repeated itself since its last progress,
and that was longer ago than the scenario allows, is livelocked. Who only waits, or works on one long attempt, is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sim.chance import Purpose
from sim.clock import Rank
from sim.flow import root
from sim.logs import Kind
from sim.plan import Outcome, Resolution, StepKind
from sim.stations import Job
from sim.tokens import Token
from sim.values import durations

if TYPE_CHECKING:
    from sim.engine import Replication


def install_livelocks(replication: Replication) -> None:
    """Watch the progress of cases, where the scenario says how long one may be without."""
    if replication.plan.deadlock.no_progress >= 0:
        Livelocks(replication)


class _Watch:
    """The progress of one case; its epoch changes when the case ends."""

    __slots__ = ("epoch", "found", "overdue", "repeated", "since", "spent", "steps", "token")

    def __init__(self, token: Token, now: int) -> None:
        self.epoch = 0
        self.token = token
        """Where the case is."""
        self.since = now
        """Of its last progress."""
        self.spent = 0
        """What it had cost by then."""
        self.repeated = 0
        """Times it has repeated itself since then."""
        self.steps: set[int] = set()
        """The steps it has been at."""
        self.overdue = False
        """Whether its last progress is long ago, and it has only waited or worked since."""
        self.found: _Livelock | None = None
        """Its livelock that stands."""


class _Livelock(Job):
    """A recorded livelock. As a job it is looked at by a person."""

    __slots__ = ("number", "since", "watch")

    def __init__(self, watch: _Watch, number: int, since: int) -> None:
        super().__init__(watch.token.case, 0)
        self.watch = watch
        self.number = number
        self.since = since


class Livelocks:
    """The watches of one replication. Invariant: a watch has a timer on the clock, is overdue, or has a livelock."""

    def __init__(self, replication: Replication) -> None:
        self._plan = plan = replication.plan
        self._names = plan.names.steps
        self._clock = replication.clock
        self._log = replication.log
        self._flow = flow = replication.flow
        self._costs = replication.cases.cost
        self._longest = plan.deadlock.no_progress
        self._watches: dict[int, _Watch] = {}
        self._recorded = 0
        self._desk = replication.desks[plan.deadlock.desk] if plan.deadlock.desk >= 0 else None
        if self._desk is not None:
            law = durations(plan.desks[plan.deadlock.desk].service)
            self._reviews = replication.draws.stream(Purpose.LIVELOCK, "livelock", law)
        flow.arrived.append(self._arrived)
        flow.ending.append(self._ending)
        flow.ended.append(self._ended)
        flow.effects.append(self._progress)
        replication.approvals.granted.append(self._progress)
        replication.tasks.admit.insert(0, self._attempt)
        for number, step in enumerate(plan.steps):
            flow.begin[number] = self._beginning(flow.begin[number])
            if step.kind == StepKind.TASK:
                replication.tasks.watch(number)

    def _arrived(self, token: Token, now: int) -> None:
        watch = self._watches[token.case] = _Watch(token, now)
        self._clock.at(now + self._longest, Rank.TIMEOUT, self._due, watch)

    def _ending(self, token: Token, _: int, now: int) -> bool:
        """The case ends: it has been asked for last, so nobody keeps it."""
        found = self._watches[token.case].found
        if found is not None:
            self._settle(found, "the case ended", now)
        return False

    def _ended(self, token: Token, _: int, __: int) -> None:
        self._watches.pop(token.case).epoch += 1

    # --- progress and none --------------------------------------------------------------------------------------------

    def _beginning(self, begin: Callable[[Token, int], None]) -> Callable[[Token, int], None]:
        def begun(token: Token, now: int) -> None:
            watch = self._watch(token)
            if watch is not None:
                watch.token = root(token)
                if token.step in watch.steps:
                    self._repeat(watch, now)
                else:
                    watch.steps.add(token.step)
                    self._progress(token, now)
            begin(token, now)

        return begun

    def _attempt(self, token: Token, now: int) -> str:
        watch = self._watch(token)
        if watch is not None and token.attempt:
            self._repeat(watch, now)
        return ""

    def _watch(self, token: Token) -> _Watch | None:
        """The watch of the token's case; none of what consumes a message, or goes on for a case that has ended."""
        return self._watches.get(token.case) if token.origin is None else None

    def _progress(self, token: Token, now: int) -> None:
        watch = self._watch(token)
        if watch is None:
            return
        watch.since = now
        watch.spent = self._costs[token.case]
        watch.repeated = 0
        if watch.found is not None:
            self._settle(watch.found, "progress", now)
        elif not watch.overdue:
            return
        watch.overdue = False
        self._clock.at(now + self._longest, Rank.TIMEOUT, self._due, watch)

    def _repeat(self, watch: _Watch, now: int) -> None:
        watch.repeated += 1
        if watch.overdue:
            watch.overdue = False
            self._find(watch, now)

    def _due(self, watch: _Watch, now: int) -> None:
        if now - watch.since < self._longest:
            self._clock.at(watch.since + self._longest, Rank.TIMEOUT, self._due, watch)
        elif not watch.repeated:
            watch.overdue = True
        else:
            self._find(watch, now)

    # --- livelocks ----------------------------------------------------------------------------------------------------

    def _find(self, watch: _Watch, now: int) -> None:
        watch.found = found = _Livelock(watch, self._recorded, now)
        self._recorded += 1
        case = watch.token.case
        detail = {
            "repeated": watch.repeated,
            "spent": self._costs[case] - watch.spent,
            "members": [{"step": self._names[at.step], "attempt": at.attempt + 1} for at in _leaves(watch.token)],
        }
        text = json.dumps(detail, separators=(",", ":"), ensure_ascii=False)
        place = f"step:{self._names[watch.token.step]}"
        self._log.event(now, Kind.LIVELOCK, place, case, now - watch.since, text)
        match self._plan.deadlock.resolution:
            case Resolution.ABORT:
                self._clock.at(now, Rank.RESUME, self._give_up, found)
            case Resolution.TIMEOUT:
                self._clock.at(now + self._plan.deadlock.timeout, Rank.TIMEOUT, self._give_up, found)
            case Resolution.ESCALATE:
                assert self._desk is not None
                found.begin = self._attend
                self._desk.join(found, now)

    def _attend(self, found: _Livelock, now: int) -> None:
        self._clock.at(now + self._reviews.at(found.number, 0), Rank.FINISH, self._attended, found)

    def _attended(self, found: _Livelock, now: int) -> None:
        assert self._desk is not None
        self._desk.leave(found, now)
        self._give_up(found, now)

    def _give_up(self, found: _Livelock, now: int) -> None:
        """The case is ended."""
        watch = found.watch
        self._settle(found, ("none", "timeout", "abort", "escalate")[self._plan.deadlock.resolution], now)
        watch.since, watch.repeated = now, 0  # it may have to be undone yet
        self._clock.at(now + self._longest, Rank.TIMEOUT, self._due, watch)
        self._flow.end(watch.token, Outcome.ABORTED, now)

    def _settle(self, found: _Livelock, how: str, now: int) -> None:
        found.watch.found = None
        found.epoch += 1
        if found.station is not None:
            found.station.withdraw(found, now)
        place = f"step:{self._names[found.watch.token.step]}"
        self._log.event(now, Kind.LIVELOCK_OVER, place, found.case, now - found.since, how)


def _leaves(token: Token) -> Iterator[Token]:
    """The token, or its branches, as far as they are at steps of their own."""
    if not token.children:
        yield token
    for child in token.children or ():
        if child.alive:
            yield from _leaves(child)
