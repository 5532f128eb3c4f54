"""Sections that give account of a run: by policy rule."""

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
