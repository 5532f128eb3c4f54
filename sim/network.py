"""Sites and who can reach whom, and the faults in force: outages and partitions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sim.chance import Draws
from sim.faults import Fault, Faults
from sim.links import Cut, Cuts, Links, flaps
from sim.logs import Kind, Log
from sim.plan import Plan
from sim.plans.platform import CertificatePlan, PartitionPlan
from sim.windows import Outage, Window, windows

POINT = -1
"""The decision point's number among the places that have outages."""


class Network:
    """Reachability of sites and the severity of outages, at this moment. Both change by faults only."""

    def __init__(self, plan: Plan, draws: Draws, log: Log, faults: Faults) -> None:
        self.healed: list[Callable[[int], None]] = []
        """Called with the time when ways between sites open again."""
        self._faults = faults
        self._log = log
        self._names = plan.names
        self._cuts = Cuts()
        self.links = Links(plan.platform.links, draws)
        self._severities: dict[int, list[float]] = {}
        for partition in plan.platform.partitions:
            for window in windows(partition, draws, plan.horizon):
                self._schedule_partition(partition, window, plan.horizon)
        for certificate in plan.platform.certificates:
            for window in windows(certificate, draws, plan.horizon):
                self._schedule_expiry(certificate, window)
        for fault in plan.platform.outages:
            for window in windows(fault, draws, plan.horizon):
                self.schedule_outage(fault.endpoint, Outage(window.begin, window.end, fault.severity), fault.name)

    def connected(self, a: int, b: int) -> bool:
        """Whether a question from site a comes to b and the answer comes back. A part without a site (-1) is reached
        from everywhere."""
        return self._cuts.connected(a, b)

    def reaches(self, a: int, b: int) -> bool:
        """Whether what is sent from site a arrives at b, whatever becomes of an answer."""
        return self._cuts.reaches(a, b)

    def severity(self, place: int) -> float:
        """Share of calls to an endpoint, or to the decision point, that fail now: the worst of its outages."""
        severities = self._severities.get(place)
        return max(severities) if severities else 0.0

    def place_name(self, place: int) -> str:
        return "decision-point" if place == POINT else f"endpoint:{self._names.endpoints[place]}"

    def schedule_outage(self, place: int, outage: Outage, name: str = "") -> None:
        start, stop = partial(self._fail, place, outage), partial(self._repair, place, outage)
        self._faults.schedule(Fault(name, "outage", outage.begin, outage.end, start, stop))

    def _schedule_partition(self, plan: PartitionPlan, window: Window, horizon: int) -> None:
        """One fault for the whole; where it flaps, the ways are cut and open again within it."""
        cut = Cut(frozenset(plan.sites), frozenset(plan.towards))
        if plan.down < 0:
            start, stop = partial(self._cut, cut, window.end), partial(self._heal, cut)
            self._faults.schedule(Fault(plan.name, plan.kind, window.begin, window.end, start, stop))
            return
        if plan.name:
            self._faults.schedule(Fault(plan.name, plan.kind, window.begin, window.end, _nothing, _nothing))
        for begin, end in flaps(window.begin, min(window.end, horizon), plan.down, plan.up):
            start, stop = partial(self._cut, cut, end), partial(self._heal, cut)
            self._faults.schedule(Fault("", plan.kind, begin, end, start, stop))

    def _schedule_expiry(self, plan: CertificatePlan, window: Window) -> None:
        """Each site of the certificate is cut from the others of it: that is both directions of every pair."""
        sites = frozenset(plan.sites)
        cuts = [Cut(frozenset({site}), sites - {site}) for site in plan.sites]

        def start(now: int) -> None:
            for cut in cuts:
                self._cuts.add(cut)
            self._log_expiry(sites, now, Kind.CERTIFICATE_EXPIRY, window.end - now)

        def stop(now: int) -> None:
            for cut in cuts:
                self._cuts.remove(cut)
            self._log_expiry(sites, now, Kind.CERTIFICATE_EXPIRY_OVER, -1)
            for healed in self.healed:
                healed(now)

        self._faults.schedule(Fault(plan.name, plan.kind, window.begin, window.end, start, stop))

    def _log_expiry(self, sites: frozenset[int], now: int, kind: Kind, value: int) -> None:
        for site in sorted(sites):
            self._log.event(now, kind, f"site:{self._names.sites[site]}", value=value, detail=self._told(sites))

    def _fail(self, place: int, outage: Outage, now: int) -> None:
        self._severities.setdefault(place, []).append(outage.severity)
        share = f"{outage.severity:g} of calls fail"
        self._log.event(now, Kind.OUTAGE, self.place_name(place), value=outage.end - now, detail=share)

    def _repair(self, place: int, outage: Outage, now: int) -> None:
        self._severities[place].remove(outage.severity)
        self._log.event(now, Kind.OUTAGE_OVER, self.place_name(place))

    def _cut(self, cut: Cut, end: int, now: int) -> None:
        self._cuts.add(cut)
        self._log_sites(cut, now, Kind.PARTITION, end - now)

    def _heal(self, cut: Cut, now: int) -> None:
        self._cuts.remove(cut)
        self._log_sites(cut, now, Kind.PARTITION_OVER, -1)
        for healed in self.healed:
            healed(now)

    def _log_sites(self, cut: Cut, now: int, kind: Kind, value: int) -> None:
        told = self._told(cut.sites) + (f" towards {self._told(cut.towards)}" if cut.towards else "")
        for site in sorted(cut.sites):
            self._log.event(now, kind, f"site:{self._names.sites[site]}", value=value, detail=told)

    def _told(self, sites: frozenset[int]) -> str:
        return ",".join(self._names.sites[site] for site in sorted(sites))


def _nothing(_: int) -> None:
    pass
