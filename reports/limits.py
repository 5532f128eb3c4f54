"""What a report does not say: parts of the world that the scenario, the run or the checks leave out."""

from __future__ import annotations

from models.scenario import DeskLoad, DeskWait, Drift, Scenario
from reports import words
from reports.digest import Digest
from reports.outcomes import Outcomes
from verify.findings import Findings

_FAULTS = {"partition": "partitions between sites", "outage": "scheduled outages", "drift": "drift of capabilities"}


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
    tried = {fault.kind for fault in scenario.faults if not (isinstance(fault, Drift) and fault.of == "input")}
    if any(endpoint.outages for endpoint in scenario.endpoints.values()) or scenario.decision_point.outages:
        tried.add("outage")
    untried = [name for kind, name in _FAULTS.items() if kind not in tried]
    return [f"Not tried: {words.listed(untried)}."] if untried else []


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
