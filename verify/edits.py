"""Edits that a finding suggests: only such after which the finding is gone and the set still loads.

An edit that is made of a rule that does nothing changes no decision. A linked template is not edited: its text is that
of all its links.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from models.cedar.annotations import misspelt, read
from models.cedar.clauses import annotation_range, clauses_range, effect_offset
from models.cedar.entities import uid_of
from models.cedar.faults import nearest
from models.cedar.places import place_at, uid_offsets
from models.cedar.policies import Policy, PolicySet
from models.cedar.uids import Uid, escape
from models.cedar.usage import uids
from verify.findings import Edit, Finding, Suggestion

if TYPE_CHECKING:
    from models.load import LoadedScenario

Suggested = Suggestion | None

_YAML_CONSTANTS = frozenset({"null", "true", "false"})
"""Names that a scenario file has to put into quotes."""

NAMED_MAX = 4
"""Policies that a sentence names one by one; the edits list all. An assumption."""


def suggested(policies: PolicySet, finding: Finding, about: Sequence[Policy]) -> Suggested:
    """The edits that a violated finding about these policies suggests; None where none is known to be safe."""
    make = _BY_CHECK.get(finding.check)
    return make(policies, finding, about) if make is not None else None


def edit(policy: Policy, start: int, end: int, insert: str) -> Edit:
    """A change of a stretch of a policy's text."""
    place = place_at(policy, start)
    return Edit(place.file, place.line, place.column, policy.text[start:end], insert)


def scalar_edit(loaded: LoadedScenario, keys: tuple[str | int, ...], old: str, new: str) -> Edit | None:
    """A change of a text of the scenario file; None where it is not written there as it reads."""
    if loaded.document.change(keys) is not None:
        return None
    place = loaded.document.place(keys)
    line = loaded.document.lines[place.line - 1]
    for quote in ("", '"', "'"):
        written = f"{quote}{old}{quote}"
        if line.startswith(written, place.column - 1):
            insert = json.dumps(new) if quote == "" and new.casefold() in _YAML_CONSTANTS else f"{quote}{new}{quote}"
            return Edit(loaded.path.name, place.line, place.column, written, insert)
    return None


def without_annotations(policy: Policy, names: Iterable[str], why: str) -> Suggested:
    """The suggestion to delete annotations of a policy; None where it does not have them all."""
    ranges = [annotation_range(policy, name) for name in names]
    found = [one for one in ranges if one is not None]
    if policy.linked or len(found) < len(ranges):
        return None
    return Suggestion(tuple(edit(policy, start, _past_blanks(policy, end), "") for start, end in found), why)


def _past_blanks(policy: Policy, end: int) -> int:
    return end + len(policy.text[end:]) - len(policy.text[end:].lstrip(" "))


# --- rules that do nothing --------------------------------------------------------------------------------------------


def _deleted(why: str) -> Callable[[PolicySet, Finding, Sequence[Policy]], Suggested]:
    def delete(policies: PolicySet, finding: Finding, about: Sequence[Policy]) -> Suggested:
        policy = about[0]
        if policy.linked or _upholds_its_tier(policies, policy) or finding.witness is not None:
            return None
        text = f"Delete `{policy.name}`: {why}. If it was meant to do something, mend it instead."
        return Suggestion((edit(policy, 0, len(policy.text), ""),), text)

    return delete


def _upholds_its_tier(policies: PolicySet, policy: Policy) -> bool:
    """Whether a policy is the only permit of a tier, without which the tier would permit all."""
    alone = any(group == (policy.index,) for group in policies.permit_groups)
    return alone and policies.profile == "tiered"


def _without_conditions(_: PolicySet, __: Finding, about: Sequence[Policy]) -> Suggested:
    policy = about[0]
    if policy.linked:
        return None
    why = f"Delete the conditions of `{policy.name}`: they are always true, so it matches the same requests without."
    return Suggestion((edit(policy, *clauses_range(policy), ""),), why)


# --- names ------------------------------------------------------------------------------------------------------------


def _spelt(policies: PolicySet, _: Finding, about: Sequence[Policy]) -> Suggested:
    """Annotations spelt as they are read, where the policy loads with them."""
    policy = about[0]
    wrong = misspelt(policy.annotations, policies.profile)
    spelt = {wrong.get(name, name): value for name, value in policy.annotations.items()}
    names = {"rule_id"} & set(wrong.values())
    if policy.linked or names or len(spelt) < len(policy.annotations):
        return None
    if read(spelt, policy.effect, policies.profile, policy.tier).faults:
        return None
    edits = []
    for written, meant in wrong.items():
        found = annotation_range(policy, written)
        assert found is not None
        edits.append(edit(policy, found[0], found[0] + len(written) + 1, f"@{meant}"))
    changes = ", ".join(f"`@{meant}` for `@{written}`" for written, meant in wrong.items())
    return Suggestion(tuple(edits), f"Write {changes}.")


def _known(policies: PolicySet, finding: Finding, about: Sequence[Policy]) -> Suggested:
    """Owners and entities spelt as those that exist."""
    policy = about[0]
    if policy.linked:
        return None
    edits: list[Edit] = []
    owners = {p.owner for p in policies.policies if p.owner}
    names = {p.name for p in policies.policies}
    if unknown := sorted(policy.overrides - owners - names):
        near = {name: nearest(name, (*sorted(owners), *sorted(names))) for name in unknown}
        if not all(near.values()):
            return None
        spelt = (near.get(name) or name for name in sorted(policy.overrides))
        edits.append(_overriding(policy, spelt))
    for uid, meant in _misspelt_entities(policies, policy, finding):
        places = uid_offsets(policy, uid)
        if not places:
            return None  # its id is written with escapes
        edits += [edit(policy, start, end, f'"{escape(meant)}"') for start, end in places]
    changes = ", ".join(f"`{one.insert}` for `{one.remove}`" for one in edits)
    return Suggestion(tuple(edits), f"Write {changes}.") if edits else None


def _misspelt_entities(policies: PolicySet, policy: Policy, finding: Finding) -> Iterator[tuple[Uid, str]]:
    """The entities that a finding says are misspelt, with the ids that were meant."""
    exist: dict[str, set[str]] = {}
    for entity in policies.entities:
        uid = uid_of(entity["uid"])
        exist.setdefault(uid.type, set()).add(uid.id)
    for uid in sorted(uids(policy.syntax)):
        ids = exist.get(uid.type, set())
        meant = nearest(uid.id, sorted(ids)) if uid.id not in ids and f"`{uid}` " in finding.message else None
        if meant is not None:
            yield uid, meant


def _overriding(policy: Policy, names: Iterable[str]) -> Edit:
    """The edit that has a policy override these names."""
    annotation = f'@overrides("{escape(", ".join(names))}")'
    if found := annotation_range(policy, "overrides"):
        return edit(policy, *found, annotation)
    at = effect_offset(policy)
    return edit(policy, at, at, f"{annotation} ")


def _declared(_: PolicySet, __: Finding, about: Sequence[Policy]) -> Suggested:
    """The forbids of a conflict declared to go before the owner of the permit, as they do."""
    permit, *forbids = about
    owner = permit.owner or ""
    if not forbids or any(one.linked for one in forbids) or not owner or "," in owner or owner != owner.strip():
        return None
    names = ", ".join(f"`{one.name}`" for one in forbids[:NAMED_MAX])
    names += f" and {len(forbids) - NAMED_MAX} more" * (len(forbids) > NAMED_MAX)
    why = (
        f"Declare by `@overrides` that {names} {'goes' if len(forbids) == 1 else 'go'} before `{owner}`, as is so: no "
        "decision changes. If it should not be so, except the case from the forbid instead."
    )
    return Suggestion(tuple(_overriding(one, [*sorted(one.overrides), owner]) for one in forbids), why)


def _not_asserted(_: PolicySet, finding: Finding, about: Sequence[Policy]) -> Suggested:
    """A deployed policy without its `@invariant`."""
    policy = about[0]
    if finding.severity != "warning" or finding.witness is not None or finding.proof is not None:
        return None
    why = f"Delete the `@invariant` of `{policy.name}`; to have it checked, move the rule to the file of invariants."
    return without_annotations(policy, ["invariant"], why)


_BY_CHECK: Mapping[str, Callable[[PolicySet, Finding, Sequence[Policy]], Suggested]] = {
    "P101": _deleted("it matches nothing, so no decision changes"),
    "P102": _without_conditions,
    "P104": _deleted("others decide the same without it, so no decision changes"),
    "P105": _deleted("it permits nothing, so no decision changes"),
    "P106": _declared,
    "P108": _spelt,
    "P109": _known,
    "P201": _deleted("nobody is ever asked because of it, and others decide what it matches, so no decision changes"),
    "P305": _not_asserted,
}
