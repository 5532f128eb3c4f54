"""Contract skew: callers and consumers that for a while cannot read a share of what they get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.chance import Purpose, Stream
from sim.strikes import schedule

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.plans.platform import SkewPlan
    from sim.tokens import Call
    from sim.windows import Window


class Skew:
    """The shares in force at one endpoint or topic. Draws are the same whatever is in force, so a greater share strikes
    all that a smaller one does."""

    def __init__(self, replication: Replication, place: str) -> None:
        self._replication = replication
        self._place = place
        self._shares: list[float] = []
        self._streams: dict[str, Stream[float]] = {}

    def add(self, plan: SkewPlan) -> None:
        """Let a fault come and go here."""

        def start(_: Window, __: int) -> None:
            self._shares.append(plan.share)

        def stop(_: Window, __: int) -> None:
            self._shares.remove(plan.share)

        schedule(self._replication, plan, self._place, f"{plan.share:g} cannot be read", start, stop)

    def strikes(self, what: str, entity: int, index: int) -> bool:
        """Whether something cannot be read now; `what`, `entity` and `index` are its key among the draws. Of what one
        fault leaves, the next takes its share."""
        if not self._shares:
            return False
        left = 1.0
        for share in self._shares:
            left *= 1.0 - share
        stream = self._streams.get(what)
        if stream is None:
            place = f"{self._place}/{what}"
            stream = self._streams[what] = self._replication.draws.uniforms(Purpose.CONTRACT_SKEW, place, width=0)
        return stream.at(entity, index) < 1.0 - left


def install_skews(replication: Replication) -> None:
    """Let answers of endpoints not be read while a fault has it so."""
    plan = replication.plan
    skews: dict[int, Skew] = {}
    for fault in plan.platform.skews:
        if fault.endpoint >= 0:
            place = f"endpoint:{plan.names.endpoints[fault.endpoint]}"
            skews.setdefault(fault.endpoint, Skew(replication, place)).add(fault)
    if not skews:
        return

    def answered(call: Call, latency: int, _: int) -> int:
        skew, token = skews.get(call.endpoint), call.token
        if skew is not None and not call.failure and skew.strikes(token.law.name, token.entity, call.index):
            call.failure = "contract"
        return latency

    replication.endpoints.pace.append(answered)
