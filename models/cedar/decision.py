"""The three-outcome decision: allow, deny, or escalate to people.

In this order: a matching forbid that does not escalate denies; with no matching permit (in every permit group) the
request is denied and nobody is asked; a matching forbid whose chain has not approved escalates, and so do the matching
permits of a group where each of them asks a chain that has not (profile `advice`); otherwise the request is allowed. A
policy that errors does not match.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cedarpy

from models.cedar.annotations import SEVERITIES
from models.cedar.entities import entities_handle, explicit, uid_of
from models.cedar.policies import Escalation, Policy, PolicySet, Severity
from models.cedar.types import SetType, StringType
from models.cedar.uids import Uid, parse_uid

Outcome = Literal["allow", "deny", "escalate"]
Kind = Literal["allowed", "forbidden", "not permitted", "escalated"]

_ERRING = re.compile(r"error while evaluating policy `policy(\d+)`: ")


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a request, and why.

    `determining` are indices of policies: the forbids that deny or escalate, or the permits that allow; none for
    `not permitted`. `escalations` has one entry for each chain to ask, by name, its annotations merged strictest-first.
    """

    outcome: Outcome
    kind: Kind
    determining: tuple[int, ...]
    escalations: tuple[Escalation, ...] = ()

    @property
    def chains(self) -> tuple[str, ...]:
        """The chains to ask, sorted."""
        return tuple(escalation.chain for escalation in self.escalations)

    @property
    def timeout(self) -> int | None:
        """The least bound on the answer over all chains, in microseconds."""
        return least_timeout(self.escalations)

    @property
    def severity(self) -> Severity | None:
        """The greatest severity over all chains."""
        return greatest_severity(self.escalations)


def least_timeout(escalations: Iterable[Escalation]) -> int | None:
    """The strictest bound on the answer, in microseconds; None where no rule sets one."""
    return min((e.timeout for e in escalations if e.timeout is not None), default=None)


def greatest_severity(escalations: Iterable[Escalation]) -> Severity | None:
    """The gravest severity; None where no rule names one."""
    return max((e.severity for e in escalations if e.severity), key=SEVERITIES.index, default=None)


def merge(escalations: Iterable[Escalation]) -> tuple[Escalation, ...]:
    """One escalation for each chain, by name: the least time-out and the greatest severity of its rules."""
    by_chain: dict[str, list[Escalation]] = {}
    for escalation in escalations:
        by_chain.setdefault(escalation.chain, []).append(escalation)
    return tuple(
        Escalation(chain, least_timeout(rules), greatest_severity(rules)) for chain, rules in sorted(by_chain.items())
    )


def decide(policies: PolicySet, matched: Collection[int], granted: frozenset[str] = frozenset()) -> Decision:
    """The decision where the policies of these indices match and these chains have approved."""
    forbids = [policies.policies[i] for i in sorted(matched) if policies.policies[i].effect == "forbid"]
    if hard := tuple(p.index for p in forbids if p.escalation is None):
        return Decision("deny", "forbidden", hard)
    permits = [[policies.policies[i] for i in group if i in matched] for group in policies.permit_groups]
    if not all(permits):
        return Decision("deny", "not permitted", ())
    released = [[p for p in group if _released(p, granted)] for group in permits]
    asking = [p for p in forbids if not _released(p, granted)]
    asking += [p for group, free in zip(permits, released, strict=True) if not free for p in group]
    if asking:
        escalations = merge(p.escalation for p in asking if p.escalation)
        return Decision("escalate", "escalated", tuple(sorted({p.index for p in asking})), escalations)
    return Decision("allow", "allowed", tuple(sorted({p.index for group in released for p in group})))


def _released(policy: Policy, granted: frozenset[str]) -> bool:
    """Whether a policy asks nobody: it never does, or its chain has approved."""
    return policy.escalation is None or policy.escalation.chain in granted


def matching(
    policies: PolicySet, request: Mapping[str, Any], entities: Iterable[Mapping[str, Any]] | None = None
) -> tuple[frozenset[int], frozenset[int]]:
    """The indices of the policies that match one request, and of those that error on it, by cedarpy.

    The request is in cedarpy's form: `principal`, `action`, `resource` as uid text or `{"type", "id"}`, `context` in
    Cedar's JSON. `entities` stand in for the set's own store; the schema's actions are always in it. Raises ValueError
    where cedarpy cannot read the request or the entities.
    """
    matched, erring = evaluated(policies, request, entities)
    return matched, frozenset(erring)


def evaluated(
    policies: PolicySet, request: Mapping[str, Any], entities: Iterable[Mapping[str, Any]] | None = None
) -> tuple[frozenset[int], Mapping[int, str]]:
    """As `matching`, with what Cedar says of each policy that errors."""
    store = policies.store if entities is None else entities_handle(entities, policies.schema)
    asked = {**request, **{part: _uid(request[part]) for part in ("principal", "action", "resource")}}
    declared = None if policies.schema_inferred else policies.schema.actions.get(_uid_text(request["action"]))
    if declared:
        asked["context"] = explicit(request.get("context") or {}, declared.context)
    result = cedarpy.is_authorized(asked, policies.matcher, store)
    if result.decision is cedarpy.Decision.NoDecision:
        raise ValueError("; ".join(result.diagnostics.errors) or "cedarpy reached no decision")
    matched = frozenset(int(policy.removeprefix("policy")) for policy in result.diagnostics.reasons)
    erring = [found for error in result.diagnostics.errors if (found := _ERRING.match(error))]
    if len(erring) != len(result.diagnostics.errors):
        raise ValueError("; ".join(result.diagnostics.errors))
    position = {policy.id: policy.index for policy in policies.policies}
    return (
        frozenset(position[f"policy{number}"] for number in matched),
        {position[f"policy{found[1]}"]: found.string[found.end() :] for found in erring},
    )


def _uid(value: object) -> object:
    """cedarpy's structured form: its text form refuses ids that it would print in another way."""
    uid = parse_uid(value) if isinstance(value, str) else value
    return {"type": uid.type, "id": uid.id} if isinstance(uid, Uid) else uid


def _uid_text(value: object) -> str:
    uid = uid_of(value) if isinstance(value, Mapping) else parse_uid(str(value))
    return str(uid)


def authorize(
    policies: PolicySet,
    request: Mapping[str, Any],
    entities: Iterable[Mapping[str, Any]] | None = None,
    approvals: Collection[str] = (),
) -> Decision:
    """The decision on one request, of which these chains have approved. As `matching` otherwise.

    Where the schema gives the action's context a set of strings `approvals`, the approving chains stand in it.
    """
    return decided(policies, request, entities, approvals)[0]


def decided(
    policies: PolicySet,
    request: Mapping[str, Any],
    entities: Iterable[Mapping[str, Any]] | None = None,
    approvals: Collection[str] = (),
) -> tuple[Decision, frozenset[int]]:
    """As `authorize`, with the indices of the policies that error."""
    granted = frozenset(approvals)
    asked = dict(request)
    if has_approvals(policies, _uid_text(request["action"])):
        context = dict(request.get("context") or {})
        context["approvals"] = sorted(granted.union(context.get("approvals", ())))
        asked["context"] = context
    matched, erring = matching(policies, asked, entities)
    return decide(policies, matched, granted), erring


def has_approvals(policies: PolicySet, action: str) -> bool:
    """Whether the schema has the chains that approved, `approvals`, in the context of an action."""
    declared = policies.schema.actions.get(action)
    attribute = declared.context.attributes.get("approvals") if declared else None
    return attribute is not None and attribute.type == SetType(StringType())
