"""P104 and P105: does a policy change nothing, because others say the same, or because forbids override it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from models.cedar.annotations import SEVERITIES
from models.cedar.policies import Escalation, PolicySet
from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.checks.common import (
    Sought,
    companions,
    finding,
    joined,
    seek,
    shown,
    smallest_cover,
    told,
    told_all,
    undecided,
)
from verify.findings import Finding
from verify.query import Accepts, Analysis, Case
from verify.term import Term


def hard_forbids(policies: PolicySet) -> tuple[int, ...]:
    """The forbids that deny, by index."""
    return tuple(p.index for p in policies.policies if p.effect == "forbid" and p.escalation is None)


def redundant(analysis: Analysis, index: int) -> Finding | None:
    """P104 of one policy that can match; None for the only permit of a tier, without which the tier permits all."""
    policies = analysis.policies
    policy = policies.policies[index]
    if policy.effect == "permit" and policy.tier and not _shares_its_tier(policies, index):
        return None
    others = _same_kind(policies, index)
    sought = _needed(analysis, index, others)
    if sought.found:
        message = f"{told(policy)} matches requests of which no other policy of its effect says the same."
        base = finding("P104", policies, [index], "holds", message)
        return shown(analysis, base, sought.found, _alone(policies, index, others))[0]
    if sought.unknown:
        return undecided("P104", policies, [index], sought.unknown)
    ways = _standing_in(policies, index, others)
    enough = {i for position in sought.needed - {0} for some in ways[position - 1] for i in some}
    alone = companions(_known(analysis, index), others)
    cover = smallest_cover(others, lambda some: _needed(analysis, index, some).impossible, enough, alone)
    proof = _needed(analysis, index, cover).proofs
    message = f"{told(policy)} is implied by {told_all(policies, cover)}: no decision would change without it."
    return replace(finding("P104", policies, [index, *cover], "violated", message), proof=joined(analysis, proof))


def _known(analysis: Analysis, index: int) -> Iterator[frozenset[int]]:
    """What matches each request known so far that a policy matches."""
    cases = (case for environment in analysis.touched(index) for case in analysis.known(environment, index))
    return (frozenset(case.matched) for case in cases)


def _shares_its_tier(policies: PolicySet, index: int) -> bool:
    policy = policies.policies[index]
    return any(p.effect == "permit" and p.tier == policy.tier and p.index != index for p in policies.policies)


def _same_kind(policies: PolicySet, index: int) -> tuple[int, ...]:
    """The policies that may stand in for one: of its effect, and able to deny or ask at least as strictly."""
    policy = policies.policies[index]
    if policy.effect == "permit":
        grouped = {i for group in policies.permit_groups if index in group for i in group} - {index}
        return tuple(i for i in sorted(grouped) if policies.policies[i].escalation in (None, policy.escalation))
    hard = hard_forbids(policies)
    asking = [] if policy.escalation is None else [i for i in _of_chain(policies, policy.escalation) if i != index]
    return tuple(sorted({*hard, *asking} - {index}))


def _of_chain(policies: PolicySet, escalation: Escalation) -> tuple[int, ...]:
    forbids = (p for p in policies.policies if p.effect == "forbid")
    return tuple(p.index for p in forbids if p.escalation and p.escalation.chain == escalation.chain)


def _needed(analysis: Analysis, index: int, others: Sequence[int]) -> Sought:
    """A request that a policy decides and that these others do not decide as it does."""
    ways = _standing_in(analysis.policies, index, others)

    def parts(environment: RequestEnvironment) -> list[Term]:
        covered = (t.and_(*(t.or_(*(analysis.matches(environment, i) for i in some)) for some in way)) for way in ways)
        return [analysis.matches(environment, index), *map(t.not_, covered)]

    title = f"P104 {analysis.policies.policies[index].name}"
    accepts = _alone(analysis.policies, index, others)
    return seek(analysis, analysis.touched(index), parts, accepts, title, index)


def _alone(policies: PolicySet, index: int, others: Sequence[int]) -> Accepts:
    """Judges whether a policy decides a request and no way for others to stand in for it is open."""
    ways = _standing_in(policies, index, others)
    single = frozenset(i for way in ways if len(way) == 1 for i in way[0])
    joint = [way for way in ways if len(way) > 1]

    def accepts(case: Case) -> bool:
        return (
            index in case.matched
            and case.matched.isdisjoint(single)
            and not any(all(not case.matched.isdisjoint(some) for some in way) for way in joint)
        )

    return accepts


def _standing_in(policies: PolicySet, index: int, others: Sequence[int]) -> list[list[frozenset[int]]]:
    """The ways in which others stand in for a policy: in each way, some policy of every set in it must match.

    A permit: some other in each of its groups. A forbid that denies: some other that denies. One that escalates: one
    that denies; or, of its chain, one with a time-out at least as short and one with a severity at least as high,
    which is what strictest-first merging makes of them. One that can do alone is a way of its own.
    """
    policy, among = policies.policies[index], frozenset(others)
    if policy.effect == "permit":
        groups = [frozenset(group) & among for group in policies.permit_groups if index in group]
        return _apart(groups)
    hard = among & frozenset(hard_forbids(policies))
    if policy.escalation is None:
        return _apart([hard])
    asking = among & frozenset(_of_chain(policies, policy.escalation))
    merged = [_as_short(policies, asking, policy.escalation), _as_grave(policies, asking, policy.escalation)]
    return [*_apart([hard]), *_apart(merged)]


def _apart(sets: Sequence[frozenset[int]]) -> list[list[frozenset[int]]]:
    """The ways to have one of every set, those who are in all of them first, each by itself."""
    shared = frozenset.intersection(*sets)
    alone = [[frozenset({i})] for i in sorted(shared)]
    return alone if len(sets) == 1 else [*alone, [some - shared for some in sets]]


def _as_short(policies: PolicySet, among: frozenset[int], escalation: Escalation) -> frozenset[int]:
    bound = escalation.timeout
    return frozenset(
        i
        for i in among
        if bound is None
        or ((other := policies.policies[i].escalation) and other.timeout is not None and other.timeout <= bound)
    )


def _as_grave(policies: PolicySet, among: frozenset[int], escalation: Escalation) -> frozenset[int]:
    bound = escalation.severity
    return frozenset(
        i
        for i in among
        if bound is None
        or (
            (other := policies.policies[i].escalation)
            and other.severity is not None
            and SEVERITIES.index(other.severity) >= SEVERITIES.index(bound)
        )
    )


def overridden(analysis: Analysis, index: int) -> Finding:
    """P105 of one permit that can match."""
    policies = analysis.policies
    policy, hard = policies.policies[index], hard_forbids(policies)
    elsewhere = tuple(frozenset(group) for group in policies.permit_groups if index not in group)

    def survives(forbids: Sequence[int], groups: Sequence[frozenset[int]] = ()) -> Sought:
        return seek(
            analysis,
            analysis.touched(index),
            lambda e: [
                analysis.matches(e, index),
                *(t.not_(analysis.matches(e, i)) for i in forbids),
                *(t.or_(*(analysis.matches(e, i) for i in sorted(group))) for group in groups),
            ],
            accepted(forbids, groups),
            f"P105 {policy.name}",
            index,
        )

    def accepted(forbids: Sequence[int], groups: Sequence[frozenset[int]]) -> Accepts:
        denying = frozenset(forbids)
        return lambda case: (
            index in case.matched
            and case.matched.isdisjoint(denying)
            and not any(case.matched.isdisjoint(group) for group in groups)
        )

    sought = survives(hard, elsewhere)
    if sought.found:
        base = finding("P105", policies, [index], "holds", f"{told(policy)} permits requests that no forbid denies.")
        return shown(analysis, base, sought.found, accepted(hard, elsewhere))[0]
    denied = survives(hard) if elsewhere and not sought.unknown else sought
    if sought.unknown or denied.unknown:
        return undecided("P105", policies, [index], (*sought.unknown, *denied.unknown))
    if denied.found:
        return _unshared(analysis, index, hard, lambda forbids: survives(forbids, elsewhere))
    enough = {hard[position - 1] for position in denied.needed - {0}}
    alone = companions(_known(analysis, index), hard)
    cover = smallest_cover(hard, lambda some: survives(some).impossible, enough, alone)
    message = f"{told(policy)} permits nothing: every request it matches is denied by {told_all(policies, cover)}."
    proof = joined(analysis, survives(cover).proofs)
    return replace(finding("P105", policies, [index, *cover], "violated", message), proof=proof)


def _unshared(
    analysis: Analysis, index: int, hard: Sequence[int], survives: Callable[[Sequence[int]], Sought]
) -> Finding:
    """P105 of a permit of one tier that the other tiers, but for what forbids deny, never permit along with it."""
    policies = analysis.policies
    alone = survives(())
    cover = () if alone.impossible else smallest_cover(hard, lambda some: survives(some).impossible)
    but = f" that {told_all(policies, cover)} {'leaves' if len(cover) == 1 else 'leave'}" if cover else ""
    message = (
        f"{told(policies.policies[index])} permits nothing: each tier has to permit, and no permit of another tier "
        f"matches any request of it{but}."
    )
    proof = joined(analysis, survives(cover).proofs)
    return replace(finding("P105", policies, [index, *cover], "violated", message), proof=proof)
