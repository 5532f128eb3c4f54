"""Monitors: detectors on sampled, delayed labels, and what their alarms do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from sim.chance import Purpose, Stream
from sim.clock import Rank
from sim.decisions import Asker
from sim.detectors import DDM, Adwin, Cusum, Detector, KolmogorovSmirnov, PageHinkley, StabilityIndex
from sim.drifts import Drifts
from sim.logs import Kind
from sim.plans.change import Action, DetectorPlan, MonitorPlan, Watch
from sim.rollouts import Rollouts
from sim.routing import Routing
from sim.tokens import Token
from sim.values import durations

if TYPE_CHECKING:
    from sim.engine import Replication

T = TypeVar("T")
_SECOND = 1e6
_UNIT = 1e6
"""Millionths of the currency in one."""
_DETECTORS: tuple[Callable[..., Detector], ...] = (
    PageHinkley,
    Adwin,
    Cusum,
    DDM,
    StabilityIndex,
    KolmogorovSmirnov,
)
"""As DETECTOR_KINDS orders them."""


def install_monitors(replication: Replication) -> None:
    """Set the drifts and the rollouts on the clock, and the monitors on what attempts produce."""
    change = replication.plan.change
    if not change.drifts and not change.monitors and not change.rollouts:
        return
    drifts = Drifts(replication)
    if change.rollouts:
        Rollouts(replication, drifts)
    if change.monitors:
        monitors = Monitors(replication, drifts, Routing(replication))
        replication.tasks.judged.append(monitors.judged)
        if any(monitor.watches == Watch.REFUSALS for monitor in change.monitors):
            replication.decisions.enforced.append(monitors.decided)


def new_detector(plan: DetectorPlan) -> Detector:
    """A detector that has seen nothing."""
    return _DETECTORS[plan.kind](*plan.parameters)


class _Label:
    """The label of one attempt, on its way to a monitor."""

    epoch = 0

    def __init__(self, monitor: int, value: float) -> None:
        self.monitor = monitor
        self.value = value


class Monitors:
    """All monitors. Only attempts that produced something have a label, whether it was noticed or not."""

    def __init__(self, replication: Replication, drifts: Drifts, routing: Routing) -> None:
        self._replication = replication
        self._monitors = replication.plan.change.monitors
        self._names = replication.plan.names
        self._drifts = drifts
        self._routing = routing
        self._detectors = [new_detector(monitor.detector) for monitor in self._monitors]
        self._seen = [0] * len(self._monitors)
        self._of: dict[int, list[int]] = {}
        for number, monitor in enumerate(self._monitors):
            self._of.setdefault(monitor.capability, []).append(number)
            if monitor.counts_until >= 0:
                self._count_labels(number, monitor.counts_until)
        self._samples: dict[tuple[int, int, int], Stream[float]] = {}
        self._of_requests: dict[tuple[int, str], tuple[Stream[float], Stream[int]]] = {}
        self._delays: dict[tuple[int, int, int], Stream[int]] = {}

    def _count_labels(self, number: int, until: int) -> None:
        """Tell the labels before a moment, or before the last microsecond of the run."""
        horizon = self._replication.plan.horizon
        # Labels come after faults at their instant: those of this one are not among them.
        at, rank = (until, Rank.FAULT) if until < horizon else (horizon - 1, Rank.SAMPLE)
        self._replication.clock.at(at, rank, self._tell_labels, _Label(number, 0.0))

    def _tell_labels(self, label: _Label, now: int) -> None:
        place = f"monitor:{self._names.monitors[label.monitor]}"
        self._replication.log.event(now, Kind.LABELS, place, value=self._seen[label.monitor])

    def judged(self, token: Token, wrong: bool, now: int) -> None:
        """An attempt has produced something; a share of such attempts gets a label after a delay."""
        for number in self._of.get(token.plan.capability, ()):
            monitor = self._monitors[number]
            if monitor.watches == Watch.ATTRIBUTE and monitor.columns[token.work] < 0:
                continue
            if self._draw(self._samples, token, number, Purpose.LABEL, list) < monitor.sample:
                delay = self._draw(self._delays, token, number, Purpose.LABEL_DELAY, durations(monitor.delay))
                label = _Label(number, self._value(monitor, token, wrong, now))
                self._replication.clock.at(now + delay, Rank.RESUME, self._labelled, label)

    def decided(self, pool: int, asker: Asker, allowed: bool, now: int) -> None:
        """A request of a pool is decided; a share of them gets a label after a delay."""
        for number, monitor in enumerate(self._monitors):
            if monitor.watches == Watch.REFUSALS and monitor.pool == pool:
                samples, delays = self._streams(number, asker.place)
                if samples.at(asker.entity, asker.number) < monitor.sample:
                    delay = delays.at(asker.entity, asker.number)
                    label = _Label(number, float(not allowed))
                    self._replication.clock.at(now + delay, Rank.RESUME, self._labelled, label)

    def _streams(self, number: int, asker: str) -> tuple[Stream[float], Stream[int]]:
        found = self._of_requests.get((number, asker))
        if found is None:
            draws, place = self._replication.draws, f"{self._names.monitors[number]}/{asker}"
            law = durations(self._monitors[number].delay)
            found = (draws.uniforms(Purpose.LABEL, place), draws.stream(Purpose.LABEL_DELAY, place, law))
            self._of_requests[number, asker] = found
        return found

    def _value(self, monitor: MonitorPlan, token: Token, wrong: bool, now: int) -> float:
        watches = monitor.watches
        if watches == Watch.ATTRIBUTE:
            columns = self._replication.workload.attributes[token.work]
            return float(columns[monitor.columns[token.work]][token.entity])
        if watches == Watch.LATENCY:
            return (now - token.since) / _SECOND
        if watches == Watch.FORMAT:
            return float(self._drifts.unread is token)
        if watches == Watch.COST:
            return self._drifts.cost(token.plan.capability) / _UNIT
        return float(wrong)

    def _labelled(self, label: _Label, now: int) -> None:
        number = label.monitor
        self._seen[number] += 1
        if self._detectors[number].update(label.value):
            place = f"monitor:{self._names.monitors[number]}"
            self._replication.log.event(now, Kind.ALARM, place, value=self._seen[number])
            self._act(number, place, now)

    def _act(self, number: int, place: str, now: int) -> None:
        monitor = self._monitors[number]
        capability = monitor.capability
        if monitor.action == Action.ROUTE:
            self._routing.route(capability, monitor.desk, place, now)
        elif monitor.action == Action.QUARANTINE:
            for attack in self._replication.attacks:
                attack.suspect(monitor.pool, now)
        elif monitor.action == Action.STOP:
            self._routing.stop(capability, place, now)
        elif monitor.action == Action.ROLL_BACK and self._drifts.roll_back(capability):
            name = self._names.capabilities[capability]
            self._replication.log.event(now, Kind.ROLLED_BACK, place, detail=name)

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
            names = self._names
            place = f"{names.monitors[number]}/{names.works[token.work]}/{names.steps[token.step]}"
            stream = streams[key] = self._replication.draws.stream(purpose, place, values)
        return stream.at(token.entity, token.index)
