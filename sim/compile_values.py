"""What a scenario gives as the plan has it: laws as parameters, names as numbers, absent bounds as -1."""

from __future__ import annotations

from collections.abc import Sequence

from models.laws import AttributeLaw, Beta, Chance, Choice, Law
from sim.plan import LAW_KINDS, AttributePlan, LawPlan, SuccessPlan

QUANTILES = 4097
"""Points of a Beta law's quantile table. Between them it is linear; the error of the mean is below 1e-4 for the laws of
the shipped scenarios (tested)."""


def law_plan(law: Law) -> LawPlan:
    """A law as the position of its kind, and its parameters."""
    return LawPlan(LAW_KINDS.index(law.kind), law.parameters)


def attribute_plan(law: AttributeLaw) -> AttributePlan:
    """The law of an attribute; the texts of a choice go by their numbers."""
    nothing = LawPlan(0, (0.0,))
    match law:
        case Choice():
            return AttributePlan(law.weights, -1.0, nothing)
        case Chance():
            return AttributePlan((), law.p, nothing)
        case Law():
            return AttributePlan((), -1.0, law_plan(law))


def law_texts(law: AttributeLaw) -> tuple[str, ...]:
    """The texts that a law chooses among."""
    return law.values if isinstance(law, Choice) else ()


def success_plan(law: Beta) -> SuccessPlan:
    """A Beta law as its quantiles at even steps, by the inverse of the regularised incomplete beta function."""
    if law.chance is not None:
        return SuccessPlan(law.chance, ())
    import numpy as np
    from scipy.special import betaincinv

    return SuccessPlan(-1.0, tuple(betaincinv(law.alpha, law.beta, np.linspace(0.0, 1.0, QUANTILES)).tolist()))


def place(names: Sequence[str], name: str | None) -> int:
    """The position of a name, -1 where there is none or it is not among them."""
    return names.index(name) if name is not None and name in names else -1


def bound(value: int | None) -> int:
    """A bound, -1 where there is none."""
    return -1 if value is None else value
