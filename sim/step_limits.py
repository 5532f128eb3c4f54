"""Limits of steps: how many task steps a case may go through, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.flow import whole
from sim.logs import PLACE, Kind
from sim.plan import Outcome, StepKind

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.tokens import Token


def install_step_limits(replication: Replication) -> None:
    """Count the task steps of cases whose workflow has a limit."""
    if any(step.case_limit >= 0 for step in replication.plan.steps):
        StepLimits(replication)


class _Depth:
    """How far a token has come, in task steps: by itself, and by the furthest of the branches it has now."""

    __slots__ = ("branches", "own")

    def __init__(self, own: int) -> None:
        self.own = own
        self.branches = own


class StepLimits:
    """Counts the task steps on the longest way of each case under way."""

    def __init__(self, replication: Replication) -> None:
        self._flow = flow = replication.flow
        self._log = replication.log
        self._cases: dict[int | Token, dict[Token, _Depth]] = {}
        """Of each case under way, and of each delivery of a message."""
        flow.ended.append(self._ended)
        flow.consumed.append(self._consumed)
        for number, step in enumerate(replication.plan.steps):
            if step.case_limit < 0 or step.called:
                continue
            if step.kind == StepKind.TASK:
                code = self._log.places.number(f"step:{replication.plan.names.steps[number]}") * PLACE
                flow.begin[number] = self._limited(flow.begin[number], step.case_limit, code + Kind.STEP_LIMIT)
            elif step.kind in (StepKind.PARALLEL, StepKind.SUB_WORKFLOW):
                flow.begin[number] = self._forking(flow.begin[number])

    def _limited(self, begin: Callable[[Token, int], None], limit: int, code: int) -> Callable[[Token, int], None]:
        def counted(token: Token, now: int) -> None:
            depth = self._depth(token)
            if max(depth.own, depth.branches) >= limit:
                self._log.detailed(now, code, token.case, limit, "")
                self._flow.end(token, Outcome.FAILED, now)
                return
            depth.own = depth.branches = max(depth.own, depth.branches) + 1
            self._reached(token.parent, depth.own)
            begin(token, now)

        return counted

    def _forking(self, begin: Callable[[Token, int], None]) -> Callable[[Token, int], None]:
        """Branches begin where their parent is, however far one of them has come when the next one begins."""

        def forked(token: Token, now: int) -> None:
            depth = self._depth(token)
            depth.own = depth.branches = max(depth.own, depth.branches)
            begin(token, now)

        return forked

    def _depth(self, token: Token) -> _Depth:
        case = self._cases.setdefault(whole(token), {})
        depth = case.get(token)
        if depth is None:
            depth = case[token] = _Depth(0 if token.parent is None else self._depth(token.parent).own)
        return depth

    def _reached(self, token: Token | None, depth: int) -> None:
        while token is not None:
            parent = self._cases[whole(token)][token]
            parent.branches = max(parent.branches, depth)
            token = token.parent

    def _ended(self, token: Token, _: int, __: int) -> None:
        self._cases.pop(token.case, None)

    def _consumed(self, delivery: Token, _: int) -> None:
        self._cases.pop(delivery, None)
