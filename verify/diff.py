"""D401 to D406: what a change of policies changes, told rule by rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from models.cedar.decision import Decision, Outcome
from models.cedar.policies import Escalation, PolicySet
from models.cedar.types import RequestEnvironment
from models.units import format_duration
from verify.catalogue import CATALOGUE
from verify.changes import kind_of
from verify.findings import Finding, Findings, Location, Overall, PolicyRef
from verify.json import environment_json, finding_json, proof_json, witness_json

if TYPE_CHECKING:
    from verify.compare import Change, EnvironmentDiff, Result, Transition
    from verify.query import Effort

SCHEMA: Final = "windtunnel.diff/1"

FORBIDDABLE: Final[Mapping[str, str]] = {
    "newly-allowed": "D401",
    "newly-denied": "D402",
    "newly-escalated": "D403",
    "unescalated": "D404",
    "escalated-differently": "D406",
}
"""The check of each change, by what it is called. What `forbid` names becomes an error."""

Side = Literal["old", "new"]


@dataclass(frozen=True, slots=True)
class Diff:
    """How two policy sets differ. The sets are as they were compared: under one schema where neither has its own."""

    old: PolicySet
    new: PolicySet
    environments: tuple[EnvironmentDiff, ...]
    findings: Findings
    forbidden: frozenset[str]
    """Ids of the checks that fail."""

    @property
    def verdict(self) -> Overall:
        """`fail` where a forbidden change exists, else `undecided` where it is not known whether one does.

        Where nothing is forbidden, `undecided` wherever it is not known whether there is any change, else `pass`.
        """
        if any(f.verdict == "violated" and f.check in self.forbidden for f in self.findings.findings):
            return "fail"
        open_checks = {check_of(transition) for one in self.environments for transition in one.unknown}
        return "undecided" if open_checks & (self.forbidden or CATALOGUE.keys()) else "pass"

    @property
    def result(self) -> Result:
        """How the old set stands to the new one over all environments, under deny < escalate < allow."""
        results = {one.result for one in self.environments} - {"equivalent"}
        if "incomparable" in results or results >= {"more_permissive", "less_permissive"}:
            return "incomparable"
        if "undecided" in results:
            return "undecided"
        return next(iter(results), "equivalent")


def diff(old: PolicySet, new: PolicySet, *, effort: Effort = "normal", forbid: Collection[str] = ()) -> Diff:
    """What the change from one policy set to another changes, for every request that the schema of either admits.

    `forbid` names changes that fail the verdict (`FORBIDDABLE`). The same input gives the same changes, witnesses and
    scripts. Raises ValueError on an unknown effort or change, and `verify.query.VerifierError` where solvers and Cedar
    contradict each other.
    """
    from verify.compare import compare
    from verify.query import BUDGETS

    if effort not in BUDGETS:
        raise ValueError(f"unknown effort {effort!r}: expected one of {', '.join(BUDGETS)}")
    if unknown := sorted(set(forbid) - FORBIDDABLE.keys()):
        raise ValueError(f"unknown changes {', '.join(unknown)}: expected {', '.join(FORBIDDABLE)}")
    forbidden = frozenset(FORBIDDABLE[name] for name in forbid)
    scripts: dict[str, str] = {}
    environments = compare(old, new, BUDGETS[effort], scripts)
    found = tuple(_findings(old, new, environments, forbidden, scripts))
    proofs = (*(finding.proof for finding in found), *(one.proof for one in environments))
    named = {proof.smt2_sha256 for proof in proofs if proof}
    kept = {digest: text for digest, text in sorted(scripts.items()) if digest in named}
    return Diff(old, new, environments, Findings(found, _checked(old, new, environments, effort), kept), forbidden)


def check_of(transition: Transition) -> str:
    """The id of the check that a change is a finding of."""
    alike = transition.before == transition.after
    return FORBIDDABLE["escalated-differently" if alike else kind_of(*transition)]


def _findings(
    old: PolicySet,
    new: PolicySet,
    environments: Sequence[EnvironmentDiff],
    forbidden: frozenset[str],
    scripts: dict[str, str],
) -> Iterator[Finding]:
    """One finding for each change and the rules responsible, over all environments; then what is equal, or unknown."""
    found: dict[tuple[str, tuple[PolicyRef, ...]], Finding] = {}
    for one in environments:
        for change in one.changes:
            finding = _finding(old, new, one.environment, change, forbidden)
            first = found.setdefault((finding.check, finding.policies), finding)
            found[finding.check, finding.policies] = replace(
                first, environments=tuple(dict.fromkeys((*first.environments, *finding.environments)))
            )
    yield from sorted(found.values(), key=lambda finding: finding.check)
    yield from _equal(new, [one for one in environments if not one.changes and not one.unknown], environments, scripts)
    yield from _open(new, environments)


def _finding(
    old: PolicySet, new: PolicySet, environment: RequestEnvironment, change: Change, forbidden: frozenset[str]
) -> Finding:
    from verify.checks.common import environment_text

    entry = CATALOGUE[check_of(change.transition)]
    policies = (*_references(old, change.old), *_references(new, change.new))
    return Finding(
        check=entry.id,
        name=entry.name,
        severity="error" if entry.id in forbidden else entry.severity,
        verdict="violated",
        policies=policies,
        message=message(old, new, change),
        location=policies[-1].location if policies else _place(new),
        witness=change.witness,
        proof=change.proof,
        environment=environment_text(environment),
        environments=(environment,),
        subjects=len(policies),
    )


def _references(policies: PolicySet, decision: Decision) -> tuple[PolicyRef, ...]:
    from verify.checks.common import reference

    return tuple(reference(policies, index) for index in decision.determining)


def _place(policies: PolicySet) -> Location:
    first = next((policy.span.file for policy in policies.policies), "")
    return Location(first, 0)


def _equal(
    new: PolicySet, equal: Sequence[EnvironmentDiff], whole: Sequence[EnvironmentDiff], scripts: dict[str, str]
) -> Iterator[Finding]:
    from verify.proofs import NOTHING_ASKED, joined

    if not equal:
        return
    every = (
        "every request" if len(equal) == len(whole) else f"every request of {len(equal)} of {len(whole)} environments"
    )
    proofs = dict.fromkeys(one.proof for one in equal if one.proof != NOTHING_ASKED)
    entry = CATALOGUE["D405"]
    yield Finding(
        check=entry.id,
        name=entry.name,
        severity=entry.severity,
        verdict="holds",
        policies=(),
        message=f"Both sets decide {every} alike.",
        location=_place(new),
        proof=joined(scripts, [*proofs]),
        environments=tuple(one.environment for one in equal),
    )


def _open(new: PolicySet, environments: Iterable[EnvironmentDiff]) -> Iterator[Finding]:
    """What is not known, by reason."""
    reasons: dict[tuple[str, str], list[RequestEnvironment]] = {}
    for one in environments:
        for transition, reason in one.unknown.items():
            reasons.setdefault((check_of(transition), reason), []).append(one.environment)
    for (check, reason), some in sorted(reasons.items(), key=lambda item: item[0]):
        entry = CATALOGUE[check]
        yield Finding(
            check=entry.id,
            name=entry.name,
            severity=entry.severity,
            verdict="undecided",
            policies=(),
            message=f"undecided: {reason}",
            location=_place(new),
            environments=tuple(dict.fromkeys(some)),
        )


# --- sentences --------------------------------------------------------------------------------------------------------

_TOLD: Final[Mapping[Outcome, str]] = {"deny": "Denied", "escalate": "Escalated", "allow": "Allowed"}

TOLD_MAX: Final = 5
"""Rules that a sentence names; the rest is counted. An assumption."""


def message(old: PolicySet, new: PolicySet, change: Change) -> str:
    """What becomes of a request and why, before and now, naming the rules responsible."""
    before = f"{_TOLD[change.transition.before]} before: {_why('old', old, new, change)}."
    now = f"{_TOLD[change.transition.after]} now: {_why('new', new, old, change)}."
    return f"{before} {now}"


def _why(side: Side, mine: PolicySet, other: PolicySet, change: Change) -> str:
    """The reason for the decision of a side."""
    decision = change.old if side == "old" else change.new
    if change.refused == side:
        return f"the {side} schema has no such request"
    match decision.kind:
        case "forbidden":
            return f"{_told(mine, decision.determining)} {_verb(decision, 'forbids', 'forbid')} it"
        case "allowed":
            reason = f"{_told(mine, decision.determining)} {_verb(decision, 'permits', 'permit')} it"
            return reason + _silent(side, mine, other, change, "forbid")
        case "escalated":
            asked = ", ".join(map(_asked, decision.escalations))
            reason = f"{_told(mine, decision.determining)} {_verb(decision, 'asks', 'ask')} {asked}"
            return reason + _silent(side, mine, other, change, "forbid")
    if len(mine.permit_groups) > 1:
        return "not every tier has a permit that matches"
    return f"no permit matches{_silent(side, mine, other, change, 'permit')}"


def _verb(decision: Decision, one: str, several: str) -> str:
    return one if len(decision.determining) == 1 else several


def _asked(escalation: Escalation) -> str:
    """A chain and the bounds on its answer."""
    bounds = [
        *([f"within {format_duration(escalation.timeout)}"] if escalation.timeout is not None else []),
        *([f"severity {escalation.severity}"] if escalation.severity is not None else []),
    ]
    return f"`{escalation.chain}`" + (f" ({', '.join(bounds)})" if bounds else "")


def _silent(side: Side, mine: PolicySet, other: PolicySet, change: Change, effect: Literal["permit", "forbid"]) -> str:
    """The rules of an effect that the other side's decision rests on, and that do not match on this side.

    They are known by their names. Where a side allows or asks, every forbid that matches is a reason; where it is not
    permitted, no permit matches. So what is no reason does not match, or errs.
    """
    here, there = (change.old, change.new) if side == "old" else (change.new, change.old)
    names = {other.policies[index].name for index in there.determining}
    erring = change.erring[0 if side == "old" else 1]
    alike = [
        p.index
        for p in mine.policies
        if p.effect == effect and p.name in names and "id" in p.annotations and p.index not in here.determining
    ]
    misses = [index for index in alike if index not in erring]
    errs = [index for index in alike if index in erring]
    told = [f"{_told(mine, misses)} {'does' if len(misses) == 1 else 'do'} not match"] if misses else []
    told += [f"{_told(mine, errs)} {'errs' if len(errs) == 1 else 'err'} on it"] if errs else []
    return "".join(f", and {one}" for one in told)


def _told(policies: PolicySet, indices: Sequence[int]) -> str:
    from verify.checks.common import told_all

    rest = len(indices) - TOLD_MAX
    return told_all(policies, indices[:TOLD_MAX]) + (f" and {rest} more" if rest > 0 else "")


# --- what was looked at -----------------------------------------------------------------------------------------------


def _checked(
    old: PolicySet, new: PolicySet, environments: Collection[EnvironmentDiff], effort: Effort
) -> Mapping[str, Any]:
    from verify.checked import listed, solving

    return {
        "old": listed(old),
        "new": listed(new),
        "profile": new.profile,
        "schema_inferred": old.schema_inferred or new.schema_inferred,
        "schema_changed": old.schema != new.schema,
        "environments": len(environments),
        **solving(effort),
        "warnings": list(dict.fromkeys((*old.warnings, *new.warnings))),
    }


def to_json(diff: Diff) -> dict[str, Any]:
    """A diff as plain JSON values. `changes` of an environment have one witness for each transition, findings all."""
    return {
        "schema": SCHEMA,
        "verdict": diff.verdict,
        "result": diff.result,
        "environments": [_environment(diff, one) for one in diff.environments],
        "findings": [finding_json(finding) for finding in diff.findings.findings],
        "forbidden": [name for name, check in FORBIDDABLE.items() if check in diff.forbidden],
        "checked": dict(diff.findings.checked),
    }


def _environment(diff: Diff, one: EnvironmentDiff) -> dict[str, Any]:
    first: dict[Transition, Change] = {}
    for change in one.changes:
        first.setdefault(change.transition, change)
    return {
        **environment_json(one.environment),
        "result": one.result,
        "changes": [
            {
                "from": change.transition.before,
                "to": change.transition.after,
                "witness": witness_json(change.witness),
                "schemas": list(change.schemas),
                "message": message(diff.old, diff.new, change),
                "proof": proof_json(change.proof),
            }
            for change in first.values()
        ],
        "unknown": [{"from": t.before, "to": t.after, "reason": reason} for t, reason in one.unknown.items()],
        "proof": proof_json(one.proof),
    }
