"""The verdict of the gate: every reason against a change, by the rules, and the exit code that says the same."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from reports import words
from verify.findings import Finding, Findings, Location, PolicyRef

if TYPE_CHECKING:
    from models.diagnostics import Diagnostic
    from models.gate_rules import GateRules
    from reports.gate.changed import Target
    from reports.gate.effect import Effect, ObjectiveChange
    from verify.backtest import Backtest
    from verify.diff import Diff

Result = Literal["pass", "fail", "undecided", "invalid"]
Word = Literal["fail", "undecided", "invalid"]
Since = Literal["new", "unchanged", "absent"]

EXIT_CODES: Final[Mapping[Result, int]] = {"pass": 0, "fail": 1, "invalid": 2, "undecided": 3}
_WEIGHT: Final[Mapping[Word, int]] = {"invalid": 0, "fail": 1, "undecided": 2}
MOST_REASONS: Final = 8
"""Reasons told one by one; the rest is counted. An assumption: what is read in a glance."""


@dataclass(frozen=True, slots=True)
class Told:
    """A finding of the head or the base, and since when it is there."""

    finding: Finding
    since: Since


@dataclass(frozen=True)
class Judged:
    """A target with everything that was found out about the change of it."""

    target: Target
    diff: Diff | None = None
    findings: Findings | None = None
    """Of the head."""
    told: tuple[Told, ...] = ()
    """Findings of both versions, those of the head first."""
    effect: Effect | None = None
    backtest: Backtest | None = None
    faults: tuple[Diagnostic, ...] = ()
    """Of the head: it cannot be judged."""
    base_faults: tuple[Diagnostic, ...] = ()
    """Of the base: there is nothing to compare with."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that stands against a change."""

    word: Word
    rule: str
    """A check, or `objective`, `limit`, `backtest`, `gone`, `input`."""
    name: str
    message: str
    target: str
    location: Location
    policies: tuple[PolicyRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, with the reasons that make it, the weightiest first."""

    result: Result
    reasons: tuple[str, ...]
    exit_code: int


def reasons(judged: Sequence[Judged], rules: GateRules) -> tuple[Reason, ...]:
    """Everything that stands against a change, the weightiest first."""
    found = [reason for one in judged for reason in _against(one, rules)]
    return tuple(sorted(found, key=lambda reason: _WEIGHT[reason.word]))


def judgement(against: Sequence[Reason], judged: Sequence[Judged]) -> Judgement:
    """The verdict by what stands against a change."""
    if not against:
        return Judgement("pass", tuple(_passing(judged)), EXIT_CODES["pass"])
    worst = min((reason.word for reason in against), key=_WEIGHT.__getitem__)
    several = len({one.target.name for one in judged}) > 1
    told = [f"{f'{reason.target}: ' if several else ''}{reason.message}" for reason in against]
    if len(told) > MOST_REASONS:
        told = [*told[: MOST_REASONS - 1], f"{len(told) - MOST_REASONS + 1} more reasons follow below."]
    return Judgement(worst, tuple(told), EXIT_CODES[worst])


def _passing(judged: Sequence[Judged]) -> Iterator[str]:
    if not judged:
        yield "The change touches no scenario and no policies that are judged here."
        return
    if all(one.diff is None or one.diff.result == "equivalent" for one in judged):
        yield "No decision changes."
    else:
        yield "No forbidden change of decisions."
    yield "No new finding fails."
    objectives = [objective for one in judged if one.effect for objective in one.effect.objectives]
    if objectives:
        yield "No objective that was kept is lost."


def _against(one: Judged, rules: GateRules) -> Iterator[Reason]:
    target = one.target
    for fault in one.faults:
        place = f"{fault.file}:{fault.line}:{fault.column}: " if fault.line else f"{fault.file}: "
        location = Location(fault.file, fault.line)
        yield Reason("invalid", "input", "cannot-be-read", f"{place}{fault.message}", target.name, location)
    if one.faults:
        return
    if target.change == "removed":
        what = "the scenario is" if target.kind == "scenario" else "the policies are"
        message = f"{what} removed: what decides in their place is not judged."
        yield Reason("undecided", "gone", f"{target.kind}-removed", message, target.name, Location(target.path, 0))
        return
    yield from _of_diff(one)
    yield from _of_findings(one, rules)
    if one.effect is not None:
        yield from _of_effect(one, one.effect, rules)
    if one.backtest is not None:
        yield from _of_backtest(one, one.backtest, rules)


def place(target: Target, location: Location) -> Location:
    """A place of a target by its path in the repository: those of a scenario are told from its folder."""
    if target.kind == "policies" or not location.file:
        return location
    return Location(posixpath.normpath(posixpath.join(target.path, location.file)), location.line)


def _of_finding(word: Word, finding: Finding, target: Target, message: str = "") -> Reason:
    told = message or f"{finding.check} {finding.name}: {finding.message}"
    return Reason(
        word, finding.check, finding.name, told, target.name, place(target, finding.location), finding.policies
    )


def _of_diff(one: Judged) -> Iterator[Reason]:
    """Forbidden changes of decisions, and what is not known of them."""
    if one.diff is None:
        return
    forbidden = one.diff.forbidden
    for finding in one.diff.findings.findings:
        if finding.check not in forbidden:
            continue
        if finding.verdict == "violated":
            yield _of_finding("fail", finding, one.target)
        elif finding.verdict == "undecided":
            told = f"it is not known whether the change is {finding.name}: {finding.message}"
            yield _of_finding("undecided", finding, one.target, told)


def _of_findings(one: Judged, rules: GateRules) -> Iterator[Reason]:
    failing = {"error"} if rules.fail_on == "error" else {"error", "warning"}
    for told in one.told:
        finding = told.finding
        if told.since == "absent" or (told.since == "unchanged" and rules.new_findings_only):
            continue
        if finding.verdict == "violated" and finding.severity in failing:
            yield _of_finding("fail", finding, one.target)
        elif finding.verdict == "undecided":
            yield _of_finding("undecided", finding, one.target)


def _of_effect(one: Judged, effect: Effect, rules: GateRules) -> Iterator[Reason]:
    location = place(one.target, Location("scenario.yaml", 0))
    for objective in effect.objectives:
        if (found := _of_objective(objective, rules)) is not None:
            yield Reason(found[0], "objective", objective.name, found[1], one.target.name, location)
    for limit in effect.limits:
        if limit.verdict != "pass":
            known = "" if limit.verdict == "fail" else "it is not known yet whether a limit is kept: "
            yield Reason(
                limit.verdict, "limit", limit.limit.measure, f"{known}{limit.sentence}.", one.target.name, location
            )
    for unrun in effect.comparison.unrun:
        told = f"replication {unrun.replication} of {unrun.variant} could not be run: {unrun.why}"
        yield Reason("undecided", "effect", "could-not-be-run", told, one.target.name, location)
        return


def _of_objective(one: ObjectiveChange, rules: GateRules) -> tuple[Word, str] | None:
    if rules.objectives == "told":
        return None
    if one.set_by == "base":
        return "fail", f"objective `{one.name}` is dropped by the change."
    if one.head is None:
        return "undecided", f"objective `{one.name}` cannot be judged any more: {one.head_because}."
    kept_only = rules.objectives == "kept"
    if one.head == "fail" and not (kept_only and one.base == "fail"):
        was = {"pass": ", which the base keeps", "undecided": ", which is undecided before the change"}.get(
            one.base or "", ""
        )
        return "fail", f"objective `{one.name}`{was}, fails{' after the change' if was else ''}."
    if one.head == "undecided" and not (kept_only and (one.base == "fail" or (one.base == "undecided" and one.same))):
        return "undecided", f"objective `{one.name}` is undecided after the change: {one.head_because}."
    return None


def _of_backtest(one: Judged, found: Backtest, rules: GateRules) -> Iterator[Reason]:
    for change in found.changes:
        if change.kind in rules.forbid:
            told = f"{words.count(change.count, 'recorded request')} {change.kind}: {change.before} -> {change.after}"
            where = change.rules_after[0].location if change.rules_after else Location(one.target.path, 0)
            yield Reason("fail", "backtest", change.kind, f"{told}.", one.target.name, place(one.target, where))
