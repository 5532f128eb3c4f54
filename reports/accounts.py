"""Sections that give account of a run: by policy rule, and what cases cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.section import Figure, Row, Section

if TYPE_CHECKING:
    from reports.outcomes import Outcomes


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
