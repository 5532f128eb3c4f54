"""The platform in a run: what decision points of sites answered from their caches, and data outside its regions."""

from __future__ import annotations

from dataclasses import dataclass

from models.scenario import Scenario, Task
from reports.intervals import Interval, exact, student
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class PointOutcome:
    """The cache of one decision point. Intervals are of means over replications."""

    place: str
    kept: Interval
    """Answers given from the cache in one replication while they were good."""
    stale: Interval
    """Answers given past that, because the central decision point did not answer."""
    kept_share: Interval
    """Share of the questions about cases, each round of approvals being one, that got such an answer while it was good;
    replications without questions are left out."""
    stale_share: Interval
    """And past that."""
    oldest: float
    """Age of the oldest answer that was given, in any replication, us; -1 where none was."""


@dataclass(frozen=True, slots=True)
class BreachOutcome:
    """A class of data, or more, handled at one place outside its regions."""

    place: str
    what: str
    """The class, and the region it was handled in."""
    breaches: Interval
    """Breaches in one replication."""


def assess_points(tables: RunTables) -> tuple[PointOutcome, ...]:
    """Decision points with a cache, or whose copies are behind, in the scenario's order."""
    kept, stale = (tables.of_kind(kind) for kind in ("cached", "stale-decision"))
    found = []
    for name, point in tables.scenario.decision_points.items():
        if point.cache is None and not point.propagation:
            continue
        place = f"decision-point:{name}"
        mine = [rows[rows["place"] == place] for rows in (kept, stale)]
        oldest = max((float(rows["value"].max()) for rows in mine if len(rows)), default=-1.0)
        asked = tables.count(tables.decisions[tables.decisions["step"].isin(_steps_at(point.site, tables.scenario))])
        counts = [tables.mean_count(rows) for rows in mine]
        of_cases = [tables.count(rows[rows["case"] >= 0]) for rows in mine]
        shares = [student(exact(ratio(count, asked)), floor=0.0, ceiling=1.0) for count in of_cases]
        found.append(PointOutcome(name, counts[0], counts[1], shares[0], shares[1], oldest))
    return tuple(found)


def _steps_at(site: str, scenario: Scenario) -> list[str]:
    """The steps whose agents are at a site, as the decision log names them."""
    return [
        f"{name}.{step_name}"
        for name, workflow in scenario.workflows.items()
        for step_name, step in workflow.steps.items()
        if isinstance(step, Task) and scenario.agents[step.agent].site == site
    ]


def assess_breaches(tables: RunTables) -> tuple[BreachOutcome, ...]:
    """Breaches by place, class and region, sorted."""
    rows = tables.of_kind("residency-breach").astype({"place": "str", "detail": "str"})
    return tuple(
        BreachOutcome(str(place), str(what), tables.mean_count(some))
        for (place, what), some in rows.groupby(["place", "detail"], sort=True)
    )
