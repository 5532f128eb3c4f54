"""The rounds of asking that follow when a request escalates.

Nobody has approved at first. The chains asked in a round have approved in the next, which lifts their forbids and shows
in `context.approvals` where the schema has it, so that any policy may decide differently then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from cedarpy import pst

from models.cedar.decision import Decision, decide, has_approvals
from models.cedar.policies import PolicySet
from models.cedar.syntax import children
from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.checks.common import Sought, recalled, solved
from verify.checks.redundancy import hard_forbids
from verify.encode import Encoder
from verify.query import Analysis, Case
from verify.symbolic import Collection, record_with
from verify.term import Term

ROUNDS_MAX = 4
"""Rounds of approvals that are followed. An assumption: what needs more is reported as undecided."""

ONE_MORE = f"after {ROUNDS_MAX} rounds of approvals there may be one more to ask for"
"""Why it is not known what follows the rounds that are followed."""

Matches = Callable[[int], Term]


def escalating(policies: PolicySet) -> tuple[int, ...]:
    """The policies that escalate, by index: forbids, and permits under the profile `advice`."""
    return tuple(p.index for p in policies.policies if p.escalation)


def chain_of(policies: PolicySet, index: int) -> str:
    """The chain that an escalating policy asks."""
    escalation = policies.policies[index].escalation
    assert escalation is not None
    return escalation.chain


@dataclass(frozen=True, slots=True)
class Round:
    """One decision on a request: when it comes to it, which policies match then, who has approved by then.

    `allowed`: no forbid denies, and every group of permits has a match.
    """

    reached: tuple[Term, ...]
    matches: Matches
    allowed: Term
    granted: Mapping[str, Term]

    def asks(self, policies: PolicySet, index: int) -> Term:
        """When a policy is a reason to ask in this round, given that the round is reached."""
        return t.and_(self.allowed, self.wants(policies, index))

    def wants(self, policies: PolicySet, index: int) -> Term:
        """When a policy would be a reason to ask in this round, given that it is reached and the request not denied."""
        wants = t.and_(self.matches(index), t.not_(self.granted[chain_of(policies, index)]))
        if policies.policies[index].effect == "forbid":
            return wants
        groups = (group for group in policies.permit_groups if index in group)
        return t.and_(wants, t.or_(*(self._nobody_permits(policies, group) for group in groups)))

    def _nobody_permits(self, policies: PolicySet, group: Iterable[int]) -> Term:
        """When every match in a group of permits asks first."""
        plain = (i for i in group if policies.policies[i].escalation is None)
        asking = (i for i in group if policies.policies[i].escalation is not None)
        approved = (t.and_(self.matches(i), self.granted[chain_of(policies, i)]) for i in asking)
        return t.not_(t.or_(*map(self.matches, plain), *approved))


@dataclass
class Asking:
    """The rounds of every environment of an analysis, built once each."""

    analysis: Analysis
    _rounds: dict[RequestEnvironment, tuple[Round, ...]] = field(default_factory=dict)

    def rounds(self, environment: RequestEnvironment) -> tuple[Round, ...]:
        """The rounds of an environment, in order, as far as they are followed."""
        if environment not in self._rounds:
            self._rounds[environment] = tuple(self._follow(environment))
        return self._rounds[environment]

    def first(self, environment: RequestEnvironment) -> Round:
        """The first decision, when nobody has approved."""
        return next(self._follow(environment))

    def first_matches(self, environment: RequestEnvironment) -> Matches:
        """When each policy matches in the first decision: nobody has approved."""
        return self._matches(environment, dict.fromkeys(self.analysis.policies.chains, t.FALSE), 0)

    def asking_rounds(self, environment: RequestEnvironment) -> tuple[Round, ...]:
        """The rounds in which a policy may ask for the first time: the first one, where approvals are not visible."""
        rounds = self.rounds(environment)
        return rounds if self.sees_approvals(environment) else rounds[:1]

    def may_go_on(self, environment: RequestEnvironment) -> bool:
        """Whether a policy may ask for the first time in a round that is not followed."""
        return self.sees_approvals(environment) and self.cut_short(environment)

    def cut_short(self, environment: RequestEnvironment) -> bool:
        """Whether there may be more rounds than are followed: each needs a chain that has not approved yet."""
        return len(self.analysis.policies.chains) > ROUNDS_MAX and len(self.rounds(environment)) > ROUNDS_MAX

    def sees_approvals(self, environment: RequestEnvironment) -> bool:
        """Whether the policies of an environment can tell who has approved."""
        return self._mentioned and has_approvals(self.analysis.policies, environment.action)

    @cached_property
    def _mentioned(self) -> bool:
        clauses = (clause for policy in self.analysis.policies.policies for clause in policy.syntax.clauses)
        return any(_reads_approvals(clause.expr) for clause in clauses)

    def _follow(self, environment: RequestEnvironment) -> Iterator[Round]:
        policies = self.analysis.policies
        granted: dict[str, Term] = dict.fromkeys(policies.chains, t.FALSE)
        reached: tuple[Term, ...] = ()
        # Where no policy sees who has approved, nothing changes but that: all are asked in the first round.
        most = ROUNDS_MAX if self.sees_approvals(environment) else 1
        for number in range(min(len(policies.chains), most) + 1):
            matches = self._matches(environment, granted, number)
            round_ = Round(reached, matches, not_denied(policies, matches), granted)
            yield round_
            news = {
                chain: t.or_(
                    *(round_.asks(policies, i) for i in escalating(policies) if chain_of(policies, i) == chain)
                )
                for chain in policies.chains
            }
            reached = (*reached, t.or_(*news.values()))
            if t.FALSE in reached:
                return
            granted = {chain: t.or_(granted[chain], news[chain]) for chain in policies.chains}

    def _matches(self, environment: RequestEnvironment, granted: Mapping[str, Term], number: int) -> Matches:
        """When each policy matches where these chains have approved."""
        if not self.sees_approvals(environment):
            return lambda index: self.analysis.matches(environment, index)
        approved = t.elements(t.STRING, ())
        for chain, term in granted.items():
            one = t.elements(t.STRING, [t.string(chain)])
            approved = t.union_(approved, t.ite(term, one, t.elements(t.STRING, ())))
        own = self.analysis.encoder(environment).own_context
        context = record_with(own, {"approvals": Collection(approved)})
        encoder = Encoder(self.analysis.policies.schema, environment, context=context)
        found: dict[int, Term] = {}

        def matches(index: int) -> Term:
            if index not in found:
                found[index] = self.analysis.encoded(index, encoder, f"approvals {number}").matches
            return found[index]

        return matches


def _reads_approvals(expression: pst.Expr) -> bool:
    """Whether the approvals are looked at, or the context as a whole, which they are part of."""
    match expression:
        case pst.GetAttr(pst.Var("context"), name) | pst.HasAttr(pst.Var("context"), (name, *_)):
            return name == "approvals"
        case pst.Var("context"):
            return True
    return any(map(_reads_approvals, children(expression)))


def not_denied(policies: PolicySet, matches: Matches) -> Term:
    """When no forbid denies, and every group of permits has a match."""
    permitted = (t.or_(*(matches(i) for i in group)) for group in policies.permit_groups)
    return t.and_(*(t.not_(matches(i)) for i in hard_forbids(policies)), *permitted)


def decisions(policies: PolicySet, case: Case) -> tuple[Decision, ...]:
    """The decisions on a concrete request, round by round, everyone who is asked approving; nobody has at first.

    Empty where the request brings approvals along: only those who were asked can have approved.
    """
    if case.witness.context.get("approvals"):
        return ()
    if not case.decided:
        case.decided.extend(_decided(policies, case))
    return tuple(case.decided)


def _decided(policies: PolicySet, case: Case) -> Iterator[Decision]:
    shown = has_approvals(policies, case.witness.action)
    granted: frozenset[str] = frozenset()
    while True:
        context = {**case.witness.context, "approvals": sorted(granted)} if shown else case.witness.context
        told = context != case.witness.context
        seen = case.judge(replace(case.witness, context=context)) if told else case
        made = decide(policies, seen.matched, granted)
        yield made
        if made.outcome != "escalate":
            return
        granted |= frozenset(made.chains)


def asked_together(policies: PolicySet, indices: Sequence[int], case: Case) -> bool:
    """Whether in one round all of these policies are reasons to ask."""
    return any(
        made.outcome == "escalate" and set(made.determining).issuperset(indices) for made in decisions(policies, case)
    )


def seek_asking(
    asking: Asking,
    environments: Iterable[RequestEnvironment],
    parts: Callable[[Round], Sequence[Term]],
    accepts: Callable[[Case], bool],
    title: str,
) -> Sought:
    """Looks for a request and a round of it that fulfil the parts."""
    environments = tuple(environments)
    if (old := recalled(asking.analysis, environments, accepts)) is not None:
        return old
    questions = (
        (environment, (*parts(round_), *round_.reached))
        for environment in environments
        for round_ in asking.asking_rounds(environment)
    )
    sought = solved(asking.analysis, questions, accepts, title)
    if sought.found is None and any(map(asking.may_go_on, environments)):
        return replace(sought, unknown=(*sought.unknown, ONE_MORE))
    return sought
