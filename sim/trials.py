"""Trials: an objective that is measured within the run, over the cases of a rollout."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.clock import Rank
from sim.plan import Outcome
from sim.plans.change import Trial, TrialPlan
from sim.tokens import Token

if TYPE_CHECKING:
    from sim.engine import Replication

OPEN_SHARE_MAX = 0.05
"""As for objectives of cost: with a greater share of cases that have not ended, their mean has no bound from above."""


_NONE = -1


class _Case:
    """A case that is to be judged."""

    epoch = 0

    def __init__(self, case: int) -> None:
        self.case = case


class CaseTrial:
    """Counts the cases of a rollout as the objective does, and tells at the first one at which it is missed.

    With a time in the objective a case is judged once it is older than that; without one it is judged from its arrival
    on, and the objective is asked at each end.
    """

    def __init__(self, replication: Replication, plan: TrialPlan, missed: Callable[[int, int, str], None]) -> None:
        self._plan = plan
        self._clock = replication.clock
        self._warm_up = replication.plan.warm_up
        self._cases = replication.cases
        self._missed: Callable[[int, int, str], None] | None = missed
        self._enrolled: dict[int, int] = {}
        """Cases that have not ended, and when they arrived."""
        self._open: set[int] = set()
        """Those of them that are judged."""
        self._settled: dict[int, int] = {}
        """What came of cases that have ended and are not judged yet."""
        self._judged = 0
        self._hits = 0
        self._spent = 0
        replication.flow.ended.append(self._ended)

    def enrol(self, token: Token, now: int) -> None:
        """A case of the rollout arrives."""
        plan, case = self._plan, token.case
        if self._missed is None or now < self._warm_up or plan.work not in (-1, token.work):
            return
        self._enrolled[case] = now
        if plan.within < 0:
            self._judged += 1
            self._open.add(case)
        else:
            self._clock.at(now + plan.within + 1, Rank.SAMPLE, self._aged, _Case(case))

    def _aged(self, aged: _Case, now: int) -> None:
        self._judged += 1
        if aged.case in self._enrolled:
            self._open.add(aged.case)
        else:
            self._count(self._settled.pop(aged.case))
        self._ask(now)

    def _ended(self, token: Token, outcome: int, now: int) -> None:
        case = token.case
        arrived = self._enrolled.pop(case, None)
        if arrived is None:
            return
        fate = self._fate(case, outcome, now - arrived)
        if case in self._open:
            self._open.discard(case)
            self._count(fate)
        else:
            self._settled[case] = fate
        if self._plan.within < 0:
            self._ask(now)

    def _fate(self, case: int, outcome: int, time: int) -> int:
        """What a case that has ended counts: 1 for a hit, 0 for none, _NONE where it is not concerned; or its cost."""
        plan = self._plan
        if plan.kind == Trial.COST:
            return int(self._cases.cost[case])
        on_time = plan.within < 0 or time <= plan.within
        if plan.kind == Trial.TIME:
            # The time to completion of a case that ends otherwise is none.
            return int(on_time) if outcome == Outcome.COMPLETED else _NONE
        right = plan.wrong < 0 or bool(self._cases.wrong[case]) == bool(plan.wrong)
        return int(on_time and right and outcome in plan.outcomes)

    def _count(self, fate: int) -> None:
        """A judged case has ended."""
        if self._plan.kind == Trial.COST:
            self._spent += fate
        elif fate == _NONE:
            self._judged -= 1
        else:
            self._hits += fate

    def _ask(self, now: int) -> None:
        known = self._judged - len(self._open) if self._plan.within < 0 else self._judged
        if self._missed is not None and known >= self._plan.cases and self._is_missed():
            self._missed(now, known, self._plan.objective)
            self._missed = None

    def _is_missed(self) -> bool:
        plan, judged = self._plan, self._judged
        if plan.kind == Trial.TIME:
            return self._hits < math.ceil(plan.quantile * judged - 1e-9)
        if plan.kind == Trial.COST:
            low, high = self._cost()
        else:
            # A least share is missed by who is late, a most share may be: being stuck is no merit.
            unknown = len(self._open) if plan.within < 0 or plan.most >= 0 else 0
            low, high = self._hits / judged, (self._hits + unknown) / judged
        if plan.may:
            return low < plan.least or high > plan.most >= 0
        return high < plan.least or low > plan.most >= 0

    def _cost(self) -> tuple[float, float]:
        """What is spent, over all cases and over those that ended; open ones may cost what nobody knows yet."""
        spent = self._spent + sum(self._cases.cost[case] for case in self._open)
        ended = self._judged - len(self._open)
        many = len(self._open) > OPEN_SHARE_MAX * self._judged
        return spent / self._judged, math.inf if many or not ended else spent / ended
