"""Kinds of requests: those of a declared risk, of approvers, of a step. Questions are asked of one kind at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment
from models.cedar.uids import Uid
from verify import term as t
from verify.checks.common import Sought, environment_text, joined, seek, smallest_cover, told_all
from verify.checks.elements import (
    Element,
    about,
    allowed_at_once,
    allowing,
    first_decision,
    first_matched,
    is_allowed_at_once,
    released,
    undecided,
    with_policies,
)
from verify.checks.redundancy import hard_forbids
from verify.checks.rounds import ONE_MORE, ROUNDS_MAX, Asking, Round, chain_of, decisions, escalating
from verify.findings import Finding, Witness
from verify.given import Given, reachable
from verify.query import Accepts, Case
from verify.simplify import substitute
from verify.symbolic import Scalar, UnsupportedError
from verify.term import Term

Parts = Callable[[RequestEnvironment], Sequence[Term]]


@dataclass(frozen=True)
class Kind:
    """Requests that fulfil `parts`, and of which `accepts` says so.

    With a principal or a resource, requests of these only. With `given` entities, those are as they are given. Entities
    `besides` are in the store where they are given: requests of theirs are looked at too.
    """

    asking: Asking
    title: str
    environments: tuple[RequestEnvironment, ...]
    parts: Parts
    accepts: Accepts
    principal: Uid | None = None
    resource: Uid | None = None
    given: Given | None = None
    besides: tuple[Uid, ...] = ()

    @property
    def policies(self) -> PolicySet:
        return self.asking.analysis.policies

    def seek(self, parts: Parts, accepts: Accepts, title: str = "") -> Sought:
        """Looks for a request of the kind that fulfils further parts, in the environments in their order.

        It is not known whether there is one where the encoding does not know a construct in the parts.
        """
        found: list[Sought] = []
        for environment in self.environments:
            try:
                conditions = self._whole(environment, [*self.parts(environment), *parts(environment)])
            except UnsupportedError as error:
                found.append(Sought(unknown=(f"unsupported {error.construct}",)))
                continue
            judge = self._judge(accepts)
            name = " ".join(filter(None, (self.title, title)))
            found.append(seek(self.asking.analysis, [environment], lambda _, c=conditions: c, judge, name))  # type: ignore[misc]
            if found[-1].found:
                return found[-1]
        unknown = dict.fromkeys(reason for one in found for reason in one.unknown)
        return Sought(None, tuple(proof for one in found for proof in one.proofs), tuple(unknown))

    def shown(self, base: Finding, sought: Sought, accepts: Accepts) -> tuple[Finding, Case]:
        """The finding with the request that was found, shrunk, and that request as cedarpy judges it."""
        assert sought.found is not None
        environment, answer = sought.found
        analysis = self.asking.analysis
        case = analysis.case(self._merged(analysis.shrunk(environment, answer.case, self._judge(accepts))))
        lean = case if self.given is None else analysis.case(reachable(case.witness, self.besides))
        if lean.matched == case.matched and self.accepts(lean) and accepts(lean):
            case = lean
        name = environment_text(environment)
        return replace(base, witness=case.witness, proof=answer.proof, environment=name), case

    def _judge(self, accepts: Accepts) -> Accepts:
        def judge(case: Case) -> bool:
            if not self._is_of(case.witness):
                return False
            if self.given is not None:
                case = self.asking.analysis.case(self._merged(case.witness))
            return self.accepts(case) and accepts(case)

        return judge

    def _is_of(self, witness: Witness) -> bool:
        return (self.principal is None or witness.principal == str(self.principal)) and (
            self.resource is None or witness.resource == str(self.resource)
        )

    def _merged(self, witness: Witness) -> Witness:
        return witness if self.given is None else self.given.merged(witness, self.besides)

    def _whole(self, environment: RequestEnvironment, parts: Sequence[Term]) -> tuple[Term, ...]:
        variables = self.asking.analysis.encoder(environment).variables
        values: dict[Term, Term] = {}
        for name, uid in (("principal", self.principal), ("resource", self.resource)):
            variable = variables[name]
            assert isinstance(variable, Scalar)
            if uid is not None:
                values[variable.term] = t.const(uid.id, variable.term.sort)
        whole = (*(t.eq(name, value) for name, value in values.items()), *(substitute(p, values) for p in parts))
        return whole if self.given is None else self.given.told(whole)


def never_at_once(kind: Kind, check: str, element: Element, violated: str, holds: str) -> Finding:
    """The finding that no request of a kind is allowed at once, or that one is, which names who allows it."""
    asking, policies = kind.asking, kind.policies

    def allowed(case: Case) -> bool:
        return is_allowed_at_once(policies, case)

    sought = kind.seek(lambda environment: [allowed_at_once(asking, environment)], allowed)
    if sought.found:
        base, case = kind.shown(about(check, [element], "violated", ""), sought, allowed)
        decision = first_decision(policies, case)
        assert decision is not None
        told = replace(base, message=f"{violated}: {allowing(policies, decision)}.")
        return with_policies(told, policies, decision.determining)
    if sought.unknown:
        return undecided(check, [element], sought.unknown)
    return replace(about(check, [element], "holds", holds), proof=joined(asking.analysis, sought.proofs))


# --- in the end -------------------------------------------------------------------------------------------------------


def allowed_in_the_end(kind: Kind, chains: Collection[str]) -> Sought:
    """A request of a kind that is allowed in the end, everyone of these chains approving who is asked."""
    asking, policies = kind.asking, kind.policies
    nobody = [index for index in escalating(policies) if chain_of(policies, index) not in chains]

    def parts(rounds: Sequence[Round], number: int) -> list[Term]:
        asked = (t.not_(earlier.asks(policies, index)) for earlier in rounds[:number] for index in nobody)
        return [*asked, released(asking, rounds[number])]

    return by_rounds(kind, parts, lambda case: is_allowed_in_the_end(policies, case, chains))


def is_allowed_in_the_end(policies: PolicySet, case: Case, chains: Collection[str]) -> bool:
    """Whether a concrete request is allowed, everyone of these chains approving who is asked."""
    made = decisions(policies, case)
    asked = {chain for decision in made for chain in decision.chains}
    return bool(made) and made[-1].outcome == "allow" and asked.issubset(chains)


def by_rounds(kind: Kind, parts: Callable[[Sequence[Round], int], Sequence[Term]], accepts: Accepts) -> Sought:
    """Looks for a request of a kind that comes to a round and fulfils the parts there, given the rounds until then."""
    asking = kind.asking
    found: list[Sought] = []
    for number in range(ROUNDS_MAX + 1):

        def reached(environment: RequestEnvironment, number: int = number) -> list[Term]:
            rounds = asking.rounds(environment)
            if number >= len(rounds):
                return [t.FALSE]
            return [*rounds[number].reached, *parts(rounds, number)]

        found.append(kind.seek(reached, accepts, f"round {number}"))
        if found[-1].found:
            return found[-1]
    unknown = dict.fromkeys(reason for one in found for reason in one.unknown)
    if any(map(asking.may_go_on, kind.environments)):
        unknown[ONE_MORE] = None
    return Sought(None, tuple(proof for one in found for proof in one.proofs), tuple(unknown))


# --- why not ----------------------------------------------------------------------------------------------------------


def refusal(kind: Kind) -> tuple[str, tuple[int, ...]]:
    """Why no request of a kind passes the policies at once, as the end of a sentence, and the policies that see to it.

    There is none that does: that is proved before.
    """
    policies = kind.policies
    hard = hard_forbids(policies)

    def permitted(forbids: Sequence[int]) -> Sought:
        def parts(environment: RequestEnvironment) -> list[Term]:
            matches = kind.asking.rounds(environment)[0].matches
            groups = (t.or_(*(matches(i) for i in group)) for group in policies.permit_groups)
            return [*groups, *(t.not_(matches(i)) for i in forbids)]

        return kind.seek(parts, lambda case: _permitted(policies, case, forbids), "permitted")

    if permitted(()).impossible:
        return "no permit matches any such request", ()
    passing = permitted(hard)
    if passing.impossible:
        cover = smallest_cover(hard, lambda some: permitted(some).impossible)
        return f"{told_all(policies, cover)} {'denies' if len(cover) == 1 else 'deny'} every such request", cover
    return f"every such request that is not denied is escalated{'' if passing.found else ', if there is one'}", ()


def _permitted(policies: PolicySet, case: Case, forbids: Sequence[int]) -> bool:
    """Whether at first every group of permits has a match, and none of these forbids."""
    matched = first_matched(policies, case)
    if matched is None or not matched.isdisjoint(forbids):
        return False
    return all(matched.intersection(group) for group in policies.permit_groups)
