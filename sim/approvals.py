"""Escalation: people are asked for an approval, level by level, chain by chain."""

from __future__ import annotations

from collections.abc import Callable

from sim.chance import Draws, Purpose, Stream
from sim.clock import Clock, Rank
from sim.logs import Kind, Log
from sim.network import Network
from sim.plan import ChainPlan, DeskPlan, Plan
from sim.reviews import Look, Reviews
from sim.stations import Job, Station
from sim.tokens import Cases, Token
from sim.values import microseconds

_ASKS = 1 << 16
"""Draws set aside for the asks of one visit: more than levels, bounces and chains allow."""


class Approval(Job):
    """The approval of one chain, asked for one token. As a job it is a review at the desk of its level."""

    __slots__ = ("asks", "at", "bounces", "chain", "look", "open", "outside", "passed", "rung", "token")

    look: Look
    """How its review is done, at a desk that says how right its reviews are."""

    def __init__(self, token: Token, chain: str) -> None:
        super().__init__(token.case, token.level)
        self.token = token
        self.chain = chain
        """The chain whose approval is sought; `at` may be another one after a `then`."""
        self.at = -1
        self.passed: set[int] = set()
        """Chains that were asked in vain."""
        self.rung = 0
        self.bounces = 0
        self.asks = -1
        self.outside: int | None = None
        """The desk that a partition keeps the ask from."""
        self.open = True


class Approvals:
    """All approvals being sought. `answered(token, granted, now)` is called when all have granted or one has denied."""

    def __init__(
        self, plan: Plan, clock: Clock, log: Log, draws: Draws, network: Network, cases: Cases, desks: list[Station]
    ) -> None:
        self.answered: Callable[[Token, bool, int], None]
        self.asked: list[Callable[[Approval, int, int], None]] = []
        self.granted: list[Callable[[Token, int], None]] = []
        """Called with (token, now) for each approval that is granted."""
        """Called with (approval, desk, now) when an ask has come to its desk."""
        self._plan = plan
        self._clock = clock
        self._log = log
        self._draws = draws
        self._network = network
        self._cases = cases
        self._desks = desks
        self._waiting_outside: dict[Approval, None] = {}
        self._laws = [microseconds(desk.service) for desk in plan.desks]
        self._streams: dict[tuple[Purpose, str], Stream[float]] = {}
        self._reviews = [
            None if review is None else Reviews(review, station, log, cases, self._draw, self._draw_once)
            for review, station in zip(plan.people.reviews, desks, strict=True)
        ]
        network.healed.append(self._healed)

    def ask(self, token: Token, chains: tuple[str, ...], timeout: int, now: int) -> None:
        """Ask every chain at the same time; `timeout` bounds the answer of all, -1 for no bound."""
        assert token.petition is not None
        approvals = token.petition.approvals = [Approval(token, chain) for chain in chains]
        if timeout >= 0:
            # On the token's epoch: the bound outlives the levels, and ends with the asking.
            self._clock.at(now + timeout, Rank.TIMEOUT, self._out_of_time, token)
        for approval in approvals:
            approval.begin = self._review
            if approval.open:
                self._climb(approval, self._chain_number(approval.chain), now)

    def cancel(self, token: Token, now: int) -> None:
        """Withdraw everything that is still asked for the token."""
        if token.petition is not None:
            for approval in token.petition.approvals:
                self._close(approval, now)

    # --- levels -------------------------------------------------------------------------------------------------------

    def _chain_number(self, name: str) -> int:
        names = self._plan.names.chains
        return names.index(name) if name in names else -1

    def _climb(self, approval: Approval, chain: int, now: int) -> None:
        """Start at the first level of a chain. One that does not exist has nobody to ask."""
        approval.at = chain
        approval.passed.add(chain)
        approval.rung = 0
        if chain < 0:
            self._exhausted(approval, "unknown chain", now)
        else:
            self._ask_level(approval, now)

    def _ask_level(self, approval: Approval, now: int) -> None:
        approval.epoch += 1
        approval.asks += 1
        approval.outside = None
        desk, timeout = self._chain(approval).levels[approval.rung]
        if timeout >= 0:
            self._clock.at(now + timeout, Rank.TIMEOUT, self._level_timeout, approval)
        place = f"desk:{self._plan.names.desks[desk]}" if desk >= 0 else ""
        self._log.event(now, Kind.ASKED, place, approval.case, approval.rung + 1, self._whose_level(approval))
        if desk < 0:
            return
        if self._reached(desk):
            self._join(approval, desk, now)
        else:
            approval.outside = desk
            self._waiting_outside[approval] = None

    def _whose_level(self, approval: Approval) -> str:
        """The chain whose approval is sought and, where a `then` has led on, the one whose level is asked."""
        at = self._plan.names.chains[approval.at]
        return approval.chain if at == approval.chain else f"{approval.chain}: {at}"

    def _join(self, approval: Approval, desk: int, now: int) -> None:
        for asked in self.asked:
            asked(approval, desk, now)
        if not self._desks[desk].join(approval, now):
            self._next_level(approval, now)

    def _reached(self, desk: int) -> bool:
        return self._network.connected(self._plan.point.site, self._plan.desks[desk].site)

    def _healed(self, now: int) -> None:
        """A partition is over: what waited outside joins the desks it reaches now, in order of asking."""
        for approval in list(self._waiting_outside):
            desk = approval.outside
            if desk is not None and self._reached(desk):
                del self._waiting_outside[approval]
                approval.outside = None
                self._join(approval, desk, now)

    def _level_timeout(self, approval: Approval, now: int) -> None:
        self._leave_desk(approval, now)
        self._next_level(approval, now)

    def _next_level(self, approval: Approval, now: int) -> None:
        chain = self._chain(approval)
        if approval.rung + 1 < len(chain.levels):
            approval.rung += 1
            self._ask_level(approval, now)
        elif chain.then >= 0 and chain.then not in approval.passed:
            self._climb(approval, chain.then, now)
        else:
            self._exhausted(approval, "last level", now)

    def _out_of_time(self, token: Token, now: int) -> None:
        assert token.petition is not None
        for approval in token.petition.approvals:
            if approval.open:
                self._leave_desk(approval, now)
                self._exhausted(approval, "timeout", now)

    def _exhausted(self, approval: Approval, why: str, now: int) -> None:
        grants = approval.at >= 0 and self._chain(approval).exhausted_grants
        detail = f"{approval.chain}: {why}, {'granted' if grants else 'denied'}"
        self._log.event(now, Kind.EXHAUSTED, "", approval.case, approval.rung + 1, detail)
        self._settle(approval, grants, now)

    # --- reviews ------------------------------------------------------------------------------------------------------

    def _review(self, approval: Approval, now: int) -> None:
        desk, _ = self._chain(approval).levels[approval.rung]
        reviews = self._reviews[desk]
        busy = reviews.start(approval) if reviews is not None else -1
        if busy < 0:
            busy = self._laws[desk](self._draw(Purpose.REVIEW, approval))
        self._clock.at(now + busy, Rank.FINISH, self._reviewed, approval)

    def _reviewed(self, approval: Approval, now: int) -> None:
        chain = self._chain(approval)
        desk, _ = chain.levels[approval.rung]
        plan = self._plan.desks[desk]
        approval.epoch += 1
        self._desks[desk].leave(approval, now)
        reviews = self._reviews[desk]
        if approval.rung and self._bounces(approval, plan, reviews):
            self._bounce(approval, chain, desk, now)
        elif reviews is not None:
            self._answer(approval, desk, reviews.grants(approval, now), now)
        else:
            granted = self._draw(Purpose.APPROVAL, approval) < plan.approves
            self._answer(approval, desk, granted, now)

    def _bounces(self, approval: Approval, plan: DeskPlan, reviews: Reviews | None) -> bool:
        if reviews is not None and approval.look.stamped:
            return False
        return plan.bounce_back > 0 and self._draw(Purpose.BOUNCE, approval) < plan.bounce_back

    def _bounce(self, approval: Approval, chain: ChainPlan, desk: int, now: int) -> None:
        if approval.bounces >= chain.bounces:
            self._answer(approval, desk, False, now)
            return
        approval.bounces += 1
        place = f"desk:{self._plan.names.desks[desk]}"
        self._log.event(now, Kind.BOUNCED, place, approval.case, approval.bounces, approval.chain)
        approval.rung -= 1
        self._ask_level(approval, now)

    def _answer(self, approval: Approval, desk: int, granted: bool, now: int) -> None:
        place = f"desk:{self._plan.names.desks[desk]}"
        detail = f"{approval.chain}: {'granted' if granted else 'denied'}"
        self._log.event(now, Kind.ANSWERED, place, approval.case, int(granted), detail)
        self._cases.approvals[approval.case] += granted
        if granted:
            for progress in self.granted:
                progress(approval.token, now)
        self._settle(approval, granted, now)

    def _settle(self, approval: Approval, granted: bool, now: int) -> None:
        """One chain's answer is there: a denial ends the asking, the last grant too."""
        token = approval.token
        self._close(approval, now)
        if not granted:
            self.cancel(token, now)
            self.answered(token, False, now)
            return
        petition = token.petition
        assert petition is not None
        petition.granted |= {approval.chain}
        if not any(other.open for other in petition.approvals):
            self.answered(token, True, now)

    def _close(self, approval: Approval, now: int) -> None:
        if approval.open:
            approval.open = False
            self._leave_desk(approval, now)

    def _leave_desk(self, approval: Approval, now: int) -> None:
        approval.epoch += 1
        self._waiting_outside.pop(approval, None)
        if approval.station is not None:
            approval.station.withdraw(approval, now)

    def _chain(self, approval: Approval) -> ChainPlan:
        return self._plan.chains[approval.at]

    def _draw(self, purpose: Purpose, approval: Approval) -> float:
        """A draw of the ask that is under way."""
        return self._stream(purpose, approval).at(approval.token.entity, approval.token.visit * _ASKS + approval.asks)

    def _draw_once(self, purpose: Purpose, approval: Approval) -> float:
        """A draw of the approval, the same at all its asks."""
        return self._stream(purpose, approval).at(approval.token.entity, approval.token.visit)

    def _stream(self, purpose: Purpose, approval: Approval) -> Stream[float]:
        token = approval.token
        names = self._plan.names
        place = f"{names.works[token.work]}/{names.steps[token.step]}/{approval.chain}"
        stream = self._streams.get((purpose, place))
        if stream is None:
            stream = self._streams[purpose, place] = self._draws.uniforms(purpose, place)
        return stream
