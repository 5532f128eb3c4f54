"""What attempts do to the outside world: effects, done once, repeated, or recognised by their idempotency key.

An attempt takes effect when its last endpoint call is over that reached the endpoint, whatever became of the attempt:
a caller that timed out does not know. An attempt without calls takes effect when it has produced something. Attempts
and calls that go on for nobody take effect as others do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.logs import Kind

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.tokens import Call, Origin, Orphan, Token


def install_effects(replication: Replication) -> None:
    """Count effects at the steps that say whether theirs have a key."""
    if replication.plan.flows.keyed:
        _Effects(replication)


class _Effects:
    """Invariant: `_done` counts the effects of each case under way at each step, or of each message at each step of its
    consumers; with a key it is never above 1."""

    def __init__(self, replication: Replication) -> None:
        self._log = replication.log
        self._names = replication.plan.names.steps
        self._mains = dict(replication.plan.resilience.mains)
        """Of fallbacks, the step that they stand in for: an effect is the same, whoever takes it."""
        self._keyed = dict(replication.plan.flows.keyed)
        self._progress = replication.flow.effects
        self._done: dict[tuple[int | Origin, int], int] = {}
        self._reached: set[Call] = set()
        """Last calls of attempts, in service or just over, that reach their endpoint."""
        for step in self._keyed:
            replication.tasks.watch(step)
        replication.tasks.verdicts.append(self._produced)
        replication.endpoints.pace.append(self._sent)
        replication.endpoints.closed.append(self._over)
        if replication.plan.resilience.has_orphans():
            replication.tasks.unheard.append(self._unheard)
        if not (replication.plan.resilience.has_orphans() or replication.plan.platform.topics):
            # What is left of a case, and its messages, take effect after its end, so its effects are kept.
            replication.flow.ended.append(self._ended)

    def _produced(self, token: Token, wrong: bool, now: int) -> tuple[bool, str]:
        if token.step in self._keyed and not token.law.calls:
            self._take(token, now)
        return wrong, ""

    def _unheard(self, orphan: Orphan, produced: bool, now: int) -> None:
        if produced and orphan.step in self._keyed and not orphan.law.calls:
            self._take(orphan, now)

    def _sent(self, call: Call, latency: int, _: int) -> int:
        if call.left == 1 and not call.failure and call.token.step in self._keyed:
            self._reached.add(call)
        return latency

    def _over(self, call: Call, _: str, now: int) -> None:
        if call in self._reached:
            self._reached.remove(call)
            self._take(call.token, now)
            if call.twice:
                self._take(call.token, now)

    def _take(self, token: Token, now: int) -> None:
        step = self._mains.get(token.step, token.step)
        whose = token.case if token.origin is None else token.origin
        done = self._done.get((whose, step), 0)
        kind = Kind.EFFECT
        if done:
            kind = Kind.EFFECT_SUPPRESSED if self._keyed[step] else Kind.EFFECT_REPEATED
        if kind != Kind.EFFECT_SUPPRESSED:
            done += 1
            self._done[whose, step] = done
        self._log.event(now, kind, f"step:{self._names[step]}", token.case, done)
        if kind == Kind.EFFECT:
            for progress in self._progress:
                progress(token, now)

    def _ended(self, token: Token, _: int, __: int) -> None:
        for step in self._keyed:
            self._done.pop((token.case, step), None)
