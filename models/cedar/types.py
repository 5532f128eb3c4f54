"""Cedar's types, and schemas made of them.

Names are full names (`Shop::User`), actions are uid texts (`Shop::Action::"view"`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BoolType:
    pass


@dataclass(frozen=True, slots=True)
class LongType:
    pass


@dataclass(frozen=True, slots=True)
class StringType:
    pass


@dataclass(frozen=True, slots=True)
class ExtensionType:
    """`decimal`, `ipaddr`, `datetime` or `duration`."""

    name: str


@dataclass(frozen=True, slots=True)
class SetType:
    element: Type


@dataclass(frozen=True, slots=True)
class EntityRefType:
    """A reference to an entity of the named type."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    type: Type
    required: bool


@dataclass(frozen=True, slots=True)
class RecordType:
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


Type = BoolType | LongType | StringType | ExtensionType | SetType | EntityRefType | RecordType


@dataclass(frozen=True, slots=True)
class EntityType:
    """An entity type: what it may be a member of (direct parents), its attributes, its tags, or its closed list of
    ids.
    """

    name: str
    parents: tuple[str, ...] = ()
    attributes: RecordType = RecordType()
    tags: Type | None = None
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """An action: the groups it is in (uids), and what it applies to (no principals: a group only)."""

    uid: str
    parents: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    context: RecordType = RecordType()


@dataclass(frozen=True, slots=True)
class RequestEnvironment:
    """A principal type, an action and a resource type that the schema lets go together."""

    principal: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Schema:
    """A resolved schema: common types are expanded, names are full."""

    entity_types: Mapping[str, EntityType]
    actions: Mapping[str, Action]

    def environments(self) -> tuple[RequestEnvironment, ...]:
        """Every request environment, in order of action, principal type and resource type."""
        return tuple(
            RequestEnvironment(principal, action.uid, resource)
            for _, action in sorted(self.actions.items())
            for principal in sorted(action.principals)
            for resource in sorted(action.resources)
        )
