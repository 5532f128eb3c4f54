"""Outages by chance become plans. Faults that end are those of the platform, drifts those of change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from models.scenario import Endpoint, Scenario
from sim.compile_values import law_plan
from sim.plan import Names, OutagesPlan


def random_outages(scenario: Scenario, names: Names) -> Iterator[OutagesPlan]:
    """Outages by chance: those of the endpoints, then those of the decision point."""
    endpoints: Mapping[str, Endpoint] = scenario.endpoints
    sources = [(names.endpoints.index(name), endpoint.outages) for name, endpoint in endpoints.items()]
    for endpoint, outages in (*sources, (-1, scenario.decision_point.outages)):
        if outages is not None:
            laws = (law_plan(law) for law in (outages.between, outages.repair, outages.severity))
            yield OutagesPlan(endpoint, *laws)
