"""Sets, removed: what a formula says of finite sets, said of the elements that it names.

A stored set becomes a predicate of its elements. `subset` and `disjoint` become a truth value that holds of every named
element, or else a made-up element shows that it does not. A model restricted to the named elements is a model too, so
nothing is lost, and every set in it is finite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

from verify import term as t
from verify.simplify import rebuild
from verify.symbolic import UnsupportedError
from verify.term import Sort, Symbol, Term, subterms

CONSTRAINTS_MAX = 50_000
"""Ground constraints of one query. An assumption: far above what real policy sets need, and still seconds to solve."""


def without_sets(parts: Sequence[Term]) -> tuple[Term, ...]:
    """The parts without set terms, and the constraints that give the truth values in their stead their meaning.

    Raises UnsupportedError where that takes too many constraints.
    """
    comparisons = [term for term in subterms(*parts) if term.op in ("subset", "disjoint")]
    if not comparisons and not any(term.op == "member" for term in subterms(*parts)):
        return tuple(parts)
    numbers = count()
    lowered: dict[Term, Term] = {}
    witnesses: dict[Term, Term] = {}
    for term in subterms(*parts):
        args = [lowered[arg] for arg in term.args]
        if term.op == "member":
            lowered[term] = _holds(args[0], args[1])
        elif term.op in ("subset", "disjoint"):
            number = str(next(numbers))
            lowered[term] = t.leaf(Symbol("flag", term.op, (number,), "value", (), t.BOOL))
            element = term.args[0].sort.element
            assert element is not None
            witnesses[term] = t.leaf(Symbol("witness", "", (number,), "value", (), element))
        else:
            lowered[term] = rebuild(term, args)
    named = _named(parts, lowered, witnesses)
    total = sum(len(named[witness.sort]) for witness in witnesses.values())
    if total > CONSTRAINTS_MAX:
        raise UnsupportedError("set operations on so many elements")
    constraints = [
        constraint
        for term in comparisons
        for constraint in _meaning(term, lowered, witnesses[term], named[witnesses[term].sort])
    ]
    return (*(lowered[part] for part in parts), *constraints)


def _named(
    parts: Sequence[Term], lowered: dict[Term, Term], witnesses: dict[Term, Term]
) -> dict[Sort, dict[Term, None]]:
    """Every element that is named, by sort: those asked for, those listed, those made up."""
    named: dict[Sort, dict[Term, None]] = {}
    for term in subterms(*parts):
        listed = term.args if term.op == "elements" else term.args[:1] if term.op == "member" else ()
        found = [*(lowered[each] for each in listed), *filter(None, (witnesses.get(term),))]
        for element in found:
            named.setdefault(element.sort, {})[element] = None
    return named


def _meaning(term: Term, lowered: dict[Term, Term], witness: Term, named: dict[Term, None]) -> Iterator[Term]:
    left, right = (lowered[arg] for arg in term.args)
    truth = lowered[term]

    def breaks(element: Term) -> Term:
        inside = _holds(element, right)
        return t.and_(_holds(element, left), t.not_(inside) if term.op == "subset" else inside)

    yield t.or_(truth, breaks(witness))
    for element in named:
        yield t.or_(t.not_(truth), t.not_(breaks(element)))


def _holds(element: Term, collection: Term) -> Term:
    """Whether an element is in a set, without set terms."""
    match collection.op:
        case "elements":
            return t.or_(*(t.eq(element, each) for each in collection.args))
        case "leaf":
            return t.leaf(membership(collection.data), *collection.args, element)
        case "union":
            return t.or_(*(_holds(element, part) for part in collection.args))
        case "ite":
            condition, chosen, otherwise = collection.args
            return t.ite(condition, _holds(element, chosen), _holds(element, otherwise))
        case "up":
            (entity,) = collection.args
            same = t.eq(entity, element) if entity.sort == element.sort else t.FALSE
            return same if collection.data is None else t.or_(same, t.leaf(collection.data, entity, element))
    raise AssertionError(f"`{collection.op}` is no set")


def membership(symbol: Symbol) -> Symbol:
    """The predicate of the elements of a stored set."""
    assert symbol.sort.element is not None
    return replace(symbol, role="member", parameters=(*symbol.parameters, symbol.sort.element), sort=t.BOOL)
