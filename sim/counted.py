"""A replication that is counted as it goes: its memory does not grow with its cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from sim.blocks import BlockedCases
from sim.decision_log import Chain, identity
from sim.engine import EVENTS_MAX, Batches, Replication
from sim.summary import Summary
from sim.tokens import Token
from sim.workload import arrivals, blocked

if TYPE_CHECKING:
    from models.behaviours import Behaviour
    from sim.plan import Plan
    from sim.rules import Rules
    from sim.tokens import Cases
    from sim.workload import AnyWorkload

COUNTED_EVENTS_MAX = 1000 * EVENTS_MAX
"""Happenings of one replication at most: they take no memory, but time."""


class CountedReplication(Replication):
    """The same cases, draws and happenings as in `Replication`. Whenever a block of cases has come, what happened until
    then and the cases that have ended are counted, and gone."""

    def __init__(
        self,
        plan: Plan,
        rules: Rules,
        seed: int,
        replication: int,
        digest: str,
        behaviours: Mapping[str, Behaviour] = MappingProxyType({}),
    ) -> None:
        super().__init__(plan, rules, seed, replication, behaviours=behaviours)
        named = bool(self.workload.decider.path)
        self._chain = Chain(identity(digest, seed, replication, names_policies=named))
        self._summary = Summary(plan)
        self.flow.ended.append(self._ended)

    def _work(self, rules: Rules) -> tuple[AnyWorkload, Cases, int]:
        self._blocks = BlockedCases()
        return blocked(self.plan, rules, self.draws, self._blocks), self._blocks, COUNTED_EVENTS_MAX

    def _ended(self, token: Token, _: int, __: int) -> None:
        self._blocks.end(token.case)

    def _arrivals(self) -> Iterator[int]:
        first = 0
        for block in arrivals(self.plan, self.draws):
            self._count()
            self._blocks.open(block, first)
            first += len(block)
            yield from (time for time, _, _ in block)

    def _count(self) -> None:
        summary, log = self._summary, self.log
        summary.take_events(log.take(), log)
        for row in log.decisions:
            self._chain.add((self.number, self._chain.rows, *row))
        summary.take_decisions(log.decisions)
        log.decisions.clear()
        for block in self._blocks.finished():
            summary.take_cases(block)

    def run(self) -> None:
        super().run()
        self._count()
        after = self._blocks.after()
        for block in self._blocks.left():
            self._summary.take_cases(block)
        self._summary.finish(after)

    def batches(self, digest: str, seed: int) -> Batches:  # noqa: ARG002 - the chain has begun with them
        """The samples and the figures. The seal is of all decisions, though none is kept."""
        return Batches(
            cases=(),
            events=(),
            decisions=(),
            samples=self.log.sample_table(self.number).to_batches(),
            chain=self._chain,
            figures=self._summary.table(self.number).to_batches(),
        )
