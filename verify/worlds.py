"""The requests that a change of policies is asked about, where the schema changes with them.

A request stands in the world of a schema that admits it. Both policy sets are asked about it as Cedar evaluates them
there: a policy that does not fit that schema errs, or does not match. Two things come with the policies instead, not
with the request: the groups that actions are in, and the approvals that the decision point puts into the context.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cedarpy
from cedarpy import pst

from models.cedar.policies import Policy, PolicySet
from models.cedar.syntax import with_children
from models.cedar.types import (
    Action,
    Attribute,
    EntityType,
    RecordType,
    RequestEnvironment,
    Schema,
    SetType,
    StringType,
    Type,
)
from models.cedar.uids import parse_uid
from verify.findings import Witness
from verify.query import place, request
from verify.symbolic import UnsupportedError

Name = Literal["old", "new"]
"""A side."""

APPROVALS = Attribute(SetType(StringType()), required=True)
"""How a schema declares the approvals that policies may read."""


@dataclass(frozen=True, slots=True)
class World:
    """The requests that a schema admits, and both policy sets as they read them."""

    schema: Schema
    old: PolicySet
    new: PolicySet


def worlds(old: PolicySet, new: PolicySet) -> Mapping[RequestEnvironment, tuple[World, ...]]:
    """Every request environment of either schema, in order, with the worlds that its requests stand in.

    Where an environment is in both schemas and they say the same of it, one world has all its requests. Where they do
    not, the requests that both admit come first, as far as a schema can say which they are. Raises UnsupportedError
    where the schemas group actions differently and a policy names a group by more than its name.
    """
    if old.schema == new.schema:
        only = World(new.schema, old, new)
        return dict.fromkeys(new.schema.environments(), (only,))
    alike = _grouped_alike(old.schema, new.schema)
    sides = (old, new) if alike else (_written_out(old), _written_out(new))
    before, after = _world_schema(old.schema, new.schema, alike), _world_schema(new.schema, old.schema, alike)
    here, there = World(before, *sides), World(after, *sides)
    shared = shared_schema(before, after)
    both = () if shared is None else (World(shared, *sides),)
    had, has = frozenset(before.environments()), frozenset(after.environments())

    def of(environment: RequestEnvironment) -> tuple[World, ...]:
        if environment not in had:
            return (there,)
        if environment not in has:
            return (here,)
        if _same(before, after, environment):
            return (there,)
        common = shared is not None and environment in shared.environments()
        return (*(both if common else ()), there, here)

    every = sorted(had | has, key=lambda one: (one.action, one.principal, one.resource))
    return {environment: of(environment) for environment in every}


def admits(policies: PolicySet, environment: RequestEnvironment) -> bool:
    """Whether the schema of a side has an environment: what it has not is refused before any policy is asked."""
    action = policies.schema.actions.get(environment.action)
    return (
        action is not None and environment.principal in action.principals and environment.resource in action.resources
    )


def _same(one: Schema, other: Schema, environment: RequestEnvironment) -> bool:
    action = environment.action
    return one.entity_types == other.entity_types and one.actions[action].context == other.actions[action].context


def _world_schema(schema: Schema, other: Schema, groups: bool) -> Schema:
    """The schema of a world: approvals are there where either schema has them; without `groups` no action is in any."""

    def action(one: Action) -> Action:
        theirs = other.actions.get(one.uid)
        attributes = one.context.attributes
        if theirs and theirs.context.attributes.get("approvals") == APPROVALS and "approvals" not in attributes:
            attributes = {**attributes, "approvals": APPROVALS}
        return replace(one, parents=one.parents if groups else (), context=RecordType(attributes))

    return replace(schema, actions={uid: action(one) for uid, one in schema.actions.items()})


# --- what both schemas admit ------------------------------------------------------------------------------------------


def shared_schema(one: Schema, other: Schema) -> Schema | None:
    """A schema of requests that both admit; None where none such is found.

    An attribute that either requires is required, one that only one side has is left out. Entity types are those of
    both, and differ in their attributes alone.
    """
    if one.entity_types.keys() != other.entity_types.keys():
        return None
    types = {name: _shared_type(type, other.entity_types[name]) for name, type in one.entity_types.items()}
    actions = {
        uid: _shared_action(action, other.actions[uid]) for uid, action in one.actions.items() if uid in other.actions
    }
    if None in types.values():
        return None
    return Schema(
        {name: type for name, type in types.items() if type is not None},
        {uid: action for uid, action in actions.items() if action is not None},
    )


def _shared_type(one: EntityType, other: EntityType) -> EntityType | None:
    attributes = _shared_record(one.attributes, other.attributes)
    alike = (one.parents, one.tags, one.ids) == (other.parents, other.tags, other.ids)
    return replace(one, attributes=attributes) if alike and attributes is not None else None


def _shared_action(one: Action, other: Action) -> Action | None:
    context = _shared_record(one.context, other.context)
    if context is None:
        return None
    return replace(
        one,
        principals=tuple(name for name in one.principals if name in other.principals),
        resources=tuple(name for name in one.resources if name in other.resources),
        context=context,
    )


def _shared_record(one: RecordType, other: RecordType) -> RecordType | None:
    """What records of both types are like; None where there are none."""
    found: dict[str, Attribute] = {}
    for name in dict.fromkeys((*one.attributes, *other.attributes)):
        mine, theirs = one.attributes.get(name), other.attributes.get(name)
        required = any(attribute is not None and attribute.required for attribute in (mine, theirs))
        type = _shared_value(mine.type, theirs.type) if mine and theirs else None
        if type is not None:
            found[name] = Attribute(type, required)
        elif required:
            return None
    return RecordType(found)


def _shared_value(one: Type, other: Type) -> Type | None:
    if isinstance(one, RecordType) and isinstance(other, RecordType):
        return _shared_record(one, other)
    return one if one == other else None


# --- action groups ----------------------------------------------------------------------------------------------------


def _grouped_alike(old: Schema, new: Schema) -> bool:
    """Whether every action that both schemas have is in the same groups."""
    return all(_above(old, uid) == _above(new, uid) for uid in old.actions.keys() & new.actions.keys())


def _above(schema: Schema, uid: str) -> frozenset[str]:
    """The groups that an action is in, at any remove."""
    action = schema.actions.get(uid)
    return (
        frozenset().union(*({parent} | _above(schema, parent) for parent in action.parents)) if action else frozenset()
    )


def _written_out(policies: PolicySet) -> PolicySet:
    """The set with every group of actions written out as the actions that its own schema has in it.

    Raises UnsupportedError where a group is not named in the text.
    """
    inside: dict[pst.EntityUid, list[pst.EntityUid]] = {}
    for uid in sorted(policies.schema.actions):
        for group in sorted(_above(policies.schema, uid)):
            inside.setdefault(_uid(group), []).append(_uid(uid))
    return replace(policies, policies=tuple(_without_groups(policy, inside) for policy in policies.policies))


_Inside = Mapping[pst.EntityUid, Sequence[pst.EntityUid]]


def _without_groups(policy: Policy, inside: _Inside) -> Policy:
    syntax = policy.syntax
    if isinstance(syntax.action, pst.ActionIn):
        members = (each for uid in syntax.action.entities for each in (uid, *inside.get(uid, ())))
        syntax = replace(syntax, action=pst.ActionIn(tuple(dict.fromkeys(members))))

    def rewritten(expression: pst.Expr) -> pst.Expr:
        expression = with_children(expression, rewritten)
        match expression:
            case pst.BinaryOp("in", left, right):
                return replace(expression, right=_listed(left, right, inside, policy))
            case pst.Is(base, _, right) if right is not None:
                return replace(expression, in_expr=_listed(base, right, inside, policy))
        return expression

    clauses = tuple(replace(clause, expr=rewritten(clause.expr)) for clause in syntax.clauses)
    return replace(policy, syntax=replace(syntax, clauses=clauses))


def _listed(left: pst.Expr, right: pst.Expr, inside: _Inside, policy: Policy) -> pst.Expr:
    """What stands right of an `in`, groups of actions written out."""
    match right:
        case pst.EntityLit(uid):
            members = inside.get(uid, ())
            return pst.Set((right, *map(pst.EntityLit, members))) if members else right
        case pst.Set(elements) if all(isinstance(each, pst.EntityLit) for each in elements):
            uids = [each.value for each in elements if isinstance(each, pst.EntityLit)]
            named = dict.fromkeys(member for uid in uids for member in (uid, *inside.get(uid, ())))
            return pst.Set(tuple(map(pst.EntityLit, named)))
    may_be_action = not isinstance(left, pst.Var | pst.GetAttr) or left == pst.Var("action")
    if may_be_action:
        construct = "`in` on an action with a group that is not named, where the schemas group actions differently"
        raise UnsupportedError(f"{construct}, at {place(policy, 'in')}")
    return right


def _uid(text: str) -> pst.EntityUid:
    uid = parse_uid(text)
    *namespace, name = uid.type.split("::")
    return pst.EntityUid(pst.EntityType(name, tuple(namespace)), uid.id)


# --- admission --------------------------------------------------------------------------------------------------------


def admitted_by(witness: Witness, sides: Mapping[Name, PolicySet]) -> tuple[Name, ...]:
    """The sides whose schema admits a request and its entities, as Cedar validates them."""
    return tuple(name for name, policies in sides.items() if _is_admitted(witness, policies))


def _is_admitted(witness: Witness, policies: PolicySet) -> bool:
    action = policies.schema.actions.get(witness.action)
    if action is None:
        return False
    asked = request(witness)
    asked["context"] = {
        name: value
        for name, value in witness.context.items()
        if name != "approvals" or name in action.context.attributes
    }
    for part in ("principal", "action", "resource"):
        asked[part] = parse_uid(str(asked[part]))._asdict()
    schema = cedarpy.Schema.from_str(policies.schema_text)
    try:
        entities = cedarpy.Entities.from_json_str(json.dumps(witness.entities), schema)
    except ValueError:
        return False
    result = cedarpy.is_authorized(asked, _NOTHING, entities, schema)
    return result.decision is not cedarpy.Decision.NoDecision


_NOTHING = cedarpy.PolicySet.from_str("")
