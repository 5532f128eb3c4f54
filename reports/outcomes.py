"""The outcomes of a run: everything that is judged or told of it, computed once from its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.autoscaling import ScaleOutcome, assess_scaling
from reports.batches import BatchOutcome, assess_batches
from reports.case_limits import LimitOutcome, assess_limits
from reports.cases import WorkOutcome, assess_work
from reports.compliance import Compliance, RuleOutcome, assess_compliance, assess_rules
from reports.costs import CostOutcome, assess_costs
from reports.deadlock import DeadlockOutcome, assess_deadlock
from reports.drift import DriftOutcome, QuietMonitor, assess_drift, assess_quiet_monitors
from reports.effects import EffectOutcome, assess_effects
from reports.escalation import ChainOutcome, assess_escalation
from reports.kept import NotKept, NotKeptError
from reports.livelocks import LivelockOutcome, assess_livelocks
from reports.locks import LockOutcome, assess_locks
from reports.messages import MessageOutcome, assess_messages
from reports.objectives import ObjectiveOutcome, judge_objective
from reports.people import DeskOutcome, assess_people
from reports.places import PlaceOutcome, assess_places
from reports.platform import BreachOutcome, PointOutcome, assess_breaches, assess_points
from reports.provenance import Provenance, provenance
from reports.quality import CheckOutcome, VoteOutcome, assess_checks, assess_votes
from reports.recovery import RecoveryOutcome, assess_recovery
from reports.resilience import FaultOutcome, assess_resilience
from reports.retries import BreakerOutcome, RetryOutcome, assess_breakers, assess_retries
from reports.reviews import ReviewOutcome, assess_reviews
from reports.rollouts import (
    ArmOutcome,
    PolicyRolloutOutcome,
    RolloutOutcome,
    WorkflowRolloutOutcome,
    assess_arms,
    assess_policy_rollouts,
    assess_rollouts,
    assess_workflow_rollouts,
)
from reports.sagas import CompensationOutcome, assess_compensation
from reports.security import AttackOutcome, assess_attacks
from reports.series import FaultBand, HarmCourse, QueueCourse, fault_bands, harm_courses, queue_courses
from reports.sites import SiteOutcome, assess_sites
from reports.sub_workflows import SubWorkflowOutcome, assess_sub_workflows
from reports.tables import RunTables, read_tables
from reports.token_use import TokenOutcome, assess_tokens
from reports.topics import TopicOutcome, assess_topics
from reports.validity import Validity, assess_validity
from reports.workflows import WorkflowOutcome, assess_workflows

if TYPE_CHECKING:
    from sim.run import Run


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of one run. Parts that the scenario has no use for are empty."""

    provenance: Provenance
    objectives: tuple[ObjectiveOutcome, ...]
    work: tuple[WorkOutcome, ...]
    people: tuple[DeskOutcome, ...]
    escalation: tuple[ChainOutcome, ...]
    compliance: Compliance
    locks: tuple[LockOutcome, ...]
    deadlock: DeadlockOutcome
    drift: tuple[DriftOutcome, ...]
    quiet_monitors: tuple[QuietMonitor, ...]
    resilience: tuple[FaultOutcome, ...]
    queues: tuple[QueueCourse, ...]
    harm: tuple[HarmCourse, ...]
    faults: tuple[FaultBand, ...]
    votes: tuple[VoteOutcome, ...]
    checks: tuple[CheckOutcome, ...]
    effects: tuple[EffectOutcome, ...]
    tokens: tuple[TokenOutcome, ...]
    limits: tuple[LimitOutcome, ...]
    scaling: tuple[ScaleOutcome, ...]
    points: tuple[PointOutcome, ...]
    breaches: tuple[BreachOutcome, ...]
    rollouts: tuple[RolloutOutcome, ...]
    attacks: tuple[AttackOutcome, ...]
    recovery: tuple[RecoveryOutcome, ...]
    retries: tuple[RetryOutcome, ...]
    breakers: tuple[BreakerOutcome, ...]
    policy_rollouts: tuple[PolicyRolloutOutcome, ...]
    workflow_rollouts: tuple[WorkflowRolloutOutcome, ...]
    arms: tuple[ArmOutcome, ...]
    reviews: tuple[ReviewOutcome, ...]
    batches: tuple[BatchOutcome, ...]
    rules: tuple[RuleOutcome, ...]
    topics: tuple[TopicOutcome, ...]
    costs: tuple[CostOutcome, ...]
    compensation: tuple[CompensationOutcome, ...]
    sites: tuple[SiteOutcome, ...]
    workflows: tuple[WorkflowOutcome, ...]
    sub_workflows: tuple[SubWorkflowOutcome, ...]
    places: tuple[PlaceOutcome, ...]
    messages: tuple[MessageOutcome, ...]
    livelocks: LivelockOutcome | None
    validity: Validity
    not_kept: tuple[str, ...] = ()
    """Parts that rest on what the volume of the run leaves out. Each is a `NotKept`: nothing can be read from it."""


_MEASURES: Final[Mapping[str, Callable[[RunTables], Any]]] = {
    "work": assess_work,
    "people": assess_people,
    "escalation": assess_escalation,
    "compliance": assess_compliance,
    "locks": assess_locks,
    "deadlock": assess_deadlock,
    "drift": assess_drift,
    "quiet_monitors": assess_quiet_monitors,
    "resilience": assess_resilience,
    "queues": queue_courses,
    "harm": harm_courses,
    "faults": fault_bands,
    "votes": assess_votes,
    "checks": assess_checks,
    "effects": assess_effects,
    "tokens": assess_tokens,
    "limits": assess_limits,
    "scaling": assess_scaling,
    "points": assess_points,
    "breaches": assess_breaches,
    "rollouts": assess_rollouts,
    "attacks": assess_attacks,
    "recovery": assess_recovery,
    "retries": assess_retries,
    "breakers": assess_breakers,
    "policy_rollouts": assess_policy_rollouts,
    "workflow_rollouts": assess_workflow_rollouts,
    "arms": assess_arms,
    "reviews": assess_reviews,
    "batches": assess_batches,
    "rules": assess_rules,
    "topics": assess_topics,
    "costs": assess_costs,
    "compensation": assess_compensation,
    "sites": assess_sites,
    "workflows": assess_workflows,
    "sub_workflows": assess_sub_workflows,
    "places": assess_places,
    "messages": assess_messages,
    "livelocks": assess_livelocks,
    "validity": assess_validity,
}
"""What measures each part of the outcomes. One that uses events by more than their number is not kept where the run
keeps none."""


def assess(run: Run) -> Outcomes:
    """Assess a run: judge each objective, and measure the rest of what the report tells."""
    tables = read_tables(run)
    parts: dict[str, Any] = {}
    for name, measure in _MEASURES.items():
        try:
            parts[name] = measure(tables)
        except NotKeptError as error:
            parts[name] = NotKept(f"{name.replace('_', ' ')}: {error}")
    return Outcomes(
        provenance=provenance(run, tables.samples, tables.happenings),
        objectives=tuple(judge_objective(name, o, tables) for name, o in tables.scenario.objectives.items()),
        **parts,
        not_kept=tuple(name for name, part in parts.items() if isinstance(part, NotKept)),
    )
