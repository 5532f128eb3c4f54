"""The gate as every format tells it: its statements, the verdict, and what they are of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reports.gate.gate import Gate
from reports.statements import Statement, Told


def change_told(gate: Gate) -> str:
    """From where to where the change goes."""
    head = "the working tree" if gate.head is None else gate.head.ref
    return f"{gate.base.ref} to {head}"


def told_of_gate(gate: Gate) -> Told:
    """What the gate says."""
    verdict = gate.verdict
    facts = {"base": f"{gate.base.ref} ({gate.base.id[:12]})", "compared with": gate.compared.id[:12]}
    facts["head"] = "the working tree" if gate.head is None else f"{gate.head.ref} ({gate.head.id[:12]})"
    facts |= {"judged": ", ".join(one.target.name for one in gate.targets) or "nothing"}
    notes = [*gate.notes, *(f"{one.target.name}: {note}" for one in gate.targets for note in one.notes)]
    facts |= {f"note {number}": note for number, note in enumerate(notes, 1)}
    said = (*_said(gate), *gate.about)
    return Told(f"gate: {change_told(gate)}", verdict.result, verdict.exit_code, verdict.reasons, said, facts)


def _said(gate: Gate) -> Iterator[Statement]:
    """Every statement; where several targets are judged, with the one that it is about: no format has another place."""
    several = len({target.name for target, _ in gate.said}) > 1
    for target, statement in gate.said:
        before = f"{target.name}: " if several else ""
        named = statement.message.startswith(before)
        yield statement if named else replace(statement, message=f"{before}{statement.message}")
