"""Outages by chance, and drifts, become plans. Faults that end are those of the platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from models.scenario import Drift, Endpoint, Scenario
from sim.compile_values import law_plan, success_plan
from sim.plan import DriftPlan, Names, OutagesPlan


def random_outages(scenario: Scenario, names: Names) -> Iterator[OutagesPlan]:
    """Outages by chance: those of the endpoints, then those of the decision point."""
    endpoints: Mapping[str, Endpoint] = scenario.endpoints
    sources = [(names.endpoints.index(name), endpoint.outages) for name, endpoint in endpoints.items()]
    for endpoint, outages in (*sources, (-1, scenario.decision_point.outages)):
        if outages is not None:
            laws = (law_plan(law) for law in (outages.between, outages.repair, outages.severity))
            yield OutagesPlan(endpoint, *laws)


def drifts(scenario: Scenario, names: Names) -> Iterator[DriftPlan]:
    """Drifts of success laws, on schedule."""
    for fault in scenario.faults:
        if isinstance(fault, Drift):
            capability = names.capabilities.index(f"{fault.agent}.{fault.capability}")
            yield DriftPlan(capability, fault.at, success_plan(fault.success), fault.name or "")
