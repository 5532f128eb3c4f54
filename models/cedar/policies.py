"""A loaded policy set: Cedar's own syntax tree, plus where each policy stands and how it escalates.

`load_policies` reads text, schema and entities through `cedarpy`; nothing else in the project parses Cedar policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import cedarpy
from cedarpy import pst

from models.cedar.types import Schema

Profile = Literal["windtunnel", "tiered", "advice"]
Severity = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, slots=True)
class Span:
    """Where something starts in a file. Lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Escalation:
    """What a forbid asks for instead of denying: the chain, and the bounds its annotations set on the answer."""

    chain: str
    timeout: int | None
    """Microseconds, or None where the rule sets no bound of its own."""
    severity: Severity | None


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy. `index` is its position in the set, `id` cedarpy's positional id, `name` what its author calls it."""

    index: int
    id: str
    name: str
    effect: Literal["permit", "forbid"]
    syntax: pst.Template = field(repr=False)
    text: str = field(repr=False)
    annotations: Mapping[str, str]
    span: Span
    tier: str = ""
    owner: str | None = None
    overrides: frozenset[str] = frozenset()
    escalation: Escalation | None = None
    linked: bool = False
    """Whether it is a template with its slots filled, so that its text is not the file's."""


@dataclass(frozen=True, slots=True)
class TypeConflict:
    """An attribute (or the tags of a type) that policies use as several types, while an inferred schema says one."""

    attribute: str
    """As `context.amount` or `User.age`; a set's elements end in `[]`."""
    uses: tuple[tuple[str, Span], ...]
    """Each type with the place of the first use as such. Never empty; the first is the one that the schema says."""
    policies: frozenset[int]
    """Indices of the policies that read it: what the schema says of it is a guess, and verdicts on them with it."""

    def __str__(self) -> str:
        uses = " and ".join(f"{kind} ({place.file}:{place.line})" for kind, place in self.uses)
        return f"`{self.attribute}` is used as {uses}"


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies with the schema they are judged under.

    `permit_groups` holds the indices of permits by tier: a request is permitted when every group has a match. Under the
    `windtunnel` profile there is one group; two tiers that each carry their own permits make two.
    """

    policies: tuple[Policy, ...]
    text: str = field(repr=False)
    handle: cedarpy.PolicySet = field(repr=False, compare=False)
    matcher: cedarpy.PolicySet = field(repr=False, compare=False)
    """The same policies, every one a permit: one evaluation then tells every policy that matches."""
    schema: Schema
    schema_text: str = field(repr=False)
    schema_inferred: bool
    entities: tuple[Mapping[str, Any], ...]
    """The entity store in Cedar's JSON, references and extension values written out, the schema's actions included."""
    store: cedarpy.Entities = field(repr=False, compare=False)
    """The same entities, as cedarpy holds them."""
    profile: Profile
    permit_groups: tuple[tuple[int, ...], ...]
    warnings: tuple[str, ...] = ()
    conflicts: tuple[TypeConflict, ...] = ()
    """What an inferred schema cannot say rightly. Empty where a schema was given."""
    invariants: PolicySet | None = None
    """These policies and after them the assertions about them (`models.cedar.invariants`), for verification alone."""

    @property
    def chains(self) -> tuple[str, ...]:
        """Names of the chains that some policy escalates to, sorted."""
        return tuple(sorted({p.escalation.chain for p in self.policies if p.escalation}))
