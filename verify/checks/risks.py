"""P205: can a request that a scenario declares risky be allowed with no approval?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from verify.checks.common import joined
from verify.checks.conditions import Conditions
from verify.checks.elements import (
    Element,
    about,
    allowed_at_once,
    allowing,
    first_decision,
    is_allowed_at_once,
    undecided,
    with_policies,
)
from verify.checks.requests import Kind
from verify.checks.rounds import Asking
from verify.findings import Finding
from verify.query import Case


def unguarded(asking: Asking, conditions: Conditions) -> Iterator[Finding]:
    """P205 of every declared risk."""
    for name in conditions.loaded.scenario.risks:
        yield _unguarded(asking, conditions, name)


def _unguarded(asking: Asking, conditions: Conditions, name: str) -> Finding:
    policies = asking.analysis.policies
    keys = ("risks", name, "when")
    risk = Element(conditions.loaded, name, ("risks", name))
    risky = Kind(
        asking,
        f"P205 {name}",
        conditions.environments(*keys),
        lambda e: [conditions.perhaps(e, *keys)],
        lambda case: keys in conditions.possible(case),
    )

    def allowed(case: Case) -> bool:
        return is_allowed_at_once(policies, case)

    sought = risky.seek(lambda e: [allowed_at_once(asking, e)], allowed)
    if sought.found:
        base, case = risky.shown(about("P205", [risk], "violated", ""), sought, allowed)
        decision = first_decision(policies, case)
        assert decision is not None
        message = f"A request of the risk {risk.told} is allowed, and nobody is asked: {allowing(policies, decision)}."
        return with_policies(replace(base, message=message), policies, decision.determining)
    if sought.unknown:
        return undecided("P205", [risk], sought.unknown)
    message = f"Every request of the risk {risk.told} is denied or needs an approval."
    return replace(about("P205", [risk], "holds", message), proof=joined(asking.analysis, sought.proofs))
