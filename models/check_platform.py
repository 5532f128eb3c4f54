"""What the platform of a scenario must satisfy."""

from __future__ import annotations

from collections.abc import Iterator

from models.diagnostics import Problem, quoted
from models.problems import Keys, no_time
from models.scenario import Scenario


def check_links(scenario: Scenario) -> Iterator[Problem]:
    """A link goes from one site to another, and no two go the same way."""
    taken: dict[tuple[str, str], str] = {}
    for name, link in scenario.links.items():
        if link.from_ == link.to:
            yield Problem(("links", name, "to"), f"it leads from {quoted(link.to)} to itself", "name another site")
            continue
        ways = [(link.from_, link.to), *([(link.to, link.from_)] if link.both_ways else [])]
        other = next((taken[way] for way in ways if way in taken), None)
        if other is not None:
            message = f"link {quoted(other)} goes that way already"
            yield Problem(("links", name), message, "drop one, or set `both-ways: false` on both", True)
        taken |= dict.fromkeys(ways, name)


def check_points(scenario: Scenario) -> Iterator[Problem]:
    """One decision point a site, and somebody there who asks it."""
    taken: dict[str, str] = {}
    for name, point in scenario.decision_points.items():
        keys: Keys = ("decision-points", name)
        if point.site in taken:
            message = f"decision point {quoted(taken[point.site])} is at site {quoted(point.site)} already"
            yield Problem((*keys, "site"), message, "drop one of them")
        taken.setdefault(point.site, name)
        if not any(pool.site == point.site for pool in scenario.agents.values()):
            message = f"no agents are at site {quoted(point.site)}, so nobody asks it"
            yield Problem((*keys, "site"), message, "name a site of an agent pool, or drop the decision point")
        if point.cache is not None:
            yield from no_time((*keys, "cache", "for"), point.cache.for_)
