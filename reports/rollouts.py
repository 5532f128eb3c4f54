"""How far rollouts came, when they were taken back, and what the new model or the new policies did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.drift import first_after
from reports.intervals import Array, Interval, exact, student
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class RolloutOutcome:
    """One rollout of a model. Means are over replications; the time is over those in which it was taken back."""

    rollout: str
    agent: str
    capability: str
    rolled_back: int
    """Replications in which it was taken back."""
    replications: int
    until: Interval | None
    """Time from its begin till it was taken back, us; None where it never was."""
    stage: int
    """The furthest stage in any replication, from 1; 0 where none began."""
    stages: int
    answers: Interval
    """Answers of the new model in one replication."""
    wrong: Interval
    """Wrong ones among them, whether noticed or not."""


def assess_rollouts(tables: RunTables) -> tuple[RolloutOutcome, ...]:
    """Every rollout of a model of the scenario, in its order."""
    return tuple(_model(name, tables) for name, rollout in tables.scenario.rollouts.items() if rollout.of == "model")


def _at(name: str, kind: str, tables: RunTables) -> pd.DataFrame:
    rows = tables.of_kind(kind)
    return rows[rows["place"] == f"rollout:{name}"]


def _furthest(name: str, tables: RunTables) -> int:
    stages = _at(name, "stage", tables)
    return int(stages["value"].max()) if len(stages) else 0


def _until(name: str, tables: RunTables) -> Array:
    """Time from its begin till it was taken back, us, of the replications in which it was."""
    begin = tables.scenario.rollouts[name].at
    until = first_after(_at(name, "rolled-back", tables), begin, tables) - begin
    known: Array = until[~np.isnan(until)]
    return known


def _model(name: str, tables: RunTables) -> RolloutOutcome:
    rollout = tables.scenario.rollouts[name]
    known = _until(name, tables)
    answers = _at(name, "canary", tables)
    return RolloutOutcome(
        rollout=name,
        agent=rollout.agent or "",
        capability=rollout.capability or "",
        rolled_back=len(known),
        replications=tables.replications,
        until=student(exact(known), floor=0.0) if len(known) else None,
        stage=_furthest(name, tables),
        stages=len(rollout.stages) + 1,
        answers=tables.mean_count(answers),
        wrong=tables.mean_count(answers[answers["detail"] == "wrong"]),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """What two policy sets say differently of an action, by their rules; the count is of one replication."""

    words: str
    """Action: what the scenario's own say, then what the new ones say."""
    count: Interval


@dataclass(frozen=True, slots=True)
class PolicyRolloutOutcome:
    """One rollout of policies. Means are over replications."""

    rollout: str
    path: str
    mode: str
    """canary or shadow"""
    rolled_back: int
    """Replications in which it was taken back."""
    replications: int
    until: Interval | None
    """Time from its begin till it was taken back, us; None where it never was."""
    stage: int
    """The furthest stage in any replication, from 1; 0 where none began."""
    stages: int
    cases: Interval
    """Cases of the stages in one replication."""
    decisions: Interval
    """Decisions of the new policies in one replication; in shadow mode those that both made."""
    differences: Interval | None
    """Decisions of both that differ, in one replication; None where only one set decides on a case."""
    by_rule: tuple[Difference, ...]


def assess_policy_rollouts(tables: RunTables) -> tuple[PolicyRolloutOutcome, ...]:
    """Every rollout of policies of the scenario."""
    return tuple(_policies(n, tables) for n, rollout in tables.scenario.rollouts.items() if rollout.of == "policies")


def _policies(name: str, tables: RunTables) -> PolicyRolloutOutcome:
    rollout = tables.scenario.rollouts[name]
    cases, found = _at(name, "enrolled", tables), _at(name, "shadow-difference", tables)
    details = found["detail"].astype(str)
    known = _until(name, tables)
    shadow = rollout.mode == "shadow"
    if shadow:
        decisions = tables.decisions.merge(cases[["replication", "case"]], on=["replication", "case"])
    else:
        decisions = tables.decisions[tables.decisions["policies"] == rollout.path]
    return PolicyRolloutOutcome(
        rollout=name,
        path=rollout.path or "",
        mode=rollout.mode,
        rolled_back=len(known),
        replications=tables.replications,
        until=student(exact(known), floor=0.0) if len(known) else None,
        stage=_furthest(name, tables),
        stages=len(rollout.stages) + 1,
        cases=tables.mean_count(cases),
        decisions=tables.mean_count(decisions),
        differences=tables.mean_count(found) if shadow else None,
        by_rule=tuple(Difference(words, tables.mean_count(found[details == words])) for words in sorted(set(details))),
    )
