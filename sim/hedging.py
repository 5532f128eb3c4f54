"""Requests that are made again while they have no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sim.clock import Rank
from sim.logs import Kind
from sim.tokens import Call, Race

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.tokens import Orphan, Token

COPY: Final = 1 << 40
"""Draws of the n-th further call of a request are numbered from n times this on: more than any run has requests."""


def install_hedging(replication: Replication) -> None:
    """Make requests again, where capabilities say so."""
    if replication.plan.supply.hedges:
        hedger = _Hedger(replication)
        replication.endpoints.hedge = hedger.begin
        replication.endpoints.orphaned.append(hedger.orphaned)


class _Hedger:
    def __init__(self, replication: Replication) -> None:
        self._clock = replication.clock
        self._log = replication.log
        self._endpoints = replication.endpoints
        self._plans = {plan.capability: plan for plan in replication.plan.supply.hedges}

    def begin(self, call: Call, now: int) -> None:
        """A request has been made."""
        plan = self._plans.get(call.token.law.number)
        if plan is not None:
            call.race = Race(call)
            self._clock.at(now + plan.after, Rank.TIMEOUT, self._hedge, call.race)

    def _hedge(self, race: Race, now: int) -> None:
        """The request has no answer yet. An agent in a slot that hangs makes no calls."""
        first = race.open[0]
        token = first.token
        plan = self._plans[token.law.number]
        if token.station is None or not token.station.hangs(token):
            race.made += 1
            self._call(first, race, now)
        if race.made < plan.most:
            self._clock.at(now + plan.after, Rank.TIMEOUT, self._hedge, race)

    def _call(self, first: Call, race: Race, now: int) -> None:
        station = self._endpoints.stations[first.endpoint]
        copy = Call(first.token, first.endpoint, first.site, race.left, race.index + race.made * COPY)
        copy.begin = first.begin
        self._log.event(now, Kind.HEDGED, station.place, copy.case, race.made)
        copy.failure = self._endpoints.refusal(copy, now)
        if copy.failure:
            self._endpoints.close(copy, copy.failure, now)
            return
        copy.race = race
        race.open.append(copy)
        station.join(copy, now)

    def orphaned(self, _: Token, orphan: Orphan) -> None:
        """All calls of the request are the orphan's."""
        if orphan.call is not None and orphan.call.race is not None:
            for call in orphan.call.race.open:
                call.token = orphan
