"""The decision point: what policy says before a task's first attempt, and what takes effect."""

from __future__ import annotations

from collections.abc import Callable

from sim.approvals import Approvals
from sim.chance import Draws, Purpose, Stream
from sim.clock import Clock, Rank
from sim.links import AT_ONCE, Trip
from sim.logs import Kind, Log
from sim.network import POINT, Network
from sim.plan import Exit, Plan
from sim.rules import Decider, Verdict
from sim.tokens import Petition, Token
from sim.values import is_zero, microseconds

_ROUNDS = 1 << 8
"""Draws set aside for the decisions of one visit: approvals lift rules, so each round asks chains not asked before."""


class Decisions:
    """Decisions for tokens at task steps. `allowed(token, now)` or `leave(token, exit, now)` is called at the end.

    Where the point fails open, task steps end through `left`, which notes violations.
    """

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        log: Log,
        draws: Draws,
        decider: Decider,
        network: Network,
        approvals: Approvals,
    ) -> None:
        self.allowed: Callable[[Token, int], None]
        self.leave: Callable[[Token, int, int], None]
        self._plan = plan
        self._clock = clock
        self._log = log
        self._draws = draws
        self._decider = decider
        self._network = network
        self._approvals = approvals
        self._instant = is_zero(plan.point.latency)
        self._latency = microseconds(plan.point.latency)
        self._streams: dict[tuple[Purpose, str], Stream[float]] = {}
        approvals.answered = self._answered

    def ask(self, token: Token, now: int) -> None:
        """Ask for a decision of a visit, with no approval yet."""
        token.petition = Petition()
        self._ask(token, token.petition, now)

    def _ask(self, token: Token, petition: Petition, now: int) -> None:
        """Send the request. Whether the point is reached is known now; how long the answer takes, too."""
        delay = 0 if self._instant else self._latency(self._draw(Purpose.DECISION_LATENCY, token, petition))
        petition.trouble, delay = self._trouble(token, petition, delay)
        petition.rounds += 1
        if delay:
            self._clock.at(now + delay, Rank.FINISH, self._decided, token)
        else:
            self._decided(token, now)

    def _trouble(self, token: Token, petition: Petition, delay: int) -> tuple[str, int]:
        """Why no decision comes back, empty if one does; and how long the agent waits."""
        point = self._plan.point
        pool = self._plan.capabilities[token.plan.capability].pool
        if not self._network.connected(self._plan.pools[pool].site, point.site):
            return "unreachable: partition", point.timeout
        trip = self._trip(token, petition, pool)
        if trip.lost_after >= 0:
            return "unreachable: lost", point.timeout
        delay += trip.time
        if delay > point.timeout:
            return "unreachable: timeout", point.timeout
        severity = self._network.severity(POINT)
        if severity and self._draw(Purpose.DECISION_OUTAGE, token, petition) < severity:
            return "unreachable: outage", delay
        return "", delay

    def _trip(self, token: Token, petition: Petition, pool: int) -> Trip:
        """The way of a question to the decision point and back."""
        if not self._plan.platform.links:
            return AT_ONCE
        site, index = self._plan.pools[pool].site, token.visit * _ROUNDS + petition.rounds
        return self._network.links.trip(site, self._plan.point.site, self._place(token), token.entity, index)

    def _place(self, token: Token) -> str:
        return f"decision/{self._plan.names.works[token.work]}/{self._plan.names.steps[token.step]}"

    def _decided(self, token: Token, now: int) -> None:
        token.epoch += 1
        petition = token.petition
        assert petition is not None
        verdict = self._decider.verdict(token.work, token.plan.request, token.entity, petition.granted)
        enforced, reason = self._enforced(verdict, petition)
        self._record(token, petition, verdict.outcome, enforced, reason, now)
        if enforced == "allow":
            petition.slipped = verdict.outcome if verdict.outcome != "allow" else ""
            self.allowed(token, now)
        elif enforced == "deny":
            self.leave(token, Exit.DENY, now)
        else:
            self._approvals.ask(token, verdict.chains, verdict.timeout, now)

    def _enforced(self, verdict: Verdict, petition: Petition) -> tuple[str, str]:
        """What takes effect, and why."""
        if petition.trouble:
            return "allow" if self._plan.point.fails_open else "deny", petition.trouble
        return verdict.outcome, verdict.reason

    def _answered(self, token: Token, granted: bool, now: int) -> None:
        token.epoch += 1
        if granted:
            assert token.petition is not None
            self._ask(token, token.petition, now)
        else:
            self.leave(token, Exit.DENY, now)

    def left(self, token: Token, exit: int, now: int) -> None:
        """A task step is over. If it succeeded though policy would not have let it begin, that is a violation."""
        petition = token.petition
        if petition is not None and petition.slipped:
            if exit == Exit.NEXT:
                place = f"step:{self._plan.names.steps[token.step]}"
                self._log.event(now, Kind.VIOLATION, place, token.case, detail=petition.slipped)
            petition.slipped = ""
        self.leave(token, exit, now)

    def _record(self, token: Token, petition: Petition, decision: str, enforced: str, reason: str, now: int) -> None:
        step = self._plan.names.steps[token.step]
        action = self._decider.action(token.plan.request)
        approvals = ",".join(sorted(petition.granted))
        self._log.decisions.append((now, token.case, step, action, decision, enforced, reason, approvals))

    def _draw(self, purpose: Purpose, token: Token, petition: Petition) -> float:
        place = f"{self._plan.names.works[token.work]}/{self._plan.names.steps[token.step]}"
        stream = self._streams.get((purpose, place))
        if stream is None:
            stream = self._streams[purpose, place] = self._draws.uniforms(purpose, place)
        return stream.at(token.entity, token.visit * _ROUNDS + petition.rounds)
