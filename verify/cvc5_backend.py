"""The second solver, cvc5, on printed scripts."""

from __future__ import annotations

from typing import Any

import cvc5

from verify.z3_backend import Reply

VERSION: str = cvc5.__version__

_OPTIONS = {"produce-models": "true", "strings-exp": "true", "seed": "0"}
"""`strings-exp` turns on complements and intersections of regular expressions."""


def check(text: str, rlimit: int) -> Reply:
    """Whether the script is satisfiable, within a resource limit."""
    solver = cvc5.Solver(cvc5.TermManager())
    for option, value in (_OPTIONS | {"rlimit": str(rlimit)}).items():
        solver.setOption(option, value)
    symbols = cvc5.SymbolManager(solver.getTermManager())
    parser = cvc5.InputParser(solver, symbols)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "script")
    while not (command := parser.nextCommand()).isNull():
        if command.getCommandName() == "check-sat":
            break
        command.invoke(solver, symbols)
    result = solver.checkSat()
    if result.isSat():
        constants = [term for term in symbols.getDeclaredTerms() if not term.getSort().isFunction()]
        return Reply("sat", {term.getSymbol(): _value(solver.getValue(term)) for term in constants})
    return Reply("unsat" if result.isUnsat() else "unknown", {})


def _value(value: Any) -> bool | int | str:
    if value.isIntegerValue():
        return int(value.getIntegerValue())
    if value.isBitVectorValue():
        return int(value.getBitVectorValue(), 2)
    if value.isStringValue():
        return str(value.getStringValue())
    return bool(value.getBooleanValue())
