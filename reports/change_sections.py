"""Sections of the report on what changes in a run: rollouts, and compromised agents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports.section import Figure, Row, Section

if TYPE_CHECKING:
    from reports.outcomes import Outcomes
    from reports.rollouts import PolicyRolloutOutcome


def rollouts(outcomes: Outcomes) -> Section | None:
    """New models that took over in stages."""
    if not outcomes.rollouts:
        return None
    return Section(
        anchor="rollouts",
        label="Rollouts",
        title="Rollouts",
        caption=(
            "New models that take over in stages: in how many replications they were taken back, after what time, and "
            "their answers until then in one replication, means with 95% intervals."
        ),
        columns=("Rollout", "Taken back", "After", "Furthest stage", "Answers", "Wrong answers"),
        rows=tuple(
            Row(
                rollout.rollout,
                f"{rollout.agent} {rollout.capability}",
                (
                    f"{rollout.rolled_back} of {rollout.replications}",
                    Figure(rollout.until, "duration") if rollout.until is not None else "never",
                    f"{rollout.stage} of {rollout.stages}",
                    Figure(rollout.answers, "count"),
                    Figure(rollout.wrong, "count"),
                ),
            )
            for rollout in outcomes.rollouts
        ),
        nothing="",
        headlines=tuple(
            f"Rollout {r.rollout} was taken back in {r.rolled_back} of {r.replications} replications."
            for r in outcomes.rollouts
        ),
    )


def policy_rollouts(outcomes: Outcomes) -> Section | None:
    """New policies that took over in stages, or looked on."""
    if not outcomes.policy_rollouts:
        return None
    return Section(
        anchor="policy-rollouts",
        label="New policies",
        title="Rollouts of policies",
        caption=(
            "New policies that decide on the cases of a stage (canary), or that are asked beside those that decide "
            "(shadow): cases, decisions and differences in one replication, means with 95% intervals. Two decisions "
            "differ where the outcome, the chains asked or the time for their answer do."
        ),
        columns=("Rollout", "Mode", "Taken back", "After", "Furthest stage", "Cases", "Decisions", "Differences"),
        rows=tuple(row for rollout in outcomes.policy_rollouts for row in _policy_rows(rollout)),
        nothing="",
        headlines=tuple(
            f"Rollout {r.rollout}: the policies of {r.path} would decide {r.differences.estimate:.4g} of "
            f"{r.decisions.estimate:.4g} requests otherwise in one replication."
            if r.differences is not None
            else f"Rollout {r.rollout} was taken back in {r.rolled_back} of {r.replications} replications."
            for r in outcomes.policy_rollouts
        ),
    )


def _policy_rows(rollout: PolicyRolloutOutcome) -> Iterator[Row]:
    counts = (Figure(rollout.cases, "count"), Figure(rollout.decisions, "count"))
    differ = Figure(rollout.differences, "count") if rollout.differences is not None else ""
    back = f"{rollout.rolled_back} of {rollout.replications}" if rollout.mode == "canary" else ""
    until = Figure(rollout.until, "duration") if rollout.until is not None else "never" if back else ""
    stage = f"{rollout.stage} of {rollout.stages}"
    yield Row(rollout.rollout, rollout.path, (rollout.mode, back, until, stage, *counts, differ))
    for difference in rollout.by_rule:
        yield Row(rollout.rollout, difference.words, (*[""] * 6, Figure(difference.count, "count")))


def workflow_rollouts(outcomes: Outcomes) -> Section | None:
    """New workflows that took over in stages."""
    if not outcomes.workflow_rollouts:
        return None
    return Section(
        anchor="workflow-rollouts",
        label="New workflows",
        title="Rollouts of workflows",
        caption=(
            "Workflows that cases of a stage take instead of their own: in how many replications they were taken back, "
            "after what time, and the cases in one replication, means with 95% intervals."
        ),
        columns=("Rollout", "Taken back", "After", "Furthest stage", "Cases"),
        rows=tuple(
            Row(
                rollout.rollout,
                f"{rollout.new} instead of {rollout.workflow}",
                (
                    f"{rollout.rolled_back} of {rollout.replications}",
                    Figure(rollout.until, "duration") if rollout.until is not None else "never",
                    f"{rollout.stage} of {rollout.stages}",
                    Figure(rollout.cases, "count"),
                ),
            )
            for rollout in outcomes.workflow_rollouts
        ),
        nothing="",
        headlines=tuple(
            f"Rollout {r.rollout} was taken back in {r.rolled_back} of {r.replications} replications."
            for r in outcomes.workflow_rollouts
        ),
    )


def arms(outcomes: Outcomes) -> Section | None:
    """Cases with what is rolled out beside those without."""
    if not outcomes.arms:
        return None
    return Section(
        anchor="arms",
        label="New and old",
        title="Cases with and without what is new",
        caption=(
            "Cases that arrived since the rollout began: how many in one replication, the shares completed and with a "
            "wrong effect, and what one has cost, means with 95% intervals."
        ),
        columns=("Rollout", "Cases", "Completed", "Wrong effect", "Cost"),
        rows=tuple(
            Row(
                arm.rollout,
                "new" if arm.new else "old",
                (
                    Figure(arm.cases, "count"),
                    Figure(arm.completed, "share"),
                    Figure(arm.wrong, "share"),
                    Figure(arm.cost, "money"),
                ),
            )
            for arm in outcomes.arms
        ),
        nothing="",
    )


def attacks(outcomes: Outcomes) -> Section | None:
    """Compromised agents."""
    if not outcomes.attacks:
        return None
    return Section(
        anchor="attacks",
        label="Attacks",
        title="Compromised agents",
        caption=(
            "What compromised agents asked for in one replication, by what policies say of it, means with 95% "
            "intervals. An escalated request counts as stopped."
        ),
        columns=("Request", "Tries"),
        rows=tuple(
            Row(tried.request, attack.attack, (Figure(tried.count, "count"),))
            for attack in outcomes.attacks
            for tried in attack.tried
        ),
        nothing="No compromised agent asked for anything.",
        headlines=tuple(
            f"Attack {a.attack}: {a.through.estimate:.4g} requests got through in one replication, policies stopped "
            f"{a.stopped.estimate:.4g}; the agent was taken out in {a.quarantined} of {a.replications}."
            for a in outcomes.attacks
        ),
    )


def noticed_attacks(outcomes: Outcomes) -> Section | None:
    """Attacks and the monitors of requests."""
    rows = [(attack, by) for attack in outcomes.attacks for by in attack.noticed]
    if not rows:
        return None
    return Section(
        anchor="noticed",
        label="Attacks noticed",
        title="Attacks and their monitors",
        caption=(
            "Monitors of a pool's refused requests: how long after its begin an attack raised the alarm, while it "
            "lasted, and alarms before it, means over replications with 95% intervals."
        ),
        columns=("Attack", "Monitor", "Delay to the alarm", "Missed", "False alarms before"),
        rows=tuple(
            Row(
                attack.attack,
                attack.agent,
                (
                    f"{by.monitor} ({by.action})",
                    Figure(by.delay, "duration"),
                    f"{by.missed} of {attack.replications}",
                    Figure(by.false_alarms, "count"),
                ),
            )
            for attack, by in rows
        ),
        nothing="",
    )
