"""P106: do policies of different owners decide one request oppositely, with neither declared to go first?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from models.cedar.policies import Policy, PolicySet
from models.cedar.types import RequestEnvironment
from verify.checks.common import Company, company, finding, joined, of_all, seek, shown, told, told_all, undecided
from verify.findings import Finding
from verify.query import Analysis, Case
from verify.term import Term

NAMED_MAX = 4
"""Forbids that a sentence names; the finding lists all. An assumption about what is read."""


def conflicts(analysis: Analysis, index: int) -> Iterator[Finding]:
    """P106 of one permit with an owner: one finding that names every forbid in conflict, or that there is none.

    Forbids that escalate are in no conflict: they ask before the permit has its way.
    """
    policies = analysis.policies
    permit = policies.policies[index]
    rivals = tuple(p.index for p in policies.policies if _rivals(permit, p))
    if not rivals:
        return
    found = _rivalry(analysis, index, rivals)
    if found.met:
        base = of_all(finding("P106", policies, [index, *found.met], "violated", _sentence(policies, index, found)))
        yield _shown(analysis, base, index, found.met[0])
    if found.unknown:
        yield of_all(undecided("P106", policies, [index, *found.left], found.unknown))
    elif not found.met:
        message = f"{told(permit)} of `{permit.owner}` is in conflict with no forbid of another owner."
        base = finding("P106", policies, [index], "holds", message)
        yield replace(base, proof=joined(analysis, found.proofs))


def _rivalry(analysis: Analysis, index: int, rivals: Sequence[int]) -> Company:
    """The forbids that some request is matched by which the permit matches too."""

    def questions(environment: RequestEnvironment, some: Sequence[int]) -> Iterator[tuple[list[Term], list[Term]]]:
        yield [analysis.matches(environment, index)], [analysis.matches(environment, i) for i in some]

    def matched(case: Case) -> frozenset[int]:
        return frozenset(case.matched) if index in case.matched else frozenset()

    return company(analysis, index, rivals, questions, matched, f"P106 {analysis.policies.policies[index].name}")


def _shown(analysis: Analysis, base: Finding, index: int, forbid: int) -> Finding:
    """The finding with a request that the permit and a forbid match: there is one."""
    title = f"P106 {analysis.policies.policies[index].name}"

    def parts(environment: RequestEnvironment) -> list[Term]:
        return [analysis.matches(environment, index), analysis.matches(environment, forbid)]

    def accepts(case: Case) -> bool:
        return index in case.matched and forbid in case.matched

    sought = seek(analysis, analysis.touched(index, forbid), parts, accepts, title, index)
    assert sought.found is not None, "a request was found before"
    return shown(analysis, base, sought.found, accepts)[0]


def _sentence(policies: PolicySet, index: int, found: Company) -> str:
    permit = policies.policies[index]
    named = told_all(policies, found.met[:NAMED_MAX])
    more = len(found.met) - NAMED_MAX
    owners = sorted({str(policies.policies[i].owner) for i in found.met})
    of = f"`{owners[0]}`" if len(owners) == 1 else ", ".join(f"`{owner}`" for owner in owners)
    if len(found.met) == 1:
        return (
            f"{told(permit)} of `{permit.owner}` permits a request that {named} of {of} "
            "forbids, and neither declares by @overrides that it goes first. The forbid wins."
        )
    return (
        f"{told(permit)} of `{permit.owner}` permits requests that {len(found.met)} rules of {of} forbid: "
        f"{named}{f' and {more} more' if more > 0 else ''}. None declares by @overrides that it goes first. "
        "The forbids win."
    )


def _rivals(permit: Policy, forbid: Policy) -> bool:
    if forbid.effect != "forbid" or forbid.escalation or forbid.owner in (None, permit.owner):
        return False
    return not (_overrides(permit, forbid) or _overrides(forbid, permit))


def _overrides(policy: Policy, other: Policy) -> bool:
    """Whether a policy is declared to go before another: by the other's name, or by its owner's."""
    return not policy.overrides.isdisjoint({other.name, other.owner})
