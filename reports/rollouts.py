"""How far rollouts came, when they were taken back, and what the new model did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.drift import first_after
from reports.intervals import Interval, exact, student
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class RolloutOutcome:
    """One rollout. Means are over replications; the time is over those in which it was taken back."""

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
    """Every rollout of the scenario, in its order."""
    return tuple(_rollout(name, tables) for name in tables.scenario.rollouts)


def _rollout(name: str, tables: RunTables) -> RolloutOutcome:
    rollout = tables.scenario.rollouts[name]
    place = f"rollout:{name}"
    events = {kind: tables.of_kind(kind) for kind in ("stage", "canary", "rolled-back")}
    mine = {kind: rows[rows["place"] == place] for kind, rows in events.items()}
    until = first_after(mine["rolled-back"], rollout.at, tables) - rollout.at
    known = until[~np.isnan(until)]
    answers = mine["canary"]
    return RolloutOutcome(
        rollout=name,
        agent=rollout.agent,
        capability=rollout.capability,
        rolled_back=len(known),
        replications=tables.replications,
        until=student(exact(known), floor=0.0) if len(known) else None,
        stage=int(mine["stage"]["value"].max()) if len(mine["stage"]) else 0,
        stages=len(rollout.stages) + 1,
        answers=tables.mean_count(answers),
        wrong=tables.mean_count(answers[answers["detail"] == "wrong"]),
    )
