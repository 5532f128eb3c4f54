"""Sites and who can reach whom, and the faults in force: outages and partitions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sim.faults import Fault, Faults
from sim.logs import Kind, Log
from sim.plan import PartitionPlan, Plan
from sim.workload import Outage

POINT = -1
"""The decision point's number among the places that have outages."""


class Network:
    """Reachability of sites and the severity of outages, at this moment. Both change by faults only."""

    def __init__(self, plan: Plan, log: Log, faults: Faults) -> None:
        self.healed: list[Callable[[int], None]] = []
        """Called with the time when a partition ends."""
        self._faults = faults
        self._log = log
        self._names = plan.names
        self._partitions: list[frozenset[int]] = []
        self._severities: dict[int, list[float]] = {}
        for partition in plan.partitions:
            self._schedule_partition(partition)
        for outage in plan.outages:
            self.schedule_outage(outage.endpoint, Outage(outage.begin, outage.end, outage.severity), outage.name)

    def connected(self, a: int, b: int) -> bool:
        """Whether two sites reach each other. A part without a site (-1) is reached from everywhere."""
        if not self._partitions or a < 0 or b < 0 or a == b:
            return True
        return all((a in sites) == (b in sites) for sites in self._partitions)

    def severity(self, place: int) -> float:
        """Share of calls to an endpoint, or to the decision point, that fail now: the worst of its outages."""
        severities = self._severities.get(place)
        return max(severities) if severities else 0.0

    def place_name(self, place: int) -> str:
        return "decision-point" if place == POINT else f"endpoint:{self._names.endpoints[place]}"

    def schedule_outage(self, place: int, outage: Outage, name: str = "") -> None:
        start, stop = partial(self._fail, place, outage), partial(self._repair, place, outage)
        self._faults.schedule(Fault(name, "outage", outage.begin, outage.end, start, stop))

    def _schedule_partition(self, plan: PartitionPlan) -> None:
        sites = frozenset(plan.sites)
        start, stop = partial(self._cut, sites, plan.end), partial(self._heal, sites)
        self._faults.schedule(Fault(plan.name, "partition", plan.begin, plan.end, start, stop))

    def _fail(self, place: int, outage: Outage, now: int) -> None:
        self._severities.setdefault(place, []).append(outage.severity)
        share = f"{outage.severity:g} of calls fail"
        self._log.event(now, Kind.OUTAGE, self.place_name(place), value=outage.end - now, detail=share)

    def _repair(self, place: int, outage: Outage, now: int) -> None:
        self._severities[place].remove(outage.severity)
        self._log.event(now, Kind.OUTAGE_OVER, self.place_name(place))

    def _cut(self, sites: frozenset[int], end: int, now: int) -> None:
        self._partitions.append(sites)
        self._log_sites(sites, now, Kind.PARTITION, end - now)

    def _heal(self, sites: frozenset[int], now: int) -> None:
        self._partitions.remove(sites)
        self._log_sites(sites, now, Kind.PARTITION_OVER, -1)
        for healed in self.healed:
            healed(now)

    def _log_sites(self, sites: frozenset[int], now: int, kind: Kind, value: int) -> None:
        cut = ",".join(self._names.sites[site] for site in sorted(sites))
        for site in sorted(sites):
            self._log.event(now, kind, f"site:{self._names.sites[site]}", value=value, detail=cut)
