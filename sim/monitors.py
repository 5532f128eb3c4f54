"""Quality drift, and the monitors that look for it in sampled, delayed labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sim.chance import Draws, Purpose, Stream
from sim.clock import Clock, Rank
from sim.detectors import PageHinkley
from sim.faults import Fault, Faults
from sim.logs import Kind, Log
from sim.plan import FOREVER, DriftPlan, Plan, SuccessPlan
from sim.tokens import Token
from sim.values import durations

if TYPE_CHECKING:
    from sim.engine import Replication

T = TypeVar("T")


def install_monitors(replication: Replication) -> None:
    """Set the drifts on the clock, and the monitors on what attempts produce."""
    plan, tasks = replication.plan, replication.tasks
    drifts = Drifts(plan, replication.faults, replication.log, tasks.success)
    if plan.monitors:
        monitors = Monitors(plan, replication.clock, replication.log, replication.draws, drifts)
        tasks.judged.append(monitors.judged)


class Drifts:
    """The success law in force for each capability, and the ones before it."""

    def __init__(self, plan: Plan, faults: Faults, log: Log, success: list[SuccessPlan]) -> None:
        self._names = plan.names.capabilities
        self._log = log
        self._success = success
        self._before: list[list[SuccessPlan]] = [[] for _ in success]
        for drift in plan.drifts:
            # Nothing but a roll-back ends it.
            faults.schedule(Fault(drift.name, "drift", drift.at, FOREVER, partial(self._set_in, drift), _nothing))

    def _set_in(self, drift: DriftPlan, now: int) -> None:
        capability = drift.capability
        self._before[capability].append(self._success[capability])
        self._success[capability] = drift.success
        self._log.event(now, Kind.DRIFT, _pool_place(self._names[capability]), detail=self._names[capability])

    def roll_back(self, capability: int) -> bool:
        """Restore the law from before the last drift in force; False where there is none."""
        if not self._before[capability]:
            return False
        self._success[capability] = self._before[capability].pop()
        return True


class _Label:
    """The label of one attempt, on its way to a monitor."""

    epoch = 0

    def __init__(self, monitor: int, wrong: bool) -> None:
        self.monitor = monitor
        self.wrong = wrong


class Monitors:
    """All monitors. Only attempts that produced something have a label: right or wrong, noticed or not."""

    def __init__(self, plan: Plan, clock: Clock, log: Log, draws: Draws, drifts: Drifts) -> None:
        self._plan = plan
        self._clock = clock
        self._log = log
        self._draws = draws
        self._drifts = drifts
        self._detectors = [PageHinkley(m.minimum, m.delta, m.threshold, m.alpha) for m in plan.monitors]
        self._seen = [0] * len(plan.monitors)
        self._of: dict[int, list[int]] = {}
        for number, monitor in enumerate(plan.monitors):
            self._of.setdefault(monitor.capability, []).append(number)
        self._samples: dict[tuple[int, int, int], Stream[float]] = {}
        self._delays: dict[tuple[int, int, int], Stream[int]] = {}

    def judged(self, token: Token, wrong: bool, now: int) -> None:
        """An attempt has produced something; a share of such attempts gets a label after a delay."""
        for number in self._of.get(token.plan.capability, ()):
            monitor = self._plan.monitors[number]
            if self._draw(self._samples, token, number, Purpose.LABEL, list) < monitor.sample:
                delay = self._draw(self._delays, token, number, Purpose.LABEL_DELAY, durations(monitor.delay))
                self._clock.at(now + delay, Rank.RESUME, self._labelled, _Label(number, wrong))

    def _labelled(self, label: _Label, now: int) -> None:
        number = label.monitor
        self._seen[number] += 1
        if self._detectors[number].update(1.0 if label.wrong else 0.0):
            place = f"monitor:{self._plan.names.monitors[number]}"
            self._log.event(now, Kind.ALARM, place, value=self._seen[number])
            monitor = self._plan.monitors[number]
            if monitor.rolls_back and self._drifts.roll_back(monitor.capability):
                self._log.event(now, Kind.ROLLED_BACK, place, detail=self._plan.names.capabilities[monitor.capability])

    def _draw(
        self,
        streams: dict[tuple[int, int, int], Stream[T]],
        token: Token,
        number: int,
        purpose: Purpose,
        values: Callable[[list[float]], list[T]],
    ) -> T:
        key = (number, token.work, token.step)
        stream = streams.get(key)
        if stream is None:
            names = self._plan.names
            place = f"{names.monitors[number]}/{names.works[token.work]}/{names.steps[token.step]}"
            stream = streams[key] = self._draws.stream(purpose, place, values)
        return stream.at(token.entity, token.index)


def _nothing(_: int) -> None:
    pass


def _pool_place(capability: str) -> str:
    return f"agent:{capability.split('.')[0]}"
