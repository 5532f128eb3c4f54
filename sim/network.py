"""Sites and who can reach whom, and the faults in force: outages and partitions."""

from __future__ import annotations

from collections.abc import Callable

from sim.clock import Clock, Rank
from sim.logs import Kind, Log
from sim.plan import PartitionPlan, Plan
from sim.workload import Outage

POINT = -1
"""The decision point's number among the places that have outages."""


class _Fault:
    """One fault on the clock."""

    epoch = 0

    def __init__(self, place: int, severity: float, sites: frozenset[int], end: int) -> None:
        self.place = place
        self.severity = severity
        self.sites = sites
        self.end = end


class Network:
    """Reachability of sites and the severity of outages, at this moment. Both change by faults only."""

    def __init__(self, plan: Plan, clock: Clock, log: Log) -> None:
        self.healed: list[Callable[[int], None]] = []
        """Called with the time when a partition ends."""
        self._clock = clock
        self._log = log
        self._names = plan.names
        self._partitions: list[frozenset[int]] = []
        self._severities: dict[int, list[float]] = {}
        for partition in plan.partitions:
            self._schedule_partition(partition)
        for outage in plan.outages:
            self.schedule_outage(outage.endpoint, Outage(outage.begin, outage.end, outage.severity))

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

    def schedule_outage(self, place: int, outage: Outage) -> None:
        self._clock.at(outage.begin, Rank.FAULT, self._fail, _Fault(place, outage.severity, frozenset(), outage.end))

    def _schedule_partition(self, partition: PartitionPlan) -> None:
        fault = _Fault(POINT, 0.0, frozenset(partition.sites), partition.end)
        self._clock.at(partition.begin, Rank.FAULT, self._cut, fault)

    def _fail(self, fault: _Fault, now: int) -> None:
        self._severities.setdefault(fault.place, []).append(fault.severity)
        share = f"{fault.severity:g} of calls fail"
        self._log.event(now, Kind.OUTAGE, self.place_name(fault.place), value=fault.end - now, detail=share)
        self._clock.at(fault.end, Rank.FAULT, self._repair, fault)

    def _repair(self, fault: _Fault, now: int) -> None:
        self._severities[fault.place].remove(fault.severity)
        self._log.event(now, Kind.OUTAGE_OVER, self.place_name(fault.place))

    def _cut(self, fault: _Fault, now: int) -> None:
        self._partitions.append(fault.sites)
        self._log_sites(fault, now, Kind.PARTITION, fault.end - now)
        self._clock.at(fault.end, Rank.FAULT, self._heal, fault)

    def _heal(self, fault: _Fault, now: int) -> None:
        self._partitions.remove(fault.sites)
        self._log_sites(fault, now, Kind.PARTITION_OVER, -1)
        for healed in self.healed:
            healed(now)

    def _log_sites(self, fault: _Fault, now: int, kind: Kind, value: int) -> None:
        cut = ",".join(self._names.sites[site] for site in sorted(fault.sites))
        for site in sorted(fault.sites):
            self._log.event(now, kind, f"site:{self._names.sites[site]}", value=value, detail=cut)
