"""Sections that give account of a run: by workflow, site and policy rule, and what cases cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports.section import Figure, Row, Section
from reports.words import count, number

if TYPE_CHECKING:
    from reports.outcomes import Outcomes
    from reports.workflows import WorkflowOutcome


def rules(outcomes: Outcomes) -> Section | None:
    """Policy rules one by one, where some decide together."""
    if not any(rule.shared.estimate > 0 for rule in outcomes.rules):
        return None
    return Section(
        anchor="rules",
        label="Rules",
        title="Policy rules",
        caption=(
            "Decisions that each rule determined in one replication, how many of them with other rules, and how they "
            "were enforced: means with 95% intervals. A decision by several rules counts for each of them."
        ),
        columns=("Rule", "Decisions", "With others", "Allowed", "Denied", "Escalated"),
        rows=tuple(
            Row(
                rule.rule,
                "",
                tuple(
                    Figure(each, "count")
                    for each in (rule.decisions, rule.shared, rule.allowed, rule.denied, rule.escalated)
                ),
            )
            for rule in outcomes.rules
        ),
        nothing="",
    )


def costs(outcomes: Outcomes) -> Section | None:
    """What cases cost, by part."""
    if not outcomes.costs:
        return None
    return Section(
        anchor="costs",
        label="Costs",
        title="Costs",
        caption="Mean cost of an ended case, and what it is paid for, with 95% intervals.",
        columns=("Work", "Cost", "Agents", "Calls", "Tokens", "People"),
        rows=tuple(
            Row(
                work.work,
                "",
                tuple(
                    Figure(each, "money") for each in (work.total, work.agents, work.calls, work.tokens, work.people)
                ),
            )
            for work in outcomes.costs
        ),
        nothing="",
    )


def workflows(outcomes: Outcomes) -> Section | None:
    """Workflows, and their steps."""
    if not outcomes.workflows:
        return None
    return Section(
        anchor="workflows",
        label="Workflows",
        title="Workflows and steps",
        caption=(
            "Cases by the workflow they began in, and how often each step was entered and was a case's last in one "
            "replication: means with 95% intervals."
        ),
        columns=("Workflow and step", "Completed", "Wrong", "Attempts", "Cost", "Entered", "Ended"),
        rows=tuple(row for workflow in outcomes.workflows for row in _workflow_rows(workflow)),
        nothing="",
        headlines=tuple(
            f"Cases went over the limit of steps of {workflow.workflow} at {step.step}, "
            f"{step.over_limit.estimate:.4g} in one replication."
            for workflow in outcomes.workflows
            for step in workflow.steps
            if step.over_limit.estimate > 0
        ),
    )


def _workflow_rows(workflow: WorkflowOutcome) -> Iterator[Row]:
    cells = (
        Figure(workflow.completed, "share"),
        Figure(workflow.wrong, "share"),
        Figure(workflow.attempts, "count"),
        Figure(workflow.cost, "money"),
    )
    yield Row(workflow.workflow, count(workflow.cases, "case"), (*cells, "", ""))
    for step in workflow.steps:
        seen = (Figure(step.entered, "count"), Figure(step.ended, "count"))
        yield Row(step.step, workflow.workflow, ("", "", "", "", *seen))


def places(outcomes: Outcomes) -> Section | None:
    """Pools and endpoints."""
    if not outcomes.places:
        return None
    return Section(
        anchor="places",
        label="Agents, endpoints",
        title="Agents and endpoints",
        caption=(
            "Pools and endpoints in one replication, means with 95% intervals. Load is the share of slots that are "
            "busy, where there is a limit. Served are attempts that got a slot, or calls; turned away are attempts "
            "that found the queue full, or that a limit on calls failed. Calls and costs are counted up to the last "
            "sample, a 200th before the end."
        ),
        columns=(
            "Place",
            "Load",
            "Busy",
            "Queue",
            "Served",
            "Turned away",
            "Shed",
            "Kept out",
            "Gave up",
            "Made again",
            "Cost",
            "Failures",
        ),
        rows=tuple(
            Row(
                place.place,
                "",
                (
                    Figure(place.load, "share") if place.load.estimate == place.load.estimate else "no limit",
                    *(
                        Figure(each, "count")
                        for each in (
                            place.busy,
                            place.queue,
                            place.served,
                            place.rejected,
                            place.shed,
                            place.kept_out,
                            place.abandoned,
                            place.hedged,
                        )
                    ),
                    Figure(place.cost, "money"),
                    ", ".join(f"{reason} {number(times.estimate)}" for reason, times in place.failures.items()),
                ),
            )
            for place in outcomes.places
        ),
        nothing="",
    )


def sites(outcomes: Outcomes) -> Section | None:
    """What agents and people did at each site."""
    if not outcomes.sites:
        return None
    return Section(
        anchor="sites",
        label="Sites",
        title="Sites",
        caption=(
            "Work of agents and people at each site in one replication, how many of them were at work on average, and "
            "how long partitions or expired certificates cut it off: means with 95% intervals."
        ),
        columns=("Site", "Attempts", "Failed", "Wait", "Agents busy", "Reviews", "People busy", "Cut off"),
        rows=tuple(
            Row(
                site.site or "at no site",
                "",
                (
                    Figure(site.attempts, "count"),
                    Figure(site.failed, "count"),
                    Figure(site.wait, "duration"),
                    Figure(site.agents_busy, "count"),
                    Figure(site.reviews, "count"),
                    Figure(site.people_busy, "count"),
                    Figure(site.cut_off, "duration"),
                ),
            )
            for site in outcomes.sites
        ),
        nothing="",
    )
