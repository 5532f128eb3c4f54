"""The workflow of each case: tokens move from step to step, fork into branches, meet again, and end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from sim.chance import Draws, Purpose, Stream
from sim.clock import Clock, Rank
from sim.hooks import Arrived, Ended, Ending
from sim.locks import LockInstance, Locks
from sim.logs import PLACE, Kind, Log, pack
from sim.plan import OUTCOME_NAMES, Exit, Outcome, Plan, StepKind, StepPlan
from sim.tokens import Cases, Delivery, Token
from sim.values import durations, keyed_place, share
from sim.workload import AnyWorkload

Action = Callable[[Token, int, int], None]

_SUB_WORKFLOW: Final = int(StepKind.SUB_WORKFLOW)
_EXITS: Final = {
    int(Outcome.COMPLETED): Exit.NEXT,
    int(Outcome.FAILED): Exit.FAILURE,
    int(Outcome.DENIED): Exit.DENY,
    int(Outcome.EXPIRED): Exit.EXPIRED,
}
"""By which exit of its step a sub-workflow leads on; nothing else ends one without its case."""


class Flow:
    """Moves tokens. What one move sets off at the same instant (locks passed on, further moves) waits in a queue until
    it is done, so a move is never interrupted by another."""

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        log: Log,
        draws: Draws,
        workload: AnyWorkload,
        cases: Cases,
        locks: Locks,
    ) -> None:
        own = {
            StepKind.CHOICE: self._choose,
            StepKind.PARALLEL: self._fork,
            StepKind.WAIT: self._wait,
            StepKind.END: self._finish,
            StepKind.SUB_WORKFLOW: self._go_within,
        }
        self.begin: list[Callable[[Token, int], None]] = [own.get(StepKind(step.kind), _missing) for step in plan.steps]
        """What begins each step, once its locks are held. The task and desk parts set theirs."""
        self.cancel: list[Callable[[Token, int], None]] = []
        """What takes a token away from wherever it is, when its case ends elsewhere."""
        self.begin_at: Callable[[Token, int], int] | None = None
        """The step at which a case begins, of its own and that of its stream; none where these are the same for all."""
        self.arrived: list[Arrived] = []
        self.ending: list[Ending] = []
        self.ended: list[Ended] = []
        self.consumed: list[Callable[[Token, int], None]] = []
        """Called with (delivery, now) when one of a message has come to its end, as `ended` when a case has."""
        self.effects: list[Callable[[Token, int], None]] = []
        """Called with (token, now) when a step takes effect that has not yet done so for its case."""
        self.undoable: Callable[[Token], None]
        """Called when a step is finished that something undoes."""
        self._plan = plan
        self._steps = plan.steps
        self._names = plan.names
        self._units = plan.flows.units
        self._clock = clock
        self._log = log
        self._write = log.write
        self._draws = draws
        self._workload = workload
        self._case_ended = cases.ended
        self._case_outcome = cases.outcome
        self._locks = locks
        self._work_of = workload.work
        self._entity_of = workload.entity
        codes = [log.places.number(f"step:{name}") * PLACE for name in plan.names.steps]
        self._starts = [
            (work.start, work.level, codes[work.start] + Kind.ARRIVED, plan.steps[work.start].counted)
            for work in plan.works
        ]
        self._codes = codes
        self._entered = [code + Kind.ENTERED for code in codes]
        self._ended = [code + Kind.ENDED for code in codes]
        self._visits: dict[int, dict[int, int]] = {}
        """Of each case under way, the visits to its counted steps."""
        self._within: dict[Token, int] = {}
        """Tokens at a sub-workflow, and since when."""
        self._streams: dict[tuple[int, int], Stream[Any]] = {}
        self._moving = False
        self._queue: deque[tuple[Action, Token, int]] = deque()
        locks.resume = self._resume
        locks.abort = self._abort

    def begins(self, kind: StepKind, begin: Callable[[StepPlan], Callable[[Token, int], None]]) -> None:
        """Set what begins the steps of a kind; a task may begin in more than one way."""
        for number, step in enumerate(self._steps):
            if step.kind == kind:
                self.begin[number] = begin(step)

    def arrive(self, case: int, now: int) -> None:
        """A new case enters its workflow."""
        work = self._work_of[case]
        start, level, code, counted = self._starts[work]
        if level < 0:
            level = self._own_level(case, work)
        token = Token(case, work, self._entity_of[case], level)
        if self.begin_at is not None:
            start = self.begin_at(token, start)
            code, counted = self._entered[start] - Kind.ENTERED + Kind.ARRIVED, self._steps[start].counted
        if counted:
            self._visits[case] = {start: 1}
        write = self._write
        write(pack(now, code, case, -1))  # stands for `entered` too
        self._moving = True
        token.plan = plan = self._steps[start]
        token.step = start
        if self.arrived:
            self._tell_arrived(token, now)
        if plan.acquire:
            self._acquire(token, now)
        else:
            begin = self.begin[start]
            begin(token, now)
        if self._queue:
            self._drain(now)
        self._moving = False

    def _own_level(self, case: int, work: int) -> int:
        """The level of a case whose own attribute is its priority."""
        supply = self._plan.supply
        priority = int(self._workload.attributes[work][supply.priorities[work]][self._entity_of[case]])
        return supply.levels.index(min(max(priority, 0), 100))

    def _tell_arrived(self, token: Token, now: int) -> None:
        for arrived in self.arrived:
            arrived(token, now)

    def _tell_ended(self, token: Token, outcome: int, now: int) -> None:
        for ended in self.ended:
            ended(token, outcome, now)

    def leave(self, token: Token, exit: int, now: int) -> None:
        """The token's step is over, by one of its exits."""
        if self._moving:
            self._queue.append((self._leave, token, exit))
            return
        target = token.plan.exits[exit]
        if target < 0 and token.held is None and token.parent is None and not self.ending:
            # The common case: the end of a case that holds nothing and is one token moves nothing else.
            token.epoch += 1
            token.alive = False
            self._record(token, ~target, now)
            return
        self._moving = True
        self._leave(token, exit, now)
        if self._queue:
            self._drain(now)
        self._moving = False

    def move(self, action: Action, token: Token, argument: int, now: int) -> None:
        """Do a move now, or after the one under way."""
        self._queue.append((action, token, argument))
        if not self._moving:
            self._moving = True
            self._drain(now)
            self._moving = False

    def _drain(self, now: int) -> None:
        queue = self._queue
        while queue:
            action, token, argument = queue.popleft()
            if token.alive:
                action(token, argument, now)

    # --- moves --------------------------------------------------------------------------------------------------------

    def _enter(self, token: Token, target: int, now: int) -> None:
        if target < 0:
            self._end(token, ~target, now)
            return
        if target == token.join:
            self._meet(token, now)
            return
        token.step = target
        token.visit = 0
        plan = self._steps[target]
        visit = 1
        if plan.counted:
            visit = self._count(token, target, plan.limit)
            if not visit:
                self._enter(token, plan.on_limit, now)
                return
        write = self._write
        write(pack(now, self._entered[target], token.case, visit))
        token.plan = plan
        token.attempt = 0
        if plan.acquire:
            token.acquired = 0
            self._acquire(token, now)
        else:
            begin = self.begin[target]
            begin(token, now)

    def _count(self, token: Token, step: int, limit: int) -> int:
        """Which visit of the case, or of the delivery, this is, from 1 on; 0 where the step's limit is reached."""
        first = 0
        if isinstance(token, Delivery):
            visits, first = token.visits, token.first
        else:
            visits = self._visits.setdefault(token.case, {})
        visit = visits.get(step, 0)
        if 0 <= limit <= visit:
            return 0
        token.visit = first + visit
        visits[step] = visit + 1
        self._clock.count()  # a loop of instant steps schedules nothing
        return visit + 1

    def uncount(self, token: Token, step: int) -> None:
        """The token's last visit to a step counts as not made."""
        visits = token.visits if isinstance(token, Delivery) else self._visits.get(token.case, {})
        if visits.get(step):
            visits[step] -= 1

    def _leave(self, token: Token, exit: int, now: int) -> None:
        token.epoch += 1
        plan = token.plan
        if plan.undo >= 0 and exit == Exit.NEXT:
            self.undoable(token)
        if plan.release:
            for lock in plan.release:
                self._locks.release(token, self._lock(token, lock), now)
        target = plan.exits[exit]
        if target < 0:
            self._end(token, ~target, now)
        else:
            self._enter(token, target, now)

    # --- locks --------------------------------------------------------------------------------------------------------

    def _acquire(self, token: Token, now: int) -> None:
        """Take the step's locks in order; the step begins when all are held."""
        wanted = token.plan.acquire
        while token.acquired < len(wanted):
            lock = self._lock(token, wanted[token.acquired])
            token.acquired += 1
            if not self._locks.acquire(token, lock, now):
                return
        self.begin[token.step](token, now)

    def _resume(self, token: Token, now: int) -> None:
        self.move(self._resumed, token, 0, now)

    def _resumed(self, token: Token, _: int, now: int) -> None:
        self._acquire(token, now)

    def _lock(self, token: Token, lock: int) -> LockInstance:
        """The lock, or the instance of it for the case's attribute; cases without the attribute share one."""
        place, key = f"lock:{self._names.locks[lock]}", self._names.lock_keys[lock]
        names, columns = self._names.attributes[token.work], self._workload.attributes[token.work]
        return self._locks.instance(keyed_place(place, key, names, columns, token.entity), self._units[lock])

    # --- step kinds that need no server -------------------------------------------------------------------------------

    def _choose(self, token: Token, now: int) -> None:
        if token.plan.shares:
            arm = share(token.plan.shares, self._draw(token, Purpose.CHOICE, list))
        else:
            arm = self._workload.decider.arm(token.work, token.step, token.entity)
        self.leave(token, Exit.NEXT if arm < 0 else Exit.ARM + arm, now)

    def _wait(self, token: Token, now: int) -> None:
        assert token.plan.service is not None
        duration = self._draw(token, Purpose.WAIT, durations(token.plan.service))
        self._clock.at(now + duration, Rank.FINISH, self._waited, token)

    def _waited(self, token: Token, now: int) -> None:
        self.leave(token, Exit.NEXT, now)

    def _finish(self, token: Token, now: int) -> None:
        self.leave(token, Exit.NEXT, now)

    def _draw(self, token: Token, purpose: Purpose, values: Callable[[list[float]], list[Any]]) -> Any:
        stream = self._streams.get((token.work, token.step))
        if stream is None:
            place = f"{self._names.works[token.work]}/{self._names.steps[token.step]}"
            stream = self._streams[token.work, token.step] = self._draws.stream(purpose, place, values)
        return stream.at(token.entity, token.visit)

    # --- branches -----------------------------------------------------------------------------------------------------

    def _fork(self, token: Token, now: int) -> None:
        plan = token.plan
        token.children = []
        token.open = len(plan.branches)
        for branch in plan.branches:
            child = token.branch()
            child.parent = token
            child.join = plan.join
            token.children.append(child)
            self._locks.fork(token, child)
            self.move(self._enter, child, branch, now)

    def _meet(self, token: Token, now: int) -> None:
        """A branch has reached the join; the last one lets the parent go on."""
        parent = token.parent
        assert parent is not None
        self._retire(token, now)
        parent.open -= 1
        if not parent.open:
            parent.children = None
            self.leave(parent, Exit.NEXT, now)

    def _retire(self, token: Token, now: int) -> None:
        """End a token: it gives back its locks and no timer of it does anything any more."""
        token.alive = False
        token.epoch += 1
        if token.held is not None:
            self._locks.retire(token, now)

    # --- sub-workflows ------------------------------------------------------------------------------------------------

    def _go_within(self, token: Token, now: int) -> None:
        """A sub-workflow is one branch, which meets nobody: its end lets the token go on."""
        self._within[token] = now
        inner = token.branch()
        inner.parent = token
        token.children = [inner]
        self._locks.fork(token, inner)
        self.move(self._enter, inner, token.plan.branches[0], now)

    def _come_back(self, outer: Token, ending: Token, outcome: int, now: int) -> None:
        """One of the tokens within a sub-workflow has come to its end, and so has the sub-workflow."""
        for inner in outer.children or ():
            if inner.alive:
                self._cancel(inner, ending, now)
        outer.children = None
        code = self._codes[outer.step] + Kind.SUB_WORKFLOW_ENDED
        self._log.detailed(now, code, outer.case, now - self._within.pop(outer), OUTCOME_NAMES[outcome])
        self.leave(outer, _EXITS[outcome], now)

    # --- the end of a case --------------------------------------------------------------------------------------------

    def _end(self, token: Token, outcome: int, now: int) -> None:
        """A token has come to an end of its workflow: of the one that it is within, or of its case."""
        outer = token.parent
        while outer is not None and outer.plan.kind != _SUB_WORKFLOW:
            outer = outer.parent
        if outer is None:
            self._end_case(token, outcome, now)
        else:
            self._come_back(outer, token, outcome, now)

    def _end_case(self, token: Token, outcome: int, now: int) -> None:
        for ending in self.ending:
            if ending(token, outcome, now):
                return
        self._cancel(root(token), token, now)
        self._record(token, outcome, now)

    def _record(self, token: Token, outcome: int, now: int) -> None:
        case = token.case
        if self._visits:
            self._visits.pop(case, None)
        self._case_ended[case] = now
        self._case_outcome[case] = outcome
        write = self._write
        write(pack(now, self._ended[token.step], case, outcome))
        if self.ended:
            self._tell_ended(token, outcome, now)

    def _cancel(self, at: Token, ending: Token, now: int) -> None:
        """End a token and all its branches, wherever they are."""
        for child in at.children or ():
            if child.alive:
                self._cancel(child, ending, now)
        if at is not ending:
            self._within.pop(at, None)
            for cancel in self.cancel:
                cancel(at, now)
        self._retire(at, now)

    def end(self, token: Token, outcome: int, now: int) -> None:
        """Somebody ends the case from outside, wherever its tokens are."""
        self.move(self._stopped, token, outcome, now)

    def enter(self, token: Token, step: int, now: int) -> None:
        """Let a token that a part has made go through the steps from this one on. Its end is told to `ending`."""
        self.move(self._enter, token, step, now)

    def dismiss(self, ending: Token, now: int) -> None:
        """End all tokens of a delivery, or of a case that a part has kept, of which one has come to an end."""
        self._cancel(root(ending), ending, now)

    def _abort(self, token: Token, now: int) -> None:
        self.end(token, Outcome.ABORTED, now)

    def _stopped(self, token: Token, outcome: int, now: int) -> None:
        for cancel in self.cancel:
            cancel(token, now)
        self._end_case(token, outcome, now)


def root(token: Token) -> Token:
    """The token that a branch, or a branch of a branch, comes from; one that is no branch is its own."""
    while token.parent is not None:
        token = token.parent
    return token


def whole(token: Token) -> int | Token:
    """What a token is a part of: its case, by number, or the delivery of a message."""
    return token.case if token.origin is None else root(token)


def _missing(_: Token, __: int) -> None:
    raise AssertionError("no part of the engine begins this kind of step")  # pragma: no cover
