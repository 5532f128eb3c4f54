"""P202: once everyone who is asked has approved, is the request allowed?

The rounds of asking are followed one by one. Nobody has approved at first; the chains asked in a round have approved
in the next, which lifts their forbids and shows in `context.approvals` where the schema has it, so that any policy may
decide differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from models.cedar.decision import Decision, authorize
from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment, SetType, StringType
from verify import term as t
from verify.checks.common import Sought, finding, joined, seek, shown, told, told_all, undecided
from verify.checks.escalation import escalating, matches_in, not_denied
from verify.encode import Encoder
from verify.findings import Finding, Proof
from verify.query import Analysis, Case, request
from verify.symbolic import Collection, record_with
from verify.term import Term

ROUNDS_MAX = 4
"""Rounds of approvals that are followed. An assumption: rules that still ask after four rounds are reported as
undecided."""

_NOBODY: frozenset[str] = frozenset()


def dead_end(analysis: Analysis, index: int) -> Finding:
    """P202 of one escalating forbid that can be the reason to ask."""
    policies = analysis.policies
    policy = policies.policies[index]

    def accepts(case: Case) -> bool:
        return not case.witness.context.get("approvals") and _denied(policies, index, case)

    sought = _sought(analysis, index, accepts)
    if sought.unknown:
        return undecided("P202", policies, [index], sought.unknown)
    if sought.found is None:
        message = f"Once everyone asked approves, what {told(policy)} stops is allowed."
        return replace(finding("P202", policies, [index], "holds", message), proof=joined(analysis, sought.proofs))
    base, witness = shown(analysis, finding("P202", policies, [index], "violated", ""), sought.found, accepts)
    granted, decision = _answered(policies, analysis.case(witness))
    causes = decision.determining
    reason = (
        f"{told_all(policies, causes)} {'denies' if len(causes) == 1 else 'deny'} it"
        if causes
        else "no permit matches it"
    )
    chains = " and ".join(f"`{chain}`" for chain in sorted(granted))
    message = f"{told(policy)} can ask in vain: once {chains} approved, the request is denied, for then {reason}."
    about = finding("P202", policies, [index, *causes], "violated", message)
    return replace(
        about,
        witness=replace(witness, approvals=tuple(sorted(granted))),
        proof=base.proof,
        environment=base.environment,
    )


def _denied(policies: PolicySet, index: int, case: Case) -> bool:
    """Whether a policy has a request escalated that is denied after all."""
    first = authorize(policies, request(case.witness), case.witness.entities)
    if first.outcome != "escalate" or index not in first.determining:
        return False
    return _answered(policies, case)[1].outcome == "deny"


def _answered(policies: PolicySet, case: Case) -> tuple[frozenset[str], Decision]:
    """Who has approved once nobody is asked any more, and the decision then."""
    granted = _NOBODY
    while True:
        decision = authorize(policies, request(case.witness), case.witness.entities, granted)
        if decision.outcome != "escalate":
            return granted, decision
        granted |= frozenset(decision.chains)


def _sought(analysis: Analysis, index: int, accepts: Callable[[Case], bool]) -> Sought:
    name = analysis.policies.policies[index].name
    proofs: list[Proof] = []
    unknown: dict[str, None] = {}
    for environment in analysis.touched(index):
        rounds = _Rounds(analysis, environment, index)
        for denied in rounds.denied():
            sought = seek(analysis, [environment], lambda _, d=denied: d, accepts, f"P202 {name}")  # type: ignore[misc]
            if sought.found:
                return sought
            proofs += sought.proofs
            unknown |= dict.fromkeys(sought.unknown)
        if rounds.cut_short:
            unknown[f"after {ROUNDS_MAX} rounds of approvals there may be one more to ask for"] = None
    return Sought(None, tuple(proofs), tuple(unknown))


@dataclass
class _Rounds:
    """The rounds of asking that follow when a policy escalates. `cut_short` is set where not all were followed."""

    analysis: Analysis
    environment: RequestEnvironment
    index: int
    cut_short: bool = False

    def denied(self) -> Iterator[tuple[Term, ...]]:
        """For each round after the first, the conditions under which the request gets there and is denied."""
        policies = self.analysis.policies
        chains = policies.chains
        matches = self._matches(dict.fromkeys(chains, t.FALSE), 0)
        asked = [matches(self.index), not_denied(policies, matches)]
        granted = {chain: self._asking(chain, matches) for chain in chains}
        for number in range(1, min(len(chains), ROUNDS_MAX) + 1):
            matches = self._matches(granted, number)
            allowed = not_denied(policies, matches)
            yield (*asked, t.not_(allowed))
            news = {chain: t.and_(t.not_(granted[chain]), self._asking(chain, matches)) for chain in chains}
            asked += [allowed, t.or_(*news.values())]
            granted = {chain: t.or_(granted[chain], news[chain]) for chain in chains}
            if t.FALSE in asked:
                return
        # Each round adds a chain, so nobody is asked once there were as many rounds as chains.
        self.cut_short = len(chains) > ROUNDS_MAX

    def _asking(self, chain: str, matches: Callable[[int], Term]) -> Term:
        policies = self.analysis.policies
        asking = (i for i in escalating(policies) if (e := policies.policies[i].escalation) and e.chain == chain)
        return t.or_(*(matches(i) for i in asking))

    def _matches(self, granted: Mapping[str, Term], number: int) -> Callable[[int], Term]:
        """When each policy matches where these chains have approved."""
        action = self.analysis.policies.schema.actions[self.environment.action]
        attribute = action.context.attributes.get("approvals")
        if attribute is None or attribute.type != SetType(StringType()):
            return matches_in(self.analysis, self.environment)
        approved = t.elements(t.STRING, ())
        for chain, term in granted.items():
            one = t.elements(t.STRING, [t.string(chain)])
            approved = t.union_(approved, t.ite(term, one, t.elements(t.STRING, ())))
        own = self.analysis.encoder(self.environment).own_context
        context = record_with(own, {"approvals": Collection(approved)})
        encoder = Encoder(self.analysis.policies.schema, self.environment, context=context)
        found: dict[int, Term] = {}

        def matches(index: int) -> Term:
            if index not in found:
                found[index] = self.analysis.encoded(index, encoder, f"approvals {number}").matches
            return found[index]

        return matches
