"""Task steps: attempts by agents, one after the other, until one succeeds or no more are left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sim.chance import Draws, Purpose, Stream
from sim.clock import Clock, Rank
from sim.endpoints import Endpoints
from sim.hooks import CUT_OFF, PATIENCE, Admit, Closed, Hold, Judged, Pace, Retrying, Unheard, Verdict
from sim.logs import Kind, Log
from sim.plan import Exit, Jitter, Plan, RetryPlan, StepKind, SuccessPlan
from sim.plans.resilience import Abandoned
from sim.stations import Station
from sim.tokens import Cases, Orphan, Token
from sim.values import durations, is_zero, microseconds, success_chance

# Members of an IntEnum are slow to look up and to compare; these are used for every attempt.
_FINISH: Final = int(Rank.FINISH)
_TIMEOUT: Final = int(Rank.TIMEOUT)
_NEXT: Final = int(Exit.NEXT)


ADDED_MAX: Final = 1_000_000
"""The most that jitter `added` adds: LangGraph's `random.uniform(0, 1)`, in seconds."""


def backoff(retry: RetryPlan, attempt: int, u: float) -> int:
    """The wait after attempt number `attempt` (from 1): backoff * factor^(attempt-1), capped, then jittered by `u`."""
    try:
        wait = min(retry.backoff * retry.factor ** (attempt - 1), float(retry.max_backoff))
    except OverflowError:
        wait = float(retry.max_backoff)
    capped = int(wait + 0.5)
    if retry.jitter == Jitter.FULL:
        return int(u * capped + 0.5)
    if retry.jitter == Jitter.EQUAL:
        return int(capped / 2 + u * (capped / 2) + 0.5)
    if retry.jitter == Jitter.ADDED:
        return capped + int(u * ADDED_MAX + 0.5)
    return capped


class TaskLaw:
    """What the attempts of one stream of work at one step are like, and what they draw."""

    __slots__ = (
        "abandoned",
        "attempts",
        "begin",
        "called",
        "callees",
        "calls",
        "capability",
        "cost",
        "draws",
        "hands_off",
        "name",
        "need",
        "number",
        "patience",
        "pool",
        "sends",
        "service",
        "skill",
        "timeout",
        "watched",
        "works",
    )

    def __init__(self, draws: Draws, plan: Plan, pools: list[Station], work: int, step: int) -> None:
        step_plan = plan.steps[step]
        self.attempts = step_plan.retry.attempts
        self.timeout = step_plan.timeout
        self.patience = microseconds(step_plan.patience) if step_plan.patience else None
        self.number = step_plan.capability
        self.capability = capability = plan.capabilities[self.number]
        self.pool = pools[capability.pool]
        self.sends = step in plan.supply.senders
        self.abandoned = plan.resilience.pools[capability.pool]
        self.cost = capability.cost
        self.calls = capability.calls
        self.callees = step_plan.callees
        self.called = step_plan.called
        self.hands_off = capability.hands_off
        stream, latent = plan.names.works[work], plan.names.capabilities[self.number]
        self.name = f"{stream}/{plan.names.steps[step]}"
        law = durations(capability.service)
        self.service = draws.stream(Purpose.SERVICE, self.name, law)
        self.works = not is_zero(capability.service)
        self.skill = draws.uniforms(Purpose.ABILITY, f"{stream}/{latent}")
        self.need = draws.uniforms(Purpose.NEED, f"{stream}/{latent}")
        self.draws: dict[Purpose, Stream[float]] = {}
        self.watched = False
        """Whether some part follows the attempts."""
        self.begin: Callable[[Token, int], None]

    def is_plain(self) -> bool:
        """Whether an attempt is the agent's own work, always right, followed by no part, with nothing to pay, to call
        or to hand over."""
        capability = self.capability
        certain = capability.success.chance == 1.0 and not capability.changes
        calls = self.calls or self.callees
        followed = self.watched or self.abandoned or self.sends
        return certain and self.works and not (self.cost or calls or self.hands_off or followed)


class Tasks:
    """Attempts at task steps. `leave(token, exit, now)` is called when the step is over.

    Where attempts call agents: `delegate(token, now)` makes the calls and comes back by `answered`, `forget(token,
    now)` drops the open one, and `waits(token, now)` is told of a called agent that must wait for a slot. Where the
    next pool may keep the case out, `hand_on(token, now)` sees to the slot, and calls `conclude`.
    """

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        log: Log,
        draws: Draws,
        cases: Cases,
        pools: list[Station],
        endpoints: Endpoints,
    ) -> None:
        self.leave: Callable[[Token, int, int], None]
        self.delegate: Callable[[Token, int], None]
        self.forget: Callable[[Token, int], None]
        self.waits: Callable[[Token, int], None]
        self.hand_on: Callable[[Token, int], None]
        self.starts: dict[int, Callable[[Token, int], None]] = {}
        """Of capabilities whose attempts go another way once they have their slot: what begins them."""
        self.judged: list[Judged] = []
        self.admit: list[Admit] = []
        self.closed: list[Closed] = []
        self.retrying: list[Retrying] = []
        self.pace: list[Pace] = []
        self.hold: list[Hold] = []
        self.verdicts: list[Verdict] = []
        self.orphaned = endpoints.orphaned
        self.unheard: list[Unheard] = []
        self.success: list[SuccessPlan] = [capability.success for capability in plan.capabilities]
        """Of each capability, the success law in force."""
        self._plan = plan
        self._clock = clock
        self._log = log
        self._draws = draws
        self._cases = cases
        self._pools = pools
        self._endpoints = endpoints
        self._watched: set[int] = set()
        self._laws: list[list[TaskLaw | None]] = [[None] * len(plan.steps) for _ in plan.works]
        self._at = clock.at
        self._attempts = cases.attempts
        self._on_produced = self._produced
        self._on_plain_end = self._ended_plain

    def watch(self, step: int) -> None:
        """Call the hooks at this step, but `judged`, which is called where an answer may be wrong or is monitored."""
        self._watched.add(step)

    def attempt(self, token: Token, now: int) -> None:
        """Start the attempt that the token's number tells."""
        token.law = law = self._laws[token.work][token.step] or self._law(token)
        token.index = token.visit * law.attempts + token.attempt
        token.begin = law.begin
        if law.watched:
            reason = self._refusal(token, now)
            if reason:
                self._failed(token, reason, now)
                return
        if law.timeout >= 0:
            self._clock.at(now + law.timeout, _TIMEOUT, self._timed_out, token)
        if not law.pool.join(token, now):
            self._failed(token, "rejected", now)
        elif law.patience is not None and token.waiting:
            patience = law.patience(self._draw(Purpose.PATIENCE, token))
            self._clock.at(now + patience, _TIMEOUT, self._lost_patience, token)
        elif law.called and token.waiting:
            self.waits(token, now)

    def _refusal(self, token: Token, now: int) -> str:
        for admit in self.admit:
            reason = admit(token, now)
            if reason:
                return reason
        return ""

    def take_up(self, token: Token, now: int) -> int:
        """A slot is free: the attempt is paid, and it is known how long the agent will work on its own."""
        law = token.law
        token.success = self.success[law.number]
        self._attempts[token.case] += 1
        if law.cost:
            self._cases.cost[token.case] += law.cost
            law.pool.spent += law.cost
        busy = law.service.at(token.entity, token.index) if law.works else 0
        if law.watched:
            for pace in self.pace:
                busy = pace(token, busy, now)
        return busy

    def _started(self, token: Token, now: int) -> None:
        """A slot is free: the agent works on its own, then makes its endpoint calls."""
        law = token.law
        busy = self.take_up(token, now)
        if law.abandoned:
            token.due = now + busy
        if not law.calls:
            at = self._at
            at(now + busy, _FINISH, self._on_produced, token)
        elif busy:
            self._clock.at(now + busy, _FINISH, self.call, token)
        else:
            self.call(token, now)

    def _started_plain(self, token: Token, now: int) -> None:
        """`_started` where the law is plain; it takes half the time."""
        self._attempts[token.case] += 1
        at = self._at
        at(now + token.law.service.at(token.entity, token.index), _FINISH, self._on_plain_end, token)

    def _ended_plain(self, token: Token, now: int) -> None:
        """`_produced` where the law is plain."""
        token.law.pool.leave(token, now)
        leave = self.leave
        leave(token, _NEXT, now)

    def call(self, token: Token, now: int) -> None:
        """The attempt makes its endpoint calls, one after the other."""
        capability = token.law.capability
        site = self._plan.pools[capability.pool].site
        self._endpoints.start(token, capability.endpoint, site, capability.calls, now)

    def called(self, token: Token, failure: str, now: int) -> None:
        """The attempt's calls are over; `failure` tells why, if they failed."""
        if failure:
            token.law.pool.leave(token, now)
            self._failed(token, failure, now)
        else:
            self._produced(token, now)

    def _produced(self, token: Token, now: int) -> None:
        """The agent's own work and its endpoint calls are over: it calls other agents, or is done."""
        if token.law.callees and token.alive:
            self.delegate(token, now)
        else:
            self._concluded(token, now)

    def answered(self, token: Token, failure: str, now: int) -> None:
        """The agents that the attempt called have answered; `failure` tells which failed, if one did."""
        if failure:
            self.called(token, failure, now)
        else:
            self._concluded(token, now)

    def _concluded(self, token: Token, now: int) -> None:
        """The attempt has produced something: its slot is free, unless the next pool may keep the case out."""
        law = token.law
        if law.sends and token.alive:
            self.hand_on(token, now)
            return
        law.pool.leave(token, now)
        self.conclude(token, now)

    def conclude(self, token: Token, now: int) -> None:
        """What came of the attempt is judged."""
        law = token.law
        if not token.alive:
            self._wasted(token, True, now)
            return
        if law.hands_off and self._hands_off(token, now):
            return
        if law.watched or token.success.chance != 1.0:
            self._judge(token, now)
            return
        for judged in self.judged:
            judged(token, False, now)
        leave = self.leave
        leave(token, _NEXT, now)

    def _judge(self, token: Token, now: int) -> None:
        """Whether what the attempt produced is right, and if not, whether somebody notices."""
        wrong = self._is_wrong(token)
        failure = ""
        for verdict in self.verdicts if token.law.watched else ():
            wrong, failure = verdict(token, wrong, now)
            if failure:
                break
        for judged in self.judged:
            judged(token, wrong, now)
        if not failure and wrong and self._draw(Purpose.DETECTION, token) < token.law.capability.detected:
            failure = "wrong"
        if failure:
            self._failed(token, failure, now)
            return
        if wrong:
            self._cases.wrong[token.case] = True
            self._event(token, Kind.ATTEMPT_WRONG, now, "")
        self._close(token, "", now)
        self.leave(token, _NEXT, now)

    def _is_wrong(self, token: Token) -> bool:
        if token.success.chance == 1.0:
            return False
        chance = success_chance(token.success, token.law.skill.at(token.entity, 0))
        return not self._draw(Purpose.SUCCESS, token) < chance

    def _hands_off(self, token: Token, now: int) -> bool:
        """Whether the agent hands the case over instead of answering: drawn once a visit."""
        law = token.law
        needed = law.need.at(token.entity, 0) < law.capability.needed
        chance = law.capability.recall if needed else law.capability.false_alarm
        if self._stream(Purpose.HAND_OFF, law).at(token.entity, token.visit) < chance:
            self._cases.hand_offs[token.case] += 1
            self._event(token, Kind.HANDED_OFF, now, "needed" if needed else "not needed")
            self._close(token, "", now)
            self.leave(token, Exit.HAND_OFF, now)
            return True
        if needed:
            self._cases.missed_hand_off[token.case] = True
        return False

    # --- failure ------------------------------------------------------------------------------------------------------

    def _failed(self, token: Token, reason: str, now: int) -> None:
        """The attempt failed: try again after a while, or leave the step."""
        if not token.alive:
            self._wasted(token, False, now)
            return
        token.epoch += 1
        self._event(token, Kind.ATTEMPT_FAILED, now, reason)
        self._close(token, reason, now)
        retry = token.plan.retry
        token.attempt += 1
        if token.attempt >= retry.attempts:
            self.leave(token, Exit.FAILURE, now)
            return
        u = self._draw(Purpose.JITTER, token) if retry.jitter else 0.0
        wait = backoff(retry, token.attempt, u)
        for hold in self.hold:
            wait = max(wait, hold(token))
        begins = now + wait
        if token.law.watched and not all(may(token, reason, begins, now) for may in self.retrying):
            self.leave(token, Exit.FAILURE, now)
            return
        self._clock.at(begins, Rank.RESUME, self.attempt, token)

    def fail(self, token: Token, reason: str, now: int) -> None:
        """End the attempt under way, waiting or at work: it has failed."""
        served = not token.waiting
        self.withdraw(token, now)
        if served or token.alive:
            self._failed(token, reason, now)

    def expire(self, token: Token, reason: str, now: int) -> None:
        """The time of the whole step is over, whatever the token does at it."""
        under_way = token.station is not None
        self._abandon(token, now)
        self._event(token, Kind.ATTEMPT_FAILED, now, reason)
        if under_way:
            self._close(token, reason, now)
        self.leave(token, Exit.EXPIRED, now)

    def interrupt(self, token: Token, reason: str, now: int) -> None:
        """Stop the attempt under way, which has not failed: whoever does so begins it anew by `attempt`."""
        self.withdraw(token, now)
        self._close(token, reason, now)

    def _timed_out(self, token: Token, now: int) -> None:
        self._abandon(token, now)
        self._failed(token, "timeout", now)

    def _lost_patience(self, token: Token, now: int) -> None:
        if token.waiting:
            self._abandon(token, now)
            self._close(token, PATIENCE, now)
            self.leave(token, Exit.FAILURE, now)

    def cut_off(self, token: Token, now: int) -> None:
        """The token's case ends elsewhere: whatever it does, it stops."""
        under_way = token.station is not None and token.plan.kind == StepKind.TASK
        if under_way:
            self._abandon(token, now)
        else:
            self.withdraw(token, now)
        if under_way:
            self._close(token, CUT_OFF, now)

    def _close(self, token: Token, failure: str, now: int) -> None:
        if token.law.watched:
            for closed in self.closed:
                closed(token, failure, now)

    # --- attempts that nobody waits for -------------------------------------------------------------------------------

    def _abandon(self, token: Token, now: int) -> None:
        """The caller gives the attempt up: it is withdrawn, or goes on for nobody, as its pool has it.

        An attempt in a slot that hangs is lost with it, and one that has come to the agents it calls has nothing left
        to do: both are withdrawn, as is one that its pool has not let in, or has just given up for another.
        """
        law = token.law
        pool = law.pool
        lost = token.callee is not None or token.station is not pool or pool.hangs(token) or token in pool.outside
        lost = lost or pool.gave_up(token)
        if not law.abandoned or lost:
            self.withdraw(token, now)
            return
        orphan = Orphan(token)
        pool.hand_over(token, orphan, skipped=law.abandoned == Abandoned.SKIP)
        token.epoch += 1
        call, token.call = token.call, None
        if call is not None:
            orphan.call, call.token = call, orphan
        elif not orphan.waiting:
            self._clock.at(token.due, _FINISH, self.call if law.calls else self._on_produced, orphan)
        served = -1 if orphan.waiting else now - orphan.since
        self._log.event(now, Kind.ORPHANED, pool.place, token.case, served)
        for orphaned in self.orphaned:
            orphaned(token, orphan)

    def _wasted(self, orphan: Token, produced: bool, now: int) -> None:
        """An attempt that nobody waits for is over."""
        assert isinstance(orphan, Orphan)
        orphan.epoch += 1
        self._log.event(now, Kind.WASTED, orphan.law.pool.place, orphan.case, now - orphan.since)
        for unheard in self.unheard:
            unheard(orphan, produced, now)

    def withdraw(self, token: Token, now: int) -> None:
        """Stop the attempt: its call is dropped, its slot or its place in the queue is given up."""
        token.epoch += 1
        if token.callee is not None:
            self.forget(token, now)
        self._endpoints.cancel(token, now)
        if token.station is not None:
            token.station.withdraw(token, now)

    # --- draws and log ------------------------------------------------------------------------------------------------

    def _law(self, token: Token) -> TaskLaw:
        law = TaskLaw(self._draws, self._plan, self._pools, token.work, token.step)
        law.watched = token.step in self._watched
        law.begin = self.starts.get(law.number) or (self._started_plain if law.is_plain() else self._started)
        self._laws[token.work][token.step] = law
        return law

    def _stream(self, purpose: Purpose, law: TaskLaw) -> Stream[float]:
        stream = law.draws.get(purpose)
        if stream is None:
            stream = law.draws[purpose] = self._draws.uniforms(purpose, law.name)
        return stream

    def _draw(self, purpose: Purpose, token: Token) -> float:
        return self._stream(purpose, token.law).at(token.entity, token.index)

    def _event(self, token: Token, kind: Kind, now: int, detail: str) -> None:
        code = token.law.pool.code + kind
        self._log.detailed(now, code, token.case, token.attempt + 1, detail)
