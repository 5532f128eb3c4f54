"""The verdict on a scenario: one word, the reasons in plain sentences, and the exit code that says the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from reports.poisoned import reasons
from reports.words import count
from verify.findings import Finding, Findings, Overall, PolicyRef

if TYPE_CHECKING:
    from reports.assess import Assessed
    from reports.objectives import ObjectiveOutcome

FailOn = Literal["error", "warning"]
"""The least severity of a violated check that fails."""

EXIT_CODES: Final[dict[Overall, int]] = {"pass": 0, "fail": 1, "undecided": 3}
EXIT_WAIVER: Final = 4

UNVERIFIED: Final = "Policies and workflows were not verified: this verdict rests on the simulation alone."

MOST_REASONS: Final = 6
"""Reasons told one by one; the rest is counted. An assumption: what fits the first screen."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification and simulation say together. `reasons` are sentences, the weightiest first."""

    result: Overall
    reasons: tuple[str, ...]
    waiver_fails: bool = False
    """Whether it fails because a waiver is not in force."""

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 undecided, 4 where a waiver is not in force."""
        return EXIT_WAIVER if self.waiver_fails else EXIT_CODES[self.result]


def failing(findings: Findings, fail_on: FailOn = "error") -> tuple[Finding, ...]:
    """The violated findings that fail: errors, and warnings too where `fail_on` says so. Infos never fail."""
    severities = {"error"} if fail_on == "error" else {"error", "warning"}
    return tuple(f for f in findings.findings if f.verdict == "violated" and f.severity in severities)


def unnamed(finding: Finding) -> tuple[PolicyRef, ...]:
    """The policies of a finding whose place its message does not tell. What has no line is no policy."""
    placed = (p for p in finding.policies if p.location.line)
    return tuple(p for p in placed if f"{p.location.file}:{p.location.line}" not in finding.message)


def judge(findings: Findings | None, outcomes: Assessed | None, *, fail_on: FailOn = "error") -> Verdict:
    """The verdict on findings, outcomes or both.

    It fails when a check or an objective does, is undecided when one of them is (or when nothing was asked at all: no
    check and no objective), and passes otherwise. Where replications could not be run the first reasons say so, and it
    does not pass. Where there are outcomes but no findings, the last reason says so.
    """
    verdict = _judged(findings, outcomes, fail_on)
    if outcomes is not None and (poisoned := outcomes.provenance.poisoned):
        result: Overall = "undecided" if verdict.result == "pass" else verdict.result
        verdict = Verdict(result, (*reasons(poisoned), *verdict.reasons))
    if findings is None and outcomes is not None:
        return Verdict(verdict.result, (*verdict.reasons, UNVERIFIED))
    return verdict


def _judged(findings: Findings | None, outcomes: Assessed | None, fail_on: FailOn) -> Verdict:
    checks = findings.findings if findings else ()
    objectives = outcomes.objectives if outcomes else ()
    broken = failing(findings, fail_on) if findings else ()
    open_checks = tuple(f for f in checks if f.verdict == "undecided")
    missed = tuple(o for o in objectives if o.verdict == "fail")
    open_objectives = tuple(o for o in objectives if o.verdict == "undecided")
    if broken or missed:
        return Verdict("fail", _told(broken, missed) + _also_open(open_checks, open_objectives))
    if open_checks or open_objectives:
        return Verdict("undecided", _told(open_checks, open_objectives))
    if not checks and not objectives:
        return Verdict("undecided", ("Nothing was judged: there is no check and no objective.",))
    return Verdict("pass", _kept(findings, outcomes))


def _told(findings: tuple[Finding, ...], objectives: tuple[ObjectiveOutcome, ...]) -> tuple[str, ...]:
    told = [o.sentence for o in objectives] + [f"{f.check} {f.name}: {f.message}" for f in findings]
    if len(told) <= MOST_REASONS:
        return tuple(told)
    return (*told[: MOST_REASONS - 1], f"{len(told) - MOST_REASONS + 1} more reasons follow below.")


def _also_open(findings: tuple[Finding, ...], objectives: tuple[ObjectiveOutcome, ...]) -> tuple[str, ...]:
    parts = [f"{len(objectives)} of the objectives"] * bool(objectives) + [f"{len(findings)} of the checks"] * bool(
        findings
    )
    return (f"Besides, {' and '.join(parts)} cannot be decided yet.",) if parts else ()


def _lower(findings: Findings) -> str:
    """What is violated without failing, counted by severity."""
    violated = [f.severity for f in findings.findings if f.verdict == "violated"]
    counts = ((violated.count("warning"), "warning"), (violated.count("info"), "info finding"))
    told = " and ".join(count(number, noun) for number, noun in counts if number)
    return f"; {told} {'is' if len(violated) == 1 else 'are'} listed" if told else ""


def told_as(finding: Finding) -> str:
    """The word that marks a finding: its verdict, or its severity where it is violated and that is below an error."""
    return finding.severity if finding.verdict == "violated" and finding.severity != "error" else finding.verdict


def _kept(findings: Findings | None, outcomes: Assessed | None) -> tuple[str, ...]:
    reasons = []
    if outcomes and outcomes.objectives:
        met = len(outcomes.objectives)
        reasons.append(f"All {met} objectives are met." if met > 1 else "The one objective is met.")
    elif outcomes:
        reasons.append("The scenario sets no objectives, so nothing is said about time, cost or people.")
    if findings and findings.findings:
        reasons.append(f"No check fails{_lower(findings)}.")
    elif findings:
        reasons.append("No check applied.")
    return tuple(reasons)
