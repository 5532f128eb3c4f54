"""P204 under the profile `advice`: does a plain permit let pass what a permit beside it asks people about?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.cedar.decision import decide
from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.checks.common import Sought, finding, reference, seek, shown, told, told_all, undecided
from verify.checks.elements import first_matched
from verify.checks.rounds import Asking
from verify.findings import Finding
from verify.query import Accepts, Case
from verify.term import Term


def passing(asking: Asking, index: int) -> Finding | None:
    """P204 of a permit that escalates and can be the reason to ask; None where it asks of all that it matches.

    Which permit counts where several match, enforcement points decide each in their own way, some by order. Here the
    plain one does, so that nothing is said to be asked about that may pass.
    """
    analysis = asking.analysis
    policies = analysis.policies
    groups = [group for group in policies.permit_groups if index in group]
    plain = [i for group in groups for i in group if policies.policies[i].escalation is None]
    if not plain:
        return None

    def accepts(case: Case) -> bool:
        matched = first_matched(policies, case)
        if matched is None or index not in matched or matched.isdisjoint(plain):
            return False
        return decide(policies, matched).outcome == "allow"

    sought = _together(asking, index, plain, accepts)
    if sought.unknown and not sought.found:
        return undecided("P204", policies, [index], sought.unknown)
    if sought.found is None:
        return None
    base = finding("P204", policies, [index], "violated", "")
    result, witness = shown(analysis, base, sought.found, accepts)
    others = sorted((first_matched(policies, analysis.case(witness)) or frozenset()).intersection(plain))
    verb = "permits" if len(others) == 1 else "permit"
    message = (
        f"{told(policies.policies[index])} asks about a request that {told_all(policies, others)} {verb} at once: "
        "whether anybody is asked depends on which of them the enforcement point goes by."
    )
    references = tuple(reference(policies, i) for i in (index, *others))
    return replace(result, policies=references, message=message)


def _together(asking: Asking, index: int, plain: Sequence[int], accepts: Accepts) -> Sought:
    """A request that a permit asks about and that these others let through."""
    policies = asking.analysis.policies

    def parts(environment: RequestEnvironment) -> list[Term]:
        first = asking.first(environment)
        return [first.allowed, first.matches(index), t.or_(*map(first.matches, plain))]

    title = f"P204 {policies.policies[index].name} beside plain permits"
    return seek(asking.analysis, asking.analysis.touched(index), parts, accepts, title)
