"""Locks, and the graph of who waits for whom.

The graph is a resource-allocation graph: a token points to the lock it waits for, a lock to the token that holds it,
and a token at a fork to its branches. Every wait in it is for all of what it points to, so a ring is a deadlock.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import networkx as nx

from sim.chance import Purpose
from sim.clock import Clock, Rank
from sim.logs import Kind, Log
from sim.plan import DeadlockPlan, Resolution
from sim.stations import Job, Station
from sim.values import durations

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.tokens import Token


def install_review(replication: Replication) -> None:
    """Give deadlocks to the desk that ends them, where there is one."""
    plan, locks = replication.plan, replication.locks
    if plan.deadlock.desk >= 0:
        locks.desk = replication.desks[plan.deadlock.desk]
        reviews = replication.draws.stream(Purpose.RING, "deadlock", durations(plan.desks[plan.deadlock.desk].service))
        locks.review = lambda ring: reviews.at(ring.number, 0)


class LockInstance:
    """One lock, or one value of a keyed lock. Invariant: at most one holder; nobody waits where there is none."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.holder: Token | None = None
        self.waiters: OrderedDict[Token, int] = OrderedDict()
        """Waiting tokens in order of asking, with the time they asked."""


class Ring(Job):
    """A recorded deadlock. It stands until one of its tokens stops waiting. As a job it is looked at by a person."""

    __slots__ = ("number", "stands", "tokens", "victim")

    def __init__(self, number: int, tokens: list[Token]) -> None:
        self.victim = max(tokens, key=lambda token: token.case)
        super().__init__(self.victim.case, 0)
        self.number = number
        self.tokens = tokens
        self.stands = True


class Locks:
    """All locks of a replication. `resume(token, now)` is called when a token gets the lock it waited for."""

    def __init__(self, clock: Clock, log: Log, step_names: tuple[str, ...], plan: DeadlockPlan) -> None:
        self.graph: nx.DiGraph[Any] = nx.DiGraph()
        self.resume: Callable[[Token, int], None]
        self.abort: Callable[[Token, int], None]
        self.review: Callable[[Ring], int]
        self.desk: Station | None = None
        self._instances: dict[str, LockInstance] = {}
        self._standing: list[Ring] = []
        self._recorded = 0
        self._clock = clock
        self._log = log
        self._step_names = step_names
        self._plan = plan

    def instance(self, place: str) -> LockInstance:
        """The lock of this name, such as `lock:record[web]`."""
        found = self._instances.get(place)
        if found is None:
            found = self._instances[place] = LockInstance(place)
        return found

    def acquire(self, token: Token, lock: LockInstance, now: int) -> bool:
        """Take the lock, or wait for it and return False. What a token or its parents hold it has already."""
        if _holder(token, lock) is not None:
            return True
        if lock.holder is None:
            self._take(token, lock, 0, now)
            return True
        lock.waiters[token] = now
        _touch(token)
        token.blocked_on = lock
        self.graph.add_edge(token, lock)
        self._log.event(now, Kind.BLOCKED, lock.place, token.case, len(lock.waiters), self._step_names[token.step])
        self._detect(token, lock, now)
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
        if token in self.graph:
            self.graph.remove_node(token)
            self._dissolve(token, now, "a member ended")

    def fork(self, parent: Token, child: Token) -> None:
        """The parent waits for the branch. A token whose `held` is a list, if an empty one, stands in the graph."""
        self.graph.add_edge(parent, child)
        _touch(parent)
        _touch(child)

    def _take(self, token: Token, lock: LockInstance, waited: int, now: int) -> None:
        lock.holder = token
        _touch(token).append(lock)
        self.graph.add_edge(lock, token)
        self._log.event(now, Kind.LOCKED, lock.place, token.case, waited)

    def _free(self, lock: LockInstance, holder: Token, now: int) -> None:
        """Hand a lock to whoever waits longest."""
        lock.holder = None
        self.graph.remove_edge(lock, holder)
        self._log.event(now, Kind.UNLOCKED, lock.place, holder.case)
        if lock.waiters:
            token, since = lock.waiters.popitem(last=False)
            token.blocked_on = None
            self.graph.remove_edge(token, lock)
            self._take(token, lock, now - since, now)
            self._dissolve(token, now, "a member got its lock")
            self.resume(token, now)
        else:
            self.graph.remove_node(lock)

    # --- deadlock -----------------------------------------------------------------------------------------------------

    def _detect(self, token: Token, lock: LockInstance, now: int) -> None:
        """Record the ring that this wait has closed, if any: a way from the lock back to the token."""
        try:
            path = nx.shortest_path(self.graph, lock, token)
        except nx.NetworkXNoPath:
            return
        ring = Ring(self._recorded, [node for node in path if not isinstance(node, LockInstance)])
        self._recorded += 1
        self._standing.append(ring)
        detail = json.dumps({"ring": list(self._members(path, token))}, separators=(",", ":"), ensure_ascii=False)
        members = len({member.case for member in ring.tokens})
        self._log.event(now, Kind.DEADLOCK, lock.place, token.case, members, detail)
        self._resolve(ring, now)

    def _members(self, path: list[Any], closing: Token) -> Iterator[dict[str, Any]]:
        """Each token of the ring, from the one that closed it: what it waits for, and what it holds of the ring."""
        nodes = [closing, *path]
        waits = {a: b for a, b in pairwise(nodes) if not isinstance(a, LockInstance)}
        holds: dict[Any, list[str]] = {}
        for a, b in pairwise(nodes):
            if isinstance(a, LockInstance):
                holds.setdefault(b, []).append(a.place)
        for token, target in waits.items():
            waited = target.place if isinstance(target, LockInstance) else "branches"
            step = self._step_names[token.step]
            yield {"case": token.case, "step": step, "holds": holds.get(token, []), "waits-for": waited}

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
        """The youngest member, the case that arrived last, is ended."""
        if ring.stands:
            self._settle(ring, now, ("none", "timeout", "abort", "escalate")[self._plan.resolution])
            self.abort(ring.victim, now)

    def stuck(self) -> set[int]:
        """Cases in recorded rings that still stand."""
        return {token.case for ring in self._standing for token in ring.tokens}

    def _dissolve(self, token: Token, now: int, how: str) -> None:
        for ring in [ring for ring in self._standing if token in ring.tokens]:
            self._settle(ring, now, how)

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
    while at is not None and lock.holder is not at:
        at = at.parent
    return at
