"""P305: do the assertions about the policies hold? A forbid says what is never allowed, a permit what is never denied.

They are judged on the first decision, when nobody has approved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from models.cedar.decision import Decision, decide
from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.checks.common import Sought, finding, joined, seek, shown, told, told_all, undecided
from verify.checks.elements import first_matched
from verify.checks.errors import on_values
from verify.checks.guesses import without_guesses
from verify.checks.rounds import Asking, Round, escalating, not_denied
from verify.findings import Finding
from verify.query import Accepts, Analysis, Case
from verify.term import Term


def invariant_findings(analysis: Analysis) -> Iterator[Finding]:
    """P305 of every invariant, and of every policy to deploy that is written as one."""
    policies = analysis.policies
    for policy in policies.policies:
        if "invariant" in policy.annotations:
            message = (
                f"{told(policy)} is deployed, so it is a rule like any other and nothing is checked of it: "
                "`@invariant` is read in the file of invariants only."
            )
            yield replace(finding("P305", policies, [policy.index], "violated", message), severity="warning")
    if policies.invariants is not None:
        about = _Invariants(policies, Asking(Analysis(policies.invariants, analysis.budget, analysis.scripts)))
        indices = range(len(policies.policies), len(policies.invariants.policies))
        yield from without_guesses(policies.invariants, (about.judged(index) for index in indices))


@dataclass(frozen=True, slots=True)
class _Invariants:
    """The policies to deploy, and the analysis of these together with their invariants, which stand last."""

    deployed: PolicySet
    asking: Asking

    @property
    def _both(self) -> PolicySet:
        return self.asking.analysis.policies

    def judged(self, index: int) -> Finding:
        """P305 of one invariant."""
        analysis, policies = self.asking.analysis, self._both
        broken = self._sought(index, lambda first: self._wrong(index, first), lambda case: self._is_broken(index, case))
        if broken.found:
            return self._broken(index, broken)
        matched = self._sought(index, lambda _: t.TRUE, lambda case: index in (first_matched(policies, case) or ()))
        if unknown := (*broken.unknown, *(() if matched.found else matched.unknown)):
            return undecided("P305", policies, [index], dict.fromkeys(unknown))
        name = told(policies.policies[index])
        if not matched.found:
            message = f"{name} asserts nothing: it matches no request that the schema admits."
            base = replace(finding("P305", policies, [index], "violated", message), severity="warning")
            return replace(base, proof=joined(analysis, matched.proofs))
        whole, errs = on_values(analysis, index)
        if not errs.impossible:
            return self._partial(index, whole, errs)
        never = "allowed" if policies.policies[index].effect == "forbid" else "denied"
        message = f"{name} holds: no request that it matches is {never} at first."
        return replace(finding("P305", policies, [index], "holds", message), proof=joined(analysis, broken.proofs))

    def _sought(self, index: int, wrong: Callable[[Round], Term], accepts: Accepts) -> Sought:
        """A request that an invariant matches, and on whose first decision something is wrong."""

        def parts(environment: RequestEnvironment) -> list[Term]:
            matches = self.asking.first_matches(environment)
            nobody = dict.fromkeys(self.deployed.chains, t.FALSE)
            return [matches(index), wrong(Round((), matches, not_denied(self.deployed, matches), nobody))]

        analysis = self.asking.analysis
        return seek(analysis, analysis.touched(index), parts, accepts, f"P305 {self._both.policies[index].name}")

    def _wrong(self, index: int, first: Round) -> Term:
        """When the first decision is the one that an invariant excludes."""
        if self._both.policies[index].effect == "forbid":
            return t.and_(first.allowed, *(t.not_(first.asks(self.deployed, i)) for i in escalating(self.deployed)))
        return t.not_(first.allowed)

    def _decision(self, case: Case) -> tuple[frozenset[int], Decision] | None:
        """Which policies and invariants match a concrete request at first, and what the policies decide."""
        matched = first_matched(self._both, case)
        own = range(len(self.deployed.policies))
        return None if matched is None else (matched, decide(self.deployed, matched.intersection(own)))

    def _is_broken(self, index: int, case: Case) -> bool:
        found = self._decision(case)
        excluded = "allow" if self._both.policies[index].effect == "forbid" else "deny"
        return found is not None and index in found[0] and found[1].outcome == excluded

    def _broken(self, index: int, sought: Sought) -> Finding:
        assert sought.found is not None
        analysis, policies = self.asking.analysis, self._both
        base = finding("P305", policies, [index], "violated", "")
        result, witness = shown(analysis, base, sought.found, lambda case: self._is_broken(index, case))
        found = self._decision(analysis.case(witness))
        assert found is not None
        causes, policy = found[1].determining, policies.policies[index]
        if policy.effect == "forbid":
            message = f"{told(policy)} is broken: a request that it rules out is allowed, with nobody asked"
        else:
            message = f"{told(policy)} is broken: a request that it guarantees is denied"
        about = finding("P305", policies, [index, *causes], "violated", f"{message}, for {self._reason(found[1])}.")
        return replace(about, witness=witness, proof=result.proof, environment=result.environment)

    def _reason(self, decision: Decision) -> str:
        if not decision.determining:
            return "no permit matches it"
        verb = "permit" if decision.outcome == "allow" else "forbid"
        return f"{told_all(self.deployed, decision.determining)} {verb}{'s' * (len(decision.determining) == 1)} it"

    def _partial(self, index: int, analysis: Analysis, errs: Sought) -> Finding:
        """The finding about an invariant that is broken nowhere, and says nothing where it errs."""
        policies = self._both
        if errs.found is None:
            return undecided("P305", policies, [index], errs.unknown)
        message = (
            f"{told(policies.policies[index])} says nothing of requests on which evaluating it errs, as on this one."
        )
        base = replace(finding("P305", policies, [index], "violated", message), severity="warning")
        return shown(analysis, base, errs.found, lambda case: index in case.errored)[0]
