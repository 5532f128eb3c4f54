"""Sets and records, removed: what a formula says of finite sets, said of the elements that it names.

A stored set becomes a predicate of its elements. `subset` and `disjoint` become a truth value that holds of every named
element, or else a made-up element shows that it does not. A model restricted to the named elements is a model too, so
nothing is lost, and every set in it is finite.

An element that is itself a set or a record is spoken of by a surrogate: a number, and functions from it that say what
it stands for. Surrogates of equal values are equal. Sets in sets nest, so the outermost elements are compared first:
comparing them names elements further inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

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
    if not any(term.op in ("member", "subset", "disjoint") for term in subterms(*parts)):
        return tuple(parts)
    lowering = _Lowering()
    lowered = [lowering.lower(part) for part in parts]
    composite = [*lowering.composite_elements()]
    return (*lowered, *composite, *lowering.meanings())


@dataclass
class _Lowering:
    """Terms and what stands for them; the elements that are named, by the sort of their set's elements."""

    done: dict[Term, Term] = field(default_factory=dict)
    named: dict[Sort, dict[Term, None]] = field(default_factory=dict)
    boxed: dict[Term, Term] = field(default_factory=dict)
    """The surrogate of every composite value that is named as an element."""
    comparisons: dict[Term, Term] = field(default_factory=dict)
    """The made-up element of every `subset` and `disjoint`."""

    def lower(self, root: Term) -> Term:
        """A term without sets. A set itself becomes one whose elements are scalars."""
        for term in subterms(root):
            if term not in self.done:
                self.done[term] = self._lowered(term)
        return self.done[root]

    def _lowered(self, term: Term) -> Term:
        args = [self.done[arg] for arg in term.args]
        match term.op:
            case "member":
                return _holds(self._element(term.args[0]), args[1])
            case "elements":
                return t.elements(_flat(term.sort).element or t.BOOL, (self._element(arg) for arg in term.args))
            case "subset" | "disjoint":
                return self._compared(term)
            case "leaf" if term.sort.kind == "Set":
                return t.leaf(replace(term.data, sort=_flat(term.sort)), *args)
            case "record":
                return term  # an element, or part of one: its surrogate stands for it
        return rebuild(term, args)

    def _element(self, term: Term) -> Term:
        """What stands for an element, which is named from now on."""
        if not t.is_composite(term.sort):
            return self._name(term.sort, self.done[term])
        if term not in self.boxed:
            symbol = Symbol("surrogate", "", (str(len(self.boxed)),), "value", (), _surrogate(term.sort))
            self.boxed[term] = self._name(term.sort, t.leaf(symbol))
        return self.boxed[term]

    def _name(self, sort: Sort, element: Term) -> Term:
        self.named.setdefault(sort, {})[element] = None
        return element

    def _compared(self, term: Term) -> Term:
        number = (str(len(self.comparisons)),)
        sort = term.args[0].sort.element
        assert sort is not None
        witness = t.leaf(Symbol("witness", "", number, "value", (), _scalar(sort)))
        self.comparisons[term] = self._name(sort, witness)
        return t.leaf(Symbol("flag", term.op, number, "value", (), t.BOOL))

    # --- elements that are sets or records ----------------------------------------------------------------------------

    def composite_elements(self) -> Iterator[Term]:
        """What surrogates stand for, and that they stand for different values. Outermost elements first."""
        finished: set[Sort] = set()
        while pending := [sort for sort in self.named if t.is_composite(sort) and sort not in finished]:
            sort = max(pending, key=_depth)
            finished.add(sort)
            if len(self.named[sort]) ** 2 > CONSTRAINTS_MAX:
                raise UnsupportedError("so many elements of a set that are sets or records themselves")
            for term, surrogate in [(term, one) for term, one in self.boxed.items() if term.sort == sort]:
                yield self.lower(t.same(content(surrogate), term))
            for one, other in combinations(self.named[sort], 2):
                yield self.lower(t.or_(t.eq(one, other), t.not_(t.same(content(one), content(other)))))

    # --- comparisons --------------------------------------------------------------------------------------------------

    def meanings(self) -> Iterator[Term]:
        """What the truth values of comparisons mean."""
        if sum(len(self.named[_element_sort(term)]) for term in self.comparisons) > CONSTRAINTS_MAX:
            raise UnsupportedError("set operations on so many elements")
        for term, witness in self.comparisons.items():
            yield t.or_(self.done[term], self._breaks(term, witness))
            for element in self.named[_element_sort(term)]:
                yield t.or_(t.not_(self.done[term]), t.not_(self._breaks(term, element)))

    def _breaks(self, term: Term, element: Term) -> Term:
        left, right = (_holds(element, self.done[arg]) for arg in term.args)
        return t.and_(left, t.not_(right) if term.op == "subset" else right)


def _element_sort(comparison: Term) -> Sort:
    element = comparison.args[0].sort.element
    assert element is not None
    return element


def _surrogate(sort: Sort) -> Sort:
    return Sort("Surrogate", element=sort)


def _scalar(sort: Sort) -> Sort:
    """The sort of what stands for an element."""
    return _surrogate(sort) if t.is_composite(sort) else sort


def _flat(sort: Sort) -> Sort:
    """The sort of a set whose elements are scalars."""
    assert sort.element is not None
    return t.set_sort(_scalar(sort.element))


def _depth(sort: Sort) -> int:
    """How deep values nest."""
    inner = [sort.element] if sort.element else [inner for _, inner, _ in sort.fields]
    return 1 + max(map(_depth, inner), default=0) if t.is_composite(sort) else 0


def content(surrogate: Term) -> Term:
    """The value that a surrogate stands for."""
    sort = surrogate.sort.element
    assert sort is not None
    return _inside(surrogate, sort, sort, ())


def _inside(surrogate: Term, whole: Sort, sort: Sort, path: tuple[str, ...]) -> Term:
    if sort.kind != "Record":
        return t.leaf(_content_symbol(surrogate, "value", path, sort), surrogate)
    args: list[Term] = []
    for name, inner, required in sort.fields:
        present = t.leaf(_content_symbol(surrogate, "present", (*path, name), t.BOOL), surrogate)
        args += [t.TRUE if required else present, _inside(surrogate, whole, inner, (*path, name))]
    return t.record(sort, args)


def _content_symbol(surrogate: Term, role: str, path: tuple[str, ...], sort: Sort) -> Symbol:
    owner = sort_name(surrogate.sort.element or surrogate.sort)
    return Symbol("content", owner, path, role, (surrogate.sort,), sort)  # type: ignore[arg-type]


def stored(surrogate: Term) -> Term:
    """Whether what a surrogate stands for stands in the request or the store."""
    return t.leaf(_content_symbol(surrogate, "stored", (), t.BOOL), surrogate)


def sort_name(sort: Sort) -> str:
    """A name of a sort; different sorts have different names."""
    if sort.element is not None:
        return f"Set<{sort_name(sort.element)}>"
    if sort.kind == "Record":
        fields = (f"{name!r}{'' if must else '?'}: {sort_name(inner)}" for name, inner, must in sort.fields)
        return f"{{{', '.join(fields)}}}"
    return sort.name if sort.kind == "Entity" else f"__cedar::{sort.kind}"


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
