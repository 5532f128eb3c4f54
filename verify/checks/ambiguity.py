"""P204: do escalating rules that match together agree, and does every value that a rule sets ever apply?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from models.cedar.annotations import SEVERITIES
from models.cedar.policies import Escalation, PolicySet
from models.cedar.types import RequestEnvironment
from models.units import format_duration
from verify import term as t
from verify.checks.common import (
    Company,
    Sought,
    companions,
    company,
    finding,
    joined,
    of_all,
    reference,
    shown,
    smallest_cover,
    told,
    told_all,
    undecided,
)
from verify.checks.rounds import ONE_MORE, Asking, asked_together, decisions, seek_asking
from verify.edits import without_annotations
from verify.findings import Finding, Proof, Suggestion
from verify.query import Analysis, Case
from verify.term import Term

Kind = Literal["timeout", "severity"]

NAMED_MAX = 4
"""Rules that a sentence names; the finding lists all. An assumption about what is read."""

_KINDS: tuple[Kind, ...] = ("timeout", "severity")


def ambiguous(asking: Asking, rules: Sequence[int]) -> Iterator[Finding]:
    """P204 of rules that can be the reason to ask: dead values, disagreements, and the rules without either.

    A pair that disagrees is told once, with the one of both that disagrees with more. Of a pair of which one rule makes
    a value of the other dead, that finding tells everything.
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
    pairs: set[frozenset[int]] = set()
    for position, one in enumerate(rules):
        later = [i for i in rules[position + 1 :] if frozenset({one, i}) not in settled]
        rivals = [i for i in later if _disagreements(analysis.policies, one, i)]
        if not rivals:
            continue
        found = _at_odds(asking, one, rivals)
        pairs |= {frozenset({one, other}) for other in found.met}
        if found.unknown:
            yield of_all(undecided("P204", analysis.policies, [one, *found.left], found.unknown))
        troubled |= {one, *found.met} if found.met else set()
        troubled |= {one, *found.left} if found.unknown else set()
        for index in (one, *found.left):
            apart[index] += found.proofs
    yield from (_disagreement(asking, one, others) for one, others in _gathered(analysis.policies, pairs))
    yield from (_clear(analysis, index, apart[index]) for index in rules if index not in troubled)


def _gathered(policies: PolicySet, pairs: Collection[frozenset[int]]) -> Iterator[tuple[int, Sequence[int]]]:
    """Pairs by a rule that they have in common, alike whatever the order of the rules: the one in most pairs first."""
    left = set(pairs)
    while left:
        counts = Counter(index for pair in left for index in pair)
        one = min(counts, key=lambda index: (-counts[index], _lasting_name(policies, index)))
        taken = {pair for pair in left if one in pair}
        left -= taken
        others = sorted(index for pair in taken for index in pair if index != one)
        yield (one, others) if len(others) > 1 else (min(one, *others), [max(one, *others)])


def _lasting_name(policies: PolicySet, index: int) -> tuple[str, str]:
    """What orders rules alike wherever they stand in their files."""
    about = reference(policies, index)
    return ("", about.mark) if about.mark else (about.name, "")


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
        enough = {stricter[position] for position in sought.needed if position < len(stricter)}
        asked = (
            _asked_with(policies, index, case) for e in analysis.touched(index) for case in analysis.known(e, index)
        )
        alone = companions(chain.from_iterable(asked), stricter)
        cover = smallest_cover(stricter, lambda some: _applies(asking, index, some).impossible, enough, alone)
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
        return any(reasons.isdisjoint(stricter) for reasons in _asked_with(policies, index, case))

    return seek_asking(
        asking,
        asking.analysis.touched(index),
        lambda r: [*(t.not_(r.wants(policies, i)) for i in stricter), r.allowed, r.wants(policies, index)],
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
    """A request that in some round two rules are reasons to ask of."""
    policies = asking.analysis.policies
    return seek_asking(
        asking,
        asking.analysis.touched(one, other),
        lambda r: [r.allowed, r.wants(policies, one), r.wants(policies, other)],
        lambda case: asked_together(policies, [one, other], case),
        f"P204 {policies.policies[one].name}",
    )


def _asked_with(policies: PolicySet, one: int, case: Case) -> Iterator[frozenset[int]]:
    """The reasons to ask of a request, round by round, where a rule is one of them."""
    asked = (frozenset(made.determining) for made in decisions(policies, case) if made.outcome == "escalate")
    return (reasons for reasons in asked if one in reasons)


def _at_odds(asking: Asking, one: int, others: Sequence[int]) -> Company:
    """Those of the others that a rule can be a reason to ask with, and what is proved or not known of the rest."""
    policies = asking.analysis.policies

    def questions(environment: RequestEnvironment, some: Sequence[int]) -> Iterator[tuple[list[Term], list[Term]]]:
        for round_ in asking.asking_rounds(environment):
            must = [*round_.reached, round_.allowed, round_.wants(policies, one)]
            yield must, [round_.wants(policies, other) for other in some]

    def asked(case: Case) -> frozenset[int]:
        return frozenset[int]().union(*_asked_with(policies, one, case))

    found = company(asking.analysis, one, others, questions, asked, f"P204 {policies.policies[one].name}")
    if found.left and any(map(asking.may_go_on, asking.analysis.touched(one))):
        return replace(found, unknown=(*found.unknown, ONE_MORE))
    return found


def _disagreement(asking: Asking, one: int, others: Sequence[int]) -> Finding:
    """The finding about a rule and those that it can match together with and does not agree with."""
    analysis = asking.analysis
    policies = analysis.policies
    sought = _together(asking, one, others[0])
    assert sought.found is not None, "a request was found before"
    hows = [" and ".join(_disagreements(policies, one, other).values()) for other in others]
    named = [told(policies.policies[other]) for other in others]
    message = f"{told(policies.policies[one])} and {named[0]} can match one request and {hows[0]}."
    if len(others) > 1:
        pairs = "; ".join(f"with {name} they {how}" for name, how in list(zip(named, hows, strict=True))[:NAMED_MAX])
        more = f"; and {len(others) - NAMED_MAX} more" if len(others) > NAMED_MAX else ""
        message = f"{told(policies.policies[one])} can match together with {len(others)} rules: {pairs}{more}."
    base = of_all(finding("P204", policies, [one, *others], "violated", message))
    return shown(analysis, base, sought.found, lambda case: asked_together(policies, [one, others[0]], case))[0]
