"""Tokens: where a case, or one branch of it, is in its workflow. And the figures kept of each case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plan import Outcome, StepPlan, SuccessPlan
from sim.stations import Job

if TYPE_CHECKING:
    from sim.approvals import Approval
    from sim.locks import LockInstance


class Token(Job):
    """Where a case, or one branch of it, is.

    `index` numbers the step's draws: visit times attempts, plus attempt. The epoch changes whenever what the token does
    ends, so timers of the past do nothing.
    """

    step: int = -1
    plan: StepPlan
    visit: int = 0
    attempt: int = 0
    index: int = 0
    alive: bool = True
    success: SuccessPlan
    """The success law in force when the attempt's work began."""
    call: Call | None = None
    # branches
    parent: Token | None = None
    join: int = -1
    """The step at which this branch meets the others."""
    children: list[Token] | None = None
    open: int = 0
    # locks
    held: list[LockInstance] | None = None
    blocked_on: LockInstance | None = None
    acquired: int = 0
    # approvals
    approvals: list[Approval] | None = None
    granted: frozenset[str] = frozenset()
    rounds: int = 0
    """Decisions asked for on this visit."""
    trouble: str = ""
    """Why the decision point will not answer."""

    def __init__(self, case: int, work: int, entity: int, level: int) -> None:
        self.case = case
        self.work = work
        self.entity = entity
        self.level = level


class Call(Job):
    """The endpoint calls of one attempt, one after the other: `left` are still to come, `index` numbers their draws."""

    def __init__(self, token: Token, endpoint: int, site: int, left: int, index: int) -> None:
        self.token = token
        self.case = token.case
        self.level = token.level
        self.endpoint = endpoint
        self.site = site
        self.left = left
        self.index = index
        self.failure = ""


class Cases:
    """Figures of the cases of a replication, by case number."""

    def __init__(self, count: int) -> None:
        self.ended = [-1] * count
        self.outcome = [int(Outcome.IN_FLIGHT)] * count
        self.attempts = [0] * count
        self.wrong = [False] * count
        self.hand_offs = [0] * count
        self.missed_hand_off = [False] * count
        self.approvals = [0] * count
        self.cost = [0] * count
