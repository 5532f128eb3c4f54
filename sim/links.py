"""Ways between sites: which are cut at this moment, and what it costs to send over those that are not.

A way is directed, from one site to another. A round trip is a way there and the way back, and takes both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sim.chance import Draws, Purpose, Stream
from sim.logs import Kind
from sim.values import durations

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.plans.platform import LinkPlan
    from sim.tokens import Call


class Cut(NamedTuple):
    """Ways that a partition cuts: from `sites` to `towards`; where that is empty, all into and out of `sites`."""

    sites: frozenset[int]
    towards: frozenset[int] = frozenset()

    def blocks(self, a: int, b: int) -> bool:
        """Whether nothing gets from a to b."""
        if self.towards:
            return a in self.sites and b in self.towards
        return (a in self.sites) != (b in self.sites)


class Cuts:
    """The partitions in force. A part without a site (-1) is reached from everywhere, and a site from itself."""

    def __init__(self) -> None:
        self._cuts: list[Cut] = []

    def add(self, cut: Cut) -> None:
        self._cuts.append(cut)

    def remove(self, cut: Cut) -> None:
        self._cuts.remove(cut)

    def reaches(self, a: int, b: int) -> bool:
        """Whether what is sent from a arrives at b."""
        if not self._cuts or a < 0 or b < 0 or a == b:
            return True
        return not any(cut.blocks(a, b) for cut in self._cuts)

    def connected(self, a: int, b: int) -> bool:
        """Whether a question from a comes to b and the answer comes back."""
        return not self._cuts or (self.reaches(a, b) and self.reaches(b, a))


@dataclass(slots=True)
class Way:
    """One direction of a link, and what the faults in force make of it."""

    losses: list[float]
    """Share of what is sent that is lost, by the link itself and by each fault in force."""
    factors: list[float] = field(default_factory=list)
    """What each slowdown in force makes of the latency."""

    @property
    def loss(self) -> float:
        """Each cause loses its share of what the others let through: 1 - (1-p)(1-q)..."""
        kept = 1.0
        for loss in self.losses:
            kept *= 1.0 - loss
        return 1.0 - kept

    def slowed(self, latency: int) -> int:
        """The latency as the slowdowns in force make it, each to the nearest microsecond."""
        for factor in self.factors:
            latency = int(latency * factor + 0.5)
        return latency


class Leg(NamedTuple):
    """One direction: how long it takes; where what is sent is lost, when its sender notices, else -1; and whether it
    comes twice."""

    time: int
    lost_after: int
    twice: bool


class Trip(NamedTuple):
    """A round trip: how long the ways there and back take together; where one loses it, when that is noticed; and
    whether what was sent came twice."""

    time: int
    lost_after: int
    """-1 where nothing is lost."""
    twice: bool


NO_LINK = Leg(0, -1, False)
AT_ONCE = Trip(0, -1, False)


class Links:
    """The links of a replication. Draws of a trip: two of each kind, one a direction."""

    def __init__(self, plans: tuple[LinkPlan, ...], draws: Draws) -> None:
        self._plans = plans
        self._draws = draws
        self._ways: dict[tuple[int, int], tuple[int, Way]] = {}
        self._of_link: list[list[Way]] = []
        self._laws = [durations(link.latency) for link in plans]
        self._latencies: dict[tuple[int, str], Stream[int]] = {}
        self._losses: dict[tuple[int, str], Stream[float]] = {}
        self._duplications: dict[tuple[int, str], Stream[float]] = {}
        for number, link in enumerate(plans):
            pairs = [(link.a, link.b), *([(link.b, link.a)] if link.both else [])]
            ways = [Way([link.loss] if link.loss else []) for _ in pairs]
            self._of_link.append(ways)
            self._ways |= {pair: (number, way) for pair, way in zip(pairs, ways, strict=True)}

    def ways(self, link: int) -> list[Way]:
        """The directions of a link, for faults to change."""
        return self._of_link[link]

    def trip(self, a: int, b: int, place: str, entity: int, index: int) -> Trip:
        """A question from site a to b and its answer; sites without a link reach each other at once."""
        if not self._ways or a == b:
            return AT_ONCE
        there = self.leg(a, b, place, entity, 2 * index)
        if there.lost_after >= 0:
            # What is lost on the way there has no answer to lose.
            return Trip(0, there.lost_after, False)
        back = self.leg(b, a, place, entity, 2 * index + 1)
        return Trip(there.time + back.time, back.lost_after, there.twice)

    def leg(self, a: int, b: int, place: str, entity: int, index: int) -> Leg:
        """The way from site a to b alone."""
        found = self._ways.get((a, b))
        if found is None:
            return NO_LINK
        number, way = found
        loss = way.loss
        if loss and self._loss(number, place).at(entity, index) < loss:
            return Leg(0, self._plans[number].lost_after, False)
        duplication = self._plans[number].duplication
        twice = duplication > 0 and self._duplication(number, place).at(entity, index) < duplication
        return Leg(way.slowed(self._latency(number, place).at(entity, index)), -1, twice)

    def place(self, a: int, b: int) -> str:
        """What the log calls the link from site a to b, where there is one."""
        return f"link:{self._plans[self._ways[a, b][0]].name}"

    def _loss(self, link: int, place: str) -> Stream[float]:
        stream = self._losses.get((link, place))
        if stream is None:
            where = f"link:{self._plans[link].name}/{place}"
            stream = self._losses[link, place] = self._draws.uniforms(Purpose.LINK_LOSS, where, width=2)
        return stream

    def _duplication(self, link: int, place: str) -> Stream[float]:
        stream = self._duplications.get((link, place))
        if stream is None:
            where = f"link:{self._plans[link].name}/{place}"
            stream = self._draws.uniforms(Purpose.LINK_DUPLICATION, where, width=2)
            self._duplications[link, place] = stream
        return stream

    def _latency(self, link: int, place: str) -> Stream[int]:
        stream = self._latencies.get((link, place))
        if stream is None:
            where = f"link:{self._plans[link].name}/{place}"
            stream = self._draws.stream(Purpose.LINK_LATENCY, where, self._laws[link], width=2)
            self._latencies[link, place] = stream
        return stream


def flaps(begin: int, end: int, down: int, up: int) -> Iterator[tuple[int, int]]:
    """The times within [begin, end) when a flapping partition cuts: `down` long, with `up` between."""
    while begin < end:
        yield begin, min(begin + down, end)
        begin += down + up


def install_links(replication: Replication) -> None:
    """Let endpoint calls take the links between the agents' site and the endpoint's."""
    if not replication.plan.platform.links:
        return
    plan, links = replication.plan, replication.network.links

    def where(call: Call) -> str:
        return f"endpoint:{plan.names.endpoints[call.endpoint]}"

    def travel(call: Call, latency: int, now: int) -> int:
        token, site = call.token, plan.endpoints[call.endpoint].site
        trip = links.trip(call.site, site, token.law.name, token.entity, call.index)
        call.twice = trip.twice and call.failure != "partition"
        if call.twice:
            replication.log.event(now, Kind.DUPLICATED, links.place(call.site, site), call.case, detail=where(call))
            replication.endpoints.charge(call)
        if trip.lost_after < 0 or call.failure == "partition":
            return latency + trip.time
        call.failure = "lost"
        return trip.lost_after

    replication.endpoints.pace.append(travel)
