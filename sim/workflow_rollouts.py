"""Rollouts of workflows: which cases begin another workflow than their stream's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.stages import Stages
from sim.tokens import Token

if TYPE_CHECKING:
    from sim.engine import Replication


def install_workflow_rollouts(replication: Replication) -> None:
    """Let cases of the stages begin the new workflow."""
    if replication.plan.change.workflows:
        WorkflowRollouts(replication)


class WorkflowRollouts:
    """All of them: a stream of work has one at most. A case keeps its workflow, whatever becomes of the rollout."""

    def __init__(self, replication: Replication) -> None:
        self._of: dict[int, tuple[Stages, int]] = {}
        for plan in replication.plan.change.workflows:
            stages = Stages(replication, plan.stages, enrols=True, works=plan.works)
            self._of |= dict.fromkeys(plan.works, (stages, plan.start))
        replication.flow.begin_at = self._start

    def _start(self, token: Token, usual: int) -> int:
        stages, start = self._of.get(token.work, (None, usual))
        return start if stages is not None and stages.have(token) else usual
