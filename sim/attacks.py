"""Compromised agents: their tries, what policies say of them, and the quarantine."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sim.chance import Purpose
from sim.clock import Rank
from sim.logs import Kind
from sim.plans.change import AttackPlan
from sim.values import durations

if TYPE_CHECKING:
    from sim.engine import Replication


def install_attacks(replication: Replication) -> None:
    """Set the attacks on the clock."""
    for plan in replication.plan.change.attacks:
        Attack(replication, plan)


class Attack:
    """One compromised agent."""

    epoch = 0

    def __init__(self, replication: Replication, plan: AttackPlan) -> None:
        self._replication = replication
        self._plan = plan
        self._place = f"attack:{plan.name}"
        self._gaps = replication.draws.stream(Purpose.ATTACK, plan.name, durations(plan.every))
        self._tries = 0
        self._refused: deque[int] = deque(maxlen=plan.refused if plan.refused > 0 else 1)
        self._schedule(plan.begin)

    def _schedule(self, now: int) -> None:
        # A law may give no time: a microsecond keeps the tries apart.
        self._replication.clock.at(now + max(self._gaps.at(self._tries, 0), 1), Rank.RESUME, self._try, self)

    def _try(self, _: Attack, now: int) -> None:
        if now >= self._plan.end:
            return
        answer = self._plan.answers[self._tries % len(self._plan.answers)]
        self._tries += 1
        kind = Kind.ATTACK_THROUGH if answer.outcome == "allow" else Kind.ATTACK_STOPPED
        detail = f"{answer.action}: {answer.outcome} by {answer.reason}"
        self._replication.log.event(now, kind, self._place, value=self._tries, detail=detail)
        if kind == Kind.ATTACK_STOPPED and self._is_caught(now):
            self._quarantine(now)
        else:
            self._schedule(now)

    def _is_caught(self, now: int) -> bool:
        self._refused.append(now)
        return len(self._refused) == self._plan.refused and now - self._refused[0] <= self._plan.within

    def _quarantine(self, now: int) -> None:
        """The agent is out, with its slots; what it works on is finished first."""
        self._replication.log.event(now, Kind.QUARANTINED, self._place, value=now - self._plan.begin)
        self._replication.pools[self._plan.pool].take_away(self._plan.slots, now)
        self._replication.clock.at(self._plan.end, Rank.FAULT, self._over, self)

    def _over(self, _: Attack, now: int) -> None:
        self._replication.log.event(now, Kind.QUARANTINE_OVER, self._place)
        self._replication.pools[self._plan.pool].take_away(-self._plan.slots, now)
