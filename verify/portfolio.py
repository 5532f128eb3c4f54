"""Both solvers on one printed script, within budgets of steps.

cvc5 goes first: on policies it answers in a few milliseconds, and it does not get lost in globs. What it calls
unsatisfiable z3 is asked too. Each call has a solver of its own, so no answer depends on what was asked before, but for
proofs that z3 repeats in a context that other proofs were made in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from verify import cvc5_backend, z3_backend
from verify.smtlib import Model
from verify.z3_backend import Refuter as Refuter

Effort = Literal["low", "normal", "high"]


class Budget(NamedTuple):
    """Resource limits of one question, in each solver's own units."""

    z3: int
    cvc5: int
    z3_globs: int
    """Of z3 on a question about globs."""


BUDGETS: Mapping[Effort, Budget] = {
    "low": Budget(1_000_000, 200_000, 20_000),
    "normal": Budget(10_000_000, 2_000_000, 40_000),
    "high": Budget(100_000_000, 20_000_000, 400_000),
}
"""Measured: questions on real policy sets take 2,000 to 30,000 units of z3; ten million are about two seconds. On
globs z3 counts little of what it does: one question about 13 globs took 135 s for a million units, and cvc5 60 ms."""


GLOBS_MAX = 24
"""Globs in a question that z3 is asked about. Measured within its 40,000 units, proofs that some globs are covered by
others: 0.04 s on 16 globs, 0.2 s on 24, 0.7 s on 32; but on 75 globs of rules that ask and forbid 7 to 22 s."""


class VerifierError(Exception):
    """The verifier contradicts itself or Cedar: a defect of ours, exit code 70. `bundle` is what a report needs."""

    def __init__(self, message: str, bundle: Mapping[str, str]) -> None:
        super().__init__("\n".join((message, *(f"--- {name}\n{text}" for name, text in bundle.items()))))
        self.bundle = bundle


class Sat(NamedTuple):
    """The script has a model."""

    solver: str
    model: Model


class Unsat(NamedTuple):
    """The script has no model: who says so, and who confirms it (`none` where the other solver runs out of budget)."""

    solver: str
    checked_by: str


def check(text: str, budget: Budget, globs: int = 0, refuter: Refuter | None = None) -> Sat | Unsat | None:
    """Whether a script, with so many globs in it, has a model; None where neither solver knows.

    z3 is not asked to repeat a proof about globs; it repeats others by `refuter` where that one can. Raises
    VerifierError where the solvers contradict each other.
    """
    first = cvc5_backend.check(text, budget.cvc5)
    if first.status == "sat":
        return Sat("cvc5", first.model)
    if globs and first.status == "unsat":
        return Unsat("cvc5", "none")
    if globs > GLOBS_MAX:
        return None
    if not globs and first.status == "unsat" and refuter is not None and refuter(text, budget.z3):
        return Unsat("z3", "cvc5")
    second = z3_backend.check(text, budget.z3_globs if globs else budget.z3)
    if second.status == "sat":
        if first.status == "unsat":
            raise VerifierError("the solvers contradict each other", {"script": text, "z3": str(second.model)})
        return Sat("z3", second.model)
    if second.status == "unsat":
        return Unsat("z3", "cvc5" if first.status == "unsat" else "none")
    return Unsat("cvc5", "none") if first.status == "unsat" else None


def repeated(text: str, budget: Budget, globs: int) -> bool:
    """Whether z3 repeats cvc5's proof about globs cheaply. Raises VerifierError where it finds a model."""
    if globs > GLOBS_MAX:
        return False
    reply = z3_backend.check(text, budget.z3_globs)
    if reply.status == "sat":
        raise VerifierError("the solvers contradict each other", {"script": text, "z3": str(reply.model)})
    return reply.status == "unsat"


def refuted(text: str, budget: Budget) -> bool:
    """Whether cvc5 too finds no model of a script that has none. Raises VerifierError where it finds one."""
    reply = cvc5_backend.check(text, budget.cvc5)
    if reply.status == "sat":
        raise VerifierError("a solver contradicts the folding of terms", {"script": text, "cvc5": str(reply.model)})
    return reply.status == "unsat"
