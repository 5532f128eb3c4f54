"""Sites in a run: what agents and people did at each, and for how long nothing reached it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from reports.intervals import Interval, exact, student
from reports.resilience import windows
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class SiteOutcome:
    """One site, or all parts without one. Intervals are of means over replications."""

    site: str
    """Its name; empty for the parts that are at no site."""
    attempts: Interval
    """Attempts that got a slot of the site's agents, in one replication."""
    failed: Interval
    """Attempts of the site's agents that failed, in one replication, whether they got a slot or not."""
    wait: Interval
    """Mean wait of an attempt that got a slot, us."""
    agents_busy: Interval
    """Slots of the site's agents at work, on average over the run."""
    reviews: Interval
    """Pieces of work that the site's people began, in one replication."""
    people_busy: Interval
    """People of the site at work, on average over the run."""
    cut_off: Interval
    """Time that partitions and expired certificates cut the site off, one by one, in one replication, us."""


def assess_sites(tables: RunTables) -> tuple[SiteOutcome, ...]:
    """Sites in the scenario's order, then what is at none, where there is any; nothing without sites."""
    scenario = tables.scenario
    if not scenario.sites:
        return ()
    agents = {f"agent:{name}": pool.site or "" for name, pool in scenario.agents.items()}
    desks = {f"desk:{name}": desk.site or "" for name, desk in scenario.desks.items()}
    served = _at(tables.of_kind("started", "finished"), {**agents, **desks})
    failed = _at(tables.of_kind("attempt-failed"), agents)
    cut = windows(tables)
    cut = cut[cut["kind"].isin(("partition", "certificate-expiry"))]
    names = [*scenario.sites, *([""] if "" in {*agents.values(), *desks.values()} else [])]
    return tuple(
        _site(name, served[served["site"] == name], failed[failed["site"] == name], cut, tables) for name in names
    )


def _at(rows: pd.DataFrame, sites: Mapping[str, str]) -> pd.DataFrame:
    """The events at places that have, or may have, a site, with its name."""
    places = rows["place"].astype(str)
    return rows.assign(place=places, site=places.map(sites))[places.isin(sites)]


def _site(name: str, served: pd.DataFrame, failed: pd.DataFrame, cut: pd.DataFrame, tables: RunTables) -> SiteOutcome:
    at_agents = served["place"].str.startswith("agent:")
    agents, people = served[at_agents], served[~at_agents]
    started = agents[agents["kind"] == "started"]
    mine = cut[cut["place"].astype(str) == f"site:{name}"]
    apart = tables.total(mine.assign(lasts=mine["end"] - mine["begin"]), "lasts")
    return SiteOutcome(
        site=name,
        attempts=tables.mean_count(started),
        failed=tables.mean_count(failed),
        wait=student(exact(ratio(tables.total(started, "value"), tables.count(started))), floor=0.0),
        agents_busy=_busy(agents, tables),
        reviews=tables.mean_count(people[people["kind"] == "started"]),
        people_busy=_busy(people, tables),
        cut_off=student(exact(apart), floor=0.0),
    )


def _busy(rows: pd.DataFrame, tables: RunTables) -> Interval:
    """How many were at work on average."""
    return student(exact(tables.at_work(rows)), floor=0.0)
