"""Tokens: where a case, or one branch of it, is in its workflow. And the figures kept of each case."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

from sim.by_case import ByCase
from sim.plan import Outcome, StepPlan, SuccessPlan
from sim.stations import Job

if TYPE_CHECKING:
    from sim.approvals import Approval
    from sim.locks import LockInstance
    from sim.rules import Verdict
    from sim.tasks import TaskLaw


class Token(Job):
    """Where a case, or one branch of it, is.

    `index` numbers the step's draws: visit times attempts, plus attempt. The epoch changes whenever what the token does
    ends, so timers of the past do nothing.
    """

    __slots__ = (
        "acquired",
        "alive",
        "attempt",
        "blocked_on",
        "call",
        "callee",
        "children",
        "due",
        "entity",
        "held",
        "index",
        "join",
        "law",
        "open",
        "parent",
        "petition",
        "plan",
        "step",
        "success",
        "visit",
        "work",
    )

    plan: StepPlan
    step: int
    index: int
    law: TaskLaw
    """What its attempts are like, at a task step."""
    success: SuccessPlan
    """The success law in force when the attempt's work began."""
    due: int
    """When the attempt's own work is done, where its pool does not cancel it with its caller."""
    open: int
    """Branches that have not yet met."""
    blocked_on: LockInstance | None
    """The lock it waits for; set once `held` is."""
    origin: Origin | None = None
    """The message that a consumer of a topic works on; None for a case itself. Not a slot: those that have one set
    theirs."""

    def __init__(self, case: int, work: int, entity: int, level: int) -> None:
        self.case = case
        self.work = work
        self.entity = entity
        self.level = level
        self.epoch = 0
        self.station = None
        self.waiting = False
        self.alive = True
        self.visit = 0
        self.attempt = 0
        self.call: Call | None = None
        self.callee: Token | None = None
        """The agent that its attempt has called and waits for."""
        self.parent: Token | None = None
        self.join = -1
        """The step at which this branch meets the others."""
        self.children: list[Token] | None = None
        self.acquired = 0
        """Locks of the step that were asked for."""
        self.held: list[LockInstance] | None = None
        """Locks in order of taking; None as long as the token has nothing to do with locks or branches."""
        self.petition: Petition | None = None

    def branch(self) -> Token:
        """A token for a branch of what this one goes through."""
        return Token(self.case, self.work, self.entity, self.level)


class Origin(NamedTuple):
    """What a message comes from: the visit of a case to the step that published it. Copies of it have the same."""

    case: int
    step: int
    visit: int


class Delivery(Token):
    """Where the consumers of a topic are with one delivery of a message, or with a branch of it.

    Its case is the one that published the message, which goes on by itself, or has ended. `visits` counts how often
    the delivery came to each step; for its draws they are numbered from `first` on, so that no two deliveries share
    them.
    """

    __slots__ = ("arrived", "first", "origin", "visits")

    origin: Origin

    def __init__(self, case: int, work: int, entity: int, level: int, origin: Origin, first: int, arrived: int) -> None:
        super().__init__(case, work, entity, level)
        self.origin = origin
        self.arrived = arrived
        """When its case arrived, which nobody else may know any more."""
        self.first = first
        self.visits: dict[int, int] = {}

    def branch(self) -> Token:
        """A token for a branch of the delivery."""
        branch = Delivery(self.case, self.work, self.entity, self.level, self.origin, self.first, self.arrived)
        branch.visits = self.visits
        return branch


class Orphan(Token):
    """An attempt, or the caller of endpoint calls, that nobody waits for any more: what comes of it goes nowhere."""

    __slots__ = ("origin",)

    def __init__(self, token: Token) -> None:
        super().__init__(token.case, token.work, token.entity, token.level)
        self.alive = False
        self.origin = token.origin
        self.step = token.step
        self.plan = token.plan
        self.law = token.law
        if not token.waiting:
            self.success = token.success
        self.visit = token.visit
        self.attempt = token.attempt
        self.index = token.index
        self.begin = token.begin


class Sender(Job):
    """What keeps the slot of a token that has done its task and is not let in at the next."""

    __slots__ = ("token",)

    def __init__(self, token: Token) -> None:
        super().__init__(token.case, token.level)
        self.token = token


class Petition:
    """A token's request for a decision, from the first question to the end of all approvals."""

    __slots__ = ("approvals", "granted", "kept", "question", "rounds", "slipped", "trouble")

    def __init__(self) -> None:
        self.granted: frozenset[str] = frozenset()
        self.approvals: list[Approval] = []
        """Approvals that are being sought."""
        self.rounds = 0
        """Times the decision point was asked."""
        self.trouble = ""
        """Why the decision point will not answer; empty if it will."""
        self.kept: Verdict | None = None
        """The answer of a cache, where one is given."""
        self.question: object = None
        """What a cache will keep the answer to; None where it will not."""
        self.slipped = ""
        """What policy says of a step that goes on because the point failed open: deny or escalate; else empty."""


class Call(Job):
    """The endpoint calls of one attempt, one after the other: `left` are still to come, `index` numbers their draws.

    Nobody waits for one that is `orphaned`.
    """

    __slots__ = ("endpoint", "failure", "index", "left", "orphaned", "race", "site", "token", "twice")

    def __init__(self, token: Token, endpoint: int, site: int, left: int, index: int) -> None:
        super().__init__(token.case, token.level)
        self.token = token
        self.endpoint = endpoint
        self.site = site
        self.left = left
        self.index = index
        self.failure = ""
        self.orphaned = False
        self.twice = False
        """Whether a link has brought it to its endpoint twice."""
        self.race: Race | None = None
        """The calls of the same request, where there may be several."""


class Race:
    """The calls that make one request, of which the first answer counts. `open` are those without an answer, never
    none; `left` and `index` are those of the request, as a call has them; `made` counts the further calls."""

    __slots__ = ("epoch", "index", "left", "made", "open")

    def __init__(self, call: Call) -> None:
        self.epoch = 0
        self.open = [call]
        self.left = call.left
        self.index = call.index
        self.made = 0

    def end(self) -> list[Call]:
        """It is over; the calls that were open."""
        self.epoch += 1
        for call in self.open:
            call.race = None
        return self.open


class Cases:
    """Figures of the cases of a replication, by case number. Packed where numbers are large: there may be millions."""

    def __init__(self, count: int) -> None:
        self.ended: ByCase = array("q", bytes(8 * count))
        self.outcome: ByCase = bytearray([Outcome.IN_FLIGHT]) * count
        self.attempts: ByCase = [0] * count
        self.wrong: ByCase = bytearray(count)
        self.hand_offs: ByCase = [0] * count
        self.missed_hand_off: ByCase = bytearray(count)
        self.tokens_in: ByCase = [0] * count
        self.tokens_out: ByCase = [0] * count
        self.late: ByCase = bytearray(count)
        self.approvals: ByCase = [0] * count
        self.cost: ByCase = array("q", bytes(8 * count))
        self.cost_calls: ByCase = array("q", bytes(8 * count))
        self.cost_tokens: ByCase = array("q", bytes(8 * count))
        self.cost_people: ByCase = array("q", bytes(8 * count))
        """Parts of the cost; the rest is what attempts cost by themselves."""
