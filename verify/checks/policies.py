"""All policy checks of a set, in the order of the catalogue. A check is asked only of policies it says something of."""

from __future__ import annotations

from collections.abc import Iterator

from verify.checks.ambiguity import ambiguous
from verify.checks.approvals import dead_end
from verify.checks.conflict import conflicts
from verify.checks.errors import may_err
from verify.checks.escalation import unreachable
from verify.checks.gaps import unspoken
from verify.checks.invariants import invariant_findings
from verify.checks.loops import rounds_end
from verify.checks.matching import always_matches, never_matches
from verify.checks.passing import passing
from verify.checks.redundancy import overridden, redundant
from verify.checks.rounds import Asking, escalating
from verify.findings import Finding
from verify.query import Analysis


def policy_findings(analysis: Analysis, checks: frozenset[str]) -> Iterator[Finding]:
    """Findings of the chosen checks, and of P101 and P201 where other chosen checks build on their answers."""
    policies = analysis.policies.policies
    first = [(policy, *never_matches(analysis, policy.index)) for policy in policies]
    yield from (found for _, found, _ in first)
    alive = [policy for policy, _, can_match in first if can_match]
    if "P102" in checks:
        yield from filter(None, (always_matches(analysis, policy.index) for policy in alive))
    if "P103" in checks:
        yield from may_err(analysis, range(len(policies)))
    if "P104" in checks:
        yield from filter(None, (redundant(analysis, policy.index) for policy in alive))
    permits = [policy for policy in alive if policy.effect == "permit"]
    if "P105" in checks:
        yield from (overridden(analysis, policy.index) for policy in permits)
    if "P106" in checks:
        for policy in permits:
            if policy.owner is not None:
                yield from conflicts(analysis, policy.index)
    if "P107" in checks and policies:
        yield from unspoken(analysis)
    if not checks.isdisjoint({"P201", "P202", "P203", "P204"}):
        yield from _escalation_findings(analysis, checks, {policy.index for policy in alive})
    if "P305" in checks:
        yield from invariant_findings(analysis)


def _escalation_findings(analysis: Analysis, checks: frozenset[str], alive: set[int]) -> Iterator[Finding]:
    asking = Asking(analysis)
    first = [(i, *unreachable(asking, i)) for i in escalating(analysis.policies) if i in alive]
    yield from (found for _, found, _ in first)
    reachable = [i for i, _, can_ask in first if can_ask]
    if "P202" in checks:
        yield from (dead_end(asking, index) for index in reachable)
    if "P203" in checks:
        yield from rounds_end(asking, reachable)
    if "P204" in checks:
        advised = [i for i in reachable if analysis.policies.policies[i].effect == "permit"]
        passed = {i: found for i in advised if (found := passing(asking, i))}
        yield from passed.values()
        yield from ambiguous(asking, [i for i in reachable if i not in passed])
