"""P106: do policies of different owners decide one request oppositely, with neither declared to go first?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from models.cedar.policies import Policy, PolicySet
from verify import term as t
from verify.checks.common import Sought, finding, joined, seek, shown, told, told_all, undecided
from verify.findings import Finding, Proof
from verify.query import Accepts, Analysis

NAMED_MAX = 4
"""Forbids that a sentence names; the finding lists all. An assumption about what is read."""


@dataclass(frozen=True, slots=True)
class _Rivalry:
    """The forbids that one permit is in conflict with, and what is proved or not known of the others."""

    conflicting: tuple[int, ...]
    proofs: tuple[Proof, ...]
    unknown: tuple[str, ...]
    open: tuple[int, ...]
    """Forbids of which it is not known."""


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
    if found.conflicting:
        first = _matched_together(index, found.conflicting[:1])
        sought = _together(analysis, index, found.conflicting[:1])
        assert sought.found is not None, "a witness was found before"
        base = finding("P106", policies, [index, *found.conflicting], "violated", _sentence(policies, index, found))
        yield shown(analysis, base, sought.found, first)[0]
    if found.unknown:
        yield undecided("P106", policies, [index, *found.open], found.unknown)
    if not found.conflicting and not found.unknown:
        message = f"{told(permit)} of `{permit.owner}` is in conflict with no forbid of another owner."
        base = finding("P106", policies, [index], "holds", message)
        yield replace(base, proof=joined(analysis, found.proofs))


def _rivalry(analysis: Analysis, index: int, rivals: Sequence[int]) -> _Rivalry:
    """Asks of all forbids together, and again of those that no witness has settled."""
    rest = list(rivals)
    conflicting: set[int] = set()
    while True:
        sought = _together(analysis, index, rest)
        if sought.found is None:
            open_ = rest if sought.unknown else []
            return _Rivalry(tuple(sorted(conflicting)), sought.proofs, sought.unknown, tuple(open_))
        conflicting |= sought.found[1].case.matched.intersection(rest)
        rest = [i for i in rest if i not in conflicting]


def _together(analysis: Analysis, index: int, forbids: Sequence[int]) -> Sought:
    """A request that a permit and some of these forbids match."""
    among = {environment for i in forbids for environment in analysis.touched(i)}
    return seek(
        analysis,
        [environment for environment in analysis.touched(index) if environment in among],
        lambda e: [analysis.matches(e, index), t.or_(*(analysis.matches(e, i) for i in forbids))],
        _matched_together(index, forbids),
        f"P106 {analysis.policies.policies[index].name}",
        index,
    )


def _matched_together(index: int, forbids: Collection[int]) -> Accepts:
    some = frozenset(forbids)
    return lambda case: index in case.matched and not case.matched.isdisjoint(some)


def _sentence(policies: PolicySet, index: int, found: _Rivalry) -> str:
    permit = policies.policies[index]
    named = told_all(policies, found.conflicting[:NAMED_MAX])
    more = len(found.conflicting) - NAMED_MAX
    owners = sorted({str(policies.policies[i].owner) for i in found.conflicting})
    of = f"`{owners[0]}`" if len(owners) == 1 else ", ".join(f"`{owner}`" for owner in owners)
    if len(found.conflicting) == 1:
        return (
            f"{told(permit)} of `{permit.owner}` permits a request that {named} of {of} "
            "forbids, and neither declares by @overrides that it goes first. The forbid wins."
        )
    return (
        f"{told(permit)} of `{permit.owner}` permits requests that {len(found.conflicting)} rules of {of} forbid: "
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
