"""The workflow of each case: tokens move from step to step, fork into branches, meet again, and end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from sim.chance import Draws, Purpose, Stream
from sim.clock import Clock, Rank
from sim.locks import LockInstance, Locks
from sim.logs import PLACE, Kind, Log
from sim.plan import OUTCOME_NAMES, Exit, Outcome, Plan, StepKind
from sim.tokens import Cases, Token
from sim.values import microseconds, share
from sim.workload import Workload

Action = Callable[[Token, int, int], None]


class Flow:
    """Moves tokens. What one move sets off at the same instant (locks passed on, further moves) waits in a queue until it
    is done, so a move is never interrupted by another."""

    def __init__(
        self, plan: Plan, clock: Clock, log: Log, draws: Draws, workload: Workload, cases: Cases, locks: Locks
    ) -> None:
        self.begin: dict[int, Callable[[Token, int], None]] = {
            StepKind.CHOICE: self._choose,
            StepKind.PARALLEL: self._fork,
            StepKind.WAIT: self._wait,
            StepKind.END: self._finish,
        }
        """What begins a step of each kind, once its locks are held. The task and desk parts add theirs."""
        self.cancel: list[Callable[[Token, int], None]] = []
        """What takes a token away from wherever it is, when its case ends elsewhere."""
        self._steps = plan.steps
        self._names = plan.names
        self._clock = clock
        self._add = log.add
        self._details = log.details
        self._draws = draws
        self._workload = workload
        self._cases = cases
        self._locks = locks
        self._works = plan.works
        self._codes = [log.places.number(f"step:{name}") * PLACE for name in plan.names.steps]
        self._ended = [log.details.number(name) for name in OUTCOME_NAMES]
        self._visits: dict[tuple[int, int], int] = {}
        self._streams: dict[tuple[int, int], Stream[Any]] = {}
        self._lock_values: dict[tuple[int, int], list[str]] = {}
        self._moving = False
        self._queue: deque[tuple[Action, Token, int]] = deque()
        locks.resume = self._resume
        locks.abort = self._abort

    def arrive(self, case: int, now: int) -> None:
        """A new case enters its workflow."""
        work = self._workload.work[case]
        plan = self._works[work]
        token = Token(case, work, self._workload.entity[case], plan.level)
        self._add((now, self._codes[plan.start] + Kind.ARRIVED, case, -1, 0))
        self._move(self._enter, token, plan.start, now)

    def leave(self, token: Token, exit: int, now: int) -> None:
        """The token's step is over, by one of its exits."""
        self._move(self._leave, token, exit, now)

    def _move(self, action: Action, token: Token, argument: int, now: int) -> None:
        if self._moving:
            self._queue.append((action, token, argument))
            return
        self._moving = True
        action(token, argument, now)
        while self._queue:
            action, token, argument = self._queue.popleft()
            if token.alive:
                action(token, argument, now)
        self._moving = False

    # --- moves --------------------------------------------------------------------------------------------------------

    def _enter(self, token: Token, target: int, now: int) -> None:
        if target < 0:
            self._end(token, ~target, now)
            return
        if target == token.join:
            self._meet(token, now)
            return
        token.plan = plan = self._steps[target]
        token.step = target
        token.visit = 0
        if plan.counted and not self._count(token):
            self._enter(token, plan.on_limit, now)
            return
        self._add((now, self._codes[target] + Kind.ENTERED, token.case, token.visit + 1, 0))
        if plan.acquire:
            token.acquired = 0
            self._acquire(token, now)
        else:
            self.begin[plan.kind](token, now)

    def _count(self, token: Token) -> bool:
        """Number the visit; False where the step's limit is reached."""
        visits = self._visits.get((token.case, token.step), 0)
        if 0 <= token.plan.limit <= visits:
            return False
        self._visits[token.case, token.step] = visits + 1
        token.visit = visits
        return True

    def _leave(self, token: Token, exit: int, now: int) -> None:
        token.epoch += 1
        for lock in token.plan.release:
            self._locks.release(token, self._lock(token, lock), now)
        self._enter(token, token.plan.exits[exit], now)

    # --- locks --------------------------------------------------------------------------------------------------------

    def _acquire(self, token: Token, now: int) -> None:
        """Take the step's locks in order; the step begins when all are held."""
        wanted = token.plan.acquire
        while token.acquired < len(wanted):
            lock = self._lock(token, wanted[token.acquired])
            token.acquired += 1
            if not self._locks.acquire(token, lock, now):
                return
        self.begin[token.plan.kind](token, now)

    def _resume(self, token: Token, now: int) -> None:
        self._move(self._resumed, token, 0, now)

    def _resumed(self, token: Token, _: int, now: int) -> None:
        self._acquire(token, now)

    def _lock(self, token: Token, lock: int) -> LockInstance:
        """The lock, or the instance of it that the case's attribute tells. A case without the attribute has the empty one."""
        values = self._lock_values.get((token.work, lock))
        if values is None:
            values = self._lock_values[token.work, lock] = self._values(token.work, lock)
        return self._locks.instance(values[token.entity if len(values) > 1 else 0])

    def _values(self, work: int, lock: int) -> list[str]:
        name, key = self._names.locks[lock], self._names.lock_keys[lock]
        if not key:
            return [f"lock:{name}"]
        if key not in self._names.attributes[work]:
            return [f"lock:{name}[]"]
        column = self._workload.attributes[work][self._names.attributes[work].index(key)].tolist()
        return [f"lock:{name}[{str(v).lower() if isinstance(v, bool) else v}]" for v in column]

    # --- step kinds that need no server -------------------------------------------------------------------------------

    def _choose(self, token: Token, now: int) -> None:
        if token.plan.shares:
            arm = share(token.plan.shares, self._draw(token, Purpose.CHOICE, float))
        else:
            arm = self._workload.decider.arm(token.work, token.step, token.entity)
        self.leave(token, Exit.NEXT if arm < 0 else Exit.ARM + arm, now)

    def _wait(self, token: Token, now: int) -> None:
        assert token.plan.service is not None
        duration = self._draw(token, Purpose.WAIT, microseconds(token.plan.service))
        self._clock.at(now + duration, Rank.FINISH, self._waited, token)

    def _waited(self, token: Token, now: int) -> None:
        self.leave(token, Exit.NEXT, now)

    def _finish(self, token: Token, now: int) -> None:
        self.leave(token, Exit.NEXT, now)

    def _draw(self, token: Token, purpose: Purpose, value: Callable[[float], Any]) -> Any:
        stream = self._streams.get((token.work, token.step))
        if stream is None:
            place = f"{self._names.works[token.work]}/{self._names.steps[token.step]}"
            stream = self._streams[token.work, token.step] = self._draws.stream(purpose, place, value)
        return stream.at(token.entity, token.visit)

    # --- branches -----------------------------------------------------------------------------------------------------

    def _fork(self, token: Token, now: int) -> None:
        plan = token.plan
        token.children = []
        token.open = len(plan.branches)
        for branch in plan.branches:
            child = Token(token.case, token.work, token.entity, token.level)
            child.parent = token
            child.join = plan.join
            token.children.append(child)
            self._locks.fork(token, child)
            self._move(self._enter, child, branch, now)

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
        self._locks.retire(token, now)

    # --- the end of a case --------------------------------------------------------------------------------------------

    def _end(self, token: Token, outcome: int, now: int) -> None:
        root = token
        while root.parent is not None:
            root = root.parent
        self._cancel(root, token, now)
        case = token.case
        self._cases.ended[case] = now
        self._cases.outcome[case] = outcome
        self._add((now, self._codes[token.step] + Kind.ENDED, case, -1, self._ended[outcome]))

    def _cancel(self, at: Token, ending: Token, now: int) -> None:
        """End a token and all its branches, wherever they are."""
        for child in at.children or ():
            if child.alive:
                self._cancel(child, ending, now)
        if at is not ending:
            for cancel in self.cancel:
                cancel(at, now)
        self._retire(at, now)

    def _abort(self, token: Token, now: int) -> None:
        """Somebody ends the case from outside."""
        self._move(self._aborted, token, 0, now)

    def _aborted(self, token: Token, _: int, now: int) -> None:
        for cancel in self.cancel:
            cancel(token, now)
        self._end(token, Outcome.ABORTED, now)
