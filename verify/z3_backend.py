"""The first solver, z3, on printed scripts."""

from __future__ import annotations

import ctypes
from typing import Any, Literal, NamedTuple

import z3

from verify.smtlib import Model

Status = Literal["sat", "unsat", "unknown"]


class Reply(NamedTuple):
    """A solver's answer. `model` has a value for some of the names where the answer is `sat`."""

    status: Status
    model: Model


VERSION = z3.get_version_string()

_SEED = 0


def check(text: str, rlimit: int) -> Reply:
    """Whether the script is satisfiable, within a resource limit.

    Every call has a context of its own: in a shared one an answer may depend on what was asked before.
    """
    return _checked(text, rlimit, z3.Context())


class Refuter:
    """Tells of many scripts that they are contradictory, in one context: what it does not tell of may be so as well.

    A context costs 8 ms, most such proofs 1 ms (measured, benchmarks/verification.py). A proof does not depend on what
    was asked before; whether one is found within the limit may, so others are to be asked again in a context of their
    own.
    """

    def __init__(self) -> None:
        self._context: z3.Context | None = None

    def __call__(self, text: str, rlimit: int) -> bool:
        """Whether z3 proves that the script has no model."""
        if self._context is None:
            self._context = z3.Context()
        if _checked(text, rlimit, self._context).status == "unsat":
            return True
        self._context = None  # a limit that was reached leaves it in a state that nobody promises anything of
        return False


def _checked(text: str, rlimit: int, context: z3.Context) -> Reply:
    solver = z3.Solver(ctx=context)
    solver.set("rlimit", rlimit)
    solver.set("random_seed", _SEED)
    solver.set("ctrl_c", False)  # else z3 takes an interrupt for itself, answers `unknown`, and the program goes on
    try:
        solver.add(z3.parse_smt2_string(text, ctx=context))
        status = solver.check()
    except z3.Z3Exception as error:
        if "max. resource limit exceeded" in str(error) or "canceled" in str(error):
            return Reply("unknown", {})
        raise
    if status == z3.sat:
        return Reply("sat", _model(solver.model()))
    return Reply("unsat" if status == z3.unsat else "unknown", {})


def _model(model: Any) -> Model:
    return {decl.name(): _value(model[decl]) for decl in model.decls() if decl.arity() == 0}


def _value(value: Any) -> bool | int | str:
    if z3.is_int_value(value) or z3.is_bv_value(value):
        return int(value.as_long())
    if z3.is_string_value(value):
        length = z3.Z3_get_string_length(value.ctx_ref(), value.as_ast())
        characters = (ctypes.c_uint * length)()
        z3.Z3_get_string_contents(value.ctx_ref(), value.as_ast(), length, characters)
        return "".join(map(chr, characters))
    return bool(z3.is_true(value))
