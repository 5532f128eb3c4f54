"""Snapshots: the state of a case is kept before some of its steps, and after a crash what came since is done again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.clock import Rank
from sim.flow import whole
from sim.logs import Kind
from sim.plans.platform import SnapshotPlan

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.tokens import Token


def install_snapshots(replication: Replication) -> None:
    """Take snapshots where workflows say so. Behind all parts that tell how steps begin."""
    replication.snapshots = Snapshots(replication)


class _Progress:
    """How many steps a token has begun, and which since its last snapshot, that step included."""

    __slots__ = ("restored", "since", "steps")

    def __init__(self) -> None:
        self.steps = 0
        self.since: list[int] = []
        self.restored = False
        """Whether the next step is begun from its snapshot, so that none is taken."""


class Snapshots:
    """The snapshots of all cases under way. Each branch has its own, the first before its first step."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self._progress: dict[int | Token, dict[Token, _Progress]] = {}
        """Of each case under way, and of each delivery of a message."""
        flow = replication.flow
        self._plans = replication.plan.platform.durability
        some = False
        for number, plan in enumerate(self._plans):
            if isinstance(plan, SnapshotPlan) and not replication.plan.steps[number].called:
                flow.begin[number] = self._noted(flow.begin[number], plan)
                some = True
        if some:
            flow.ended.append(lambda token, _, __: self._forget(token.case))
            flow.consumed.append(lambda delivery, _: self._forget(delivery))

    def restore(self, token: Token, now: int) -> None:
        """A crash has hit the attempt of a token: it goes back to its last snapshot."""
        plan = self._plans[token.step]
        assert isinstance(plan, SnapshotPlan)
        self._replication.tasks.interrupt(token, "crash", now)
        self._replication.clock.at(now + plan.restore, Rank.RESUME, self._restored, token)

    def _restored(self, token: Token, now: int) -> None:
        """The steps since the snapshot count as not begun, so that they find the draws that they had."""
        plan = self._plans[token.step]
        assert isinstance(plan, SnapshotPlan)
        progress = self._of(token)
        since, progress.since = progress.since, []
        progress.steps -= len(since)
        progress.restored = True
        flow, target = self._replication.flow, since[0]
        for step in since:
            flow.uncount(token, step)
        place = f"step:{self._replication.plan.names.steps[target]}"
        detail = f"{len(since)} step{'s'[: len(since) > 1]} since the snapshot"
        self._replication.log.event(now, Kind.REPLAYED, place, token.case, plan.restore, detail)
        flow.enter(token, target, now)

    def _noted(self, begin: Callable[[Token, int], None], plan: SnapshotPlan) -> Callable[[Token, int], None]:
        def begun(token: Token, now: int) -> None:
            progress = self._of(token)
            takes = progress.steps % plan.every == 0
            if takes:
                progress.since.clear()
                takes, progress.restored = not progress.restored, False
            progress.steps += 1
            progress.since.append(token.step)
            if takes and plan.takes:
                self._replication.clock.at(now + plan.takes, Rank.FINISH, begin, token)
            else:
                begin(token, now)

        return begun

    def _of(self, token: Token) -> _Progress:
        return self._progress.setdefault(whole(token), {}).setdefault(token, _Progress())

    def _forget(self, whole: int | Token) -> None:
        self._progress.pop(whole, None)
