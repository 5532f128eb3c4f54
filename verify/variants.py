"""Sets of a few policies of another set, as they are or with some of their conditions alone, to be asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cedarpy
from cedarpy import pst

from models.cedar.clauses import Part, with_conditions
from models.cedar.policies import Policy, PolicySet


def variant(policies: PolicySet, chosen: Sequence[tuple[Policy, Sequence[Part] | None]]) -> PolicySet:
    """These policies alone, in this order; those with parts have these conditions alone."""
    made = []
    for number, (policy, kept) in enumerate(chosen):
        syntax = policy.syntax if kept is None else with_conditions(policy, kept)
        made.append(replace(policy, index=number, id=f"policy{number}", syntax=replace(syntax, id=f"policy{number}")))
    permits = {policy.id: replace(policy.syntax, effect="permit") for policy in made}
    tree = pst.PolicySet(templates={}, static_policies=permits, template_links=())
    position = {policy.index: number for number, (policy, _) in enumerate(chosen)}
    groups = tuple(tuple(position[i] for i in group if i in position) for group in policies.permit_groups)
    return replace(
        policies,
        policies=tuple(made),
        matcher=cedarpy.PolicySet.from_pst(tree),
        permit_groups=groups,
        conflicts=(),
        invariants=None,
    )
