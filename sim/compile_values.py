"""What a scenario gives as the plan has it: laws as parameters, names as numbers, absent bounds as -1."""

from __future__ import annotations

from collections.abc import Sequence

from models.laws import Beta, Law
from sim.plan import LAW_KINDS, LawPlan, SuccessPlan

QUANTILES = 4097
"""Points of a Beta law's quantile table. Between them it is linear; the error of the mean is below 1e-4 for the laws of
the shipped scenarios (tested)."""


def law_plan(law: Law) -> LawPlan:
    """A law as the position of its kind, and its parameters."""
    return LawPlan(LAW_KINDS.index(law.kind), law.parameters)


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
