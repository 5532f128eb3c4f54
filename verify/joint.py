"""Two policy sets as one, so that one question can be about both.

Policies that say the same on both sides (effect, scope and conditions; names and annotations may differ) stand once in
the joint set. So they are encoded once, and what a question says of them on one side cancels against the other.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import cedarpy
from cedarpy import pst

from models.cedar.decision import Decision, decide
from models.cedar.entities import entities_handle
from models.cedar.load import permit_groups
from models.cedar.policies import Policy, PolicySet, TypeConflict
from models.cedar.types import Action, RequestEnvironment, Schema
from verify import term as t
from verify.encode import Encoder
from verify.symbolic import Scalar


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two sets. `at` says where its policies stand in the joint set; those it leaves out match nothing."""

    policies: PolicySet
    at: Mapping[int, int]

    def matched(self, joint: Collection[int]) -> frozenset[int]:
        """Of policies that match in the joint set, those of this side, by its own indices."""
        among = frozenset(joint)  # what is evaluated only when it is asked for is slow to ask one by one
        return frozenset(own for own, position in self.at.items() if position in among)

    def decision(self, joint: Collection[int]) -> Decision:
        """The first decision of this side where these policies of the joint set match."""
        return decide(self.policies, self.matched(joint))


@dataclass(frozen=True, slots=True)
class Joint:
    """Both sides and the set that holds the policies of both."""

    policies: PolicySet
    old: Side
    new: Side


def join(
    old: PolicySet, new: PolicySet, schema: Schema, among: tuple[Iterable[int], Iterable[int]] | None = None
) -> Joint:
    """The joint set of two sets under one schema, of all their policies or of those `among` names for each side."""
    chosen = among if among is not None else (range(len(old.policies)), range(len(new.policies)))
    positions: dict[Hashable, int] = {}
    kept: list[Policy] = []
    sides = []
    guessed: dict[str, TypeConflict] = {}
    for policies, indices in zip((old, new), chosen, strict=True):
        at = {}
        for index in indices:
            policy = policies.policies[index]
            key = meaning(policy)
            if key not in positions:
                positions[key] = len(kept)
                kept.append(policy)
            at[index] = positions[key]
        sides.append(Side(policies, at))
        for conflict in policies.conflicts:
            before = guessed[conflict.attribute].policies if conflict.attribute in guessed else frozenset()
            read = frozenset(at[index] for index in conflict.policies if index in at)
            guessed[conflict.attribute] = replace(conflict, policies=before | read)
    return Joint(_set(kept, old, new, schema, tuple(guessed.values())), *sides)


def meaning(policy: Policy) -> Hashable:
    """What Cedar makes of a policy: two with the same meaning match the same requests with the same effect."""
    syntax = policy.syntax
    return policy.effect, syntax.principal, syntax.action, syntax.resource, syntax.clauses


def only(schema: Schema, environment: RequestEnvironment) -> Schema:
    """The schema with no other request environment than this one."""

    def action(one: Action) -> Action:
        applies = one.uid == environment.action
        principals, resources = ((environment.principal,), (environment.resource,)) if applies else ((), ())
        return replace(one, principals=principals, resources=resources)

    return replace(schema, actions={uid: action(one) for uid, one in schema.actions.items()})


@dataclass
class Fitting:
    """Which policies fit an encoder's environment: no other can match or err there."""

    encoder: Encoder
    _fits: dict[Hashable, bool] = field(default_factory=dict)

    def among(self, policies: PolicySet) -> tuple[int, ...]:
        """The policies whose scope fits some request, by index."""
        return tuple(policy.index for policy in policies.policies if self._each_part_fits(policy.syntax))

    def _each_part_fits(self, syntax: pst.Template) -> bool:
        """Parts of a scope are about different entities, so that all fit if each does. Most policies share them."""
        return all(
            self._part_fits(syntax, *part)
            for part in (("principal", syntax.principal), ("action", syntax.action), ("resource", syntax.resource))
        )

    def _part_fits(self, syntax: pst.Template, name: str, constraint: Hashable) -> bool:
        key = name, constraint
        if key not in self._fits:
            alone = replace(
                syntax,
                principal=syntax.principal if name == "principal" else pst.ScopeAny(),
                action=syntax.action if name == "action" else pst.ScopeAny(),
                resource=syntax.resource if name == "resource" else pst.ScopeAny(),
            )
            value = self.encoder.scope(alone).value
            self._fits[key] = not (isinstance(value, Scalar) and value.term is t.FALSE)
        return self._fits[key]


def _set(
    kept: Iterable[Policy], old: PolicySet, new: PolicySet, schema: Schema, conflicts: tuple[TypeConflict, ...]
) -> PolicySet:
    policies = tuple(replace(policy, index=index, id=f"policy{index}") for index, policy in enumerate(kept))
    return PolicySet(
        policies=policies,
        text="\n".join(policy.text for policy in policies),
        handle=_handle(policies),
        matcher=_handle(policies, "permit"),
        schema=schema,
        schema_text=old.schema_text,
        schema_inferred=old.schema_inferred and new.schema_inferred,
        entities=(),
        store=entities_handle((), schema),
        profile=old.profile,
        permit_groups=permit_groups(policies, "windtunnel"),
        conflicts=conflicts,
    )


def _handle(policies: Iterable[Policy], effect: pst.Effect | None = None) -> cedarpy.PolicySet:
    """cedarpy's set of policies, all of one effect where that is given."""
    syntax = {p.id: replace(p.syntax, id=p.id, effect=effect or p.syntax.effect) for p in policies}
    return cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=syntax, template_links=()))
