"""Locks, and the graph of who waits for whom.

A token waits for any of those who hold units of its lock, for all its branches, for the agent it has called, or for any
of those who have a slot of a pool. The graph is read off where everybody is whenever a wait may close it: a ring of
waits for all is a deadlock, and so is a knot with waits for any (`sim.waits`).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from sim.by_case import ByCase
from sim.chance import Purpose
from sim.clock import Clock, Rank
from sim.logs import Kind, Log
from sim.plan import DeadlockPlan, Resolution, StepKind, Victim
from sim.stations import Job, Station
from sim.tokens import Sender, Token
from sim.values import durations
from sim.waits import Wait, knot, ring, waits_from

if TYPE_CHECKING:
    from sim.engine import Replication


def install_review(replication: Replication) -> None:
    """Give deadlocks to the desk that ends them, where there is one."""
    plan, locks = replication.plan, replication.locks
    if plan.deadlock.desk >= 0:
        locks.desk = replication.desks[plan.deadlock.desk]
        reviews = replication.draws.stream(Purpose.RING, "deadlock", durations(plan.desks[plan.deadlock.desk].service))
        locks.review = lambda ring: reviews.at(ring.number, 0)


_PASSING = (StepKind.TASK, StepKind.PUBLISH)
"""Kinds of steps whose time-out ends their wait."""


class LockInstance:
    """One lock, or one value of a keyed lock. Invariant: never more holders than units; nobody waits beside a free
    unit."""

    def __init__(self, place: str, units: int) -> None:
        self.place = place
        self.units = units
        self.holders: dict[Token, None] = {}
        """Tokens that hold a unit each, in order of taking."""
        self.waiters: OrderedDict[Token, int] = OrderedDict()
        """Waiting tokens in order of asking, with the time they asked."""


class Ring(Job):
    """A recorded deadlock. It stands until one of its tokens stops waiting. As a job it is looked at by a person.

    `passes` tells that a time-out of a member will end it.
    """

    __slots__ = ("number", "passes", "stands", "tokens", "victim")

    def __init__(self, number: int, tokens: list[Token], victim: Token, passes: bool) -> None:
        self.victim = victim
        super().__init__(self.victim.case, 0)
        self.number = number
        self.tokens = tokens
        self.passes = passes
        self.stands = True


class Full(Protocol):
    """Where publishers wait for room, until one of its holders is done."""

    place: str

    def holders(self) -> tuple[Hashable, ...]: ...


class Locks:
    """All locks of a replication. `resume(token, now)` is called when a token gets the lock it waited for."""

    def __init__(
        self, clock: Clock, log: Log, step_names: tuple[str, ...], plan: DeadlockPlan, attempts: ByCase
    ) -> None:
        self.resume: Callable[[Token, int], None]
        self.abort: Callable[[Token, int], None]
        self.review: Callable[[Ring], int]
        self.desk: Station | None = None
        self.senders: dict[Token, Sender] = {}
        """What keeps the slots of tokens that are not let in at their next pool."""
        self.publishers: dict[Token, Full] = {}
        """Who waits for room, and in what topic."""
        self.consumers: dict[Token, str] = {}
        """Deliveries of messages, each with its topic's place: it keeps a consumer of it."""
        self._instances: dict[str, LockInstance] = {}
        self._standing: list[Ring] = []
        self._recorded = 0
        self._clock = clock
        self._log = log
        self._step_names = step_names
        self._plan = plan
        self._attempts = attempts

    def instance(self, place: str, units: int) -> LockInstance:
        """The lock of this name, such as `lock:record[web]`, with so many units."""
        found = self._instances.get(place)
        if found is None:
            found = self._instances[place] = LockInstance(place, units)
        return found

    def acquire(self, token: Token, lock: LockInstance, now: int) -> bool:
        """Take the lock, or wait for it and return False. What a token or its parents hold it has already."""
        if _holder(token, lock) is not None:
            return True
        if len(lock.holders) < lock.units:
            self._take(token, lock, 0, now)
            return True
        lock.waiters[token] = now
        _touch(token)
        token.blocked_on = lock
        self._log.event(now, Kind.BLOCKED, lock.place, token.case, len(lock.waiters), self._step_names[token.step])
        self.detect(token, lock.place, now)
        return False

    def release(self, token: Token, lock: LockInstance, now: int) -> None:
        """Give the lock back, if the token or one of its parents holds it."""
        holder = _holder(token, lock)
        if holder is None:
            return
        assert holder.held is not None
        holder.held.remove(lock)
        self._free(lock, holder, now)

    def retire(self, token: Token, now: int) -> None:
        """The token has ended: it waits for nothing any more and gives back what it holds, first taken first."""
        lock, token.blocked_on = token.blocked_on, None
        if lock is not None:
            since = lock.waiters.pop(token)
            self._log.event(now, Kind.ABANDONED, lock.place, token.case, now - since)
        held, token.held = token.held, []
        for lock in held or ():
            self._free(lock, token, now)
        self.dissolve(token, now, "a member ended")

    def fork(self, parent: Token, child: Token) -> None:
        """The parent waits for the branch. A token whose `held` is a list, if an empty one, is retired here."""
        _touch(parent)
        _touch(child)

    def _take(self, token: Token, lock: LockInstance, waited: int, now: int) -> None:
        lock.holders[token] = None
        _touch(token).append(lock)
        self._log.event(now, Kind.LOCKED, lock.place, token.case, waited)

    def _free(self, lock: LockInstance, holder: Token, now: int) -> None:
        """Hand a lock to whoever waits longest."""
        del lock.holders[holder]
        self._log.event(now, Kind.UNLOCKED, lock.place, holder.case)
        if lock.waiters:
            token, since = lock.waiters.popitem(last=False)
            token.blocked_on = None
            self._take(token, lock, now - since, now)
            self.dissolve(token, now, "a member got its lock")
            self.resume(token, now)

    # --- deadlock -----------------------------------------------------------------------------------------------------

    def detect(self, token: Token, place: str, now: int) -> None:
        """Record the deadlock that the token's wait at this place has closed, if any."""
        waits = waits_from(token, self._wait_of)
        members = ring(token, waits)
        detail: dict[str, Any] = {}
        # A publisher's time-out runs while it waits for room; that of a task not yet while it waits for a lock.
        passes = any(member.plan.timeout >= 0 for member in members if member in self.publishers)
        if passes:
            detail = {"until": "timeout"}
        if not members:
            members = knot(token, waits)
            if not members:
                return
            passes = any(member.plan.timeout >= 0 for member in members if member.plan.kind in _PASSING)
            detail = {"kind": "knot"} | ({"until": "timeout"} if passes else {})
        detail["ring"] = [self._member(member, members) for member in members]
        victim = self._victim(members)
        if self._plan.victim != Victim.YOUNGEST:
            detail["victim"] = victim.case
        found = Ring(self._recorded, members, victim, passes)
        self._recorded += 1
        self._standing.append(found)
        text = json.dumps(detail, separators=(",", ":"), ensure_ascii=False)
        self._log.event(now, Kind.DEADLOCK, place, token.case, len({member.case for member in members}), text)
        self._resolve(found, now)

    def _victim(self, members: list[Token]) -> Token:
        """The member that is ended, if one is."""
        match self._plan.victim:
            case Victim.OLDEST:
                return min(members, key=lambda token: token.case)
            case Victim.LEAST_WORK:
                return min(members, key=lambda token: (self._attempts[token.case], -token.case))
        return max(members, key=lambda token: token.case)

    def _wait_of(self, node: object) -> Wait | None:
        """What a token waits for: a lock's holder, its branches, the agent it called; any of those who have a slot of
        the pool it waits for, or the pool itself while servers of it are away; any of those who keep a consumer of the
        topic it waits for room in. Anything else does not wait."""
        if not isinstance(node, Token):
            return None
        if node.held is not None and node.blocked_on is not None:
            holders: tuple[Job, ...] = tuple(node.blocked_on.holders)
            return Wait(holders, every=len(holders) == 1)
        if node.children:
            return Wait(tuple(child for child in node.children if child.alive), every=True)
        if node.callee is not None:
            return Wait((node.callee,), every=True)
        topic = self.publishers.get(node)
        if topic is not None:
            return Wait(topic.holders(), every=False)
        station = node.station
        if node.waiting and station is not None and station.serving is not None:
            holders = tuple(job.token if isinstance(job, Sender) else job for job in station.holders(node))
            return Wait((*holders, station) if station.is_short() else holders, every=False)
        return None

    def _member(self, token: Token, members: list[Token]) -> dict[str, Any]:
        """What a token of the deadlock waits for, and what it holds that others of it wait for."""
        wanted = {place for member in members for place in self._wanted(member)}
        held = [lock.place for lock in token.held or ()]
        if token.station is not None and not token.waiting:
            held.append(token.station.place)
        held += [self.consumers[root] for root in (_root(token),) if root in self.consumers]
        sender = self.senders.get(token)
        if sender is not None and sender.station is not None:
            held.append(sender.station.place)
        return {
            "case": token.case,
            "step": self._step_names[token.step],
            "holds": [place for place in held if place in wanted],
            "waits-for": next(self._wanted(token)),
        }

    def _wanted(self, token: Token) -> Iterator[str]:
        if token.held is not None and token.blocked_on is not None:
            yield token.blocked_on.place
        elif token.children:
            yield "sub-workflow" if token.plan.kind == StepKind.SUB_WORKFLOW else "branches"
        elif token.callee is not None:
            yield f"step:{self._step_names[token.callee.step]}"
        elif token in self.publishers:
            yield self.publishers[token].place
        elif token.station is not None:
            yield token.station.place

    def _resolve(self, ring: Ring, now: int) -> None:
        match self._plan.resolution:
            case Resolution.ABORT:
                # Not at once: the token that closed the ring is in the middle of its step.
                self._clock.at(now, Rank.RESUME, self._give_up, ring)
            case Resolution.TIMEOUT:
                self._clock.at(now + self._plan.timeout, Rank.TIMEOUT, self._give_up, ring)
            case Resolution.ESCALATE:
                assert self.desk is not None
                ring.begin = self._attend
                self.desk.join(ring, now)

    def _attend(self, ring: Ring, now: int) -> None:
        self._clock.at(now + self.review(ring), Rank.FINISH, self._attended, ring)

    def _attended(self, ring: Ring, now: int) -> None:
        assert ring.station is not None
        ring.station.leave(ring, now)
        self._give_up(ring, now)

    def _give_up(self, ring: Ring, now: int) -> None:
        """The victim is ended."""
        if ring.stands:
            self._settle(ring, now, ("none", "timeout", "abort", "escalate")[self._plan.resolution])
            self.abort(ring.victim, now)

    def stuck(self) -> set[int]:
        """Cases in recorded deadlocks that still stand, and that no time-out will end. What consumes a message is
        none."""
        standing = [ring for ring in self._standing if not ring.passes]
        return {token.case for ring in standing for token in ring.tokens if token.origin is None}

    def dissolve(self, token: Token, now: int, how: str) -> None:
        """The token waits no more: the deadlocks that it is a member of are over."""
        for over in [standing for standing in self._standing if token in standing.tokens]:
            self._settle(over, now, how)

    def _settle(self, ring: Ring, now: int, how: str) -> None:
        ring.stands = False
        self._standing.remove(ring)
        if ring.station is not None:
            ring.epoch += 1
            ring.station.withdraw(ring, now)
        self._log.event(now, Kind.RESOLVED, "", ring.case, len({token.case for token in ring.tokens}), how)


def _touch(token: Token) -> list[LockInstance]:
    """The locks that the token holds; from now on it stands in the graph."""
    if token.held is None:
        token.held = []
        token.blocked_on = None
    return token.held


def _holder(token: Token, lock: LockInstance) -> Token | None:
    """The token itself or the nearest of its parents, if one of them holds the lock."""
    at: Token | None = token
    while at is not None and at not in lock.holders:
        at = at.parent
    return at


def _root(token: Token) -> Token:
    while token.parent is not None:
        token = token.parent
    return token
