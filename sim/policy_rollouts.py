"""Rollouts of policies: which set decides on a case, and what a set that only looks on would have decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.logs import Kind
from sim.plans.change import PolicyRolloutPlan
from sim.rules import Decider, Verdict
from sim.stages import Stages
from sim.tokens import Token

if TYPE_CHECKING:
    from sim.engine import Replication


def install_policy_rollouts(replication: Replication) -> None:
    """Let the new policies decide beside the scenario's own."""
    for plan in replication.plan.change.policies:
        PolicyRollout(replication, plan)


class PolicyRollout:
    """One rollout of policies. It draws who is in a stage, and nothing else."""

    def __init__(self, replication: Replication, plan: PolicyRolloutPlan) -> None:
        self._log = replication.log
        self._stages = Stages(replication, plan.stages, enrols=True)
        self._own = replication.workload.decider
        assert self._own.new is not None
        self._new = self._own.new
        if plan.shadow:
            replication.decisions.beside = self._compare
        else:
            replication.decisions.decides = self._decider
            replication.decisions.held = self._held

    def _decider(self, token: Token) -> Decider:
        return self._new if self._stages.have(token) else self._own

    def _held(self, token: Token, delay: int, now: int) -> tuple[Decider, int]:
        """By which policies a copy decides that new ones come to after a delay; and for how long these are not those in
        force."""
        stages = self._stages
        known = stages.begins <= now - delay < stages.taken_back_at
        since = stages.begins if now < stages.taken_back_at else stages.taken_back_at
        return (self._new if known and stages.drawn(token) else self._own), now - since

    def _compare(self, token: Token, verdict: Verdict, now: int) -> None:
        """The new policies are asked the same, with the same approvals."""
        if not self._stages.have(token):
            return
        petition = token.petition
        assert petition is not None
        other = self._new.verdict(token.work, token.plan.request, token.entity, petition.granted)
        if _differ(verdict, other):
            action = self._own.action(token.plan.request)
            detail = f"{action}: {_told(verdict)}, new: {_told(other)}"
            self._log.event(now, Kind.SHADOW_DIFFERENCE, self._stages.place, token.case, petition.rounds, detail)


def _told(verdict: Verdict) -> str:
    return f"{verdict.outcome} by {verdict.reason}"


def _differ(one: Verdict, other: Verdict) -> bool:
    """Whether acting on them would differ; rules that lead to the same may have other names."""
    return (one.outcome, one.chains, one.timeout) != (other.outcome, other.chains, other.timeout)
