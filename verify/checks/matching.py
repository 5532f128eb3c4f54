"""P101 and P102: does a policy match nothing, or everything in its scope?"""

from __future__ import annotations

from dataclasses import replace

from verify import term as t
from verify.checks.common import Sought, finding, joined, seek, shown, told, undecided
from verify.findings import Finding
from verify.query import Accepts, Analysis, Case


def never_matches(analysis: Analysis, index: int) -> tuple[Finding, bool]:
    """P101 of one policy, and whether other checks of it make sense: it is not proved to match nothing."""
    policies = analysis.policies
    policy = policies.policies[index]

    def accepts(case: Case) -> bool:
        return index in case.matched

    environments = analysis.touched(index)
    sought = seek(analysis, environments, lambda e: [analysis.matches(e, index)], accepts, f"P101 {policy.name}", index)
    if sought.found:
        base = finding("P101", policies, [index], "holds", f"{told(policy)} can match.")
        return shown(analysis, base, sought.found, accepts)[0], True
    if sought.unknown:
        return undecided("P101", policies, [index], sought.unknown), True
    fits = analysis.reach(index)
    cause = (
        "its conditions are true of no request that the schema admits"
        if fits
        else "its scope fits no request that the schema admits"
    )
    message = f"{told(policy)} never matches: {cause}. It has no effect."
    return replace(
        finding("P101", policies, [index], "violated", message), proof=joined(analysis, sought.proofs)
    ), False


def always_matches(analysis: Analysis, index: int) -> Finding | None:
    """P102 of one policy that has conditions; None where it has none, for then it is meant to match all its scope."""
    policies = analysis.policies
    policy = policies.policies[index]
    if not policy.syntax.clauses:
        return None

    def accepts(case: Case) -> bool:
        return index not in case.matched and index in case.fitting

    sought = _outside(analysis, index, accepts)
    if sought.found:
        message = f"{told(policy)} leaves requests of its scope alone."
        return shown(analysis, finding("P102", policies, [index], "holds", message), sought.found, accepts)[0]
    if sought.unknown:
        return undecided("P102", policies, [index], sought.unknown)
    message = f"{told(policy)} matches every request of its scope: its conditions are always true and can go."
    return replace(finding("P102", policies, [index], "violated", message), proof=joined(analysis, sought.proofs))


def _outside(analysis: Analysis, index: int, accepts: Accepts) -> Sought:
    """A request in the scope of a policy that it does not match."""
    return seek(
        analysis,
        analysis.reach(index),
        lambda e: [analysis.scope(e, index), t.not_(analysis.matches(e, index))],
        accepts,
        f"P102 {analysis.policies.policies[index].name}",
    )
