"""Statements: what a verification, a run, a change or a gate says, one by one, as every output format tells it.

A format is a function from `Told` to text; it judges nothing. Of a finding or an objective there is one statement,
whatever came of it. `level` is `error` exactly where the statement by itself keeps the verdict from passing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from models.diagnostics import Diagnostic
from reports.fingerprints import fingerprint, fingerprints
from reports.verdict import EXIT_CODES, EXIT_WAIVER, MOST_REASONS, Verdict, failing
from reports.witness import witness_lines
from reports.words import count, listed
from verify.catalogue import CHANGES
from verify.findings import Finding, Findings, Location, Overall, PolicyRef

if TYPE_CHECKING:
    from reports.assess import Assessed
    from reports.objectives import ObjectiveOutcome
    from reports.poisoned import PoisonOutcome
    from reports.verdict import FailOn
    from verify.diff import Diff

Kind = Literal["fail", "pass", "open", "review", "informational"]
"""SARIF's kinds of a result. `open` is undecided; `review` is a change that no rule forbids: a person judges it."""

Level = Literal["error", "warning", "note"]
"""How grave it is where `kind` is `fail` or `open`; otherwise how grave it would be."""

Since = Literal["new", "unchanged", "absent"]
"""SARIF's baselineState."""

EXIT_INPUT: Final = 2

NOWHERE: Final = Location("", 0)
"""The place of what stands in no file."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that is said. `message` is a plain sentence or more, the same as on the terminal."""

    fingerprint: str
    rule: str
    """A check's id, or `objective`, `replication`, `effect`, `gate.NAME`, `waiver`, `input`."""
    name: str
    kind: Kind
    level: Level
    message: str
    location: Location
    related: tuple[PolicyRef, ...] = ()
    detail: str = ""
    """A witness as short lines; empty where there is none."""
    since: Since | None = None
    """Whether it is new against a baseline; None where there is none."""
    waived: str = ""
    """The waiver's reason and approver, as a sentence; empty where it is not waived."""

    @property
    def fails(self) -> bool:
        """Whether it fails the verdict by itself: neither waived, nor there before, nor gone."""
        return self.kind == "fail" and self.level == "error" and self.counts

    @property
    def stands(self) -> bool:
        """Whether it keeps the verdict from passing by itself."""
        return self.kind in ("fail", "open") and self.level == "error" and self.counts

    @property
    def counts(self) -> bool:
        """Whether the verdict rests on it."""
        return not self.waived and self.since in (None, "new")


@dataclass(frozen=True, slots=True)
class Told:
    """All that one command says. `facts` are what it is said of, by name: scenario, digests, seed, base, head."""

    title: str
    verdict: str
    """`pass`, `fail`, `undecided`, or `invalid` where the input cannot be used."""
    exit_code: int
    reasons: tuple[str, ...]
    statements: tuple[Statement, ...]
    facts: Mapping[str, str] = field(default_factory=dict)


def to_json(statement: Statement) -> dict[str, Any]:
    """A statement as plain JSON values."""
    return {**asdict(statement), "related": [asdict(one) for one in statement.related]}


def told_of_run(
    verdict: Verdict,
    findings: Findings | None,
    outcomes: Assessed,
    *,
    fail_on: FailOn = "error",
    places: Mapping[str, Location] | None = None,
) -> Told:
    """What a run says: replications that could not be run, objectives, findings where there are any.

    `places` says where objectives stand, by name.
    """
    made = outcomes.provenance
    facts = {"scenario": made.scenario, **({} if made.variant is None else {"variant": made.variant})}
    facts |= {"scenario digest": made.scenario_digest, "seed": str(made.seed)}
    facts |= {"replications": str(made.replications), "engine": made.engine}
    said = [
        *(_of_replication(one, made.scenario) for one in made.poisoned),
        *(of_objective(one, made.scenario, (places or {}).get(one.name, NOWHERE)) for one in outcomes.objectives),
        *(of_findings(findings, fail_on=fail_on, scope=made.scenario) if findings else ()),
    ]
    return Told(made.title, verdict.result, verdict.exit_code, verdict.reasons, tuple(said), facts)


def told_of_findings(verdict: Verdict, findings: Findings, *, fail_on: FailOn = "error", title: str = "") -> Told:
    """What a verification says."""
    scope = scope_of(findings)
    said = tuple(of_findings(findings, fail_on=fail_on, scope=scope))
    facts = {"scenario": scope} if scope else {}
    return Told(title or scope or "policies", verdict.result, verdict.exit_code, verdict.reasons, said, facts)


def scope_of(findings: Findings) -> str:
    """What fingerprints of findings hold of where they are from: the scenario's name, nothing for policies alone."""
    return str(findings.checked.get("scenario", ""))


def told_of_diff(diff: Diff, *, title: str = "change of policies", scope: str = "") -> Told:
    """What a change of policies says. A change that is not forbidden is for `review`."""
    said = tuple(of_findings(diff.findings, scope=scope))
    forbidden = tuple(s.message for s in said if s.fails)
    unknown = tuple(s.message for s in said if s.kind == "open")
    reasons = forbidden or (unknown if diff.verdict == "undecided" else ())
    return Told(title, diff.verdict, EXIT_CODES[diff.verdict], reasons or (_unforbidden(said),), said)


def _unforbidden(said: Iterable[Statement]) -> str:
    number = sum(one.kind == "review" for one in said)
    return f"{count(number, 'change')}, none of them forbidden." if number else "No change."


def judged_again(told: Told, statements: Sequence[Statement], waivers: Sequence[Statement] = ()) -> Told:
    """What is told, after statements were waived or known of old; the verdict is by what still stands.

    `waivers` are statements about waivers; where one of them fails so does everything, with exit code 4.
    """
    stands = [one for one in statements if one.stands]
    result: Overall = "fail" if any(one.kind == "fail" for one in stands) else "undecided" if stands else "pass"
    if not any(one.stands for one in told.statements):
        result = _OVERALL[told.verdict]  # it is not by statements that it does not pass
    wrong = [one for one in waivers if one.stands]
    reasons = [one.message for one in wrong] + [_as_reason(one, told.reasons) for one in stands]
    if len(reasons) > MOST_REASONS:
        reasons = [*reasons[: MOST_REASONS - 1], f"{len(reasons) - MOST_REASONS + 1} more reasons follow below."]
    if not reasons:
        reasons = [*told.reasons] if result == told.verdict else ["No check fails that is not waived or known of old."]
    aside = [f"{count(sum(bool(one.waived) for one in statements), 'statement')} waived"]
    aside += [f"{count(sum(one.since == 'unchanged' for one in statements), 'statement')} known of old"]
    shown = [text for text in aside if not text.startswith("0 ")]
    reasons += [f"{listed(shown)}."] if shown else []
    return replace(
        told,
        verdict="fail" if wrong else result,
        exit_code=EXIT_WAIVER if wrong else EXIT_CODES[result],
        reasons=tuple(reasons),
        statements=(*statements, *waivers),
    )


_OVERALL: Final[Mapping[str, Overall]] = {"pass": "pass", "fail": "fail", "undecided": "undecided"}


def verdict_of(told: Told) -> Verdict:
    """The verdict that is told, of input that can be used."""
    return Verdict(_OVERALL[told.verdict], told.reasons, waiver_fails=told.exit_code == EXIT_WAIVER)


def _as_reason(statement: Statement, before: Iterable[str]) -> str:
    """A statement as a reason: as it was told before, which is shorter, where it was."""
    long = statement.message if statement.rule == "objective" else _named(statement)
    return next((one for one in before if long.startswith(one)), long)


def _named(statement: Statement) -> str:
    return f"{statement.rule} {statement.name}: {statement.message}"


def told_of_faults(faults: Iterable[Diagnostic], *, title: str = "input") -> Told:
    """What is said of input that cannot be used."""
    said = tuple(of_faults(faults))
    return Told(title, "invalid", EXIT_INPUT, tuple(one.message for one in said), said)


def of_findings(findings: Findings, *, fail_on: FailOn = "error", scope: str = "") -> Iterator[Statement]:
    """A statement for each finding, in their order."""
    broken = {id(finding) for finding in failing(findings, fail_on)}
    for known_by, finding in zip(fingerprints(findings.findings, scope), findings.findings, strict=True):
        yield Statement(
            fingerprint=known_by,
            rule=finding.check,
            name=finding.name,
            kind=_kind(finding),
            level="error" if finding.verdict == "undecided" or id(finding) in broken else _LEVELS[finding.severity],
            message=finding.message if not finding.reason else f"{finding.message} {finding.reason}",
            location=finding.location,
            related=tuple(about for about in finding.policies if about.location != finding.location),
            detail="\n".join(witness_lines(finding.witness)) if finding.witness else "",
        )


_LEVELS: Final[Mapping[str, Level]] = {"error": "warning", "warning": "warning", "info": "note"}
"""Of findings that keep no verdict from passing, by severity."""


def _kind(finding: Finding) -> Kind:
    if finding.verdict != "violated":
        return "pass" if finding.verdict == "holds" else "open"
    if finding.severity != "info":
        return "fail"
    return "review" if finding.check in CHANGES else "informational"


def of_objective(outcome: ObjectiveOutcome, scope: str, place: Location = NOWHERE) -> Statement:
    """The statement of an objective of a scenario."""
    kinds: Mapping[str, Kind] = {"pass": "pass", "fail": "fail", "undecided": "open"}
    return Statement(
        fingerprint=fingerprint(scope, "objective", outcome.verdict, outcome.name),
        rule="objective",
        name=outcome.name,
        kind=kinds[outcome.verdict],
        level="error",
        message=outcome.sentence,
        location=place,
        detail="\n".join(outcome.notes),
    )


def _of_replication(one: PoisonOutcome, scope: str) -> Statement:
    return Statement(
        fingerprint=fingerprint(scope, "replication", str(one.seed), str(one.replication)),
        rule="replication",
        name="could-not-be-run",
        kind="open",
        level="error",
        message=f"Replication {one.replication} could not be run: {one.why}",
        location=NOWHERE,
        detail=f"to see it: {one.command}",
    )


def of_effect(scope: str, name: str, message: str, kind: Kind = "informational", *about: str) -> Statement:
    """The statement of an effect of a policy change on a measure; `about` tells it from others of the same measure."""
    return Statement(fingerprint(scope, "effect", name, *about), "effect", name, kind, "error", message, NOWHERE)


def of_faults(faults: Iterable[Diagnostic]) -> Iterator[Statement]:
    """A statement for each fault of the input."""
    for number, fault in enumerate(faults):
        yield Statement(
            fingerprint=fingerprint("input", fault.file, fault.message, str(number)),
            rule="input",
            name="input",
            kind="fail",
            level="error",
            message=f"{fault.message}; {fault.help}" if fault.help else fault.message,
            location=Location(fault.file, fault.line),
        )
