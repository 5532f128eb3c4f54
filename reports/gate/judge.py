"""What is said of a change, statement by statement, and the verdict that follows from the statements alone.

A statement `stands`, and keeps the verdict from passing, where its level is `error`, its kind is `fail` or `open`, it
is not waived, and it is new or told without the base. So every format, the verdict and the exit code agree.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from models.load import SCENARIO_FILE
from reports import words
from reports.fingerprints import fingerprint, fingerprints
from reports.statements import Kind, Since, Statement, of_effect, of_faults, of_findings
from reports.verdict import EXIT_WAIVER
from verify.catalogue import CATALOGUE, CHANGES
from verify.findings import Finding, Findings, Location, PolicyRef

if TYPE_CHECKING:
    from models.diagnostics import Diagnostic
    from models.gate_rules import GateRules
    from reports.gate.assertions import Lost
    from reports.gate.changed import Target
    from reports.gate.effect import Effect, LimitOutcome, ObjectiveChange
    from verify.backtest import Backtest
    from verify.diff import Diff
    from verify.findings import Overall

Result = Literal["pass", "fail", "undecided", "invalid"]

EXIT_CODES: Final[Mapping[Result, int]] = {"pass": 0, "fail": 1, "invalid": 2, "undecided": 3}
MOST_REASONS: Final = 8
"""Reasons told one by one; the rest is counted. An assumption: what is read in a glance."""


@dataclass(frozen=True)
class Judged:
    """A target with everything that was found out about the change of it."""

    target: Target
    scope: str = ""
    """What fingerprints hold of where they are from: the scenario's name, nothing for policies alone."""
    diff: Diff | None = None
    findings: Findings | None = None
    """Of the head."""
    base_findings: Findings | None = None
    lost: tuple[Lost, ...] = ()
    """What the change takes away or sets anew of what policies are checked against."""
    effect: Effect | None = None
    backtest: Backtest | None = None
    faults: tuple[Diagnostic, ...] = ()
    """Of the head: it cannot be judged."""
    base_faults: tuple[Diagnostic, ...] = ()
    """Of the base: there is nothing to compare with."""
    notes: tuple[str, ...] = ()
    other_entities: bool = False
    """Whether entities change, of which the diff says nothing."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, with the reasons that make it, the weightiest first."""

    result: Result
    reasons: tuple[str, ...]
    exit_code: int


def judgement(
    said: Sequence[tuple[Target, Statement]], judged: Sequence[Judged], about: Sequence[Statement] = ()
) -> Judgement:
    """The verdict by the statements, each with its target, and those about waivers."""
    several = len({one.target.name for one in judged}) > 1
    names = {target.name: f"{target.name}: " for target, _ in said} if several else {}
    against = [(one, names.get(target.name, "")) for target, one in said if one.stands]
    against += [(one, "") for one in about if one.stands]
    if not against:
        return Judgement("pass", tuple(_passing(judged, [one for _, one in said])), EXIT_CODES["pass"])
    against.sort(key=lambda pair: _weight(pair[0]))
    told = [before * (not one.message.startswith(before)) + reason(one) for one, before in against]
    if len(told) > MOST_REASONS:
        told = [*told[: MOST_REASONS - 1], f"{len(told) - MOST_REASONS + 1} more reasons follow below."]
    result, code = _RESULTS[_weight(against[0][0])]
    return Judgement(result, tuple(told), code)


_RESULTS: Final[tuple[tuple[Result, int], ...]] = (
    ("invalid", EXIT_CODES["invalid"]),
    ("fail", EXIT_WAIVER),
    ("fail", EXIT_CODES["fail"]),
    ("undecided", EXIT_CODES["undecided"]),
)


def _weight(statement: Statement) -> int:
    return {"input": 0, "waiver": 1}.get(statement.rule, 2 if statement.kind == "fail" else 3)


def reason(statement: Statement) -> str:
    """A statement as a reason: findings by their check, faults by their place."""
    if statement.rule == "input":
        place = statement.location
        return f"{place.file}:{place.line}: {statement.message}" if place.line else f"{place.file}: {statement.message}"
    check = statement.rule[0].isupper()
    return f"{statement.rule} {statement.name}: {statement.message}" if check else statement.message


def _passing(judged: Sequence[Judged], said: Sequence[Statement]) -> Iterator[str]:
    if all(one.target.change == "unchanged" for one in judged):
        yield "The change touches no scenario and no policies that are judged here."
        return
    yield from (
        f"The base of {one.target.name} cannot be read: no decision is compared." for one in judged if one.base_faults
    )
    diffs = [one.diff for one in judged if one.diff]
    waived = [one for one in said if one.waived]
    if diffs:
        alike = all(finding.verdict == "holds" for one in diffs for finding in one.findings.findings)
        stored = any(one.other_entities for one in judged)
        same = "No decision changes, but entities do: what that changes is not judged." if stored else ""
        forbidden = _but_waived("No forbidden change of decisions", [one for one in waived if one.rule in CHANGES])
        yield (same or "No decision changes.") if alike else forbidden
    found = [one for one in waived if one.rule in CATALOGUE and one.rule not in CHANGES]
    yield _but_waived("No new finding fails", found)
    if any(one.rule == "objective" for one in said):
        yield _but_waived("No objective that was kept is lost", [one for one in waived if one.rule == "objective"])
    if waived:
        yield f"{words.count(len(waived), 'statement')} waived."


def _but_waived(told: str, waived: Sequence[Statement]) -> str:
    return f"{told} but for what is waived." if waived else f"{told}."


# --- statements -------------------------------------------------------------------------------------------------------


def statements(one: Judged, rules: GateRules) -> Iterator[Statement]:
    """All that is said of a target, before waivers."""
    target = one.target
    if one.faults:
        yield from of_faults(one.faults)
    elif target.change == "removed":
        what = "the scenario is" if target.kind == "scenario" else "the policies are"
        message = f"{target.name}: {what} removed; what decides in their place is not judged."
        yield _statement(target.path, "gate.removed", target.kind, "open", message, Location(target.path, 0))
    else:
        decided = (*_of_diff(one, rules), *_of_lost(one, rules), *_of_findings(one, rules))
        placed = (*decided, *_of_effect(one, rules), *_of_backtest(one, rules))
        yield from (_placed(statement, target) for statement in placed)


def _statement(
    scope: str, rule: str, name: str, kind: Kind, message: str, location: Location, since: Since | None = None
) -> Statement:
    known_by = fingerprint(scope, rule, name, kind)
    return Statement(known_by, rule, name, kind, "error", message, location, since=since)


def _placed(statement: Statement, target: Target) -> Statement:
    """With places by their paths in the repository: a scenario file is told by its name alone."""
    if target.kind == "policies":
        return statement
    related = tuple(PolicyRef(one.name, _place(one.location, target), one.mark) for one in statement.related)
    return replace(statement, location=_place(statement.location, target), related=related)


def _place(location: Location, target: Target) -> Location:
    if location.file != SCENARIO_FILE:
        return location
    return Location(posixpath.join(target.path, SCENARIO_FILE), location.line)


def _of_diff(one: Judged, rules: GateRules) -> Iterator[Statement]:
    """Changes of decisions: those that are forbidden fail, and are undecided where nobody knows."""
    if one.diff is None:
        return
    for said in of_findings(one.diff.findings, scope=one.scope):
        if said.kind == "pass":
            yield said
        elif said.kind == "open" and said.rule not in one.diff.forbidden and rules.forbid:
            yield replace(said, kind="informational", level="note", since="new")
        else:
            yield replace(said, since="new")


def _of_lost(one: Judged, rules: GateRules) -> Iterator[Statement]:
    place = Location(SCENARIO_FILE, 0) if one.target.kind == "scenario" else Location(one.target.path, 0)
    for lost in one.lost:
        kind: Kind = "fail" if lost.how == "dropped" else "open"
        told = _statement(one.scope, "gate.assertion", lost.name, kind, lost.sentence, place, "new")
        yield told if rules.assertions == "kept" else replace(told, kind="review", level="note")


def _of_findings(one: Judged, rules: GateRules) -> Iterator[Statement]:
    """Findings of the head, with since when they are there, then those of the base that are gone."""
    if one.findings is None:
        return
    before = one.base_findings.findings if one.base_findings else ()
    known = dict(zip(fingerprints(before, one.scope), before, strict=True))
    met = set()
    told = of_findings(one.findings, fail_on=rules.fail_on, scope=one.scope)
    for finding, said in zip(one.findings.findings, told, strict=True):
        met.add(said.fingerprint)
        if said.fingerprint not in known:
            yield replace(said, since="new")
        elif rules.new_findings_only or said.kind not in ("fail", "open"):
            yield replace(said, since="unchanged")
        else:
            yield said  # it counts, as it would without a base
        if said.fingerprint in known and said.kind == "fail" and said.rule[0] == "E":
            yield from _otherwise(known[said.fingerprint], finding, said, one.scope)
    for said in of_findings(one.base_findings, fail_on=rules.fail_on, scope=one.scope) if one.base_findings else ():
        if said.fingerprint not in met:
            yield replace(said, since="absent")


_PLACE: Final = re.compile(r"\([^()\s]+:[0-9]+\)")
"""A place in a message. Times of day stand in none."""


def _otherwise(before: Finding, now: Finding, told: Statement, scope: str) -> Iterator[Statement]:
    """That what is found of a chain was found before and is worse or better now: the same finding, for people to see.

    Of policies the changes of decisions tell as much, and another witness may show the same.
    """
    if _PLACE.sub("", before.message) == _PLACE.sub("", now.message):
        return
    message = f"{told.rule} was found before, and says something else now: {now.message} Before: {before.message}"
    said = _statement(scope, "gate.finding", told.name, "review", message, told.location, "new")
    yield replace(said, level="note", fingerprint=fingerprint(scope, "gate.finding", told.fingerprint))


def _of_effect(one: Judged, rules: GateRules) -> Iterator[Statement]:
    if one.effect is None:
        return
    place = Location(SCENARIO_FILE, 0)
    for sentence in one.effect.sentences:
        yield of_effect(one.scope, sentence.subject, sentence.text)
    for objective in one.effect.objectives:
        yield replace(_of_objective(objective, one.scope, rules), location=Location(SCENARIO_FILE, objective.line))
        if (apart := _with_policies_alone(objective, one.scope)) is not None and rules.objectives != "told":
            yield replace(apart, location=Location(SCENARIO_FILE, objective.line))
        if objective.reset:
            yield replace(_set_anew(objective, one.scope), location=Location(SCENARIO_FILE, objective.line))
    for limit in one.effect.limits:
        yield replace(_of_limit(limit, one.scope), location=place)
        if limit.verdict == "pass" and limit.alone in ("fail", "undecided"):
            what = f"the limit on `{limit.limit.measure}`"
            eased = _only_with_the_rest(what, limit.limit.measure, limit.alone, one.scope)
            yield replace(eased, location=place)
    for unrun in one.effect.comparison.unrun[:1]:
        told = f"replication {unrun.replication} of {unrun.variant} could not be run: {unrun.why}"
        yield _statement(one.scope, "replication", "could-not-be-run", "open", told, place)


def _of_objective(one: ObjectiveChange, scope: str, rules: GateRules) -> Statement:
    kind, message, since = _objective(one, kept_only=rules.objectives == "kept")
    said = _statement(scope, "objective", one.name, kind, message, Location("", 0), since)
    # As a run knows it, so that a waiver is for both.
    said = replace(said, fingerprint=fingerprint(scope, "objective", one.head or "undecided", one.name))
    if rules.objectives == "told" and kind != "pass":
        return replace(said, kind="fail" if kind == "fail" else "informational", level="note")
    return said


def _objective(one: ObjectiveChange, *, kept_only: bool) -> tuple[Kind, str, Since | None]:
    """What becomes of an objective, and since when that is so: what the base does not keep either is no news."""
    name = f"objective `{one.name}`"
    if one.set_by == "base":
        return "fail", f"{name} is dropped by the change.", "new"
    if one.head is None:
        return "open", f"{name} cannot be judged any more: {one.head_because}.", "new"
    if one.head == "pass":
        return "pass", f"{name} is met.", None
    if one.head == "fail":
        known = kept_only and one.base == "fail"
        told = f"{name}{_WAS[one.base]} fails: {one.sentence.partition(': ')[2]}"
        return "fail", told, "unchanged" if known else "new"
    known = kept_only and (one.base == "fail" or (one.base == "undecided" and one.same))
    return "open", f"{name} is undecided: {one.head_because}.", "unchanged" if known else "new"


def _with_policies_alone(one: ObjectiveChange, scope: str) -> Statement | None:
    """That an objective is met only because the change alters the scenario, too: it may be the test that is easier."""
    if one.base != "pass" or one.head != "pass" or one.alone in ("pass", None):
        return None
    why = one.alone_sentence.removeprefix(f"{one.name} is missed: ")
    return _only_with_the_rest(f"objective `{one.name}`", one.name, one.alone, scope, why)


def _set_anew(one: ObjectiveChange, scope: str) -> Statement:
    """That the change sets an objective anew: here the base's is kept, from the next change on the new one counts."""
    told = f"the change sets objective `{one.name}` anew. It is judged by the base's here, by the new one from then on."
    said = _statement(scope, "gate.objective", one.name, "review", told, Location("", 0), "new")
    return replace(said, level="note")


def _only_with_the_rest(what: str, name: str, alone: Overall | None, scope: str, why: str = "") -> Statement:
    verb = "fails" if alone == "fail" else "is undecided"
    told = f"{what} is kept only with what else the change does to the scenario; with its policies alone it {verb}"
    told += f": {why.rstrip('.')}" if why else ""
    return _statement(scope, "gate.policies-alone", name, "open", f"{told}.", Location("", 0), "new")


_WAS: Final[Mapping[str | None, str]] = {
    "pass": ", which the base keeps,",
    "undecided": ", which is undecided in the base,",
    "fail": ", which the base does not keep either,",
    None: ", which is new,",
}


def _of_limit(one: LimitOutcome, scope: str) -> Statement:
    kinds: Mapping[str, Kind] = {"pass": "pass", "fail": "fail", "undecided": "open"}
    doubt = "it is not known yet whether a limit is kept: " if one.verdict == "undecided" else ""
    told = f"{doubt}{one.sentence}."
    said = _statement(scope, "gate.limit", one.limit.measure, kinds[one.verdict], told, Location("", 0), "new")
    # A waiver of one limit is none of another on the same measure.
    amounts = (("rise", one.limit.rise_at_most), ("fall", one.limit.fall_at_most))
    sides = [f"{side} {amount.text}" for side, amount in amounts if amount]
    return replace(said, fingerprint=fingerprint(scope, "gate.limit", said.name, said.kind, *sides))


def _of_backtest(one: Judged, rules: GateRules) -> Iterator[Statement]:
    """Recorded requests that are decided differently, by the rules behind them."""
    if one.backtest is None:
        return
    for change in one.backtest.changes:
        told = f"{words.count(change.count, 'recorded request')} {change.kind}: {change.before} -> {change.after}."
        kind: Kind = "fail" if change.kind in rules.forbid else "review"
        names = [rule.name for rule in (*change.rules_before, *change.rules_after)]
        where = change.rules_after[0].location if change.rules_after else Location("", 0)
        yield Statement(
            fingerprint(one.scope, "gate.backtest", change.kind, *names),
            "gate.backtest", change.kind, kind, "error", told, where,
            related=(*change.rules_before, *change.rules_after),
            since="new",
        )  # fmt: skip
