"""A change of policies and a query in the terminal: the verdict, what was found in sentences, the witnesses."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rich.console import Console

from models.cedar.types import RequestEnvironment
from reports import words
from reports.console import indented, mark, open_console
from reports.witness import print_witness
from verify.diff import Diff
from verify.findings import Finding, Findings, Proof, Witness
from verify.questions import EnvironmentAnswer, QueryResult

MOST: Final = 20
"""Findings or environments told one by one; the rest is counted and stands in the JSON."""

_RESULTS: Final = {
    "equivalent": "both sets decide every request alike",
    "more_permissive": "the old set permits more than the new one",
    "less_permissive": "the new set permits more than the old one",
    "incomparable": "each set permits what the other does not",
    "undecided": "it is not known whether the sets differ",
}


def print_diff(diff: Diff) -> None:
    """Print what a change of policies changes."""
    console = open_console()
    line = mark(console, diff.verdict)
    line.append(f"  {_overall(diff)}", style="bold")
    console.print(line)
    results = Counter(one.result for one in diff.environments)
    counts = ", ".join(f"{number} {result.replace('_', ' ')}" for result, number in sorted(results.items()))
    number = words.count(len(diff.environments), "request environment")
    indented(console, f"{number}: {counts}" if counts else "no request environment: there is no request to decide", 2)
    _caveats(console, diff.findings)
    told = [finding for finding in diff.findings.findings if finding.verdict != "holds"]
    for finding in told[:MOST]:
        _finding(console, diff, finding)
    if len(told) > MOST:
        console.print(f"  and {len(told) - MOST} more")
    for finding in diff.findings.findings:
        if finding.verdict == "holds":
            line = mark(console, "holds")
            line.append(f"  {finding.check} {finding.name}", style="bold")
            console.print(line)
            indented(console, f"{finding.message} {_proof(finding.proof)}", 4)


def _overall(diff: Diff) -> str:
    differently = any(finding.check == "D406" for finding in diff.findings.findings)
    if diff.result == "equivalent" and differently:
        return "both sets decide every request alike, but ask other people or within other bounds"
    return _RESULTS[diff.result]


def _finding(console: Console, diff: Diff, finding: Finding) -> None:
    fails = finding.check in diff.forbidden
    line = mark(console, "undecided" if finding.verdict == "undecided" else "fail" if fails else "info")
    line.append(f"  {finding.check} {finding.name}", style="bold")
    if fails:
        line.append("  forbidden", style="dim")
    console.print(line)
    indented(console, finding.message, 4)
    if len(finding.environments) > 1 or finding.witness is None:
        indented(console, f"in {_environments(finding.environments)}", 4, style="dim")
    if finding.witness is not None:
        print_witness(console, finding.witness)
        if diff.old.schema != diff.new.schema and (only := _only_side(diff, finding.witness)):
            indented(console, f"only the {only} schema admits this request", 9, style="dim")


def _only_side(diff: Diff, witness: Witness) -> str:
    """The one side whose schema admits a request; nothing where both do."""
    changes = (change for one in diff.environments for change in one.changes)
    sides = next(change.schemas for change in changes if change.witness is witness)
    return sides[0] if len(sides) == 1 else ""


def print_query(result: QueryResult) -> None:
    """Print whether a property holds, and where it does not."""
    console = open_console()
    line = mark(console, result.verdict)
    line.append(f"  {result.name}", style="bold")
    console.print(line)
    counts = Counter(one.verdict for one in result.environments)
    told = [f"{verdict} in {counts[verdict]}" for verdict in ("violated", "undecided", "holds") if counts[verdict]]
    indented(console, f"{words.count(len(result.environments), 'request environment')}: {', '.join(told)}", 2)
    for note in result.notes:
        indented(console, f"note: {note}", 2)
    open_or_broken = [one for one in result.environments if one.verdict != "holds"]
    for one in open_or_broken[:MOST]:
        _answer(console, one)
    if len(open_or_broken) > MOST:
        console.print(f"  and {len(open_or_broken) - MOST} more")


def _answer(console: Console, answer: EnvironmentAnswer) -> None:
    console.print(mark(console, answer.verdict), end="  ")
    indented(console, _environment(answer.environment), 0)
    if answer.reason:
        indented(console, answer.reason, 4)
    if answer.witness is not None:
        print_witness(console, answer.witness)


def _environments(environments: tuple[RequestEnvironment, ...]) -> str:
    first = _environment(environments[0])
    rest = len(environments) - 1
    return f"{first} and {words.count(rest, 'other environment')}" if rest else first


def _environment(environment: RequestEnvironment) -> str:
    return f"{environment.principal}, {environment.action}, {environment.resource}"


def _proof(proof: Proof | None) -> str:
    if proof is None or not proof.smt2_sha256:
        return "No question was left to ask."
    if proof.checked_by == "none":
        return f"Proved by {proof.solver} alone."
    return f"Proved by {proof.solver}, checked by {proof.checked_by}."


def _caveats(console: Console, findings: Findings) -> None:
    for caveat in findings.caveats:
        indented(console, f"note: {caveat}", 2)
