"""What is left of a case whose agent crashes: the attempt alone is lost, or nothing, or all of the case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.clock import Rank
from sim.logs import Kind
from sim.plan import Outcome
from sim.plans.platform import SnapshotPlan

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.tokens import Token


class Durability:
    """What a crash does to an attempt, by the durability of its workflow."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self._plans = replication.plan.platform.durability
        self._replays: dict[Token, tuple[int, int]] = {}
        """Of tokens whose case is being replayed, how long it takes and how many events."""

    def crashed(self, token: Token, now: int) -> None:
        """The agent that worked on an attempt is gone. A called agent's attempt fails: its caller is still there."""
        replication = self._replication
        plan = self._plans[token.step]
        if plan is None or token.plan.called:
            replication.tasks.fail(token, "crash", now)
        elif isinstance(plan, SnapshotPlan):
            replication.snapshots.restore(token, now)
        elif plan.lost:
            self._log(token, Kind.LOST, now, -1, "crash")
            replication.flow.end(token, Outcome.FAILED, now)
        else:
            replication.tasks.interrupt(token, "crash", now)
            begun = replication.cases.attempts[token.case]
            events = begun % plan.snapshot_every if plan.snapshot_every > 0 else begun
            self._replays[token] = events * plan.replay, events
            replication.clock.at(now + events * plan.replay, Rank.RESUME, self._replayed, token)

    def _replayed(self, token: Token, now: int) -> None:
        """The case's state is there again: the attempt is made anew, as if it had not begun."""
        took, events = self._replays.pop(token)
        self._log(token, Kind.REPLAYED, now, took, f"{events} event{'s'[: events != 1]}")
        self._replication.tasks.attempt(token, now)

    def _log(self, token: Token, kind: Kind, now: int, value: int, detail: str) -> None:
        place = f"step:{self._replication.plan.names.steps[token.step]}"
        self._replication.log.event(now, kind, place, token.case, value, detail)
