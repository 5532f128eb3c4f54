"""P203: does asking come to an end, within one request and where approving is itself a request?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment
from models.declared import desks_of
from verify import term as t
from verify.checks.approving import approvers
from verify.checks.common import Sought, finding, joined, of_all, seek, shown, told_all
from verify.checks.conditions import Conditions
from verify.checks.elements import (
    Element,
    about,
    allowed_at_once,
    first_decision,
    is_allowed_at_once,
    undecided,
    with_policies,
)
from verify.checks.requests import Kind
from verify.checks.rounds import Asking, chain_of, decisions, escalating
from verify.findings import Finding, Proof, Severity
from verify.query import Case
from verify.term import Term

# --- within one request -----------------------------------------------------------------------------------------------


def rounds_end(asking: Asking, rules: Sequence[int]) -> Iterator[Finding]:
    """P203 of the rules that can be the reason to ask: how often one request asks.

    It ends always: an approval stays, and each time a chain is asked that has not approved. That many chains there are.
    """
    if not rules:
        return
    policies = asking.analysis.policies
    longest: Sought | None = None
    proofs: list[Proof] = []
    most, counted = 1, True
    for environment in asking.analysis.policies.schema.environments():
        # Where approvals do not show, the same policies match again, and all their chains have been asked at once.
        if not asking.sees_approvals(environment):
            continue
        rounds = asking.rounds(environment)
        for number in range(most + 1, len(rounds)):
            sought = _asked(asking, environment, number)
            if sought.found:
                longest, most = sought, number
                continue
            proofs += sought.proofs
            counted = counted and sought.impossible
            break
        counted = counted and not (asking.cut_short(environment) and most == len(rounds) - 1)
    chains = len(policies.chains)
    times = most if counted else chains
    message = (
        f"One request asks {'at most ' if times > 1 else ''}{'once' if times == 1 else f'{times} times'}: "
        f"approvals stay, and no chain is asked twice ({chains} {'chain' if chains == 1 else 'chains'} in all)."
    )
    base = of_all(finding("P203", policies, list(rules), "holds", message))
    base = replace(base, proof=joined(asking.analysis, proofs))
    if longest is None or longest.found is None:
        yield base
    else:
        result, _ = shown(asking.analysis, base, longest.found, lambda case: _times(policies, case) >= most)
        yield replace(result, proof=base.proof) if proofs else result


def _asked(asking: Asking, environment: RequestEnvironment, number: int) -> Sought:
    """A request that asks this many times."""
    policies, reached = asking.analysis.policies, asking.rounds(environment)[number].reached
    return seek(
        asking.analysis,
        [environment],
        lambda _: reached,
        lambda case: _times(policies, case) >= number,
        f"P203 asks {number} times",
    )


def _times(policies: PolicySet, case: Case) -> int:
    return sum(made.outcome == "escalate" for made in decisions(policies, case))


# --- approving as a request -------------------------------------------------------------------------------------------


def gates(asking: Asking, conditions: Conditions) -> Iterator[Finding]:
    """P203 of every chain that policies ask and that has people: approving what it is asked may ask again, in a circle.

    A finding for each circle, and for each chain that is in none.
    """
    every = _Gates(asking, conditions)
    steps = {chain: every.steps(chain) for chain in every.chains()}
    surely = {chain: {other for other, step in row.items() if step.sought.found} for chain, row in steps.items()}
    perhaps = {
        chain: {other for other, step in row.items() if not step.sought.impossible} for chain, row in steps.items()
    }
    told: set[str] = set()
    for chain in steps:
        all_sought = [step.sought for row in steps.values() for step in row.values()]
        if circle := _circle(surely, chain):
            if told.isdisjoint(circle):
                yield every.endless(circle, steps[chain][circle[1 % len(circle)]])
            told |= {*circle}
        elif _circle(perhaps, chain):
            unknown = dict.fromkeys(reason for sought in all_sought for reason in sought.unknown)
            yield undecided("P203", [every.element(chain)], unknown)
        else:
            message = f"Approving what {every.element(chain).told} is asked never comes back to it for approval."
            base = about("P203", [every.element(chain)], "holds", message)
            yield replace(base, proof=joined(asking.analysis, [one for sought in all_sought for one in sought.proofs]))


class _Step(NamedTuple):
    """An approval of what one chain is asked that asks another, as it was looked for; of which kind one was found."""

    sought: Sought
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class _Gates:
    asking: Asking
    conditions: Conditions

    def chains(self) -> Iterator[str]:
        """The chains that policies ask and of whose desks some tells its people."""
        return (chain for chain in self.asking.analysis.policies.chains if self._desks(chain))

    def _desks(self, chain: str) -> list[str]:
        desks = desks_of(self.conditions.loaded.scenario, [chain])
        return [desk for desk in desks if ("desks", desk, "people") in self.conditions]

    def element(self, chain: str) -> Element:
        """The chain as a finding names it."""
        return Element(self.conditions.loaded, chain, ("chains", chain))

    def steps(self, chain: str) -> Mapping[str, _Step]:
        """For each chain: an approval of what this one is asked that asks it."""
        return {other: self._step(chain, other) for other in self.chains()}

    def _step(self, chain: str, other: str) -> _Step:
        looked: list[Sought] = []
        for desk in self._desks(chain):
            people = approvers(self.asking, self.conditions, desk, f"P203 {chain}")
            looked.append(people.seek(lambda e: [self._asks(e, other)], lambda case: self._asked(case, other), other))
            if looked[-1].found:
                return _Step(looked[-1], people)
        unknown = dict.fromkeys(reason for sought in looked for reason in sought.unknown)
        return _Step(Sought(None, tuple(proof for sought in looked for proof in sought.proofs), tuple(unknown)))

    def _asks(self, environment: RequestEnvironment, chain: str) -> Term:
        policies, first = self.asking.analysis.policies, self.asking.first(environment)
        return t.or_(*(first.asks(policies, i) for i in escalating(policies) if chain_of(policies, i) == chain))

    def _asked(self, case: Case, chain: str) -> bool:
        decision = first_decision(self.asking.analysis.policies, case)
        return decision is not None and chain in decision.chains

    def endless(self, circle: Sequence[str], first: _Step) -> Finding:
        """The finding about chains of which each may be asked about the approvals of the one before."""
        policies, asked = self.asking.analysis.policies, circle[1 % len(circle)]
        elements = [self.element(chain) for chain in circle]
        assert first.kind is not None
        base = about("P203", elements, "violated", "")
        result, case = first.kind.shown(base, first.sought, lambda case: self._asked(case, asked))
        decision = first_decision(policies, case)
        assert decision is not None
        way = " to ".join(f"`{chain}`" for chain in (*circle, circle[0]))
        rules = told_all(policies, decision.determining)
        never = all(self._gated(chain) for chain in circle)
        message = (
            f"Asking {'never ends' if never else 'may not end'}: approvals are escalated in a circle, {way}. "
            f"The one shown is, by {rules}; {'no other is' if never else 'others are'} allowed at once."
        )
        severity: Severity = "error" if never else "warning"
        return with_policies(replace(result, message=message, severity=severity), policies, decision.determining)

    def _gated(self, chain: str) -> bool:
        """Whether it is proved that no approval of what a chain is asked is allowed at once."""
        policies = self.asking.analysis.policies
        kinds = (approvers(self.asking, self.conditions, desk, f"P203 {chain} at once") for desk in self._desks(chain))
        return all(
            kind.seek(
                lambda e: [allowed_at_once(self.asking, e)], lambda case: is_allowed_at_once(policies, case)
            ).impossible
            for kind in kinds
        )


def _circle(steps: Mapping[str, set[str]], start: str) -> list[str]:
    """A shortest way from a chain back to it, without the return; empty where there is none."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:
        for following in sorted(steps.get(way[-1], ())):
            if following == start:
                return way
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []
