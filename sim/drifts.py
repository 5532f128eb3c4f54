"""Drifts: what capabilities do changes at a moment, and a roll-back undoes it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sim.chance import Purpose, Stream
from sim.faults import Fault
from sim.logs import Kind, Log
from sim.plan import FOREVER
from sim.plans.change import Change, DriftPlan
from sim.tokens import Call, Token

if TYPE_CHECKING:
    from sim.engine import Replication

T = TypeVar("T")

_WORDS = {
    Change.LATENCY: "takes {:g} times as long",
    Change.COST: "costs {:g} times as much",
    Change.FORMAT: "{:.4g} of the answers cannot be read",
    Change.CONTRACT: "{:.4g} of the cases have answers that cannot be read",
}


class Drifts:
    """What is in force for each capability, and what was before it. Where nothing but quality drifts, no attempt is
    followed."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self._names = replication.plan.names
        self._success = replication.tasks.success
        count = len(replication.plan.capabilities)
        self.factor = {Change.LATENCY: [1.0] * count, Change.COST: [1.0] * count}
        self._share = {Change.FORMAT: [0.0] * count, Change.CONTRACT: [0.0] * count}
        self._before: list[list[partial[None]]] = [[] for _ in range(count)]
        self._streams: dict[tuple[int, str], Stream[float]] = {}
        self.unread: Token | None = None
        """The token whose attempt was judged last, where its answer could not be read."""
        drifts = replication.plan.change.drifts
        for drift in drifts:
            # Nothing but a roll-back ends it.
            begin = partial(self._set_in, drift)
            replication.faults.schedule(Fault(drift.name, "drift", drift.at, FOREVER, begin, _nothing))
        self._hang_in({drift.what for drift in drifts}, {d.capability for d in drifts if d.what != Change.QUALITY})

    def _hang_in(self, kinds: set[int], capabilities: set[int]) -> None:
        tasks, endpoints = self._replication.tasks, self._replication.endpoints
        watch(self._replication, capabilities)
        if kinds & {Change.LATENCY, Change.COST}:
            tasks.pace.append(self._pace)
            endpoints.pace.append(self._call_pace)
        if kinds & {Change.FORMAT, Change.CONTRACT}:
            tasks.verdicts.append(self._verdict)

    def _set_in(self, drift: DriftPlan, now: int) -> None:
        capability, name = drift.capability, self._names.capabilities[drift.capability]
        if drift.success is not None:
            self._put(self._success, capability, drift.success)
        else:
            self._put((self.factor | self._share)[Change(drift.what)], capability, drift.value)
        words = _WORDS.get(Change(drift.what))
        detail = f"{name}: {words.format(drift.value)}" if words else name
        self._replication.log.event(now, Kind.DRIFT, f"agent:{name.split('.')[0]}", detail=detail)

    def _put(self, values: list[T], capability: int, value: T) -> None:
        self._before[capability].append(partial(values.__setitem__, capability, values[capability]))
        values[capability] = value

    def roll_back(self, capability: int) -> bool:
        """Restore what was before the last drift in force; False where there is none."""
        if not self._before[capability]:
            return False
        self._before[capability].pop()()
        return True

    def cost(self, capability: int) -> float:
        """Of an attempt that is answered, with its calls, in millionths of the currency."""
        plan = self._replication.plan
        what = plan.capabilities[capability]
        price = plan.endpoints[what.endpoint].price if what.calls else 0
        return self.factor[Change.COST][capability] * (what.cost + what.calls * price)

    # --- hooks --------------------------------------------------------------------------------------------------------

    def _pace(self, token: Token, busy: int, _: int) -> int:
        number = token.law.number
        more = self._more(token.law.cost, number)
        self._replication.cases.cost[token.case] += more
        token.law.pool.spent += more
        return int(busy * self.factor[Change.LATENCY][number] + 0.5)

    def _call_pace(self, call: Call, latency: int, _: int) -> int:
        number = call.token.law.number
        more = self._more(self._replication.plan.endpoints[call.endpoint].price, number)
        self._replication.cases.cost[call.case] += more
        self._replication.cases.cost_calls[call.case] += more
        self._replication.endpoints.stations[call.endpoint].spent += more
        return int(latency * self.factor[Change.LATENCY][number] + 0.5)

    def _more(self, cost: int, capability: int) -> int:
        """What the drift adds to a cost or a price, which is paid already."""
        factor = self.factor[Change.COST][capability]
        return 0 if factor == 1.0 else int(cost * factor + 0.5) - cost

    def _verdict(self, token: Token, wrong: bool, _: int) -> tuple[bool, str]:
        reason = self._trouble(token)
        self.unread = token if reason else None
        return wrong, reason

    def _trouble(self, token: Token) -> str:
        number = token.law.number
        share = self._share[Change.CONTRACT][number]
        if share and self._stream(Purpose.CONTRACT, self._latent(token)).at(token.entity, 0) < share:
            return "contract"
        share = self._share[Change.FORMAT][number]
        if share and self._stream(Purpose.FORMAT, token.law.name).at(token.entity, token.index) < share:
            return "format"
        return ""

    def _latent(self, token: Token) -> str:
        return f"{self._names.works[token.work]}/{self._names.capabilities[token.law.number]}"

    def _stream(self, purpose: Purpose, place: str) -> Stream[float]:
        stream = self._streams.get((purpose, place))
        if stream is None:
            stream = self._streams[purpose, place] = self._replication.draws.uniforms(purpose, place)
        return stream


def install_input_drifts(replication: Replication) -> None:
    """Tell of the drifts of input; the attributes are drawn by the laws in force."""
    for drift in replication.plan.change.inputs:
        place = f"work:{replication.plan.names.works[drift.work]}"
        begin = partial(_tell_input, replication.log, place, drift.told)
        replication.faults.schedule(Fault(drift.name, "drift", drift.at, FOREVER, begin, _nothing))


def _tell_input(log: Log, place: str, told: str, now: int) -> None:
    log.event(now, Kind.DRIFT, place, detail=told)


def watch(replication: Replication, capabilities: set[int]) -> None:
    """Follow the attempts of these capabilities, at whatever step."""
    for number, step in enumerate(replication.plan.steps):
        if step.capability in capabilities:
            replication.tasks.watch(number)


def _nothing(_: int) -> None:
    pass
