"""The entities that a scenario gives, as facts about the unknowns of a question.

What the store holds is as the store has it: attributes, tags, ancestors. Entities that it lacks may be anything
well-formed. Only what a question names is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from models.cedar.entities import Store, uid_of
from models.cedar.policies import PolicySet
from models.cedar.types import Schema
from models.cedar.uids import Uid, parse_uid
from models.cedar.usage import is_action, uids
from verify import term as t
from verify.encode import ancestor_types
from verify.eval import Interpretation, Value, term_of
from verify.findings import Witness
from verify.shrink import references
from verify.simplify import substitute
from verify.symbolic import UnsupportedError
from verify.term import Symbol, Term, subterms
from verify.world import interpretation

FACTS_MAX = 20_000
"""Facts that one question is told at most. An assumption: seconds to solve."""


@dataclass(frozen=True)
class Given:
    """The entities that come with a policy set, actions left out."""

    policies: PolicySet

    @cached_property
    def entities(self) -> Mapping[Uid, Mapping[str, Any]]:
        """The entities by uid, in Cedar's JSON."""
        named = {uid_of(entity["uid"]): entity for entity in self.policies.entities}
        types = self.policies.schema.entity_types
        return {uid: entity for uid, entity in named.items() if not is_action(uid.type) and uid.type in types}

    @cached_property
    def _store(self) -> Store:
        return Store(self.entities.values())

    @cached_property
    def _meaning(self) -> Interpretation:
        some = str(next(iter(self.entities)))
        return interpretation(Witness(some, "", some, {}, tuple(self.entities.values())))

    @cached_property
    def _of_type(self) -> Mapping[str, tuple[Uid, ...]]:
        found: dict[str, list[Uid]] = {}
        for uid in sorted(self.entities):
            found.setdefault(uid.type, []).append(uid)
        return {type: tuple(some) for type, some in found.items()}

    # --- facts --------------------------------------------------------------------------------------------------------

    def told(self, parts: Sequence[Term]) -> tuple[Term, ...]:
        """The parts, and what the store says of the entities that they speak of.

        Raises UnsupportedError where that is too much, or cannot be said.
        """
        if not self.entities:
            return tuple(parts)
        whole = self._with_ancestors(parts)
        found: dict[Term, None] = {}
        known = -1
        while known < len(found):  # facts name further entities, such as the elements of given sets
            known = len(found)
            for fact in self._facts((*whole, *found)):
                if fact is not t.TRUE:
                    found[fact] = None
                if len(found) > FACTS_MAX:
                    raise UnsupportedError("so many entities in the store")
        return (*whole, *found)

    def _with_ancestors(self, parts: Sequence[Term]) -> tuple[Term, ...]:
        """The parts with the given ones written out of the sets of what an entity is or is below of."""
        values: dict[Term, Term] = {}
        for up in (term for term in subterms(*parts) if term.op == "up"):
            assert up.sort.element is not None
            for same, uid in self._candidates(up.args[0]):
                if same is not t.TRUE:
                    raise UnsupportedError("`in` a set, of an entity that may be a given one", "in")
                own = [t.const(uid.id, up.sort.element)] if uid.type == up.sort.element.name else []
                values[up] = t.elements(up.sort.element, [*own, *self._ancestors(uid, up.sort.element.name)])
        return tuple(substitute(part, values) for part in parts) if values else tuple(parts)

    def _facts(self, parts: Sequence[Term]) -> Iterator[Term]:
        nodes: dict[str, dict[Term, None]] = {}
        for term in subterms(*parts):
            if term.sort.kind == "Entity":
                nodes.setdefault(term.sort.name, {})[term] = None
            if term.op == "leaf" and term.data.kind in ("attribute", "tag"):
                yield from self._held(term)
        yield from self._order(nodes, self.policies.schema)

    def _candidates(self, entity: Term) -> Iterator[tuple[Term, Uid]]:
        """The given entities that a term may stand for, each with the condition that it does."""
        for uid in self._of_type.get(entity.sort.name, ()):
            same = t.eq(entity, t.const(uid.id, entity.sort))
            if same is not t.FALSE:
                yield same, uid

    def _held(self, leaf: Term) -> Iterator[Term]:
        """What an attribute or a tag is, wherever the entity is a given one."""
        for same, uid in self._candidates(leaf.args[0]):
            if leaf.data.kind == "attribute":
                yield t.implies(same, self._is_held(leaf, uid.id))
                continue
            keys = self._store.tags(uid)
            if leaf.data.role == "present" and not leaf.data.path:
                there = t.or_(*(t.eq(leaf.args[1], t.string(key)) for key in keys))
                yield t.implies(same, t.eq(leaf, there))
                continue
            for key in keys:
                here = t.and_(same, t.eq(leaf.args[1], t.string(key)))
                yield t.implies(here, self._is_held(leaf, uid.id, key))

    def _is_held(self, leaf: Term, *args: str) -> Term:
        """That an unknown is what the store holds. Of the value of what is absent nothing is said: it may have none."""
        there = replace(leaf.data, role="present", sort=t.BOOL)
        if leaf.data.role == "value" and not self._meaning(there, args):
            return t.TRUE
        return _equals(leaf, self._meaning(leaf.data, args))

    def _order(self, nodes: Mapping[str, Mapping[Term, None]], schema: Schema) -> Iterator[Term]:
        """What is above a given entity, among all that are named."""
        for low in nodes:
            for high in sorted(ancestor_types(schema, low) & nodes.keys()):
                symbol = Symbol("above", low, (high,), "value", (t.entity_sort(low), t.entity_sort(high)), t.BOOL)
                for entity in nodes[low]:
                    for same, uid in self._candidates(entity):
                        for ancestor in nodes[high]:
                            known = t.or_(*(t.eq(ancestor, each) for each in self._ancestors(uid, high)))
                            yield t.implies(same, t.eq(t.leaf(symbol, entity, ancestor), known))

    def _ancestors(self, uid: Uid, type: str) -> tuple[Term, ...]:
        ids = sorted(above.id for above in self._store.ancestors(uid) if above.type == type)
        return tuple(t.const(id, t.entity_sort(type)) for id in ids)

    # --- witnesses ----------------------------------------------------------------------------------------------------

    def merged(self, witness: Witness, besides: Iterable[Uid] = ()) -> Witness:
        """The witness with the given entities as they are given: those it has, and those that it or a policy names."""
        if not self.entities:
            return witness
        own = {uid_of(entity["uid"]): entity for entity in witness.entities}
        return _with(witness, {**own, **self.entities}, (*own, *self._named, *besides))

    @cached_property
    def _named(self) -> tuple[Uid, ...]:
        """The given entities that some policy names."""
        named = {uid for policy in self.policies.policies for uid in uids(policy.syntax)}
        return tuple(sorted(named & self.entities.keys()))


def reachable(witness: Witness, besides: Iterable[Uid] = ()) -> Witness:
    """The witness without the entities that neither its request nor those `besides` lead to."""
    return _with(witness, {uid_of(entity["uid"]): entity for entity in witness.entities}, besides)


def _with(witness: Witness, known: Mapping[Uid, Mapping[str, Any]], also: Iterable[Uid]) -> Witness:
    """The witness with the known entities that its request or `also` leads to."""
    pending = [*also, parse_uid(witness.principal), parse_uid(witness.resource), *references(witness.context)]
    kept: dict[Uid, Mapping[str, Any]] = {}
    while pending:
        uid = pending.pop()
        if uid in known and uid not in kept:
            kept[uid] = known[uid]
            pending += _named_in(known[uid])
    return replace(witness, entities=tuple(kept[uid] for uid in sorted(kept)))


def _named_in(entity: Mapping[str, Any]) -> Iterable[Uid]:
    return (
        *references(entity["attrs"]),
        *references(entity.get("tags") or {}),
        *(uid_of(parent) for parent in entity["parents"]),
    )


def _equals(leaf: Term, value: Value) -> Term:
    known = term_of(value, leaf.sort)
    if leaf.sort.kind == "Set":
        return t.and_(t.subset(leaf, known), t.subset(known, leaf))
    return t.eq(leaf, known)
