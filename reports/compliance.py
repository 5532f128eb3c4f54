"""What policy decided, what was enforced and what took effect: decisions by outcome and rule, approvals, violations."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.intervals import Interval
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class DecisionCount:
    """Decisions alike: what was asked, what policy said, what was enforced, and why. `mean` is in one replication."""

    action: str
    decision: str
    enforced: str
    reason: str
    count: int
    mean: float


@dataclass(frozen=True, slots=True)
class Compliance:
    """Decisions of a run, as they were enforced. Intervals are of means in one replication."""

    decisions: int
    allowed: Interval
    denied: Interval
    escalated: Interval
    approved: Interval
    """Decisions taken after some chain had approved."""
    unenforced: Interval
    """Decisions enforced otherwise than policy says, because the decision point was unreachable."""
    failed_open: Interval
    """Those of them that let a step begin which policy would have denied or escalated."""
    violations: Interval
    """Steps begun so that then succeeded: effects that policy would not have allowed."""
    by_rule: tuple[DecisionCount, ...]
    """Most frequent first."""


def assess_compliance(tables: RunTables) -> Compliance:
    """Decisions by outcome and rule."""
    decisions = tables.decisions
    unenforced = decisions[decisions["decision"].astype(str) != decisions["enforced"].astype(str)]
    return Compliance(
        decisions=len(decisions),
        allowed=tables.mean_count(decisions[decisions["enforced"] == "allow"]),
        denied=tables.mean_count(decisions[decisions["enforced"] == "deny"]),
        escalated=tables.mean_count(decisions[decisions["enforced"] == "escalate"]),
        approved=tables.mean_count(decisions[decisions["approvals"] != ""]),
        unenforced=tables.mean_count(unenforced),
        failed_open=tables.mean_count(unenforced[unenforced["enforced"] == "allow"]),
        violations=tables.mean_count(violations(tables)),
        by_rule=_by_rule(decisions, tables.replications),
    )


def violations(tables: RunTables) -> pd.DataFrame:
    """Steps that took effect though policy would not have allowed them."""
    return tables.of_kind("violation")


def _by_rule(decisions: pd.DataFrame, replications: int) -> tuple[DecisionCount, ...]:
    keys = ["action", "decision", "enforced", "reason"]
    texts = decisions[keys].astype(str)
    counts = texts.groupby(keys).size().sort_index().sort_values(ascending=False, kind="stable")
    return tuple(
        DecisionCount(action, decision, enforced, reason, number, number / replications)
        for (action, decision, enforced, reason), number in zip(counts.index, counts.tolist(), strict=True)
    )
