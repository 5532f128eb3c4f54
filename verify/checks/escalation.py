"""P201: can a policy that escalates ever be the reason to ask?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from models.cedar.policies import PolicySet
from verify import term as t
from verify.checks.common import Sought, finding, joined, seek, shown, smallest_cover, told, told_all, undecided
from verify.checks.redundancy import hard_forbids
from verify.checks.rounds import Asking, asked_together, seek_asking
from verify.findings import Finding
from verify.query import Case


def unreachable(asking: Asking, index: int) -> tuple[Finding, bool]:
    """P201 of one escalating policy that can match, and whether other checks of it make sense."""
    analysis = asking.analysis
    policies = analysis.policies
    policy = policies.policies[index]

    def accepts(case: Case) -> bool:
        return asked_together(policies, [index], case)

    sought = seek_asking(
        asking, analysis.touched(index), lambda r: [r.asks(policies, index)], accepts, f"P201 {policy.name}"
    )
    if sought.found:
        base = finding("P201", policies, [index], "holds", f"{told(policy)} can be the reason to ask.")
        return shown(analysis, base, sought.found, accepts)[0], True
    if sought.unknown:
        return undecided("P201", policies, [index], sought.unknown), True
    cause, masking = _cause(asking, index)
    message = f"{told(policy)} never gets to ask `{policy.escalation.chain}`: {cause}."  # type: ignore[union-attr]
    base = finding("P201", policies, [index, *masking], "violated", message)
    return replace(base, proof=joined(analysis, sought.proofs)), False


def _cause(asking: Asking, index: int) -> tuple[str, tuple[int, ...]]:
    """Why an escalation is unreachable, and the policies that mask it."""
    analysis = asking.analysis
    policies = analysis.policies
    hard = hard_forbids(policies)

    def unmasked(forbids: Sequence[int]) -> Sought:
        return seek(
            analysis,
            analysis.touched(index),
            lambda e: [*(t.not_(analysis.matches(e, i)) for i in forbids), analysis.matches(e, index)],
            lambda case: index in case.matched and case.matched.isdisjoint(forbids),
            f"P201 {policies.policies[index].name} masked",
            index,
        )

    def permitted(forbids: Sequence[int]) -> Sought:
        return seek(
            analysis,
            analysis.touched(index),
            lambda e: [
                *(t.not_(analysis.matches(e, i)) for i in forbids),
                analysis.matches(e, index),
                *(t.or_(*(analysis.matches(e, i) for i in group)) for group in policies.permit_groups),
            ],
            lambda case: (
                index in case.matched
                and case.matched.isdisjoint(forbids)
                and all(case.matched.intersection(group) for group in policies.permit_groups)
            ),
            f"P201 {policies.policies[index].name} permitted",
            index,
        )

    def masking(forbids: Sequence[int], left: Callable[[Sequence[int]], Sought]) -> tuple[int, ...]:
        enough = {forbids[position] for position in left(forbids).needed if position < len(forbids)}
        return smallest_cover(forbids, lambda some: left(some).impossible, enough)

    if policies.policies[index].effect == "permit":
        plain = [i for group in policies.permit_groups if index in group for i in group]
        plain = [i for i in plain if policies.policies[i].escalation is None]
        if unmasked([*plain, *hard]).impossible:
            cover = masking([*plain, *hard], unmasked)
            return f"every request it matches is {_settled(policies, cover)}", cover
    if not permitted(hard).impossible:  # so it is the approvals: those it waits for come too late or from nobody
        return "starting without approvals, no request comes to where it is a reason to ask", ()
    if permitted(()).impossible:
        return "no permit matches any request that it matches, so they are denied without a question", ()
    if unmasked(hard).impossible:
        cover = masking(hard, unmasked)
        return f"every request it matches is denied outright by {told_all(policies, cover)}", cover
    cover = masking(hard, permitted)
    where = "every request it matches is denied, for no permit matches it or"
    return f"{where} {told_all(policies, cover)} {'denies' if len(cover) == 1 else 'deny'} it outright", cover


def _settled(policies: PolicySet, cover: Sequence[int]) -> str:
    """How these policies settle requests without a question."""
    ways = {"permit": "permitted without asking", "forbid": "denied outright"}
    by = {way: [i for i in cover if policies.policies[i].effect == effect] for effect, way in ways.items()}
    return " or ".join(f"{way} by {told_all(policies, some)}" for way, some in by.items() if some)
