"""Circuit breakers: closed, open, half-open, by the rule of Resilience4j with a count-based window.

Closed, the last `window` attempts are kept; with `least` of them, a share of failures of `rate` or more opens it. Open,
every attempt is refused for `open` microseconds; the first attempt after that finds it half-open. Half-open, `probes`
attempts are let through; when all of them are over, their share of failures opens or closes it. An attempt counts only
in the state that let it through; one that is cut off gives its place as a probe back.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from sim.hooks import CUT_OFF, PATIENCE
from sim.logs import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.engine import Replication
    from sim.plans.resilience import BreakerPlan
    from sim.tokens import Token

BREAKER_OPEN: Final = "breaker-open"
"""Why an attempt failed that an open breaker refused."""


class State(IntEnum):
    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


class Breaker:
    """One breaker. `tell(state, now)` is called when its state changes; `period` counts the changes."""

    def __init__(self, plan: BreakerPlan, tell: Callable[[State, int], None]) -> None:
        self._plan = plan
        self._tell = tell
        self.state = State.CLOSED
        self.period = 0
        self._reopens = 0
        self._seen: deque[bool] = deque(maxlen=plan.window)
        """Of the attempts that are over in this state, whether they failed."""
        self._failures = 0
        self._probes = 0
        """Attempts let through half-open, over or not."""

    def admits(self, now: int) -> bool:
        """Whether an attempt is let through now; it is then counted as under way."""
        if self.state == State.OPEN and now >= self._reopens:
            self._turn(State.HALF_OPEN, now)
        if self.state == State.OPEN or (self.state == State.HALF_OPEN and self._probes >= self._plan.probes):
            return False
        self._probes += self.state == State.HALF_OPEN
        return True

    def over(self, period: int, failed: bool, now: int) -> None:
        """An attempt that was let through in this period is over."""
        if period != self.period:
            return
        plan = self._plan
        if len(self._seen) == plan.window:
            self._failures -= self._seen[0]
        self._seen.append(failed)
        self._failures += failed
        enough = plan.probes if self.state == State.HALF_OPEN else plan.least
        if len(self._seen) < enough:
            return
        if self._failures * 1_000_000 >= plan.rate * len(self._seen):
            self._turn(State.OPEN, now)
        elif self.state == State.HALF_OPEN:
            self._turn(State.CLOSED, now)

    def released(self, period: int) -> None:
        """An attempt that was let through in this period was cut off: it says nothing."""
        if period == self.period and self.state == State.HALF_OPEN:
            self._probes -= 1

    def _turn(self, state: State, now: int) -> None:
        self.state = state
        self.period += 1
        self._seen = deque(maxlen=self._plan.probes if state == State.HALF_OPEN else self._plan.window)
        self._failures = 0
        self._probes = 0
        self._reopens = now + self._plan.open
        self._tell(state, now)


_KINDS: Final = {
    State.CLOSED: Kind.BREAKER_CLOSED,
    State.OPEN: Kind.BREAKER_OPEN,
    State.HALF_OPEN: Kind.BREAKER_HALF_OPEN,
}


class Breakers:
    """The breakers of one replication, each shared by all attempts at the steps that name it."""

    def __init__(self, replication: Replication) -> None:
        resilience = replication.plan.resilience
        self._replication = replication
        self._plans = resilience.breakers
        self._breakers = [Breaker(plan, self._teller(plan.name)) for plan in resilience.breakers]
        self._of_step = dict(resilience.breaker_of)
        self._under_way: dict[Token, int] = {}
        """Attempts that were let through, and the period of their breaker."""
        tasks = replication.tasks
        for step in self._of_step:
            tasks.watch(step)
        tasks.admit.append(self._admit)
        tasks.closed.append(self._closed)
        tasks.retrying.append(lambda _, reason, __, ___: reason != BREAKER_OPEN)

    def _teller(self, name: str) -> Callable[[State, int], None]:
        place, log = f"breaker:{name}", self._replication.log
        return lambda state, now: log.event(now, _KINDS[state], place)

    def _admit(self, token: Token, now: int) -> str:
        number = self._of_step.get(token.step)
        if number is None:
            return ""
        breaker = self._breakers[number]
        if not breaker.admits(now):
            return BREAKER_OPEN
        self._under_way[token] = breaker.period
        return ""

    def _closed(self, token: Token, failure: str, now: int) -> None:
        period = self._under_way.pop(token, None)
        if period is None:
            return
        number = self._of_step[token.step]
        breaker = self._breakers[number]
        if failure in (CUT_OFF, PATIENCE):
            breaker.released(period)
        else:
            breaker.over(period, failure.rpartition(": ")[2] in self._plans[number].counts, now)


def install_breakers(replication: Replication) -> None:
    """Put breakers before the attempts at the steps that name one. Comes after all else that refuses attempts."""
    if replication.plan.resilience.breakers:
        Breakers(replication)
