"""P205: can a request that a scenario declares risky be allowed with no approval?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from verify.checks.additions import added
from verify.checks.conditions import Conditions, Keys
from verify.checks.elements import Element
from verify.checks.requests import Kind, never_at_once
from verify.checks.rounds import Asking
from verify.findings import Finding


def unguarded(asking: Asking, conditions: Conditions) -> Iterator[Finding]:
    """P205 of every declared risk."""
    for name in conditions.loaded.scenario.risks:
        yield _unguarded(asking, conditions, name)


def _unguarded(asking: Asking, conditions: Conditions, name: str) -> Finding:
    keys: Keys = ("risks", name, "when")
    risk = Element(conditions.loaded, name, ("risks", name))
    risky = Kind(
        asking,
        f"P205 {name}",
        conditions.environments(*keys),
        lambda e: [conditions.perhaps(e, *keys)],
        lambda case: keys in conditions.possible(case),
    )

    found = never_at_once(
        risky,
        "P205",
        risk,
        f"A request of the risk {risk.told} is allowed, and nobody is asked",
        f"Every request of the risk {risk.told} is denied or needs an approval.",
    )
    chains = tuple(conditions.loaded.scenario.chains)
    # Of several chains, the scenario does not say which is to be asked; other profiles ask by other words.
    if found.verdict != "violated" or len(chains) != 1 or risky.policies.profile != "windtunnel":
        return found
    return replace(found, suggestion=added(risky, conditions, keys, chain=chains[0]))
