"""Faults that strike pools, endpoints, links and desks, and the log's word on load spikes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sim.chance import Purpose
from sim.clock import Rank
from sim.durability import Durability
from sim.faults import Fault
from sim.logs import Kind
from sim.plans.platform import AbsencePlan, FaultPlan, LossPlan, SlowdownPlan, SpikePlan, StopPlan
from sim.tokens import Token
from sim.windows import Window, windows

if TYPE_CHECKING:
    from sim.clock import Handler
    from sim.engine import Replication
    from sim.stations import Job, Station
    from sim.tokens import Call

_KINDS = {
    "crash": (Kind.CRASH, Kind.CRASH_OVER),
    "hang": (Kind.HANG, Kind.HANG_OVER),
    "slowdown": (Kind.SLOWDOWN, Kind.SLOWDOWN_OVER),
    "loss": (Kind.LOSS, Kind.LOSS_OVER),
    "contract-skew": (Kind.CONTRACT_SKEW, Kind.CONTRACT_SKEW_OVER),
    "absence": (Kind.ABSENCE, Kind.ABSENCE_OVER),
    "load-spike": (Kind.LOAD_SPIKE, Kind.LOAD_SPIKE_OVER),
}
"""What the log calls the begin and the end of each kind."""


def install_strikes(replication: Replication) -> None:
    """Set the faults of pools, endpoints, desks and work on the clock."""
    strikes = Strikes(replication)
    platform = replication.plan.platform
    for stop in platform.stops:
        strikes.stop(stop)
    for slowdown in platform.slowdowns:
        strikes.slow_down(slowdown)
    for loss in platform.losses:
        strikes.lose(loss)
    for absence in platform.absences:
        strikes.absent(absence)
    for spike in platform.spikes:
        strikes.spike(spike)


def schedule(
    replication: Replication,
    fault: FaultPlan,
    place: str,
    detail: str,
    start: Callable[[Window, int], None],
    stop: Callable[[Window, int], None],
) -> None:
    """Let a fault come and go at a place, and the log tell of it."""
    began, over = _KINDS[fault.kind]
    for window in windows(fault, replication.draws, replication.plan.horizon):

        def begin(now: int, window: Window = window) -> None:
            replication.log.event(now, began, place, value=window.end - now, detail=detail)
            start(window, now)

        def end(now: int, window: Window = window) -> None:
            replication.log.event(now, over, place)
            stop(window, now)

        replication.faults.schedule(Fault(fault.name, fault.kind, window.begin, window.end, begin, end))


class Strikes:
    """The faults of one replication that strike its places."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self._durability = Durability(replication)
        self._schedule = partial(schedule, replication)
        self._pool_factors: dict[int, list[float]] = {}
        self._endpoint_factors: dict[int, list[float]] = {}

    # --- agents that stop ---------------------------------------------------------------------------------------------

    def stop(self, plan: StopPlan) -> None:
        """Slots of a pool crash or hang."""
        replication = self._replication
        station = replication.pools[plan.pool]
        station.follow()
        begin: Callable[[Window, int], None]
        end: Callable[[Window, int], None]
        if plan.hangs:
            hang = Hang(replication, station, plan)
            begin, end = hang.begin, hang.end
        else:
            begin = partial(self._crash, station, plan)

            def end(_: Window, now: int) -> None:
                station.take_away(-plan.slots, now)

        self._schedule(plan, station.place, f"{plan.slots} slot{'s'[: plan.slots > 1]}", begin, end)

    def _crash(self, station: Station, plan: StopPlan, window: Window, now: int) -> None:
        """The slots are gone before their attempts fail, so that nobody else takes them."""
        replication = self._replication
        hit = struck_jobs(replication, station, plan, window)
        station.take_away(plan.slots, now)
        for job in hit:
            # An attempt that failed may have ended others, by the end of its case.
            if job.station is station and not job.waiting and isinstance(job, Token):
                if job.alive:
                    self._durability.crashed(job, now)
                else:
                    replication.tasks.fail(job, "crash", now)

    # --- slower work, fewer people ------------------------------------------------------------------------------------

    def slow_down(self, plan: SlowdownPlan) -> None:
        """What begins meanwhile takes longer. A pool's steps are watched; factors in force are kept by place."""
        replication = self._replication
        names = replication.plan.names
        if plan.link >= 0:
            self._slow_link(plan)
            return
        if plan.pool >= 0:
            if not self._pool_factors:
                replication.tasks.pace.append(self._pace)
            factors = self._pool_factors.setdefault(plan.pool, [])
            self._watch(plan.pool)
            place = f"agent:{names.pools[plan.pool]}"
        else:
            if not self._endpoint_factors:
                replication.endpoints.pace.append(self._call_pace)
            factors = self._endpoint_factors.setdefault(plan.endpoint, [])
            place = f"endpoint:{names.endpoints[plan.endpoint]}"

        def start(_: Window, __: int) -> None:
            factors.append(plan.factor)

        def stop(_: Window, __: int) -> None:
            factors.remove(plan.factor)

        self._schedule(plan, place, f"{plan.factor:g} times as long", start, stop)

    def _slow_link(self, plan: SlowdownPlan) -> None:
        ways = self._replication.network.links.ways(plan.link)

        def start(_: Window, __: int) -> None:
            for way in ways:
                way.factors.append(plan.factor)

        def stop(_: Window, __: int) -> None:
            for way in ways:
                way.factors.remove(plan.factor)

        self._schedule(plan, self._link_place(plan.link), f"{plan.factor:g} times as long", start, stop)

    def lose(self, plan: LossPlan) -> None:
        """A link loses more."""
        ways = self._replication.network.links.ways(plan.link)

        def start(_: Window, __: int) -> None:
            for way in ways:
                way.losses.append(plan.loss)

        def stop(_: Window, __: int) -> None:
            for way in ways:
                way.losses.remove(plan.loss)

        self._schedule(plan, self._link_place(plan.link), f"{plan.loss:g} is lost", start, stop)

    def _link_place(self, link: int) -> str:
        return f"link:{self._replication.plan.platform.links[link].name}"

    def _watch(self, pool: int) -> None:
        plan = self._replication.plan
        for number, step in enumerate(plan.steps):
            if step.capability >= 0 and plan.capabilities[step.capability].pool == pool:
                self._replication.tasks.watch(number)

    def _pace(self, token: Token, busy: int, _: int) -> int:
        return _longer(busy, self._pool_factors.get(token.law.capability.pool))

    def _call_pace(self, call: Call, latency: int, _: int) -> int:
        return _longer(latency, self._endpoint_factors.get(call.endpoint))

    def absent(self, plan: AbsencePlan) -> None:
        """People are away from a desk."""
        station = self._replication.desks[plan.desk]

        def start(_: Window, now: int) -> None:
            station.take_away(plan.staff, now)

        def stop(_: Window, now: int) -> None:
            station.take_away(-plan.staff, now)

        self._schedule(plan, station.place, f"{plan.staff} away", start, stop)

    def spike(self, plan: SpikePlan) -> None:
        """Tell of a load spike; its cases are drawn before the run, with all others."""
        name = self._replication.plan.names.works[plan.work]
        self._schedule(plan, f"work:{name}", f"{plan.factor:g} times the rate", _nothing, _nothing)


class Hang:
    """Slots of a pool that stand still, with what is in them, and go on where they were.

    What a job there waits for to end is taken off the clock. What an endpoint answers meanwhile is taken up at the end.
    """

    def __init__(self, replication: Replication, station: Station, plan: StopPlan) -> None:
        self._replication = replication
        self._station = station
        self._plan = plan
        self._held: list[tuple[Job, int, list[tuple[Handler, int]], list[tuple[Call, Handler, int]]]] = []

    def begin(self, window: Window, now: int) -> None:
        hit = struck_jobs(self._replication, self._station, self._plan, window)
        self._station.take_away(self._plan.slots, now)
        clock = self._replication.clock
        for job in hit:
            answers = [
                (call, handler, now + left)
                for call in _calls(job)
                for handler, left in clock.suspend(call, Rank.FINISH)
            ]
            self._held.append((job, job.epoch, clock.suspend(job, Rank.FINISH), answers))
            self._station.hang(job, True, now)

    def end(self, _: Window, now: int) -> None:
        """Jobs that were withdrawn meanwhile are gone; the others have as much before them as they had."""
        held, self._held = self._held, []
        clock = self._replication.clock
        for job, epoch, work, answers in held:
            if job.epoch != epoch or job.station is not self._station:
                continue
            self._station.hang(job, False, now)
            for handler, left in work:
                clock.at(now + left, Rank.FINISH, handler, job)
                if isinstance(job, Token):
                    job.due = now + left
            still_open = _calls(job)
            for call, handler, due in answers:
                if call in still_open:
                    clock.at(max(now, due), Rank.FINISH, handler, call)
        # Last: a slot that works again and is still counted as hanging would serve two.
        self._station.take_away(-self._plan.slots, now)


def _calls(job: Job) -> list[Call]:
    """The calls that a job has open."""
    if not isinstance(job, Token) or job.call is None:
        return []
    return [job.call] if job.call.race is None else list(job.call.race.open)


def struck_jobs(replication: Replication, station: Station, plan: StopPlan, window: Window) -> list[Job]:
    """The jobs in the slots that a fault stops: each slot that still works is as likely, idle or not."""
    serving = station.follow()
    slots: list[Job | None] = [job for job, hangs in serving.items() if not hangs]
    slots += [None] * (station.working - len(slots))
    if plan.slots >= len(slots):
        return [job for job in slots if job is not None]
    stream = replication.draws.uniforms(Purpose.SLOT, plan.key, width=0)
    hit: list[Job] = []
    for number in range(plan.slots):
        chosen = int(stream.at(window.number, number) * len(slots))
        slots[chosen], slots[-1] = slots[-1], slots[chosen]
        job = slots.pop()
        if job is not None:
            hit.append(job)
    return hit


def _longer(time: int, factors: list[float] | None) -> int:
    for factor in factors or ():
        time = int(time * factor + 0.5)
    return time


def _nothing(_: Window, __: int) -> None:
    pass
