"""Compromised agents: their tries, what policies say of them, and the quarantine."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sim.chance import Purpose
from sim.clock import Rank
from sim.decisions import Asker
from sim.logs import NONE, Kind
from sim.plans.change import AnswerPlan, AttackPlan
from sim.rules import Verdict
from sim.tokens import Petition
from sim.values import durations

if TYPE_CHECKING:
    from sim.engine import Replication


def install_attacks(replication: Replication) -> None:
    """Set the attacks on the clock."""
    replication.attacks += [Attack(replication, plan) for plan in replication.plan.change.attacks]


class _Asked:
    """A request of an attack under way."""

    epoch = 0

    def __init__(self, number: int, answer: AnswerPlan, petition: Petition, asker: Asker) -> None:
        self.asker = asker
        self.number = number
        self.answer = answer
        self.petition = petition


class Attack:
    """One compromised agent."""

    epoch = 0

    def __init__(self, replication: Replication, plan: AttackPlan) -> None:
        self._replication = replication
        self._plan = plan
        self._place = f"attack:{plan.name}"
        self._gaps = replication.draws.stream(Purpose.ATTACK, plan.name, durations(plan.every))
        self._tries = 0
        self._out = False
        self._refused: deque[int] = deque(maxlen=plan.refused if plan.refused > 0 else 1)
        self._schedule(plan.begin)

    def _schedule(self, now: int) -> None:
        # A law may give no time: a microsecond keeps the tries apart.
        self._replication.clock.at(now + max(self._gaps.at(self._tries, 0), 1), Rank.RESUME, self._try, self)

    def _try(self, _: Attack, now: int) -> None:
        if now >= self._plan.end or self._out:
            return
        answer = self._plan.answers[self._tries % len(self._plan.answers)]
        petition = Petition()
        site = self._replication.plan.pools[self._plan.pool].site
        question = (self._place, answer.action)
        asker = Asker(site, self._place, self._tries, 0, NONE, lambda: question)
        delay = self._replication.decisions.reach(asker, petition, now)
        self._tries += 1
        asked = _Asked(self._tries, answer, petition, asker)
        if delay:
            self._replication.clock.at(now + delay, Rank.FINISH, self._answered, asked)
        else:
            self._answered(asked, now)
        if not self._out:
            self._schedule(now)

    def _answered(self, asked: _Asked, now: int) -> None:
        """The decision point has answered, or was given up; what takes effect is told, and put on record."""
        replication, answer = self._replication, asked.answer
        site = replication.plan.pools[self._plan.pool].site
        verdict = Verdict(answer.outcome, (), -1, answer.reason)
        _, enforced, reason = replication.decisions.settle(site, asked.petition, verdict, now)
        row = (now, None, self._place, answer.action, answer.outcome, enforced, reason, "")
        path = replication.workload.decider.path
        replication.log.decisions.append((*row, path) if path else row)
        through = enforced == "allow"
        kind = Kind.ATTACK_THROUGH if through else Kind.ATTACK_STOPPED
        replication.log.event(
            now, kind, self._place, value=asked.number, detail=f"{answer.action}: {enforced} by {reason}"
        )
        if through and answer.outcome != "allow":
            replication.log.event(now, Kind.VIOLATION, self._place, detail=answer.outcome)
        replication.decisions.tell(self._plan.pool, asked.asker, enforced, now)
        if not through and not self._out and self._is_caught(now):
            self.quarantine(now)

    def _is_caught(self, now: int) -> bool:
        self._refused.append(now)
        return len(self._refused) == self._plan.refused and now - self._refused[0] <= self._plan.within

    def suspect(self, pool: int, now: int) -> None:
        """An alarm over the requests of a pool: the agent is quarantined, if it is of that pool and at its work."""
        if pool == self._plan.pool and self._plan.begin <= now < self._plan.end and not self._out:
            self.quarantine(now)

    def quarantine(self, now: int) -> None:
        """The agent is out, with its slots; what it works on is finished first."""
        self._out = True
        self._replication.log.event(now, Kind.QUARANTINED, self._place, value=now - self._plan.begin)
        self._replication.pools[self._plan.pool].take_away(self._plan.slots, now)
        self._replication.clock.at(self._plan.end, Rank.FAULT, self._over, self)

    def _over(self, _: Attack, now: int) -> None:
        self._replication.log.event(now, Kind.QUARANTINE_OVER, self._place)
        self._replication.pools[self._plan.pool].take_away(-self._plan.slots, now)
