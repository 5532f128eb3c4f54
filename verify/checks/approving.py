"""P206 and P207: approvals as requests under the policies. Who must not approve may not, and who should may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from models.cedar.types import RequestEnvironment
from models.declared import desks_of
from verify import term as t
from verify.checks.additions import added
from verify.checks.common import joined
from verify.checks.conditions import Conditions, Keys
from verify.checks.elements import (
    Element,
    about,
    allowed_at_once,
    is_allowed_at_once,
    undecided,
    with_policies,
)
from verify.checks.requests import Kind, never_at_once, refusal
from verify.checks.rounds import Asking
from verify.findings import Finding
from verify.query import Case
from verify.term import Term

_SAME: dict[str, tuple[str, str]] = {
    "by-asker": ("Who asked may approve", "No request is approved by who asked for it"),
    "again": ("One person may approve a request twice", "No person approves a request twice"),
}
"""Conditions that tell one person in two parts: what a violated finding says of each, and one that holds."""


def separation(asking: Asking, conditions: Conditions) -> Iterator[Finding]:
    """P206: of each condition that tells an approver who has had a part in the request before."""
    for key in _SAME:
        if ("approvals", key) in conditions:
            yield _separation(asking, conditions, key)


def _separation(asking: Asking, conditions: Conditions, key: str) -> Finding:
    keys: Keys = ("approvals", key)
    element = Element(conditions.loaded, key, keys)
    same = Kind(
        asking,
        f"P206 {key}",
        conditions.environments(*keys),
        lambda e: [conditions.perhaps(e, *keys)],
        lambda case: keys in conditions.possible(case),
    )

    found = never_at_once(
        same,
        "P206",
        element,
        f"{_SAME[key][0]}: an approval of {element.told} is allowed",
        f"{_SAME[key][1]}: every approval of {element.told} is denied or asks somebody else.",
    )
    return replace(found, suggestion=added(same, conditions, keys)) if found.verdict == "violated" else found


# --- who should approve -----------------------------------------------------------------------------------------------


def barred(asking: Asking, conditions: Conditions) -> Iterator[Finding]:
    """P207 of every desk that may be asked and tells its people."""
    for desk in desks_of(conditions.loaded.scenario, asking.analysis.policies.chains):
        if ("desks", desk, "people") in conditions:
            yield _barred(asking, conditions, desk)


def _barred(asking: Asking, conditions: Conditions, desk: str) -> Finding:
    policies = asking.analysis.policies
    element = Element(conditions.loaded, desk, ("desks", desk))
    people = approvers(asking, conditions, desk, f"P207 {desk}")

    def allowed(case: Case) -> bool:
        return is_allowed_at_once(policies, case)

    sought = people.seek(lambda e: [allowed_at_once(asking, e)], allowed)
    if sought.found:
        message = f"The people of {element.told} may approve."
        return people.shown(about("P207", [element], "holds", message), sought, allowed)[0]
    if sought.unknown:
        return undecided("P207", [element], sought.unknown)
    reason, causes = refusal(people)
    if people.seek(lambda _: [], lambda _: True, "any").impossible:
        reason, causes = "no principal that the schema lets approve is one of them", ()
    message = f"The people of {element.told} may never approve, so what is asked of them ends there: {reason}."
    base = replace(about("P207", [element], "violated", message), proof=joined(asking.analysis, sought.proofs))
    return with_policies(base, policies, causes)


def approvers(asking: Asking, conditions: Conditions, desk: str, title: str) -> Kind:
    """Approvals by the people of a desk, but of their own requests and second ones, as far as these are told."""
    keys: Keys = ("desks", desk, "people")
    others = [("approvals", key) for key in _SAME if ("approvals", key) in conditions]

    def parts(environment: RequestEnvironment) -> list[Term]:
        apart = (t.not_(conditions.perhaps(environment, *other)) for other in others)
        return [conditions.surely(environment, *keys), *apart]

    def accepts(case: Case) -> bool:
        return keys in conditions.holding(case) and conditions.possible(case).isdisjoint(others)

    return Kind(asking, title, conditions.environments(*keys), parts, accepts)
