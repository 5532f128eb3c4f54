"""Tokens of calls: how many go in and come out, what they take and cost, and how many an endpoint takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sim.chance import Purpose, Stream
from sim.endpoints import RATE_LIMITED
from sim.hedging import COPY
from sim.values import quantile

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.plan import LawPlan
    from sim.plans.supply import TokenPlan
    from sim.tasks import TaskLaw
    from sim.tokens import Call

_MILLION = 1_000_000
TOKENS_MAX = 1 << 40
"""The most tokens of one call: beyond it a law's tail would overflow the figures."""


class TokenLimit:
    """The generic cell rate algorithm with calls of many cells: tokens spread `gap` apart, and `burst` at a time.

    In any time t no more than t / gap + burst tokens are accepted. It is a bucket of `burst` tokens that is filled at
    the rate; `due` is when it will be full.
    """

    def __init__(self, gap: float, burst: int) -> None:
        self._gap = gap
        self._tolerance = gap * burst
        self._due = 0.0

    def room_in(self, tokens: int, now: int) -> int | None:
        """The time until a call of so many tokens is accepted, if no other comes; None where it never is."""
        cells = tokens * self._gap
        if cells > self._tolerance:
            return None
        wait = max(math.ceil(self._due + cells - self._tolerance) - now, 0)
        while max(self._due, float(now + wait)) + cells - (now + wait) > self._tolerance:
            wait += 1
        return wait

    def accepts(self, tokens: int, now: int) -> bool:
        """Whether a call of so many tokens is accepted; they are then taken."""
        due = max(self._due, float(now)) + tokens * self._gap
        if due - now > self._tolerance:
            return False
        self._due = due
        return True


class TokenUse:
    """The tokens of the calls of one replication."""

    def __init__(self, replication: Replication) -> None:
        supply = replication.plan.supply
        self._draws = replication.draws
        self._cases = replication.cases
        self._attributes = replication.workload.attributes
        self._endpoints = replication.endpoints
        self._laws = {plan.capability: plan for plan in supply.uses}
        self._plans: dict[int, TokenPlan] = {plan.endpoint: plan for plan in supply.tokens}
        self._limits = {plan.endpoint: TokenLimit(plan.gap, plan.burst) for plan in supply.tokens if plan.gap}
        self._streams: dict[tuple[TaskLaw, Purpose], Stream[int]] = {}

    def admit(self, call: Call, now: int) -> str:
        """Why the endpoint takes no call of so many tokens now; empty where it does. A call that the limit on requests
        refuses anyway takes no tokens."""
        limit = self._limits.get(call.endpoint)
        if limit is None or not self._endpoints.has_room(call.endpoint, now):
            return ""
        return "" if limit.accepts(sum(self.of(call)), now) else RATE_LIMITED

    def room_in(self, call: Call, now: int) -> int | None:
        """The time until the endpoint's limit on tokens takes the call."""
        limit = self._limits.get(call.endpoint)
        return 0 if limit is None else limit.room_in(sum(self.of(call)), now)

    def pace(self, call: Call, latency: int, _: int) -> int:
        """The latency of a call that starts with the time that its tokens take."""
        plan = self._plans.get(call.endpoint)
        if plan is None:
            return latency
        into, out = self.of(call)
        return latency + into * plan.time_in + out * plan.time_out

    def charge(self, call: Call) -> None:
        """Count and charge the tokens of a call that reaches its endpoint."""
        into, out = self.of(call)
        self._cases.tokens_in[call.case] += into
        self._cases.tokens_out[call.case] += out
        plan = self._plans.get(call.endpoint)
        if plan is not None:
            paid = (into * plan.price_in + out * plan.price_out + _MILLION // 2) // _MILLION
            self._cases.cost[call.case] += paid
            self._cases.cost_tokens[call.case] += paid
            self._endpoints.stations[call.endpoint].spent += paid

    def of(self, call: Call) -> tuple[int, int]:
        """The tokens that go in and come out, the same each time they are asked for."""
        law = call.token.law
        use = self._laws.get(law.number)
        if use is None:
            return 0, 0
        into = self._count(call, use.into_from, Purpose.TOKENS_IN, use.into)
        return into, self._count(call, use.out_from, Purpose.TOKENS_OUT, use.out)

    def _count(self, call: Call, sources: tuple[int, ...], purpose: Purpose, of: LawPlan) -> int:
        """What an attribute of the case tells, where it has it; else a draw."""
        token = call.token
        source = sources[token.work]
        if source < 0:
            # A request that is made again has the same tokens in; what comes out is another answer.
            index = call.index % COPY if purpose == Purpose.TOKENS_IN else call.index
            return self._stream(token.law, purpose, of).at(token.entity, index)
        # A drift of the attribute may go below nothing.
        return min(max(int(self._attributes[token.work][source][token.entity]), 0), TOKENS_MAX)

    def _stream(self, law: TaskLaw, purpose: Purpose, of: LawPlan) -> Stream[int]:
        stream = self._streams.get((law, purpose))
        if stream is None:
            value = quantile(of)
            stream = self._draws.stream(purpose, law.name, lambda us: [_whole(value(u)) for u in us])
            self._streams[law, purpose] = stream
        return stream


def _whole(value: float) -> int:
    return int(min(max(value, 0.0), float(TOKENS_MAX)) + 0.5)


def install_token_use(replication: Replication) -> None:
    """Count the tokens of calls, where capabilities say how many they have, and hold them to the endpoints' limits."""
    if replication.plan.supply.uses:
        use = TokenUse(replication)
        replication.endpoints.admit.append(use.admit)
        replication.endpoints.room.append(use.room_in)
        replication.endpoints.pace.append(use.pace)
        replication.endpoints.charges.append(use.charge)
