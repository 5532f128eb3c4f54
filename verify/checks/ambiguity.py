"""P204: do escalating rules that match together agree, and does every value that a rule sets ever apply?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from models.cedar.annotations import SEVERITIES
from models.cedar.policies import Escalation, PolicySet
from models.units import format_duration
from verify import term as t
from verify.checks.common import Sought, finding, joined, shown, smallest_cover, told, told_all, undecided
from verify.checks.rounds import Asking, asked_together, decisions, seek_asking
from verify.edits import without_annotations
from verify.findings import Finding, Proof, Suggestion
from verify.query import Analysis, Case

Kind = Literal["timeout", "severity"]
_KINDS: tuple[Kind, ...] = ("timeout", "severity")


def ambiguous(asking: Asking, rules: Sequence[int]) -> Iterator[Finding]:
    """P204 of rules that can be the reason to ask: dead values, pairs that disagree, and the rules without either.

    Of a pair of which one rule makes a value of the other dead, that finding tells everything.
    """
    analysis = asking.analysis
    troubled: set[int] = set()
    settled: set[frozenset[int]] = set()
    for index in rules:
        for result, cover in _dead_values(asking, index, rules):
            settled |= {frozenset({index, other}) for other in cover}
            troubled |= {index, *cover}
            yield result
    apart: dict[int, list[Proof]] = {index: [] for index in rules}
    for one, other in combinations(rules, 2):
        if frozenset({one, other}) in settled or not _disagreements(analysis.policies, one, other):
            continue
        sought = _together(asking, one, other)
        if sought.impossible:
            apart[one] += sought.proofs
            apart[other] += sought.proofs
            continue
        troubled |= {one, other}
        yield _disagreement(analysis, one, other, sought)
    yield from (_clear(analysis, index, apart[index]) for index in rules if index not in troubled)


def _clear(analysis: Analysis, index: int, proofs: Sequence[Proof]) -> Finding:
    policies = analysis.policies
    message = f"{told(policies.policies[index])} agrees with every rule that can match together with it."
    return replace(finding("P204", policies, [index], "holds", message), proof=joined(analysis, proofs))


def _escalation(policies: PolicySet, index: int) -> Escalation:
    escalation = policies.policies[index].escalation
    assert escalation is not None
    return escalation


def _strictness(escalation: Escalation, kind: Kind) -> int | None:
    """How strict a value is, greater is stricter; None where the rule sets none."""
    if kind == "timeout":
        return None if escalation.timeout is None else -escalation.timeout
    return None if escalation.severity is None else SEVERITIES.index(escalation.severity)


def _value(escalation: Escalation, kind: Kind) -> str:
    """A value as a sentence writes it."""
    if kind == "severity":
        return str(escalation.severity)
    return "none" if escalation.timeout is None else format_duration(escalation.timeout)


# --- dead values ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Dead:
    """A value of a rule that can never apply, and the rules that see to it."""

    kind: Kind
    cover: tuple[int, ...]
    proofs: tuple[Proof, ...]


def _dead_values(asking: Asking, index: int, rules: Sequence[int]) -> Iterator[tuple[Finding, tuple[int, ...]]]:
    """The finding about a rule's dead values, or that none is known, each with the rules that make them dead."""
    analysis = asking.analysis
    policies = analysis.policies
    dead: list[_Dead] = []
    unknown: dict[str, None] = {}
    for kind in _KINDS:
        own = _strictness(_escalation(policies, index), kind)
        stricter = [] if own is None else [i for i in rules if _is_stricter(policies, i, index, kind, own)]
        sought = _applies(asking, index, stricter) if stricter else None
        if sought is None or sought.found:
            continue
        if sought.unknown:
            unknown |= dict.fromkeys(sought.unknown)
            continue
        cover = smallest_cover(stricter, lambda some: _applies(asking, index, some).impossible)
        dead.append(_Dead(kind, cover, _applies(asking, index, cover).proofs))
    if dead:
        others = tuple(dict.fromkeys(i for one in dead for i in one.cover))
        besides = (_besides(asking, index, other, dead) for other in others)
        message = " ".join([*(_dead_sentence(policies, index, one) for one in dead), *filter(None, besides)])
        base = finding("P204", policies, [index, *others], "violated", message)
        proof = joined(analysis, [proof for one in dead for proof in one.proofs])
        yield replace(base, proof=proof, suggestion=_without_dead(policies, index, dead, others)), others
    if unknown:
        yield undecided("P204", policies, [index], unknown), ()


def _without_dead(policies: PolicySet, index: int, dead: Sequence[_Dead], others: Sequence[int]) -> Suggestion | None:
    """The suggestion to delete the dead values; None where the rules would still disagree about something."""
    policy, own = policies.policies[index], _escalation(policies, index)
    alive = [kind for kind in _KINDS if kind not in {one.kind for one in dead} and _strictness(own, kind) is not None]
    if any(_escalation(policies, i).chain != own.chain for i in others):
        return None
    for kind in alive:
        if any(_strictness(_escalation(policies, i), kind) not in (None, _strictness(own, kind)) for i in others):
            return None
    names = [_annotation(policies, one.kind) for one in dead]
    said = " and ".join(f"`@{name}`" for name in names)
    why = f"Delete the {said} of `{policy.name}`: what never applies can go, and every answer is bounded as before."
    return without_annotations(policy, names, why)


def _annotation(policies: PolicySet, kind: Kind) -> str:
    return "approval_timeout_s" if kind == "timeout" and policies.profile == "tiered" else kind


def _is_stricter(policies: PolicySet, other: int, index: int, kind: Kind, own: int) -> bool:
    """Whether another rule is stricter. The merge is over all that match, whichever chain they ask."""
    strictness = _strictness(_escalation(policies, other), kind)
    return other != index and strictness is not None and strictness > own


def _applies(asking: Asking, index: int, stricter: Sequence[int]) -> Sought:
    """A request that in some round a rule is a reason to ask of, and none of the stricter ones is."""
    policies = asking.analysis.policies

    def accepts(case: Case) -> bool:
        asked = (set(made.determining) for made in decisions(policies, case) if made.outcome == "escalate")
        return any(index in reasons and reasons.isdisjoint(stricter) for reasons in asked)

    return seek_asking(
        asking,
        asking.analysis.touched(index),
        lambda r: [r.asks(policies, index), *(t.not_(r.asks(policies, i)) for i in stricter)],
        accepts,
        f"P204 {policies.policies[index].name}",
    )


def _besides(asking: Asking, index: int, other: int, dead: Sequence[_Dead]) -> str:
    """What else a rule and one that makes a value of it dead say differently, as a sentence; empty for nothing."""
    policies = asking.analysis.policies
    told_already = {one.kind for one in dead if other in one.cover}
    clauses = [clause for about, clause in _disagreements(policies, index, other).items() if about not in told_already]
    if not clauses or _together(asking, index, other).impossible:
        return ""
    return f"It and {told(policies.policies[other])} also {' and '.join(clauses)}."


_MERGED: dict[Kind, str] = {"timeout": "the strictest", "severity": "the greatest"}


def _dead_sentence(policies: PolicySet, index: int, dead: _Dead) -> str:
    policy, kind = policies.policies[index], dead.kind
    annotation = _annotation(policies, kind)
    values = " or ".join(dict.fromkeys(_value(_escalation(policies, i), kind) for i in dead.cover))
    quoted = f'`@{annotation}("{policy.annotations[annotation]}")`'
    return (
        f"{told(policy)} is implied by {told_all(policies, dead.cover)}: its {quoted} can never apply, "
        f"because the merge takes {_MERGED[kind]} ({values})."
    )


# --- pairs ------------------------------------------------------------------------------------------------------------


def _disagreements(policies: PolicySet, one: int, other: int) -> Mapping[Kind | Literal["chain"], str]:
    """What two rules say differently, as clauses of a sentence. A rule that sets no value disagrees with none."""
    first, second = _escalation(policies, one), _escalation(policies, other)
    found: dict[Kind | Literal["chain"], str] = {}
    if first.chain != second.chain:
        found["chain"] = f"ask different chains (`{first.chain}` and `{second.chain}`)"
    for kind in _KINDS:
        strict = _strictness(first, kind), _strictness(second, kind)
        if None not in strict and strict[0] != strict[1]:
            applies = _value(_strictest(first, second, kind), kind)
            found[kind] = (
                f"set different {'time-outs' if kind == 'timeout' else 'severities'} "
                f"({_value(first, kind)} and {_value(second, kind)}; {applies} applies)"
            )
    return found


def _strictest(first: Escalation, second: Escalation, kind: Kind) -> Escalation:
    return max(first, second, key=lambda escalation: _strictness(escalation, kind) or 0)


def _together(asking: Asking, one: int, other: int) -> Sought:
    """A request that in some round both rules are reasons to ask of."""
    policies = asking.analysis.policies
    return seek_asking(
        asking,
        asking.analysis.touched(one, other),
        lambda r: [r.asks(policies, one), r.asks(policies, other)],
        lambda case: asked_together(policies, [one, other], case),
        f"P204 {policies.policies[one].name} {policies.policies[other].name}",
    )


def _disagreement(analysis: Analysis, one: int, other: int, sought: Sought) -> Finding:
    policies = analysis.policies
    if sought.found is None:
        return undecided("P204", policies, [one, other], sought.unknown)

    def accepts(case: Case) -> bool:
        return asked_together(policies, [one, other], case)

    how = " and ".join(_disagreements(policies, one, other).values())
    message = f"{told(policies.policies[one])} and {told(policies.policies[other])} can match one request and {how}."
    return shown(analysis, finding("P204", policies, [one, other], "violated", message), sought.found, accepts)[0]
