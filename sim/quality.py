"""Answers before they count: votes, the agent's own check, guardrails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.chance import Purpose, Stream
from sim.logs import Kind
from sim.plan import StepKind
from sim.values import durations, is_zero, success_chance

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.plans.supply import QualityPlan
    from sim.tasks import TaskLaw
    from sim.tokens import Token


def install_quality(replication: Replication) -> None:
    """Hang votes and checks into the attempts at the capabilities that have them."""
    plans = {plan.capability: plan for plan in replication.plan.supply.quality}
    if not plans:
        return
    quality = Quality(replication, plans)
    for number, step in enumerate(replication.plan.steps):
        if step.kind == StepKind.TASK and step.capability in plans:
            replication.tasks.watch(number)
    replication.tasks.pace.append(quality.pace)
    replication.tasks.verdicts.append(quality.verdict)


class Quality:
    """Votes and checks of one replication, by capability."""

    def __init__(self, replication: Replication, plans: dict[int, QualityPlan]) -> None:
        self._draws = replication.draws
        self._log = replication.log
        self._costs = replication.cases.cost
        self._plans = plans
        self._streams: dict[tuple[TaskLaw, Purpose], Stream[float]] = {}
        self._services: dict[TaskLaw, Stream[int]] = {}

    def pace(self, token: Token, work: int, _: int) -> int:
        """The time of all answers of a vote: that of the first, and of each further one a draw of its own."""
        plan = self._plans.get(token.law.number)
        if plan is None or plan.answers == 1 or is_zero(plan.service):
            return work
        law = token.law
        stream = self._services.get(law)
        if stream is None:
            values = durations(plan.service)
            stream = self._services[law] = self._draws.stream(Purpose.VOTE_SERVICE, law.name, values, width=0)
        return work + sum(stream.at(token.entity, token.index * plan.answers + k) for k in range(1, plan.answers))

    def verdict(self, token: Token, wrong: bool, now: int) -> tuple[bool, str]:
        """The majority of the answers, and whether a check stops it."""
        plan = self._plans.get(token.law.number)
        if plan is None:
            return wrong, ""
        if plan.answers > 1:
            wrong = self._voted(plan, token, wrong, now)
        if plan.notices is not None:
            notices = success_chance(plan.notices, token.law.skill.at(token.entity, 0))
            if self._draw(Purpose.SELF_CHECK, token, token.index) < (notices if wrong else plan.self_alarm):
                self._stopped(Kind.SELF_CHECK_STOPPED, token, wrong, now)
                return wrong, "self-check"
        if plan.stops >= 0:
            self._costs[token.case] += plan.price
            token.law.pool.spent += plan.price
            if self._draw(Purpose.GUARDRAIL, token, token.index) < (plan.stops if wrong else plan.alarm):
                self._stopped(Kind.GUARDRAIL_STOPPED, token, wrong, now)
                return wrong, "guardrail"
        return wrong, ""

    def _voted(self, plan: QualityPlan, token: Token, wrong: bool, now: int) -> bool:
        """Whether the majority is wrong. All answers are right with the case's chance; the first is drawn already."""
        right = int(not wrong)
        chance = success_chance(token.success, token.law.skill.at(token.entity, 0))
        for k in range(1, plan.answers):
            right += chance == 1.0 or self._draw(Purpose.VOTE, token, token.index * plan.answers + k) < chance
        self._log.detailed(now, token.law.pool.code + Kind.VOTED, token.case, right, f"of {plan.answers}")
        return right * 2 < plan.answers

    def _stopped(self, kind: Kind, token: Token, wrong: bool, now: int) -> None:
        code = token.law.pool.code + kind
        self._log.detailed(now, code, token.case, token.attempt + 1, "wrong" if wrong else "right")

    def _draw(self, purpose: Purpose, token: Token, index: int) -> float:
        key = (token.law, purpose)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = self._draws.uniforms(purpose, token.law.name, width=0)
        return stream.at(token.entity, index)
