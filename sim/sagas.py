"""Sagas: before a case ends other than completed, what it has done is undone, the last first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.logs import Kind
from sim.plan import OUTCOME_NAMES, Outcome
from sim.tokens import Token

if TYPE_CHECKING:
    from sim.engine import Replication


def install_sagas(replication: Replication) -> None:
    """Undo the steps that say how, where there are any."""
    if any(step.undo >= 0 for step in replication.plan.steps):
        _Sagas(replication)


class _Undoing:
    """A case that is being undone: how it will end, which step is being undone since when, and how many were begun."""

    __slots__ = ("begun", "is_over", "outcome", "step", "undone")

    def __init__(self, outcome: int) -> None:
        self.outcome = outcome
        self.undone = 0
        self.step = -1
        self.begun = 0
        self.is_over = False


class _Sagas:
    """Invariant: a case in `_undoing` has one token, or branches of it, which undoes its latest step in `_finished`."""

    def __init__(self, replication: Replication) -> None:
        self._plan = plan = replication.plan
        self._log = replication.log
        self._flow = flow = replication.flow
        self._mains = dict(plan.resilience.mains)
        self._keyed = dict(plan.flows.keyed)
        self._finished: dict[int, list[int]] = {}
        """Of each case under way, the steps that may have to be undone, in order of their ends."""
        self._undoing: dict[int, _Undoing] = {}
        flow.undoable = self._undoable
        flow.ending.append(self._ending)
        flow.ended.append(self._ended)

    def _undoable(self, token: Token) -> None:
        """A step is finished. One whose key lets it take effect once is undone once."""
        step = self._mains.get(token.step, token.step)
        finished = self._finished.setdefault(token.case, [])
        if not (self._keyed.get(step) and step in finished):
            finished.append(step)

    def _ending(self, token: Token, outcome: int, now: int) -> bool:
        undoing = self._undoing.get(token.case)
        if undoing is None:
            if outcome == Outcome.COMPLETED or not self._finished.get(token.case):
                return False
            undoing = self._undoing[token.case] = _Undoing(outcome)
        elif undoing.is_over:
            return False
        else:
            self._undone(undoing, token.case, outcome, now)
        self._flow.dismiss(token, now)
        after = Token(token.case, token.work, token.entity, token.level)
        if self._finished[token.case]:
            self._undo(undoing, after, now)
        else:
            undoing.is_over = True
            after.step, after.plan = token.step, token.plan
            self._flow.end(after, undoing.outcome, now)
        return True

    def _undo(self, undoing: _Undoing, token: Token, now: int) -> None:
        """Begin to undo the step that was finished last."""
        undoing.step = self._finished[token.case].pop()
        undoing.begun = now
        undoing.undone += 1
        first = self._plan.steps[undoing.step].undo
        names = self._plan.names.steps
        self._log.event(now, Kind.COMPENSATING, self._place(undoing), token.case, undoing.undone, names[first])
        self._flow.enter(token, first, now)

    def _undone(self, undoing: _Undoing, case: int, outcome: int, now: int) -> None:
        how = "" if outcome == Outcome.COMPLETED else OUTCOME_NAMES[outcome]
        self._log.event(now, Kind.COMPENSATED, self._place(undoing), case, now - undoing.begun, how)

    def _place(self, undoing: _Undoing) -> str:
        return f"step:{self._plan.names.steps[undoing.step]}"

    def _ended(self, token: Token, _: int, __: int) -> None:
        self._finished.pop(token.case, None)
        self._undoing.pop(token.case, None)
