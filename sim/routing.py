"""Capabilities that an alarm takes from the agents: their steps are given to people, or fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sim.chance import Purpose, Stream
from sim.clock import Rank
from sim.drifts import watch
from sim.logs import Kind
from sim.plan import Exit, StepKind
from sim.plans.change import Action
from sim.tokens import Token
from sim.values import durations

if TYPE_CHECKING:
    from sim.engine import Replication

Begin = Callable[[Token, int], None]


class Routing:
    """The desk that does each capability's steps instead of the agents, and the capabilities that are stopped.

    A step that begins after the alarm is done by the desk, once policy has allowed it; attempts that are under way go
    on. A full queue there leaves the step as on failure.
    """

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self._desks: dict[int, tuple[int, str]] = {}
        self._stopped: set[int] = set()
        self._at_desk: set[Token] = set()
        self._services: dict[tuple[int, int], Stream[int]] = {}
        monitors = replication.plan.change.monitors
        routed = {monitor.capability for monitor in monitors if monitor.action == Action.ROUTE}
        stopping = {monitor.capability for monitor in monitors if monitor.action == Action.STOP}
        if routed:
            self._stand_before(routed)
        if stopping:
            watch(replication, stopping)
            replication.tasks.admit.append(self._admit)

    def _stand_before(self, routed: set[int]) -> None:
        flow, decisions = self._replication.flow, self._replication.decisions
        flow.cancel.insert(0, self._cut_off)  # before the tasks, for whom a token at a desk is none of theirs
        decisions.allowed = partial(self._begin, decisions.allowed)
        for number, step in enumerate(self._replication.plan.steps):
            if step.kind == StepKind.TASK and step.request < 0 and step.capability in routed:
                flow.begin[number] = partial(self._begin, flow.begin[number])

    def route(self, capability: int, desk: int, place: str, now: int) -> None:
        """From now on the capability's steps are done at the desk."""
        if capability not in self._desks:
            self._desks[capability] = (desk, place)
            self._tell(Kind.ROUTED, capability, place, now)

    def stop(self, capability: int, place: str, now: int) -> None:
        """From now on the capability's attempts fail."""
        if capability not in self._stopped:
            self._stopped.add(capability)
            self._tell(Kind.STOPPED, capability, place, now)

    def _tell(self, kind: Kind, capability: int, place: str, now: int) -> None:
        self._replication.log.event(now, kind, place, detail=self._replication.plan.names.capabilities[capability])

    def _admit(self, token: Token, _: int) -> str:
        return "stopped" if token.law.number in self._stopped else ""

    # --- at the desk --------------------------------------------------------------------------------------------------

    def _begin(self, otherwise: Begin, token: Token, now: int) -> None:
        to = self._desks.get(token.plan.capability)
        if to is None:
            otherwise(token, now)
            return
        desk, place = to
        station = self._replication.desks[desk]
        self._replication.log.event(now, Kind.ROUTED, place, case=token.case, detail=station.place)
        token.begin = partial(self._started, desk)
        self._at_desk.add(token)
        if not station.join(token, now):
            self._over(token, Exit.FAILURE, now)

    def _started(self, desk: int, token: Token, now: int) -> None:
        place = (token.work, token.step)
        stream = self._services.get(place)
        if stream is None:
            plan = self._replication.plan
            name = f"{plan.names.works[token.work]}/{plan.names.steps[token.step]}"
            law = durations(plan.desks[desk].service)
            stream = self._services[place] = self._replication.draws.stream(Purpose.ROUTED_SERVICE, name, law)
        service = stream.at(token.entity, token.visit)
        self._replication.clock.at(now + service, Rank.FINISH, self._finished, token)

    def _finished(self, token: Token, now: int) -> None:
        assert token.station is not None
        token.station.leave(token, now)
        self._over(token, Exit.NEXT, now)

    def _over(self, token: Token, exit: Exit, now: int) -> None:
        self._at_desk.discard(token)
        self._replication.tasks.leave(token, exit, now)

    def _cut_off(self, token: Token, now: int) -> None:
        """The token's case ends elsewhere."""
        if token in self._at_desk:
            self._at_desk.discard(token)
            token.epoch += 1
            if token.station is not None:
                token.station.withdraw(token, now)
