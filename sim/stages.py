"""Stages of a rollout: which cases have what is new, and until when."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sim.chance import Purpose, Stream
from sim.clock import Rank
from sim.logs import Kind
from sim.plan import FOREVER
from sim.plans.change import StagesPlan
from sim.tokens import Delivery, Token
from sim.trials import CaseTrial

if TYPE_CHECKING:
    from sim.engine import Replication


class _Stage:
    epoch = 0

    def __init__(self, number: int, share: float) -> None:
        self.number = number
        self.share = share


class Stages:
    """The stages of one rollout. Whether a case has what is new is told by its arrival and one draw, so the cases of a
    stage are among those of the next. Where it `enrols`, or is judged by an objective, the log names these cases, of
    the streams `works` where some are given."""

    def __init__(
        self, replication: Replication, plan: StagesPlan, *, enrols: bool, works: Collection[int] | None = None
    ) -> None:
        self.place = f"rollout:{plan.name}"
        self.taken_back = False
        self.taken_back_at = FOREVER
        self.begins = plan.shares[0][0]
        self._replication = replication
        self._name = plan.name
        self._plan = plan.shares
        self._works = works
        self._trial = CaseTrial(replication, plan.trial, self.take_back) if plan.trial is not None else None
        if enrols or self._trial is not None:
            replication.flow.arrived.append(self._arrived)
        self._arms: dict[int, Stream[float]] = {}
        for number, (begin, share) in enumerate(plan.shares):
            replication.clock.at(begin, Rank.FAULT, self._begin, _Stage(number + 1, share))

    def _begin(self, stage: _Stage, now: int) -> None:
        if not self.taken_back:
            detail = f"{stage.share:.4g} of the cases"
            self._replication.log.event(now, Kind.STAGE, self.place, value=stage.number, detail=detail)

    def _arrived(self, token: Token, now: int) -> None:
        if (self._works is None or token.work in self._works) and self.have(token):
            self._replication.log.event(now, Kind.ENROLLED, self.place, token.case)
            if self._trial is not None:
                self._trial.enrol(token, now)

    def have(self, token: Token) -> bool:
        """Whether the token's case has what is new, as things are."""
        return not self.taken_back and self.drawn(token)

    def drawn(self, token: Token) -> bool:
        """Whether the token's case is among those of the stage in which it arrived."""
        arrived = token.arrived if isinstance(token, Delivery) else int(self._replication.workload.arrived[token.case])
        share = 0.0
        for begin, later in self._plan:
            if arrived < begin:
                break
            share = later
        if not share:
            return False
        stream = self._arms.get(token.work)
        if stream is None:
            place = f"{self._name}/{self._replication.plan.names.works[token.work]}"
            stream = self._arms[token.work] = self._replication.draws.uniforms(Purpose.ARM, place)
        return stream.at(token.entity, 0) < share

    def take_back(self, now: int, value: int, detail: str) -> None:
        """From now on no case has what is new."""
        self.taken_back = True
        self.taken_back_at = now
        self._replication.log.event(now, Kind.ROLLED_BACK, self.place, value=value, detail=detail)
