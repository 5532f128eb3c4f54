"""How far rollouts came, when they were taken back, and what came of what was new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.drift import first_after
from reports.intervals import Array, Interval, bounded, exact, student
from reports.tables import RunTables, ratio


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


@dataclass(frozen=True, slots=True)
class WorkflowRolloutOutcome:
    """One rollout of a workflow. Means are over replications."""

    rollout: str
    workflow: str
    new: str
    """The workflow that takes its place."""
    rolled_back: int
    """Replications in which it was taken back."""
    replications: int
    until: Interval | None
    """Time from its begin till it was taken back, us; None where it never was."""
    stage: int
    """The furthest stage in any replication, from 1; 0 where none began."""
    stages: int
    cases: Interval
    """Cases that took the new workflow in one replication."""


def assess_workflow_rollouts(tables: RunTables) -> tuple[WorkflowRolloutOutcome, ...]:
    """Every rollout of a workflow of the scenario."""
    return tuple(_workflow(n, tables) for n, rollout in tables.scenario.rollouts.items() if rollout.of == "workflow")


def _workflow(name: str, tables: RunTables) -> WorkflowRolloutOutcome:
    rollout = tables.scenario.rollouts[name]
    known = _until(name, tables)
    return WorkflowRolloutOutcome(
        rollout=name,
        workflow=rollout.workflow or "",
        new=(rollout.to and rollout.to.workflow) or "",
        rolled_back=len(known),
        replications=tables.replications,
        until=student(exact(known), floor=0.0) if len(known) else None,
        stage=_furthest(name, tables),
        stages=len(rollout.stages) + 1,
        cases=tables.mean_count(_at(name, "enrolled", tables)),
    )


@dataclass(frozen=True, slots=True)
class ArmOutcome:
    """Cases that arrived since a rollout began, with what is new or without it; warm-up left out. Means are over
    replications that have such cases."""

    rollout: str
    new: bool
    cases: Interval
    """In one replication."""
    completed: Interval
    """Share of them; those that have not ended count both ways."""
    wrong: Interval
    """Share of them with a wrong effect so far."""
    cost: Interval
    """What one has cost so far, in the currency."""


def assess_arms(tables: RunTables) -> tuple[ArmOutcome, ...]:
    """The cases of every rollout of policies that decide, or of a workflow: the new ones, then the others."""
    return tuple(
        arm
        for name, rollout in tables.scenario.rollouts.items()
        if rollout.of == "workflow" or (rollout.of == "policies" and rollout.mode == "canary")
        for arm in _arms(name, tables)
    )


def _arms(name: str, tables: RunTables) -> tuple[ArmOutcome, ArmOutcome]:
    rollout, cases = tables.scenario.rollouts[name], tables.measured
    cases = cases[cases["arrived"] >= rollout.at]
    if rollout.workflow is not None:
        streams = [name for name, work in tables.scenario.work.items() if work.workflow == rollout.workflow]
        cases = cases[cases["work"].isin(streams)]
    enrolled = pd.MultiIndex.from_frame(_at(name, "enrolled", tables)[["replication", "case"]])
    is_new = pd.MultiIndex.from_frame(cases[["replication", "case"]]).isin(enrolled)
    return _arm(name, cases[is_new], tables, new=True), _arm(name, cases[~is_new], tables, new=False)


def _arm(name: str, cases: pd.DataFrame, tables: RunTables, *, new: bool) -> ArmOutcome:
    count = tables.count(cases)
    done, going = tables.count(cases[cases["outcome"] == "completed"]), tables.count(cases[cases["open"]])
    wrong, spent = tables.count(cases[cases["wrong"]]), tables.total(cases, "cost") / 1e6
    return ArmOutcome(
        rollout=name,
        new=new,
        cases=tables.mean_count(cases),
        completed=student(bounded(ratio(done, count), ratio(done + going, count)), floor=0.0, ceiling=1.0),
        wrong=student(exact(ratio(wrong, count)), floor=0.0, ceiling=1.0),
        cost=student(exact(ratio(spent, count)), floor=0.0),
    )


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
