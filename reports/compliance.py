"""What policy decided, what was enforced and what took effect: decisions by outcome and rule, approvals, violations."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.intervals import Array, Interval, exact, student
from reports.tables import RunTables, ratio


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
class RuleOutcome:
    """What one rule decided, alone or with others. Intervals are of means in one replication."""

    rule: str
    """The policy; or why none decided: nothing permits it, the decision point was unreachable, a cache answered."""
    decisions: Interval
    shared: Interval
    """Those of them that other rules determined with it."""
    allowed: Interval
    denied: Interval
    escalated: Interval


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
    """Decisions enforced otherwise than policy says, because the decision point was unreachable, or gave an answer
    that it kept of other policies."""
    failed_open: Interval
    """Those of them that let a step begin which policy would have denied or escalated."""
    violations: Interval
    """Steps begun so that then succeeded: effects that policy would not have allowed."""
    by_rule: tuple[DecisionCount, ...]
    """Most frequent first."""
    as_policy_says: Interval
    """Share of decisions that were enforced as policy says."""


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
        violations=student(exact(tables.occurrences("violation")), floor=0.0),
        by_rule=_by_rule(decisions, tables.replications),
        as_policy_says=student(exact(enforced_share(tables, decisions)), floor=0.0, ceiling=1.0),
    )


def decisions_of(tables: RunTables, work: str | None) -> pd.DataFrame:
    """Decisions on the cases of a stream, or on all."""
    if work is None:
        return tables.decisions
    cases = tables.cases[tables.cases["work"] == work][["replication", "case"]]
    return tables.decisions.merge(cases, on=["replication", "case"])


def enforced_share(tables: RunTables, decisions: pd.DataFrame) -> Array:
    """Of each replication, the share of these decisions that were enforced as policy says; nan where there are none."""
    kept = decisions["decision"].astype(str) == decisions["enforced"].astype(str)
    return ratio(tables.count(decisions[kept]), tables.count(decisions))


def assess_rules(tables: RunTables) -> tuple[RuleOutcome, ...]:
    """What each rule decided, most frequent first."""
    decisions = tables.decisions
    reasons = decisions["reason"].astype(str)
    each = decisions[["replication", "enforced"]].astype({"enforced": str})
    each = each.assign(rule=reasons.str.split(","), shared=reasons.str.contains(",", regex=False))
    each = each.explode("rule", ignore_index=True)
    names = each.groupby("rule", sort=True).size().sort_values(ascending=False, kind="stable").index.tolist()
    return tuple(_rule(str(name), each[each["rule"] == name], tables) for name in names)


def _rule(name: str, rows: pd.DataFrame, tables: RunTables) -> RuleOutcome:
    kept = (rows, rows[rows["shared"]], *(rows[rows["enforced"] == o] for o in ("allow", "deny", "escalate")))
    return RuleOutcome(name, *(tables.mean_count(part) for part in kept))


def _by_rule(decisions: pd.DataFrame, replications: int) -> tuple[DecisionCount, ...]:
    keys = ["action", "decision", "enforced", "reason"]
    texts = decisions[keys].astype(str)
    counts = texts.groupby(keys).size().sort_index().sort_values(ascending=False, kind="stable")
    return tuple(
        DecisionCount(action, decision, enforced, reason, number, number / replications)
        for (action, decision, enforced, reason), number in zip(counts.index, counts.tolist(), strict=True)
    )
