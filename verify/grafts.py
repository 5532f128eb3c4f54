"""Requests put together from old witnesses: most questions are answered by one, without a solver.

A witness that breaks a condition is given what another witness fulfils it by: attributes of its context, or its
entities. Every place of the request keeps values that belong together, so what comes out is well-formed again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from models.cedar.entities import uid_of
from verify import term as t
from verify.cases import Valuation, reads
from verify.findings import Witness
from verify.term import Term
from verify.world import interpretation

STEPS_MAX = 6
"""Conditions that are mended one after another. An assumption: what takes more is left to the solver."""

DONORS_MAX = 4
"""Witnesses that one condition is mended from at most. An assumption, as above."""


class Known(NamedTuple):
    """A witness with the values of terms on it."""

    witness: Witness
    value: Valuation


def known(witness: Witness) -> Known:
    return Known(witness, Valuation(interpretation(witness)))


def grafted(conditions: Collection[Term], pool: Sequence[Known]) -> Witness | None:
    """A request that fulfils all conditions, made of those in the pool; None where none is found."""
    broken = {position: _broken(conditions, one) for position, one in enumerate(pool)}
    if not broken:
        return None
    start = min(broken, key=lambda position: len(broken[position]))
    best, left = pool[start], broken[start]
    for _ in range(STEPS_MAX):
        if not left:
            return best.witness
        better = next(
            (found for found in _mended(left[0], best, pool) if len(_broken(conditions, found)) < len(left)), None
        )
        if better is None:
            return None
        best, left = better, _broken(conditions, better)
    return None


def _broken(conditions: Collection[Term], one: Known) -> list[Term]:
    return [term for term in conditions if not one.value(term)]


def _mended(condition: Term, base: Known, pool: Sequence[Known]) -> Iterator[Known]:
    """The base with what fulfils the condition in others, once for each way."""
    tried: list[Witness] = []
    for donor in pool:
        if len(tried) == DONORS_MAX:
            return
        if donor.value(condition):
            witness = _graft(base.witness, donor.witness, _reason(condition, donor.value))
            if witness not in tried:
                tried.append(witness)
                yield known(witness)


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
    return reads(condition)


def _graft(base: Witness, donor: Witness, places: Collection[str]) -> Witness:
    """The base with the donor's values at some places. Entities are taken together, with all that they refer to."""
    names = {place.removeprefix("context ") for place in places if place.startswith("context ")}
    context = {name: value for name, value in base.context.items() if name not in names}
    context |= {name: value for name, value in donor.context.items() if name in names}
    context = dict(sorted(context.items()))
    if len(names) == len(places):
        return replace(base, context=context, entities=_united(base, donor))
    return replace(donor, context=context, entities=_united(donor, base))


def _united(first: Witness, second: Witness) -> tuple[Mapping[str, Any], ...]:
    """The entities of both, those of the first where both have one."""
    named = {uid_of(entity["uid"]) for entity in first.entities}
    entities = (*first.entities, *(e for e in second.entities if uid_of(e["uid"]) not in named))
    return tuple(sorted(entities, key=lambda entity: uid_of(entity["uid"])))
