"""What policy decided and what took effect: decisions by outcome and rule, approvals, violations."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.intervals import Interval
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """Decisions alike: what was asked, what policy said, what took effect, and why. `mean` is in one replication."""

    action: str
    decision: str
    enforced: str
    reason: str
    count: int
    mean: float


@dataclass(frozen=True, slots=True)
class Compliance:
    """Decisions of a run. Intervals are of means in one replication."""

    decisions: int
    allowed: Interval
    denied: Interval
    escalated: Interval
    approved: Interval
    """Decisions taken after some chain had approved."""
    violations: Interval
    """Effects that policy would not have allowed: the decision point was unreachable and failed open."""
    unenforced: Interval
    """Decisions that took effect otherwise than policy says, violations included."""
    by_rule: tuple[DecisionCount, ...]
    """Most frequent first."""


def assess_compliance(tables: RunTables) -> Compliance:
    """Decisions by outcome and rule."""
    decisions = tables.decisions
    return Compliance(
        decisions=len(decisions),
        allowed=tables.mean_count(decisions[decisions["enforced"] == "allow"]),
        denied=tables.mean_count(decisions[decisions["enforced"] == "deny"]),
        escalated=tables.mean_count(decisions[decisions["enforced"] == "escalate"]),
        approved=tables.mean_count(decisions[decisions["approvals"] != ""]),
        violations=tables.mean_count(violations(decisions)),
        unenforced=tables.mean_count(decisions[decisions["decision"].astype(str) != decisions["enforced"].astype(str)]),
        by_rule=_by_rule(decisions, tables.replications),
    )


def violations(decisions: pd.DataFrame) -> pd.DataFrame:
    """Decisions that policy would not have allowed and that took effect all the same."""
    return decisions[(decisions["enforced"] == "allow") & (decisions["decision"] != "allow")]


def _by_rule(decisions: pd.DataFrame, replications: int) -> tuple[DecisionCount, ...]:
    keys = ["action", "decision", "enforced", "reason"]
    texts = decisions[keys].astype(str)
    counts = texts.groupby(keys).size().sort_index().sort_values(ascending=False, kind="stable")
    return tuple(
        DecisionCount(action, decision, enforced, reason, number, number / replications)
        for (action, decision, enforced, reason), number in zip(counts.index, counts.tolist(), strict=True)
    )
