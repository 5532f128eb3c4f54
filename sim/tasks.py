"""Task steps: attempts by agents, one after the other, until one succeeds or no more are left."""

from __future__ import annotations

from collections.abc import Callable

from sim.chance import Draws, Purpose, Stream
from sim.clock import Clock, Rank
from sim.endpoints import Endpoints
from sim.logs import Kind, Log
from sim.plan import CapabilityPlan, Exit, Jitter, Plan, RetryPlan, SuccessPlan
from sim.stations import Station
from sim.tokens import Cases, Token
from sim.values import is_zero, microseconds, success_chance


def backoff(retry: RetryPlan, attempt: int, u: float) -> int:
    """The wait after attempt number `attempt` (from 1): backoff * factor^(attempt-1), capped, then jittered by `u`."""
    wait = retry.backoff * retry.factor ** min(attempt - 1, 1000) if retry.factor > 1 else float(retry.backoff)
    capped = int(min(wait, retry.max_backoff) + 0.5)
    if retry.jitter == Jitter.FULL:
        return int(u * capped + 0.5)
    if retry.jitter == Jitter.EQUAL:
        return int(capped / 2 + u * (capped / 2) + 0.5)
    return capped


class _Law:
    """What an attempt of one stream of work at one step draws."""

    __slots__ = ("capability", "draws", "name", "need", "service", "skill")

    def __init__(self, draws: Draws, name: str, work: str, capability_name: str, capability: CapabilityPlan) -> None:
        self.capability = capability
        self.name = name
        self.draws: dict[Purpose, Stream[float]] = {}
        zero = is_zero(capability.service)
        law = microseconds(capability.service)
        self.service = None if zero else draws.stream(Purpose.SERVICE, name, law)
        latent = f"{work}/{capability_name}"
        self.skill = draws.uniforms(Purpose.ABILITY, latent)
        self.need = draws.uniforms(Purpose.NEED, latent)


class Tasks:
    """Attempts at task steps. `leave(token, exit, now)` is called when the step is over; `judged(token, wrong, now)` when
    an attempt has produced something right or wrong."""

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
        self.decide: Callable[[Token, int], None]
        self.judged: Callable[[Token, bool, int], None] | None = None
        self.success: list[SuccessPlan] = [capability.success for capability in plan.capabilities]
        """Of each capability, the success law in force."""
        self._plan = plan
        self._clock = clock
        self._log = log
        self._draws = draws
        self._cases = cases
        self._pools = pools
        self._endpoints = endpoints
        self._laws: dict[tuple[int, int], _Law] = {}
        self._on_start = self._started

    def begin(self, token: Token, now: int) -> None:
        """The step begins: with a decision, if it has an action, else with the first attempt."""
        if token.plan.request >= 0:
            self.decide(token, now)
        else:
            self.first(token, now)

    def first(self, token: Token, now: int) -> None:
        """The first attempt of a visit."""
        token.attempt = 0
        self._attempt(token, now)

    def _attempt(self, token: Token, now: int) -> None:
        plan = token.plan
        token.index = token.visit * plan.retry.attempts + token.attempt
        token.begin = self._on_start
        pool = self._pools[self._plan.capabilities[plan.capability].pool]
        if plan.timeout >= 0:
            self._clock.at(now + plan.timeout, Rank.TIMEOUT, self._timed_out, token)
        if not pool.join(token, now):
            self._failed(token, "rejected", now)
        elif token.waiting and plan.patience is not None:
            patience = self._patience(token)
            self._clock.at(now + patience, Rank.TIMEOUT, self._lost_patience, token)

    def _started(self, token: Token, now: int) -> None:
        law = self._laws.get((token.work, token.step)) or self._law(token)
        capability = law.capability
        token.success = self.success[token.plan.capability]
        self._cases.attempts[token.case] += 1
        if capability.cost:
            self._cases.cost[token.case] += capability.cost
        service = law.service
        if service is None and capability.calls:
            self._serviced(token, now)
        else:
            busy = service.at(token.entity, token.index) if service is not None else 0
            self._clock.at(now + busy, Rank.FINISH, self._serviced, token)

    def _serviced(self, token: Token, now: int) -> None:
        """The agent's own work is done; its endpoint calls follow."""
        capability = self._plan.capabilities[token.plan.capability]
        if capability.calls:
            site = self._plan.pools[capability.pool].site
            self._endpoints.start(token, capability.endpoint, site, capability.calls, now)
        else:
            self.called(token, "", now)

    def called(self, token: Token, failure: str, now: int) -> None:
        """The work of the attempt is over: free the slot, then judge what came of it."""
        token.epoch += 1
        station = token.station
        assert station is not None
        station.leave(token, now)
        if failure:
            self._failed(token, failure, now)
        else:
            self._judge(token, now)

    def _judge(self, token: Token, now: int) -> None:
        capability = self._plan.capabilities[token.plan.capability]
        if capability.hands_off and self._hands_off(token, capability, now):
            return
        success = token.success
        if success.chance == 1.0:
            self._right(token, now)
            return
        law = self._law(token)
        chance = success_chance(success, law.skill.at(token.entity, 0))
        wrong = not self._draw(law, Purpose.SUCCESS, token) < chance
        if self.judged is not None:
            self.judged(token, wrong, now)
        if not wrong:
            self.leave(token, Exit.NEXT, now)
        elif self._draw(law, Purpose.DETECTION, token) < capability.detected:
            self._failed(token, "wrong", now)
        else:
            self._cases.wrong[token.case] = True
            self._event(token, Kind.ATTEMPT_WRONG, now, "")
            self.leave(token, Exit.NEXT, now)

    def _right(self, token: Token, now: int) -> None:
        if self.judged is not None:
            self.judged(token, False, now)
        self.leave(token, Exit.NEXT, now)

    def _hands_off(self, token: Token, capability: CapabilityPlan, now: int) -> bool:
        """Whether the agent hands the case over instead of answering: drawn once a visit."""
        law = self._law(token)
        needed = law.need.at(token.entity, 0) < capability.needed
        chance = capability.recall if needed else capability.false_alarm
        u = law.draws.get(Purpose.HAND_OFF) or self._stream(law, Purpose.HAND_OFF)
        if u.at(token.entity, token.visit) < chance:
            self._cases.hand_offs[token.case] += 1
            self._event(token, Kind.HANDED_OFF, now, "needed" if needed else "not needed")
            self.leave(token, Exit.HAND_OFF, now)
            return True
        if needed:
            self._cases.missed_hand_off[token.case] = True
        return False

    # --- failure ------------------------------------------------------------------------------------------------------

    def _failed(self, token: Token, reason: str, now: int) -> None:
        """The attempt failed: try again after a while, or leave the step."""
        token.epoch += 1
        self._event(token, Kind.ATTEMPT_FAILED, now, reason)
        retry = token.plan.retry
        token.attempt += 1
        if token.attempt >= retry.attempts:
            self.leave(token, Exit.FAILURE, now)
            return
        u = self._draw(self._law(token), Purpose.JITTER, token) if retry.jitter else 0.0
        self._clock.at(now + backoff(retry, token.attempt, u), Rank.RESUME, self._attempt, token)

    def _timed_out(self, token: Token, now: int) -> None:
        self.withdraw(token, now)
        self._failed(token, "timeout", now)

    def _lost_patience(self, token: Token, now: int) -> None:
        if token.waiting:
            self.withdraw(token, now)
            self.leave(token, Exit.FAILURE, now)

    def withdraw(self, token: Token, now: int) -> None:
        """Stop the attempt: its call is dropped, its slot or its place in the queue is given up."""
        token.epoch += 1
        self._endpoints.cancel(token, now)
        if token.station is not None:
            token.station.withdraw(token, now)

    # --- draws and log ------------------------------------------------------------------------------------------------

    def _law(self, token: Token) -> _Law:
        law = self._laws.get((token.work, token.step))
        if law is None:
            names = self._plan.names
            number = token.plan.capability
            work = names.works[token.work]
            law = _Law(
                self._draws,
                f"{work}/{names.steps[token.step]}",
                work,
                names.capabilities[number],
                self._plan.capabilities[number],
            )
            self._laws[token.work, token.step] = law
        return law

    def _stream(self, law: _Law, purpose: Purpose) -> Stream[float]:
        stream = law.draws[purpose] = self._draws.uniforms(purpose, law.name)
        return stream

    def _draw(self, law: _Law, purpose: Purpose, token: Token) -> float:
        stream = law.draws.get(purpose) or self._stream(law, purpose)
        return stream.at(token.entity, token.index)

    def _patience(self, token: Token) -> int:
        assert token.plan.patience is not None
        u = self._draw(self._law(token), Purpose.PATIENCE, token)
        return microseconds(token.plan.patience)(u)

    def _event(self, token: Token, kind: Kind, now: int, detail: str) -> None:
        pool = self._plan.capabilities[token.plan.capability].pool
        code = self._pools[pool].code + kind
        self._log.add((now, code, token.case, token.attempt + 1, self._log.details.number(detail)))

