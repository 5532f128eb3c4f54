"""Requests put together from old witnesses: most questions are answered by one, without a solver.

A witness that breaks a condition is given what another witness fulfils it by: attributes of its context, or its
entities. Every place of the request keeps values that belong together, so what comes out is well-formed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from models.cedar.entities import Store, uid_of
from models.cedar.types import Schema
from models.cedar.uids import parse_uid
from verify import term as t
from verify.cases import Valuation, place
from verify.findings import Witness
from verify.term import Term
from verify.world import interpretation

STEPS_MAX = 6
"""Conditions that are mended one after another. An assumption: what takes more is left to the solver."""

DONORS_MAX = 8
"""Witnesses that one condition is mended from at most. An assumption, as above."""

WISHED_DONORS_MAX = 2
"""As above, for a condition that is wished for only: what is not come by is asked for later."""

ENDS = ("principal", "resource")


class Known(NamedTuple):
    """A witness with the values of terms on it."""

    witness: Witness
    value: Valuation


def known(witness: Witness) -> Known:
    return Known(witness, Valuation(interpretation(witness)))


def moved(witness: Witness, plain: Witness, schema: Schema) -> Witness:
    """A witness as a request of the environment of `plain`, which has entities of the same types.

    What both contexts have is kept, the rest is as in the plain one.
    """
    theirs, ours = (schema.actions[one.action].context.attributes for one in (witness, plain))
    kept = {name: value for name, value in witness.context.items() if ours.get(name) == theirs[name]}
    context = dict(sorted({**plain.context, **kept}.items()))
    return replace(witness, action=plain.action, context=context, entities=_united(witness.entities, plain.entities))


def grafted(conditions: Collection[Term], pool: Sequence[Known]) -> Witness | None:
    """A request that fulfils all conditions, made of those in the pool; None where none is found."""
    best, left = None, list(conditions)
    for one in pool:
        broken = _broken(conditions, one, len(left))
        if best is None or len(broken) < len(left):
            best, left = one, broken
    if best is None:
        return None
    for _ in range(STEPS_MAX):
        if not left:
            return best.witness
        ways = ((one, _broken(conditions, one, len(left))) for one in _mended(left[0], best, pool))
        better = next((way for way in ways if len(way[1]) < len(left)), None)
        if better is None:
            return None
        best, left = better
    return None if left else best.witness


def enriched(base: Known, kept: Iterable[Term], wished: Iterable[Term], pool: Sequence[Known]) -> Known:
    """A request that fulfils what is kept, as the base does, and more of what is wished, made of those in the pool."""
    holding = list(kept)
    for condition in wished:
        if not base.value(condition):
            ways = _mended(condition, base, pool, WISHED_DONORS_MAX)
            better = next((one for one in ways if all(map(one.value, (condition, *holding)))), None)
            if better is None:
                continue
            base = better
        holding.append(condition)
    return base


def _broken(conditions: Iterable[Term], one: Known, enough: int) -> list[Term]:
    """The conditions that are not fulfilled, so many of them at most."""
    return list(islice((term for term in conditions if not one.value(term)), enough))


def _mended(condition: Term, base: Known, pool: Sequence[Known], most: int = DONORS_MAX) -> Iterator[Known]:
    """The base with what fulfils the condition in others, once for each way."""
    tried: list[Witness] = []
    for donor in pool:
        if len(tried) >= most:
            return
        if donor.value(condition):
            for witness in _grafts(base.witness, donor.witness, _reason(condition, donor.value)):
                if witness not in tried and not _circular(witness):
                    tried.append(witness)
                    yield known(witness)


def _circular(witness: Witness) -> bool:
    """Whether an entity is above itself: parents of two witnesses may be above each other."""
    store = Store(witness.entities)
    return any(uid in store.ancestors(uid) for uid in store.uids)


def _reason(condition: Term, value: Valuation) -> frozenset[str]:
    """Places that suffice for a condition to hold that does hold."""
    inner = condition.args[0] if condition.op == "not" else condition
    if condition.op == "or":
        return _reason(next(arg for arg in condition.args if value(arg)), value)
    if condition.op == "and":
        return frozenset().union(*(_reason(arg, value) for arg in condition.args))
    if condition.op == "not" and inner.op == "and":
        return _reason(t.not_(next(arg for arg in inner.args if not value(arg))), value)
    if condition.op == "not" and inner.op == "or":
        return frozenset().union(*(_reason(t.not_(arg), value) for arg in inner.args))
    return _places(condition)


def _places(term: Term) -> frozenset[str]:
    """The places that a condition speaks of. What it says of principal and resource does not name them as well."""
    of_ends = all(arg.op == "const" or (arg.op == "leaf" and arg.data.kind in ENDS) for arg in term.args)
    if term.op == "leaf" and term.data.kind in ("attribute", "above") and of_ends:
        return frozenset({place(term.data)})
    own = {place(term.data)} if term.op == "leaf" else set()
    return frozenset(own).union(*map(_places, term.args))


def _grafts(base: Witness, donor: Witness, places: Collection[str]) -> Iterator[Witness]:
    """The base with the donor's values at some places.

    Attributes and parents of the principal and of the resource go to those of the base; parents are added first, and
    then taken instead. Where there is more to say of entities, all of the donor's are taken, with all they refer to.
    """
    names = {one.removeprefix("context ") for one in places if one.startswith("context ")}
    context = {name: value for name, value in base.context.items() if name not in names}
    context |= {name: value for name, value in donor.context.items() if name in names}
    context = dict(sorted(context.items()))
    others = {one for one in places if not one.startswith("context ")}
    ends = [(one.principal, one.resource) for one in (base, donor)]
    if all(one == "above" or one.startswith("attribute ") for one in others):
        given = dict(zip(map(parse_uid, ends[0]), map(parse_uid, ends[1]), strict=True))
        theirs = {uid_of(entity["uid"]): entity for entity in donor.entities}
        for keep in (True, False) if "above" in others else (True,):
            changed = tuple(
                _given(entity, theirs[donating], others, keep)
                if (donating := given.get(uid_of(entity["uid"]))) in theirs
                else entity
                for entity in base.entities
            )
            yield replace(base, context=context, entities=_united(changed, donor.entities))
    else:
        yield replace(donor, context=context, entities=_united(donor.entities, base.entities))


def _given(entity: Mapping[str, Any], donor: Mapping[str, Any], places: Collection[str], keep: bool) -> dict[str, Any]:
    """An entity with the donor's attributes at some places, and its parents. `keep`: its own as well."""
    type = uid_of(entity["uid"]).type
    attributes = {
        name: value for one, given in ((entity, False), (donor, True)) for name, value in one["attrs"].items()
        if (f"attribute {type} {name}" in places) == given
    }  # fmt: skip
    parents = [*(entity["parents"] if keep else ()), *(donor["parents"] if "above" in places else ())]
    unlike = [parent for position, parent in enumerate(parents) if parent not in parents[:position]]
    unlike = [parent for parent in unlike if uid_of(parent) != uid_of(entity["uid"])]
    return {**entity, "attrs": dict(sorted(attributes.items())), "parents": unlike}


def _united(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The entities of both, those of the first where both have one."""
    named = {uid_of(entity["uid"]) for entity in first}
    entities = (*first, *(entity for entity in second if uid_of(entity["uid"]) not in named))
    return tuple(sorted(entities, key=lambda entity: uid_of(entity["uid"])))
