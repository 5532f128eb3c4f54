"""P106: do policies of different owners decide one request oppositely, with neither declared to go first?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from models.cedar.policies import Policy
from verify.checks.common import finding, joined, seek, shown, told, undecided
from verify.findings import Finding, Proof
from verify.query import Analysis, Case


def conflicts(analysis: Analysis, index: int) -> Iterator[Finding]:
    """P106 of one permit with an owner: a finding for each forbid in conflict, else one that there is none.

    Forbids that escalate are in no conflict: they ask before the permit has its way.
    """
    policies = analysis.policies
    permit = policies.policies[index]
    rivals = [p for p in policies.policies if _rivals(permit, p)]
    proofs: list[Proof] = []
    clear = True
    for forbid in rivals:
        both = index, forbid.index

        def accepts(case: Case, both: tuple[int, int] = both) -> bool:
            return case.matched.issuperset(both)

        sought = seek(
            analysis,
            analysis.touched(*both),
            lambda e, both=both: [analysis.matches(e, i) for i in both],  # type: ignore[misc]
            accepts,
            f"P106 {permit.name} {forbid.name}",
        )
        proofs += sought.proofs
        clear = clear and sought.impossible
        if sought.found:
            message = (
                f"{told(permit)} of `{permit.owner}` permits a request that {told(forbid)} of `{forbid.owner}` "
                "forbids, and neither declares by @overrides that it goes first. The forbid wins."
            )
            yield shown(analysis, finding("P106", policies, both, "violated", message), sought.found, accepts)[0]
        elif sought.unknown:
            yield undecided("P106", policies, both, sought.unknown)
    if clear and rivals:
        message = f"{told(permit)} of `{permit.owner}` is in conflict with no forbid of another owner."
        yield replace(finding("P106", policies, [index], "holds", message), proof=joined(analysis, proofs))


def _rivals(permit: Policy, forbid: Policy) -> bool:
    if forbid.effect != "forbid" or forbid.escalation or forbid.owner in (None, permit.owner):
        return False
    return not (_overrides(permit, forbid) or _overrides(forbid, permit))


def _overrides(policy: Policy, other: Policy) -> bool:
    """Whether a policy is declared to go before another: by the other's name, or by its owner's."""
    return not policy.overrides.isdisjoint({other.name, other.owner})
