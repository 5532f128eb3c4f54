"""The decision point: what policy says before a task's first attempt, and what takes effect."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sim.approvals import Approvals
from sim.chance import Draws, Purpose, Stream
from sim.clock import Clock, Rank
from sim.links import AT_ONCE, Trip
from sim.logs import Kind, Log
from sim.network import POINT, Network
from sim.plan import Exit, Plan
from sim.plans.platform import PointPlan
from sim.points import Found, Points
from sim.rules import Decider, Verdict
from sim.tokens import Petition, Token
from sim.values import is_zero, microseconds

_ROUNDS = 1 << 8
"""Draws set aside for the decisions of one visit: approvals lift rules, so each round asks chains not asked before."""


class Asker(NamedTuple):
    """Who asks: from which site, and by what its draws go (`place`, `entity`, `number`)."""

    site: int
    place: str
    entity: int
    number: int
    case: int
    """The case in whose name it asks, NONE for none."""
    question: Callable[[], object]
    """What it asks, as a cache tells questions apart."""


class Decisions:
    """Decisions for tokens at task steps. `allowed(token, now)` or `leave(token, exit, now)` is called at the end.

    Where the point fails open, or may give a kept answer, task steps end through `left`, which notes violations.
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
        points: Points,
    ) -> None:
        self.allowed: Callable[[Token, int], None]
        self.leave: Callable[[Token, int, int], None]
        self.enforced: list[Callable[[int, Asker, bool, int], None]] = []
        """Told of each decision: the pool that asked, who, whether it is allowed, and the time."""
        self.decides: Callable[[Token], Decider] | None = None
        """Whose policies decide on a token's case; none where there is one policy set."""
        self.held: Callable[[Token, int, int], tuple[Decider, int]] | None = None
        """(token, delay, now): whose policies a copy has that new ones come to after a delay, and for how long they are
        not those in force, if they are not."""
        self.beside: Callable[[Token, Verdict, int], None] | None = None
        """Told each decision by the policies that are acted on."""
        self._plan = plan
        self._clock = clock
        self._log = log
        self._draws = draws
        self._decider = decider
        self._network = network
        self._approvals = approvals
        self._points = points
        self._instant = is_zero(plan.point.latency)
        self._latency = microseconds(plan.point.latency)
        self._streams: dict[tuple[Purpose, str], Stream[float]] = {}
        self._places: dict[tuple[int, int], str] = {}
        approvals.answered = self._answered

    def ask(self, token: Token, now: int) -> None:
        """Ask for a decision of a visit, with no approval yet."""
        token.petition = Petition()
        self._ask(token, token.petition, now)

    def _ask(self, token: Token, petition: Petition, now: int) -> None:
        """Send the request. Whether the point is reached is known now; how long the answer takes, too."""
        delay = self.reach(self._asker(token, petition), petition, now)
        petition.rounds += 1
        if delay:
            self._clock.at(now + delay, Rank.FINISH, self._decided, token)
        else:
            self._decided(token, now)

    def _asker(self, token: Token, petition: Petition) -> Asker:
        where = (token.work, token.step)
        place = self._places.get(where)
        if place is None:
            names = self._plan.names
            place = self._places[where] = f"{names.works[token.work]}/{names.steps[token.step]}"
        number = token.visit * _ROUNDS + petition.rounds
        return Asker(self._site(token), place, token.entity, number, token.case, partial(self._points.question, token))

    def reach(self, asker: Asker, petition: Petition, now: int) -> int:
        """Ask; how long until the answer, or until the asker gives it up. The petition tells why it will."""
        return self._near(asker, petition, now) if self._plan.platform.points else self._centre(asker, petition)

    def _centre(self, asker: Asker, petition: Petition) -> int:
        """Ask the central decision point."""
        delay = 0 if self._instant else self._latency(self._draw(Purpose.DECISION_LATENCY, asker))
        petition.trouble, delay = self._trouble(asker, delay)
        return delay

    def _near(self, asker: Asker, petition: Petition, now: int) -> int:
        """Ask the decision point of the agents' site, where there is one: a copy of the central one answers itself; a
        cache gives an answer that is still good, else asks the central one, else gives one that is stale."""
        near = self._points.near(asker.site)
        petition.kept = None
        if near is None:
            return self._centre(asker, petition)
        point, cache = near.plan, near.cache
        petition.trouble = ""
        own = near.latency(self._draw(Purpose.POINT_LATENCY, asker))
        if cache is None:
            return own
        question = asker.question()
        kept = cache.find(question, now) if not petition.granted else None
        if kept is not None and kept.age < point.good_for:
            self._give(asker, petition, point, kept, Kind.CACHED, now)
            return own
        delay = own + self._centre(asker, petition)
        if petition.trouble and kept is not None and kept.age < point.good_for + point.stale_for:
            petition.trouble = ""
            self._give(asker, petition, point, kept, Kind.STALE_DECISION, now)
        elif not petition.trouble and not petition.granted:
            petition.question = question
        return delay

    def _give(
        self, asker: Asker, petition: Petition, point: PointPlan, kept: Found[Verdict], kind: Kind, now: int
    ) -> None:
        petition.kept = kept.answer
        self._log.event(now, kind, f"decision-point:{point.name}", asker.case, kept.age)

    def _trouble(self, asker: Asker, delay: int) -> tuple[str, int]:
        """Why no decision comes back, empty if one does; and how long the asker waits."""
        point = self._plan.point
        if not self._network.connected(asker.site, point.site):
            return "unreachable: partition", point.timeout
        trip = self._trip(asker)
        if trip.lost_after >= 0:
            return "unreachable: lost", point.timeout
        delay += trip.time
        if delay > point.timeout:
            return "unreachable: timeout", point.timeout
        severity = self._network.severity(POINT)
        if severity and self._draw(Purpose.DECISION_OUTAGE, asker) < severity:
            return "unreachable: outage", delay
        return "", delay

    def _trip(self, asker: Asker) -> Trip:
        """The way of a question to the decision point and back."""
        if not self._plan.platform.links:
            return AT_ONCE
        place = f"decision/{asker.place}"
        return self._network.links.trip(asker.site, self._plan.point.site, place, asker.entity, asker.number)

    def _decided(self, token: Token, now: int) -> None:
        token.epoch += 1
        petition = token.petition
        assert petition is not None
        decider = self._decider if self.decides is None else self.decides(token)
        verdict = decider.verdict(token.work, token.plan.request, token.entity, petition.granted)
        if self.beside is not None:
            self.beside(token, verdict, now)
        self._outdated(token, petition, decider, now)
        told, enforced, reason = self.settle(self._site(token), petition, verdict, now)
        self._record(token, petition, verdict.outcome, enforced, reason, now, decider.path)
        if self.enforced:
            pool = self._plan.capabilities[token.plan.capability].pool
            self.tell(pool, self._asker(token, petition), enforced, now)
        if enforced == "allow":
            petition.slipped = verdict.outcome if verdict.outcome != "allow" else ""
            self.allowed(token, now)
        elif enforced == "deny":
            self.leave(token, Exit.DENY, now)
        else:
            self._approvals.ask(token, told.chains, told.timeout, now)

    def _outdated(self, token: Token, petition: Petition, decider: Decider, now: int) -> None:
        """A copy that other policies have not come to yet answers by those that it has."""
        near = self._points.near(self._site(token))
        if self.held is None or near is None or not near.plan.propagation:
            return
        held, since = self.held(token, near.plan.propagation, now)
        if held is not decider:
            answer = held.verdict(token.work, token.plan.request, token.entity, petition.granted)
            asker = self._asker(token, petition)
            self._give(asker, petition, near.plan, Found(answer, since), Kind.STALE_DECISION, now)

    def settle(self, site: int, petition: Petition, verdict: Verdict, now: int) -> tuple[Verdict, str, str]:
        """The answer has come, `verdict` being what policy says: the answer told, what takes effect, and why.

        The point at the site keeps the central one's answer from now on.
        """
        if petition.question is not None:
            near = self._points.near(site)
            if near is not None and near.cache is not None:
                near.cache.keep(petition.question, verdict, now)
            petition.question = None
        told = verdict
        if petition.kept is not None:
            told, petition.kept = petition.kept, None
        enforced, reason = self._enforced(told, petition)
        if told is not verdict and not petition.trouble and told != verdict:
            near = self._points.near(site)
            reason = "cached" if near is not None and near.cache is not None else "outdated"
        return told, enforced, reason

    def tell(self, pool: int, asker: Asker, enforced: str, now: int) -> None:
        """Tell whoever listens what was enforced."""
        for told in self.enforced:
            told(pool, asker, enforced == "allow", now)

    def _site(self, token: Token) -> int:
        """Where the agents of its step are."""
        return self._plan.pools[self._plan.capabilities[token.plan.capability].pool].site

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

    def _record(
        self, token: Token, petition: Petition, decision: str, enforced: str, reason: str, now: int, policies: str
    ) -> None:
        step = self._plan.names.steps[token.step]
        action = self._decider.action(token.plan.request)
        approvals = ",".join(sorted(petition.granted))
        row = (now, token.case, step, action, decision, enforced, reason, approvals)
        self._log.decisions.append((*row, policies) if policies else row)

    def _draw(self, purpose: Purpose, asker: Asker) -> float:
        stream = self._streams.get((purpose, asker.place))
        if stream is None:
            stream = self._streams[purpose, asker.place] = self._draws.uniforms(purpose, asker.place)
        return stream.at(asker.entity, asker.number)
