"""Retry budgets: retries that a share of the requests of late pays for.

The rule of Finagle and Linkerd, whose deposits expire after a while: retries of the last `window` never exceed
`ratio` of the requests of the last `window`, plus a reserve.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sim.logs import Kind

if TYPE_CHECKING:
    from sim.engine import Replication
    from sim.plans.resilience import BudgetPlan
    from sim.tokens import Token

_MILLION = 1_000_000


class Budget:
    """What one budget has seen. Invariant: retries in any window <= ratio x requests in it + reserve, in millionths."""

    def __init__(self, plan: BudgetPlan) -> None:
        self._plan = plan
        self._requests: deque[int] = deque()
        self._retries: deque[int] = deque()

    def request(self, now: int) -> None:
        """A first attempt is made: it pays for a share of a retry."""
        self._requests.append(now)

    def retry(self, now: int) -> bool:
        """Whether a retry is paid for; it is then taken."""
        for seen in (self._requests, self._retries):
            while seen and seen[0] <= now - self._plan.window:
                seen.popleft()
        paid = self._plan.ratio * len(self._requests) + self._plan.reserve
        if paid < (len(self._retries) + 1) * _MILLION:
            return False
        self._retries.append(now)
        return True


def install_budgets(replication: Replication) -> None:
    """Hold the retries of the steps that name a budget to it. Comes last of what may forbid a retry."""
    resilience = replication.plan.resilience
    if not resilience.budgets:
        return
    budgets = [Budget(plan) for plan in resilience.budgets]
    of_step = dict(resilience.budget_of)
    pools, capabilities = replication.pools, replication.plan.capabilities
    mains = dict(resilience.mains)

    def admit(token: Token, now: int) -> str:
        if token.attempt == 0 and token.step in of_step and token.step not in mains:
            budgets[of_step[token.step]].request(now)
        return ""

    def retrying(token: Token, _: str, __: int, now: int) -> bool:
        number = of_step.get(token.step)
        if number is None or budgets[number].retry(now):
            return True
        place = pools[capabilities[token.plan.capability].pool].place
        detail = f"budget {resilience.budgets[number].name}"
        replication.log.event(now, Kind.RETRY_DENIED, place, token.case, token.attempt + 1, detail)
        return False

    for step in of_step:
        replication.tasks.watch(step)
    replication.tasks.admit.append(admit)
    replication.tasks.retrying.append(retrying)
