"""Endpoints under strain: slower the more calls they have in hand, slower and worse in what an outage lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.curves import Curve
from sim.plan import SuccessPlan

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.tokens import Call, Token


def install_strain(replication: Replication) -> None:
    """Slow the calls of endpoints that load or outages tell on."""
    strain = Strain(replication)
    if strain.tells:
        replication.endpoints.pace.append(strain.pace)


class Strain:
    """What load and outages do to the calls of one replication."""

    def __init__(self, replication: Replication) -> None:
        self._stations = replication.endpoints.stations
        self._network = replication.network
        self._plans = {plan.endpoint: plan for plan in replication.plan.supply.strains}
        self.tells = bool(self._plans)
        self._curves: dict[tuple[tuple[float, float], ...], Curve] = {}
        self._worse: dict[tuple[int, float], SuccessPlan] = {}
        self._better: dict[int, tuple[SuccessPlan, float, SuccessPlan]] = {}
        """By id of a law that degraded calls made: the law they made it of, by which factor, and itself."""

    def pace(self, call: Call, latency: int, _: int) -> int:
        """The latency of a call by the share of the endpoint's places that are taken, its own included."""
        plan = self._plans.get(call.endpoint)
        if plan is None:
            return latency
        factor = 1.0
        if plan.load:
            station = self._stations[call.endpoint]
            factor = self._at(plan.load, station.busy / max(station.servers, 1))
        severity = self._network.severity(call.endpoint)
        if severity and plan.slower:
            factor *= self._at(plan.slower, severity)
        if severity and plan.worse:
            self._degrade(call.token, self._at(plan.worse, severity))
        return int(latency * factor + 0.5)

    def _at(self, points: tuple[tuple[float, float], ...], share: float) -> float:
        curve = self._curves.get(points)
        if curve is None:
            curve = self._curves[points] = Curve(points, "")
        return curve.at(share)

    def _degrade(self, token: Token, factor: float) -> None:
        """Lower the attempt's chance of success; of several calls the worst counts."""
        law, so_far, _ = self._better.get(id(token.success), (token.success, 1.0, token.success))
        if factor >= so_far:
            return
        worse = self._worse.get((id(law), factor))
        if worse is None:
            chance = law.chance * factor if law.chance >= 0 else law.chance
            worse = SuccessPlan(chance, tuple(value * factor for value in law.quantiles))
            self._worse[id(law), factor] = worse
            self._better[id(worse)] = (law, factor, worse)
        token.success = worse
