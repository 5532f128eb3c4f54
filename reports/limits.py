"""What a report does not say: parts of the world that the scenario, the run or the checks leave out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.scenario import DeskLoad, DeskWait, Drift, Scenario
from reports import words
from reports.digest import Digest
from reports.outcomes import Outcomes
from verify.findings import Findings

_FAULTS: Final[Mapping[str, str]] = {
    "partition": "partitions between sites",
    "outage": "outages of endpoints",
    "crash": "crashes of agents",
    "hang": "agents that hang",
    "slowdown": "slowdowns",
    "loss": "lost messages",
    "contract-skew": "versions that do not fit together",
    "certificate-expiry": "certificates that expire",
    "load-spike": "rushes of work",
    "absence": "absent people",
    "drift": "drift of capabilities",
    "input": "drift of what cases are like",
}
"""What each kind of fault is called here; `input` is a drift of the input."""


def not_measured(scenario: Scenario, findings: Findings | None, outcomes: Outcomes) -> tuple[str, ...]:
    """Sentences on what was not measured, for this scenario and run."""
    return (
        *_policies(scenario, findings),
        *_desks(scenario),
        *_faults(scenario),
        *_money(scenario),
        *_open(outcomes),
        *_strain(scenario),
        "The figures hold for the scenario's own assumptions; intervals cover chance between replications, not a wrong "
        "assumption.",
    )


def _policies(scenario: Scenario, findings: Findings | None) -> list[str]:
    if scenario.policies is None:
        return ["The scenario names no policies, so none were verified."]
    if findings is None:
        return ["The policies were not verified in this report."]
    return []


def _desks(scenario: Scenario) -> list[str]:
    promised = {o.desk for o in scenario.objectives.values() if isinstance(o, (DeskWait, DeskLoad))}
    silent = [name for name in scenario.desks if name not in promised]
    return [f"No objective bounds the wait or the load at {words.listed(silent)}."] if silent else []


def _faults(scenario: Scenario) -> list[str]:
    tried = {"input" if isinstance(one, Drift) and one.of == "input" else one.kind for one in scenario.faults}
    if any(endpoint.outages for endpoint in scenario.endpoints.values()) or scenario.decision_point.outages:
        tried.add("outage")
    if not scenario.desks:
        tried.add("absence")  # of nobody
    untried = [name for kind, name in _FAULTS.items() if kind not in tried]
    untried += [] if scenario.attacks else ["agents that somebody has taken over"]
    return [f"Not tried: {words.listed(untried, len(untried))}."] if untried else []


def _strain(scenario: Scenario) -> list[str]:
    even = [
        name
        for name, desk in scenario.desks.items()
        if desk.review is None or not (desk.review.fatigue or desk.review.load or desk.review.rubber_stamp)
    ]
    if not even:
        return []
    return [
        f"People at {words.listed(even)} are as quick and as careful under load as without it: fatigue is not modelled."
    ]


def _money(scenario: Scenario) -> list[str]:
    free = [name for name, desk in scenario.desks.items() if not desk.cost_per_hour.micros]
    return [f"Work at {words.listed(free)} has no price in the scenario, so costs leave it out."] if free else []


def _open(outcomes: Outcomes) -> list[str]:
    unfinished = sum(n for work in outcomes.work for outcome, n in work.by_outcome if outcome in ("in-flight", "stuck"))
    if not unfinished:
        return []
    return [f"{words.count(unfinished, 'measured case')} had not ended when their replication stopped."]


def not_kept(digest: Digest, scenario: Scenario, findings: Findings | None) -> tuple[str, ...]:
    """Sentences on what was not measured, or not kept, of a run that keeps no events."""
    return (
        *_policies(scenario, findings),
        *_desks(scenario),
        *_faults(scenario),
        *_money(scenario),
        *_strain(scenario),
        f"The run's volume is {digest.volume}: counts were kept instead of events. Nothing is told of locks and "
        "deadlock, drift, faults, rollouts or single cases beyond how often things happened; `--volume events` keeps "
        "all.",
        "The figures hold for the scenario's own assumptions; intervals cover chance between replications, not a wrong "
        "assumption.",
    )
