"""Data outside its regions: who handles a class of data at a step, and is not where it may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.logs import Kind
from sim.plan import StepKind

if TYPE_CHECKING:
    from sim.approvals import Approval
    from sim.engine import Replication
    from sim.tokens import Call, Token


def install_residency(replication: Replication) -> None:
    """Note breaches at the steps that name classes of data."""
    if any(replication.plan.platform.data):
        Residency(replication)


class Residency:
    """Notes a breach for each attempt, endpoint call, message to a topic, piece of work at a desk and review by
    somebody whose site is in a region, and not in one of the class. Where a part is that has no site, or one without
    a region, is not known."""

    def __init__(self, replication: Replication) -> None:
        self._plan = plan = replication.plan
        self._log = replication.log
        self._outside: dict[tuple[int, int], tuple[str, ...]] = {}
        flow, tasks = replication.flow, replication.tasks
        for number, step in enumerate(plan.steps):
            if not plan.platform.data[number]:
                continue
            if step.kind == StepKind.TASK:
                tasks.watch(number)
            elif step.kind == StepKind.DESK:
                flow.begin[number] = self._at_desk(flow.begin[number])
            elif step.kind == StepKind.PUBLISH:
                flow.begin[number] = self._at_topic(flow.begin[number])
        tasks.pace.append(self._attempt)
        replication.endpoints.pace.append(self._call)
        replication.approvals.asked.append(self._review)

    def _attempt(self, token: Token, busy: int, now: int) -> int:
        pool = token.law.capability.pool
        site = self._plan.pools[pool].site
        self._note(token.step, site, f"agent:{self._plan.names.pools[pool]}", token.case, now)
        return busy

    def _call(self, call: Call, latency: int, now: int) -> int:
        place = f"endpoint:{self._plan.names.endpoints[call.endpoint]}"
        self._note(call.token.step, self._plan.endpoints[call.endpoint].site, place, call.case, now)
        return latency

    def _at_desk(self, begin: Callable[[Token, int], None]) -> Callable[[Token, int], None]:
        def noted(token: Token, now: int) -> None:
            self._desk(token.step, token.plan.desk, token.case, now)
            begin(token, now)

        return noted

    def _at_topic(self, begin: Callable[[Token, int], None]) -> Callable[[Token, int], None]:
        def noted(token: Token, now: int) -> None:
            step = self._plan.platform.publishes[token.step]
            assert step is not None
            topic = self._plan.platform.topics[step.topic]
            self._note(token.step, topic.site, f"topic:{topic.name}", token.case, now)
            begin(token, now)

        return noted

    def _review(self, approval: Approval, desk: int, now: int) -> None:
        self._desk(approval.token.step, desk, approval.case, now)

    def _desk(self, step: int, desk: int, case: int, now: int) -> None:
        self._note(step, self._plan.desks[desk].site, f"desk:{self._plan.names.desks[desk]}", case, now)

    def _note(self, step: int, site: int, place: str, case: int, now: int) -> None:
        names = self._outside.get((step, site))
        if names is None:
            names = self._outside[step, site] = self._classes_outside(step, site)
        for name in names:
            detail = f"{name} in {self._plan.platform.regions[site]}"
            self._log.event(now, Kind.RESIDENCY_BREACH, place, case, detail=detail)

    def _classes_outside(self, step: int, site: int) -> tuple[str, ...]:
        region = self._plan.platform.regions[site] if site >= 0 else ""
        return tuple(name for name, regions in self._plan.platform.data[step] if region and region not in regions)
