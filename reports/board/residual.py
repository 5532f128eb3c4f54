"""What remains: declared risks and what stands against each, and everything that was found and not settled."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from reports.fingerprints import fingerprints
from reports.section import Row, Section
from reports.verdict import told_as

if TYPE_CHECKING:
    from models.scenario import Scenario
    from reports.assess import Assessed
    from reports.statements import Statement
    from verify.findings import Finding, Findings

ROWS_MAX: Final = 40
"""Rows told; the rest is counted and stands in the sections above."""


def residual(
    scenario: Scenario,
    findings: Findings | None,
    outcomes: Assessed,
    not_measured: tuple[str, ...],
    statements: Sequence[Statement] = (),
) -> Section:
    """Declared risks, and what was found and is not settled, waived or not."""
    waived = {one.fingerprint for one in statements if one.waived}
    excepted = {one.name for one in statements if one.waived and one.rule == "objective"}
    rows = [*_risks(scenario, findings), *_objectives(outcomes, excepted), *_checks(scenario, findings, waived)]
    rows += _gaps(not_measured)
    more = len(rows) - ROWS_MAX
    if more > 0:
        rows = [*rows[:ROWS_MAX], Row(f"and {more} more", "", ("", "", "told in the sections above"))]
    return Section(
        prose=True,
        anchor="residual-risk",
        label="Residual risk",
        title="Residual risk",
        caption=(
            "Risks that the scenario declares, with what stands against each; then what this report leaves missed, "
            "open or not measured. Whoever signs accepts these. Likelihood and impact outside of the simulation are "
            "for the reader to judge."
        ),
        columns=("What remains", "Kind", "State", "Why"),
        rows=tuple(rows),
        nothing="Nothing was declared as a risk, and nothing is missed, open or left out.",
    )


def _risks(scenario: Scenario, findings: Findings | None) -> Iterator[Row]:
    for name, risk in scenario.risks.items():
        found = _of_risk(name, findings)
        state = (
            "not verified"
            if found is None
            else {"holds": "guarded", "violated": "unguarded"}.get(found.verdict, found.verdict)
        )
        why = "policies were not verified" if found is None else found.message
        yield Row(name, risk.description, ("declared risk", state, why))


def _of_risk(name: str, findings: Findings | None) -> Finding | None:
    asked = findings.findings if findings else ()
    return next((f for f in asked if f.check == "P205" and any(ref.name == name for ref in f.policies)), None)


def _objectives(outcomes: Assessed, excepted: Container[str]) -> Iterator[Row]:
    for one in outcomes.objectives:
        if one.verdict != "pass":
            state = {"fail": "missed", "undecided": "open"}[one.verdict] + ", waived" * (one.name in excepted)
            yield Row(one.name, "", ("objective", state, one.open_because or one.sentence))


def _checks(scenario: Scenario, findings: Findings | None, waived: Container[str]) -> Iterator[Row]:
    found = findings.findings if findings else ()
    for known_by, one in zip(fingerprints(found, scenario.name), found, strict=True):
        word = told_as(one)
        if one.verdict != "holds" and word != "info" and one.check != "P205":
            state = word + ", waived" * (known_by in waived)
            yield Row(f"{one.check} {one.name}", "", ("policy check", state, one.message))


def _gaps(not_measured: tuple[str, ...]) -> Iterator[Row]:
    for number, sentence in enumerate(not_measured, 1):
        yield Row(f"gap {number}", "", ("not measured", "open", sentence))
