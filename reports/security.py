"""What compromised agents tried, what policies stopped, what got through, and when they were taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.drift import first_after
from reports.intervals import Interval, exact, student
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class Tried:
    """One action of an attack and what policies say of it; the count is of one replication."""

    request: str
    """Action: outcome by rules."""
    count: Interval


@dataclass(frozen=True, slots=True)
class AttackOutcome:
    """One attack. Counts are of one replication."""

    attack: str
    agent: str
    through: Interval
    stopped: Interval
    quarantined: int
    """Replications in which the agent was taken out."""
    replications: int
    until: Interval | None
    """Time from its begin till then, us, over those replications; None where there is none."""
    tried: tuple[Tried, ...]


def assess_attacks(tables: RunTables) -> tuple[AttackOutcome, ...]:
    """Every attack of the scenario, in its order."""
    return tuple(_attack(name, tables) for name in tables.scenario.attacks)


def _attack(name: str, tables: RunTables) -> AttackOutcome:
    attack = tables.scenario.attacks[name]
    kinds = ("attack-through", "attack-stopped", "quarantined")
    through, stopped, out = (rows[rows["place"] == f"attack:{name}"] for rows in map(tables.of_kind, kinds))
    until = first_after(out, attack.at, tables) - attack.at
    known = until[~np.isnan(until)]
    tried = [(rows, detail) for rows in (through, stopped) for detail in sorted(rows["detail"].astype(str).unique())]
    return AttackOutcome(
        attack=name,
        agent=attack.agent,
        through=tables.mean_count(through),
        stopped=tables.mean_count(stopped),
        quarantined=len(known),
        replications=tables.replications,
        until=student(exact(known), floor=0.0) if len(known) else None,
        tried=tuple(Tried(detail, tables.mean_count(rows[rows["detail"] == detail])) for rows, detail in tried),
    )
