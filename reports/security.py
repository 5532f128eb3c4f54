"""What compromised agents tried, what policies stopped, what got through, and when they were taken out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.attacks import Attack
from reports.drift import at_monitor, first_after
from reports.intervals import Interval, bounded, exact, student
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class Tried:
    """One action of an attack and what policies say of it; the count is of one replication."""

    request: str
    """Action: outcome by rules."""
    count: Interval


@dataclass(frozen=True, slots=True)
class Noticed:
    """An attack under one monitor of its pool's requests."""

    monitor: str
    action: str
    delay: Interval
    """Time from its begin to the first alarm while it lasts, us. An attack that raised none counts as at least the rest
    of the run; an alarm after its end takes nobody out."""
    missed: int
    """Replications in which no alarm came while it lasted."""
    false_alarms: Interval
    """Alarms before it, in one replication."""


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
    noticed: tuple[Noticed, ...]
    """By each monitor of the pool's requests."""


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
        noticed=tuple(
            _noticed(attack, monitor, tables)
            for monitor, watch in tables.scenario.monitors.items()
            if watch.watches == "refusals" and watch.agent == attack.agent
        ),
    )


def _noticed(attack: Attack, monitor: str, tables: RunTables) -> Noticed:
    begin = attack.at
    alarms = at_monitor(tables, "alarm", monitor)
    first = first_after(alarms[alarms["time"] < begin + attack.lasts], begin, tables)
    seen = np.where(np.isnan(first), float(tables.scenario.horizon), first) - begin
    return Noticed(
        monitor=monitor,
        action=tables.scenario.monitors[monitor].action,
        delay=student(bounded(seen, np.where(np.isnan(first), math.inf, seen)), floor=0.0),
        missed=int(np.isnan(first).sum()),
        false_alarms=tables.mean_count(alarms[alarms["time"] < begin]),
    )
