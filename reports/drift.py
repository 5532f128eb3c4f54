"""How soon drift is noticed, how often an alarm is false, and what harm is done before."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.faults import struck
from models.scenario import Drift, Scenario, Task
from models.watching import first_change, looks_for
from reports.intervals import Array, Interval, bounded, exact, student
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class DriftOutcome:
    """One drift under one monitor, or under none (`monitor` is empty)."""

    agent: str
    capability: str
    """Both are empty for a drift of input."""
    of: str
    """What drifts: quality, latency, cost, format, contract, input."""
    subject: str
    """Agent and capability, or stream and attribute."""
    monitor: str
    action: str
    onset: int
    """us"""
    delay: Interval
    """Time from the onset to the first alarm, us. A drift that raised none counts as at least the rest of the run."""
    missed: int
    """Replications in which no alarm followed the onset."""
    replications: int
    false_alarms: Interval
    """Alarms before the onset in one replication."""
    harm: Interval
    """Wrong effects of the capability, or of the stream's cases, between the onset and the alarm (the roll-back, where
    the monitor does one), in one replication."""
    false_alarm_rate: Interval | None
    """Alarms in 1000 labels, of both those before anything that the monitor watches changes; None where the run does
    not tell its labels, which an objective `false-alarms` has it do."""
    alarms: tuple[float, ...]
    """Moment of the first alarm after the onset for each replication, us; nan where it is missed."""


@dataclass(frozen=True, slots=True)
class QuietMonitor:
    """A monitor of what does not drift: every alarm is false."""

    monitor: str
    agent: str
    capability: str
    false_alarms: Interval
    false_alarm_rate: Interval | None
    """As of a drift."""


def assess_drift(tables: RunTables) -> tuple[DriftOutcome, ...]:
    """Every drift fault with every monitor that watches what it changes, in the scenario's order."""
    drifts = [fault for fault in tables.scenario.faults if isinstance(fault, Drift)]
    return tuple(_drift(drift, name, tables) for drift in drifts for name in _monitors(drift, tables) or [""])


def assess_quiet_monitors(tables: RunTables) -> tuple[QuietMonitor, ...]:
    """Monitors of what never drifts in the scenario, and of requests of pools that are not attacked."""
    drifting = {
        name for fault in tables.scenario.faults if isinstance(fault, Drift) for name in _monitors(fault, tables)
    }
    attacked = {attack.agent for attack in tables.scenario.attacks.values()}
    return tuple(
        QuietMonitor(
            name,
            monitor.agent,
            monitor.capability,
            tables.mean_count(at_monitor(tables, "alarm", name)),
            _rate(name, tables),
        )
        for name, monitor in tables.scenario.monitors.items()
        if name not in drifting and not (monitor.watches == "refusals" and monitor.agent in attacked)
    )


def _monitors(drift: Drift, tables: RunTables) -> list[str]:
    scenario = tables.scenario
    return [name for name, monitor in scenario.monitors.items() if looks_for(scenario, monitor, drift)]


def _drift(drift: Drift, name: str, tables: RunTables) -> DriftOutcome:
    horizon = tables.scenario.horizon
    rolls_back = bool(name) and tables.scenario.monitors[name].action == "roll-back"
    alarms = at_monitor(tables, "alarm", name)
    first = first_after(alarms, drift.at, tables)
    stopped = first_after(at_monitor(tables, "rolled-back", name), drift.at, tables) if rolls_back else first
    seen = np.where(np.isnan(first), float(horizon), first) - drift.at
    return DriftOutcome(
        agent=drift.agent,
        capability=drift.capability,
        of=drift.of,
        subject=struck(drift),
        monitor=name,
        action=tables.scenario.monitors[name].action if name else "",
        onset=drift.at,
        delay=student(bounded(seen, np.where(np.isnan(first), math.inf, seen)), floor=0.0),
        missed=int(np.isnan(first).sum()),
        replications=tables.replications,
        false_alarms=tables.mean_count(alarms[alarms["time"] < drift.at]),
        harm=student(exact(_harm(drift, stopped, tables)), floor=0.0),
        false_alarm_rate=_rate(name, tables),
        alarms=tuple(map(float, first)),
    )


def false_alarm_rates(monitor: str, tables: RunTables) -> Array:
    """Alarms of a monitor in 1000 of its labels, for each replication, of those before anything that it watches
    changes; nan without labels, or where they are not told."""
    until = first_change(tables.scenario, tables.scenario.monitors[monitor])
    alarms = at_monitor(tables, "alarm", monitor)
    labels = tables.total(at_monitor(tables, "labels", monitor), "value")
    return ratio(1000.0 * tables.count(alarms[alarms["time"] < until]), labels)


def _rate(monitor: str, tables: RunTables) -> Interval | None:
    if not len(at_monitor(tables, "labels", monitor)):
        return None
    return student(exact(false_alarm_rates(monitor, tables)), floor=0.0)


def at_monitor(tables: RunTables, kind: str, name: str) -> pd.DataFrame:
    events = tables.of_kind(kind)
    return events[events["place"] == f"monitor:{name}"]


def first_after(events: pd.DataFrame, onset: int, tables: RunTables) -> Array:
    """Moment of the first of these events from the onset on, for each replication, us; nan where there is none."""
    first = events[events["time"] >= onset].groupby("replication")["time"].min()
    return first.reindex(range(tables.replications)).to_numpy(dtype="float64")


def wrong_effects(tables: RunTables, agent: str, capability: str) -> pd.DataFrame:
    """Events of attempts of a capability that were wrong and went unnoticed.

    The log names the pool of an attempt. Where a pool has several capabilities, an attempt is of the step of that pool
    which its case entered last.
    """
    events = tables.of_kind("attempt-wrong")
    events = events[events["place"] == f"agent:{agent}"]
    if len(tables.scenario.agents[agent].capabilities) == 1:
        return events
    steps = _steps(tables.scenario, agent)
    entered = tables.of_kind("entered")
    entered = entered[entered["place"].isin(steps)].sort_values(["sequence", "replication"])
    last = pd.merge_asof(
        events.sort_values(["sequence", "replication"]),
        entered[["replication", "case", "sequence", "place"]].rename(columns={"place": "step"}),
        on="sequence",
        by=["replication", "case"],
    )
    return last[last["step"].astype("str").map(steps) == capability]


def _steps(scenario: Scenario, agent: str) -> dict[str, str]:
    """The capability of each step that the agent pool does, by the step's place in the log."""
    return {
        f"step:{workflow}.{name}": step.capability
        for workflow, content in scenario.workflows.items()
        for name, step in content.steps.items()
        if isinstance(step, Task) and step.agent == agent
    }


def _of_stream(drift: Drift, tables: RunTables) -> pd.DataFrame:
    cases = tables.cases[tables.cases["work"] == drift.work][["replication", "case"]]
    return tables.of_kind("attempt-wrong").merge(cases, on=["replication", "case"])


def _harm(drift: Drift, stopped: Array, tables: RunTables) -> Array:
    wrong = _of_stream(drift, tables) if drift.of == "input" else wrong_effects(tables, drift.agent, drift.capability)
    until = np.where(np.isnan(stopped), float(tables.scenario.horizon), stopped)[wrong["replication"].to_numpy()]
    time = wrong["time"].to_numpy()
    return tables.count(wrong[(time >= drift.at) & (time < until)])
