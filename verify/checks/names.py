"""P108 and P109: annotations and names that say nothing because they are misspelt. No solver is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from models.cedar.annotations import misspelt
from models.cedar.entities import uid_of
from models.cedar.faults import near
from models.cedar.policies import Policy, PolicySet
from models.cedar.source import Statement, tokens
from models.cedar.uids import Uid, escape, parse_uid
from models.cedar.usage import is_action, uids
from verify.checks.common import finding, told
from verify.findings import Finding, Location


def name_findings(policies: PolicySet, elsewhere: Iterable[str]) -> Iterator[Finding]:
    """P108 and P109 of a set. `elsewhere` are uid texts of entities that exist though the entity store lacks them."""
    yield from _misspelt_annotations(policies)
    yield from _unknown_names(policies, {parse_uid(text) for text in elsewhere})


def _misspelt_annotations(policies: PolicySet) -> Iterator[Finding]:
    """P108 of every policy that has annotations."""
    for policy in policies.policies:
        wrong = misspelt(policy.annotations, policies.profile)
        if wrong:
            stream = tuple(tokens(policy.text))
            faults = [
                _Fault(
                    f"`@{written}` is not read; did you mean `@{meant}`? As it stands, {_effect(policy, meant)}",
                    Statement(stream).annotation(written),
                )
                for written, meant in wrong.items()
            ]
            yield _violated("P108", policies, policy, faults)
        elif policy.annotations:
            message = f"{told(policy)}: none of its annotations looks misspelt."
            yield finding("P108", policies, [policy.index], "holds", message)


def _effect(policy: Policy, meant: str) -> str:
    """What a policy does without the annotation that was meant."""
    match meant:
        case "escalate":
            if policy.escalation:
                return f"the rule asks the chain `{policy.escalation.chain}`"
            return "the forbid denies outright and nobody is asked" if policy.effect == "forbid" else "it does nothing"
        case "timeout" | "approval_timeout_s":
            return "the rule sets no bound on the answer"
        case "severity" | "owner":
            return f"the rule has no {meant}"
        case "overrides":
            return "the rule goes before no other"
        case "advice":
            return "the permit permits without asking" if policy.effect == "permit" else "it does nothing"
        case "tier":
            return f"the rule is of the tier `{policy.tier}`" if policy.tier else "the rule is of no tier"
        case "id" | "rule_id":
            return f"the rule is called `{policy.name}`"
    return "it does nothing"


def _unknown_names(policies: PolicySet, elsewhere: Collection[Uid]) -> Iterator[Finding]:
    """P109 of every policy that names an owner or a rule in `@overrides`, or an entity of a type that is given."""
    owners = {policy.owner for policy in policies.policies if policy.owner}
    names = {policy.name for policy in policies.policies}
    given = _given(policies)
    exist = {*(uid for known in given.values() for uid in known), *elsewhere}
    for policy in policies.policies:
        named = sorted(uid for uid in uids(policy.syntax) if uid.type in given)
        faults = [
            *_unknown_owners(policy, sorted(owners), names),
            *(fault for uid in named if uid not in exist for fault in _unknown_entity(policy, uid, given[uid.type])),
        ]
        if faults:
            yield _violated("P109", policies, policy, faults)
        elif policy.overrides or named:
            message = f"{told(policy)} names owners and entities that exist."
            yield finding("P109", policies, [policy.index], "holds", message)


def _given(policies: PolicySet) -> Mapping[str, Sequence[Uid]]:
    """The entities of the store by their types, actions left out. What an entity file lists of a type is all of it."""
    found: dict[str, list[Uid]] = {}
    for uid in sorted(uid_of(entity["uid"]) for entity in policies.entities):
        if not is_action(uid.type):
            found.setdefault(uid.type, []).append(uid)
    return found


def _unknown_owners(policy: Policy, owners: Sequence[str], names: Collection[str]) -> Iterator[_Fault]:
    for name in sorted(policy.overrides.difference(owners, names)):
        hint = near(name, (*owners, *sorted(names)))
        message = f"`@overrides` names `{name}`, which is no rule and owns none, so it has no effect"
        place = Statement(tuple(tokens(policy.text))).annotation("overrides")
        yield _Fault(f"{message}; {hint}" if hint else message, place)


def _unknown_entity(policy: Policy, uid: Uid, known: Sequence[Uid]) -> Iterator[_Fault]:
    """A fault where an entity that exists has a near name: then the one named is most likely misspelt."""
    if hint := near(uid.id, [other.id for other in known]):
        message = f"`{uid}` is not among the {len(known)} entities given of its type; {hint}"
        yield _Fault(message, _uid_offset(policy, uid))


def _uid_offset(policy: Policy, uid: Uid) -> int:
    """Where a policy names an entity; its start where it writes the id in another way."""
    stream = tuple(tokens(policy.text))
    written = ("string", f'"{escape(uid.id)}"')
    found = (b.start for a, b in pairwise(stream) if a.text == "::" and (b.kind, b.text) == written)
    return next(found, stream[0].start)


class _Fault(NamedTuple):
    """What is wrong with one name, and where it stands in its policy's text."""

    message: str
    offset: int


def _violated(check: str, policies: PolicySet, policy: Policy, faults: Sequence[_Fault]) -> Finding:
    """One finding about one policy, at the first of the faults."""
    said = "; ".join(f"{fault.message} ({_location_text(policy, fault)})" for fault in faults)
    base = finding(check, policies, [policy.index], "violated", f"{told(policy)}: {said}.")
    return replace(base, location=_location(policy, min(faults, key=lambda fault: fault.offset)))


def _location(policy: Policy, fault: _Fault) -> Location:
    return Location(policy.span.file, policy.span.line + policy.text.count("\n", 0, fault.offset))


def _location_text(policy: Policy, fault: _Fault) -> str:
    location = _location(policy, fault)
    return f"{location.file}:{location.line}"
