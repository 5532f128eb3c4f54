"""The summary in the terminal: verdict first, then objectives, findings, deadlocks, and where the report lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reports import words
from reports.console import indented, mark, open_console
from reports.digest import Digest
from reports.fingerprints import fingerprints
from reports.ring import ring_lines
from reports.sections import sections
from reports.statements import Statement, Told, scope_of
from reports.verdict import told_as, unnamed
from reports.witness import print_witness
from verify.findings import Finding, Findings

if TYPE_CHECKING:
    from reports.assess import Assessed
    from reports.objectives import ObjectiveOutcome
    from reports.verdict import Verdict

MOST_FINDINGS: Final = 20
"""Findings told one by one; the rest is counted and stands in the report."""

_RANK: Final = {"violated": 0, "undecided": 1, "holds": 2}
_SEVERITY_RANK: Final = {"error": 0, "warning": 1, "info": 2}


def print_run(verdict: Verdict | Told, findings: Findings | None, outcomes: Assessed, report: Path | None) -> None:
    """Print everything about a run, and what of it is waived."""
    console = open_console()
    said = verdict.statements if isinstance(verdict, Told) else ()
    _verdict(console, verdict, words.printable(outcomes.provenance.title))
    _outcomes(console, outcomes)
    for one in said:
        if one.rule == "objective" and one.waived:
            indented(console, f"{one.name} is waived: {one.waived}  {one.fingerprint}", 2)
    if findings is not None:
        _findings(console, findings, said)
    _about_waivers(console, said)
    if report is not None:
        console.print(f"\nreport: {escape(str(report))}", soft_wrap=True)


def print_findings(told: Told, findings: Findings) -> None:
    """Print what verification found, and what of it is waived or known of old."""
    console = open_console()
    _verdict(console, told, "")
    _findings(console, findings, told.statements)
    gone = [one for one in told.statements if one.since == "absent"]
    if gone:
        console.print(f"\n{words.count(len(gone), 'statement')} of the baseline said no more:")
        for one in gone:
            indented(console, f"{one.rule} {one.name}  {one.fingerprint}", 2, style="dim")
    _about_waivers(console, told.statements)


def _about_waivers(console: Console, said: Iterable[Statement]) -> None:
    """Waivers that are out of date, or waive nothing."""
    for one in said:
        if one.rule == "waiver":
            console.print(mark(console, "fail" if one.stands else "warning"), end="  ")
            indented(console, f"{one.message} ({one.location.file}:{one.location.line})", 0)


def print_outcomes(verdict: Verdict, outcomes: Assessed, folder: Path) -> None:
    """Print what simulation found, and where its tables are."""
    console = open_console()
    _verdict(console, verdict, words.printable(outcomes.provenance.title))
    _outcomes(console, outcomes)
    console.print(f"\nrun: {escape(str(folder))}", soft_wrap=True)


def _verdict(console: Console, verdict: Verdict | Told, scenario: str) -> None:
    line = mark(console, verdict.verdict if isinstance(verdict, Told) else verdict.result)
    line.append(f"  {scenario}" if scenario else "", style="bold")
    console.print(line)
    for reason in verdict.reasons:
        indented(console, reason, 2)


def _outcomes(console: Console, outcomes: Assessed) -> None:
    made = outcomes.provenance
    measured = sum(work.cases for work in outcomes.work)
    lost = f" ({len(made.poisoned)} more could not be run)" if made.poisoned else ""
    console.print(
        f"\n{words.count(made.replications, 'replication')}{lost} of {words.duration(made.horizon)} "
        f"(warm-up {words.duration(made.warm_up)}), {words.count(measured, 'measured case')}, seed {made.seed}"
    )
    if outcomes.objectives:
        console.print(_objectives(console, outcomes.objectives, made.currency))
    for o in outcomes.objectives:
        if o.verdict == "undecided":
            indented(console, f"{o.name} is undecided because {o.open_because}", 2)
    if isinstance(outcomes, Digest):
        console.print("counts were kept, no cases and no events (volume summary)", style="dim")
        return
    for section in sections(outcomes):
        for line in section.headlines:
            indented(console, line, 2)
    for line in () if "deadlock" in outcomes.not_kept else ring_lines(outcomes.deadlock):
        indented(console, line.lstrip(), len(line) - len(line.lstrip()))


def _objectives(console: Console, objectives: Iterable[ObjectiveOutcome], currency: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("verdict", "objective", "limit", "found", "interval"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "verdict")
    for o in objectives:
        table.add_row(
            mark(console, o.verdict),
            o.name,
            words.limit(o.at_most, o.at_least, o.unit, currency),
            words.estimate(o.interval, o.unit, currency),
            words.span(o.interval, o.unit, currency),
        )
    return table


def _findings(console: Console, findings: Findings, said: Iterable[Statement] = ()) -> None:
    ranked = sorted(findings.findings, key=_weight)
    told = [f for f in ranked if f.verdict != "holds"]
    console.print(f"\nchecks: {_counts(findings)}")
    for caveat in findings.caveats:
        indented(console, f"note: {caveat}", 2)
    known = dict(zip(map(id, findings.findings), fingerprints(findings.findings, scope_of(findings)), strict=True))
    aside = {one.fingerprint: _aside(one) for one in said}
    for finding in told[:MOST_FINDINGS]:
        _finding(console, finding, known[id(finding)], aside.get(known[id(finding)], ""))
    if len(told) > MOST_FINDINGS:
        console.print(f"  and {len(told) - MOST_FINDINGS} more")
    held = Counter(f"{f.check} {f.name}" for f in ranked if f.verdict == "holds")
    if held:
        names = ", ".join(f"{name} ({number})" if number > 1 else name for name, number in sorted(held.items()))
        line = mark(console, "holds")
        line.append(f": {words.printable(names)}", style="default")
        console.print(line)


def _aside(statement: Statement) -> str:
    """Why the verdict does not rest on a statement; nothing where it does."""
    return f"waived: {statement.waived}" if statement.waived else "known of old" * (statement.since == "unchanged")


def _counts(findings: Findings) -> str:
    counts = Counter(map(told_as, findings.findings))
    always = ("violated", "undecided", "holds")
    told = [word for word in ("violated", "warning", "info", "undecided", "holds") if counts[word] or word in always]
    return ", ".join(f"{counts[word]} {word}" for word in told) if counts else "none"


def _weight(finding: Finding) -> tuple[int, int, str]:
    return _RANK[finding.verdict], _SEVERITY_RANK[finding.severity], finding.check


def _finding(console: Console, finding: Finding, known_by: str, aside: str) -> None:
    word = told_as(finding)
    line = mark(console, word)
    line.append(f"  {finding.check} {finding.name}", style="bold")
    line.append(f"  {finding.verdict if word == finding.severity else finding.severity}", style="dim")
    line.append(f"  {known_by}", style="dim")
    console.print(line)
    if aside:
        indented(console, aside, 4, style="bold")
    indented(console, finding.message, 4)
    if finding.reason:
        indented(console, finding.reason, 4)
    where = [f"{p.name} ({p.location.file}:{p.location.line})" for p in unnamed(finding)]
    if where:
        indented(console, words.listed(where), 4, style="dim")
    if finding.witness is not None:
        print_witness(console, finding.witness)
    if finding.suggestion is not None:
        indented(console, f"suggested: {finding.suggestion.why}", 4)
