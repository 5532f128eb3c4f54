"""P205: can a request that a scenario declares risky be allowed with no approval?"""

from __future__ import annotations

from collections.abc import Iterator

from verify.checks.conditions import Conditions
from verify.checks.elements import Element
from verify.checks.requests import Kind, never_at_once
from verify.checks.rounds import Asking
from verify.findings import Finding


def unguarded(asking: Asking, conditions: Conditions) -> Iterator[Finding]:
    """P205 of every declared risk."""
    for name in conditions.loaded.scenario.risks:
        yield _unguarded(asking, conditions, name)


def _unguarded(asking: Asking, conditions: Conditions, name: str) -> Finding:
    keys = ("risks", name, "when")
    risk = Element(conditions.loaded, name, ("risks", name))
    risky = Kind(
        asking,
        f"P205 {name}",
        conditions.environments(*keys),
        lambda e: [conditions.perhaps(e, *keys)],
        lambda case: keys in conditions.possible(case),
    )

    return never_at_once(
        risky,
        "P205",
        risk,
        f"A request of the risk {risk.told} is allowed, and nobody is asked",
        f"Every request of the risk {risk.told} is denied or needs an approval.",
    )
