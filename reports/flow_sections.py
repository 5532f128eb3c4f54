"""Sections of the report about ways through workflows: what was undone, workflows within workflows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.section import Figure, Row, Section

if TYPE_CHECKING:
    from reports.outcomes import Outcomes


def compensation(outcomes: Outcomes) -> Section | None:
    """Steps that were undone; none where no step says what undoes it."""
    if not outcomes.compensation:
        return None
    return Section(
        anchor="compensation",
        label="Compensation",
        title="Steps undone",
        caption="Finished steps that were undone before their case ended otherwise than completed, in one replication, "
        "means with 95% intervals. Where undoing a step failed, what it had done stands",
        columns=("Step", "Undone", "Undoing failed", "Time it took"),
        rows=tuple(
            Row(
                step.step,
                f"by {step.by}",
                (Figure(step.undone, "count"), Figure(step.failed, "count"), Figure(step.took, "duration")),
            )
            for step in outcomes.compensation
        ),
        nothing="",
        headlines=tuple(
            f"Undoing {step.step} failed {step.failed.estimate:.4g} times in one replication: what it had done stands."
            for step in outcomes.compensation
            if step.failed.estimate > 0
        ),
    )


def sub_workflows(outcomes: Outcomes) -> Section | None:
    """Steps that are workflows."""
    if not outcomes.sub_workflows:
        return None
    return Section(
        anchor="sub-workflows",
        label="Sub-workflows",
        title="Sub-workflows",
        caption="Workflows that are steps of others, in one replication, means with 95% intervals.",
        columns=("Step", "Ended", "Ended completed", "Time within"),
        rows=tuple(
            Row(
                step.step,
                f"workflow {step.workflow}",
                (Figure(step.ended, "count"), Figure(step.completed, "count"), Figure(step.took, "duration")),
            )
            for step in outcomes.sub_workflows
        ),
        nothing="",
    )


def messages(outcomes: Outcomes) -> Section | None:
    """Messages between cases."""
    if not outcomes.messages:
        return None
    return Section(
        anchor="messages",
        label="Messages",
        title="Messages between cases",
        caption="Messages in one replication, means with 95% intervals. One is received once; one that nobody waits "
        "for is kept, for as long as it lasts.",
        columns=("Message", "Sent", "Received", "Expired", "Waits in vain", "Mean wait of receivers"),
        rows=tuple(
            Row(
                each.message,
                "",
                (
                    *(Figure(cell, "count") for cell in (each.sent, each.received, each.expired, each.in_vain)),
                    Figure(each.waited, "duration"),
                ),
            )
            for each in outcomes.messages
        ),
        nothing="",
    )


def livelocks(outcomes: Outcomes) -> Section | None:
    """Cases that go on without progress."""
    found = outcomes.livelocks
    if not found:
        return None
    figures = (
        Row("Livelocks", "", (Figure(found.count, "count"),)),
        Row("Cases lost", "aborted, or not ended", (Figure(found.lost, "count"),)),
        Row("Spent without progress", "until they were found", (Figure(found.spent, "money"),)),
    )
    return Section(
        anchor="livelocks",
        label="Livelocks",
        title="Livelocks",
        caption="Cases that repeated attempts or steps without progress, in one replication, means with 95% intervals.",
        columns=("What", "In one replication"),
        rows=(*figures, *(Row(f"at {steps}", "in all replications", (str(count),)) for steps, count in found.steps)),
        nothing="",
        headlines=tuple(
            f"Livelock: {count} cases in all went on at {steps} without progress." for steps, count in found.steps
        ),
    )
