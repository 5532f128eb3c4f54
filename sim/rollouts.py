"""Rollouts: which attempts the new model makes, what differs for them, and when it is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.chance import Purpose, Stream
from sim.clock import Rank
from sim.drifts import Drifts, watch
from sim.logs import Kind
from sim.plans.change import RolloutPlan, StagesPlan
from sim.stages import Stages
from sim.tokens import Call, Orphan, Token
from sim.values import durations

if TYPE_CHECKING:
    from sim.engine import Replication


class Rollouts:
    """All rollouts, by capability: hangs the new models into the attempts."""

    def __init__(self, replication: Replication, drifts: Drifts) -> None:
        self._drifts = drifts
        self._of = {plan.capability: _Rollout(replication, plan) for plan in replication.plan.change.rollouts}
        tasks = replication.tasks
        watch(replication, set(self._of))
        tasks.pace.append(self._pace)
        replication.endpoints.pace.append(self._call_pace)
        tasks.verdicts.append(self._verdict)
        tasks.judged.append(self._judged)
        tasks.closed.append(self._closed)
        tasks.orphaned.append(self._orphaned)
        tasks.unheard.append(self._unheard)
        replication.endpoints.closed.append(self._call_closed)

    def _pace(self, token: Token, busy: int, _: int) -> int:
        rollout = self._of.get(token.law.number)
        return rollout.begun(token, busy) if rollout else busy

    def _call_pace(self, call: Call, latency: int, _: int) -> int:
        rollout = self._of.get(call.token.law.number)
        return rollout.called(call, latency) if rollout else latency

    def _verdict(self, token: Token, wrong: bool, _: int) -> tuple[bool, str]:
        """Comes after that of the drifts, which let the answer pass."""
        rollout = self._of.get(token.law.number)
        reason = rollout.trouble(token) if rollout else ""
        self._drifts.unread = token if reason else None
        return wrong, reason

    def _judged(self, token: Token, wrong: bool, now: int) -> None:
        rollout = self._of.get(token.plan.capability)
        if rollout:
            rollout.judged(token, wrong, now)

    def _closed(self, token: Token, _: str, __: int) -> None:
        rollout = self._of.get(token.law.number)
        if rollout:
            rollout.new.discard(token)

    def _orphaned(self, token: Token, orphan: Orphan) -> None:
        rollout = self._of.get(token.law.number)
        if rollout and token in rollout.new:
            rollout.new.add(orphan)

    def _unheard(self, orphan: Orphan, _: bool, now: int) -> None:
        self._closed(orphan, "", now)

    def _call_closed(self, call: Call, failure: str, now: int) -> None:
        if call.orphaned:
            self._closed(call.token, failure, now)


class _Label:
    epoch = 0

    def __init__(self, wrong: bool) -> None:
        self.wrong = wrong


class _Rollout:
    """One rollout; `new` are the tokens whose attempt under way the new model makes."""

    def __init__(self, replication: Replication, plan: RolloutPlan) -> None:
        self.plan = plan
        self.new: set[Token] = set()
        self._replication = replication
        self._name = plan.name
        self._stages = Stages(
            replication, StagesPlan(plan.name, plan.stages, plan.trial), enrols=False, works=plan.works
        )
        self._labels = 0
        self._wrong = 0
        self._streams: dict[tuple[int, str], Stream[float]] = {}
        self._delays: dict[str, Stream[int]] = {}

    # --- attempts -----------------------------------------------------------------------------------------------------

    def begun(self, token: Token, busy: int) -> int:
        """The attempt has its slot: how long its own work takes."""
        if not self._stages.have(token):
            return busy
        self.new.add(token)
        if self.plan.success is not None:
            token.success = self.plan.success
        more = self._more(token.law.cost)
        self._replication.cases.cost[token.case] += more
        token.law.pool.spent += more
        return int(busy * self.plan.latency + 0.5)

    def called(self, call: Call, latency: int) -> int:
        """A call of an attempt starts: how long it takes."""
        if call.token not in self.new:
            return latency
        more = self._more(self._replication.plan.endpoints[call.endpoint].price)
        self._replication.cases.cost[call.case] += more
        self._replication.cases.cost_calls[call.case] += more
        self._replication.endpoints.stations[call.endpoint].spent += more
        return int(latency * self.plan.latency + 0.5)

    def _more(self, cost: int) -> int:
        """What the new model adds to a cost or a price, which is paid already."""
        return int(cost * self.plan.cost + 0.5) - cost

    def trouble(self, token: Token) -> str:
        """Why the answer fails: it cannot be read."""
        share = self.plan.unreadable
        if not share or token not in self.new:
            return ""
        u = self._stream(Purpose.NEW_FORMAT, f"{self._name}/{token.law.name}").at(token.entity, token.index)
        return "format" if u < share else ""

    def judged(self, token: Token, wrong: bool, now: int) -> None:
        """An answer of the new model is told, and a share of them is labelled."""
        if token not in self.new:
            return
        detail = "wrong" if wrong else "right"
        self._replication.log.event(now, Kind.CANARY, self._stages.place, token.case, token.attempt + 1, detail)
        rule = self.plan.roll_back
        if rule is None:
            return
        place = f"{self._name}/{token.law.name}"
        if not self._stream(Purpose.ROLLOUT_LABEL, place).at(token.entity, token.index) < rule.sample:
            return
        delays = self._delays.get(place)
        if delays is None:
            law = durations(rule.delay)
            delays = self._delays[place] = self._replication.draws.stream(Purpose.ROLLOUT_DELAY, place, law)
        delay = delays.at(token.entity, token.index)
        self._replication.clock.at(now + delay, Rank.RESUME, self._labelled, _Label(wrong))

    def _labelled(self, label: _Label, now: int) -> None:
        rule = self.plan.roll_back
        assert rule is not None
        self._labels += 1
        self._wrong += label.wrong
        if self._stages.taken_back or self._labels < rule.labels or not self._wrong > rule.errors * self._labels:
            return
        self._stages.take_back(now, self._labels, self._replication.plan.names.capabilities[self.plan.capability])

    def _stream(self, purpose: Purpose, place: str) -> Stream[float]:
        stream = self._streams.get((purpose, place))
        if stream is None:
            stream = self._streams[purpose, place] = self._replication.draws.uniforms(purpose, place)
        return stream
