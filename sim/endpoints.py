"""Endpoint calls: rate limit, concurrency limit, latency, outages and partitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from sim.chance import Draws, Purpose, Stream
from sim.clock import Clock, Rank
from sim.hooks import CUT_OFF, CallAdmit, CallClosed, CallPace, CallRoom, Orphaned
from sim.logs import Kind, Log
from sim.network import Network
from sim.plan import EndpointPlan, Plan
from sim.plans.resilience import Abandoned
from sim.stations import Station
from sim.tokens import Call, Cases, Orphan, Race, Token
from sim.values import durations

RATE_LIMITED: Final = "rate-limited"
"""Why a call failed that an endpoint's limit on requests or on tokens refused."""


class RateLimit:
    """The generic cell rate algorithm (ITU-T I.371): calls spread `gap` apart, and `burst` more than that.

    `due` is when the next call is due in the even spread; a call is accepted when it is no more than `burst` gaps
    early.
    """

    def __init__(self, gap: float, burst: int) -> None:
        self._gap = gap
        self._tolerance = gap * burst
        self._due = 0.0

    def has_room(self, now: int) -> bool:
        return self._due - now <= self._tolerance

    def room_in(self, now: int) -> int:
        """The time until it has room, if no call comes meanwhile."""
        wait = max(math.ceil(self._due - self._tolerance) - now, 0)
        while not self.has_room(now + wait):  # a difference of large floats may be rounded down
            wait += 1
        return wait

    def accepts(self, now: int) -> bool:
        if not self.has_room(now):
            return False
        self._due = max(self._due, float(now)) + self._gap
        return True


class Endpoints:
    """All endpoints. `done(token, failure, now)` is called when an attempt's calls are over; failure is empty if they
    all succeeded."""

    def __init__(self, plan: Plan, clock: Clock, log: Log, draws: Draws, network: Network, cases: Cases) -> None:
        self.done: Callable[[Token, str, int], None]
        self.admit: list[CallAdmit] = []
        self.closed: list[CallClosed] = []
        self.pace: list[CallPace] = []
        self.hedge: Callable[[Call, int], None] | None = None
        """Called with a call that has been made, where requests may be made again."""
        self.room: list[CallRoom] = [self._room_in]
        """Of each limit on calls, when it has room."""
        self.orphaned: list[Orphaned] = []
        self.charges: list[Callable[[Call], None]] = []
        """What a call costs beside its price, each time that it reaches its endpoint."""
        self._plan = plan
        self._clock = clock
        self._log = log
        self._draws = draws
        self._network = network
        self._cases = cases
        names = plan.names.endpoints
        self.stations = [
            Station(endpoint.station, f"endpoint:{name}", log, cases.cost, plan.levels, quiet=True)
            for endpoint, name in zip(plan.endpoints, names, strict=True)
        ]
        for station in self.stations:
            station.calls = 0
        self._limits = [RateLimit(endpoint.gap, endpoint.burst) for endpoint in plan.endpoints]
        self._latencies: dict[tuple[int, int], Stream[int]] = {}
        self._failures: dict[tuple[int, int], Stream[float]] = {}

    def start(self, token: Token, endpoint: int, site: int, calls: int, now: int) -> None:
        """Begin the calls of the token's attempt, from the agents' site."""
        token.call = call = Call(token, endpoint, site, calls, token.index * calls)
        call.begin = self._sent
        self._next(call, now)

    def cancel(self, token: Token, now: int) -> None:
        """The attempt is over: its open call is taken back, or goes on for nobody, as its endpoint has it."""
        call, token.call = token.call, None
        if call is not None:
            for each in (call,) if call.race is None else call.race.end():
                self._drop(each, now)

    def _drop(self, call: Call, now: int) -> None:
        abandoned = self._plan.resilience.endpoints[call.endpoint]
        if abandoned and call.station is not None:
            self._orphan(call, call.station, abandoned == Abandoned.SKIP, now)
            return
        call.epoch += 1
        if call.station is not None:
            call.station.withdraw(call, now)
        self.close(call, CUT_OFF, now)

    def _orphan(self, call: Call, station: Station, skips: bool, now: int) -> None:
        call.orphaned = True
        call.left = 1
        for_whom, call.token = call.token, Orphan(call.token)
        call.token.call = call
        for orphaned in self.orphaned:
            orphaned(for_whom, call.token)
        self._log.event(now, Kind.ORPHANED, station.place, call.case, -1 if call.waiting else now - call.since)
        if call.waiting and skips:
            station.hand_over(call, call, skipped=True)
            self.close(call, CUT_OFF, now)

    def _next(self, call: Call, now: int) -> None:
        call.failure = self.refusal(call, now)
        if call.failure:
            self._clock.at(now, Rank.FINISH, self._refused, call)
        else:
            self.stations[call.endpoint].join(call, now)
            if self.hedge is not None:
                self.hedge(call, now)

    def refusal(self, call: Call, now: int) -> str:
        """Why a call is not made; empty where it is."""
        for admit in self.admit:
            reason = admit(call, now)
            if reason:
                return reason
        limited = self._plan.endpoints[call.endpoint].gap and not self._limits[call.endpoint].accepts(now)
        return RATE_LIMITED if limited else ""

    def has_room(self, endpoint: int, now: int) -> bool:
        """Whether the endpoint's limit on requests would accept one now."""
        return not self._plan.endpoints[endpoint].gap or self._limits[endpoint].has_room(now)

    def charge(self, call: Call) -> None:
        """What the endpoint takes for a call that reaches it."""
        price = self._plan.endpoints[call.endpoint].price
        station = self.stations[call.endpoint]
        station.calls += 1
        if price:
            station.spent += price
            self._cases.cost[call.case] += price
            self._cases.cost_calls[call.case] += price
        for charge in self.charges:
            charge(call)

    def _room_in(self, call: Call, now: int) -> int:
        return self._limits[call.endpoint].room_in(now)

    def _refused(self, call: Call, now: int) -> None:
        self.close(call, call.failure, now)
        self._over(call, now)

    def _sent(self, call: Call, now: int) -> None:
        """The call starts: it is paid, and whether an outage or a partition fails it is known now."""
        endpoint = self._plan.endpoints[call.endpoint]
        self.charge(call)
        severity = self._network.severity(call.endpoint)
        if severity and self._failure_draw(call) < severity:
            call.failure = "outage"
        elif not self._reached(call, endpoint):
            call.failure = "partition"
        latency = self._latency(call)
        for pace in self.pace:
            latency = pace(call, latency, now)
        self._clock.at(now + latency, Rank.FINISH, self._answered, call)

    def _answered(self, call: Call, now: int) -> None:
        assert call.station is not None
        endpoint = self._plan.endpoints[call.endpoint]
        if not call.failure and not self._reached(call, endpoint):
            call.failure = "partition"
        # Before its place is free: another call of the request may wait for it.
        decided = call.race is None or self._decides(call, call.race, now)
        call.station.leave(call, now)
        self.close(call, call.failure, now)
        if not decided:
            return
        call.left -= 1
        call.index += 1
        if call.orphaned:
            self._log.event(now, Kind.WASTED, self.stations[call.endpoint].place, call.case, now - call.since)
        elif call.left and not call.failure:
            self._next(call, now)
        else:
            self._over(call, now)

    def _decides(self, call: Call, race: Race, now: int) -> bool:
        """Whether the request is over with the answer to a call of it: a failure may be made good by another call."""
        race.open.remove(call)
        if call.failure and race.open:
            call.token.call = race.open[0]
            return False
        call.race = None
        call.left, call.index = race.left, race.index
        for other in race.end():
            self._drop(other, now)
        call.token.call = call
        return True

    def close(self, call: Call, failure: str, now: int) -> None:
        """Tell of a call that is over."""
        for closed in self.closed:
            closed(call, failure, now)

    def _over(self, call: Call, now: int) -> None:
        call.token.call = None
        name = self._plan.names.endpoints[call.endpoint]
        self.done(call.token, f"{name}: {call.failure}" if call.failure else "", now)

    def _reached(self, call: Call, endpoint: EndpointPlan) -> bool:
        return self._network.connected(call.site, endpoint.site)

    def _latency(self, call: Call) -> int:
        place = (call.token.work, call.token.step)
        stream = self._latencies.get(place)
        if stream is None:
            endpoint = self._plan.endpoints[call.endpoint]
            calls = self._plan.capabilities[call.token.plan.capability].calls
            law = durations(endpoint.latency)
            stream = self._draws.stream(Purpose.LATENCY, self._name(call), law, width=min(calls, 16))
            self._latencies[place] = stream
        return stream.at(call.token.entity, call.index)

    def _failure_draw(self, call: Call) -> float:
        place = (call.token.work, call.token.step)
        stream = self._failures.get(place)
        if stream is None:
            stream = self._failures[place] = self._draws.uniforms(Purpose.CALL, self._name(call), width=0)
        return stream.at(call.token.entity, call.index)

    def _name(self, call: Call) -> str:
        names = self._plan.names
        return f"{names.works[call.token.work]}/{names.steps[call.token.step]}"
