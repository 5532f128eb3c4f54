"""Sets and records, removed: what a formula says of finite sets, said of the elements that it names.

A stored set becomes a predicate of its elements. `subset` and `disjoint` become a truth value that holds of every named
element, or else a made-up element shows that it does not. A model restricted to the named elements is a model too, so
nothing is lost, and every set in it is finite.

An element that is itself a set or a record is spoken of by a surrogate: a number, and functions from it that say what
it stands for, or a constant, whose value is known. Surrogates of equal values are equal. Sets in sets nest, so the
outermost elements are compared first: comparing them names elements further inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, count, product

from verify import term as t
from verify.eval import Value, evaluate, term_of
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
    alike: list[tuple[Sort, Term, Term, Term]] = field(default_factory=list)
    """Sets that are the same: the sort of their elements, on what condition, and the sets."""
    numbers: Iterator[int] = field(default_factory=count)

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
            self.boxed[term] = self._name(term.sort, self._made_up(term))
        return self.boxed[term]

    def _made_up(self, term: Term) -> Term:
        """A surrogate: a constant where the value has no unknowns, so that solvers see which differ."""
        sort = _surrogate(term.sort)
        if all(inner.op != "leaf" for inner in subterms(term)):
            return t.const(evaluate(term, _no_unknown), sort)
        return t.leaf(Symbol("surrogate", "", (str(len(self.boxed)),), "value", (), sort))

    def _name(self, sort: Sort, element: Term) -> Term:
        self.named.setdefault(sort, {})[element] = None
        return element

    def _compared(self, term: Term) -> Term:
        number = str(len(self.comparisons))
        self.comparisons[term] = self._witness(_element_sort(term.args[0]))
        return t.leaf(Symbol("flag", term.op, (number,), "value", (), t.BOOL))

    def _witness(self, sort: Sort) -> Term:
        """A made-up element."""
        number = str(next(self.numbers))
        return self._name(sort, t.leaf(Symbol("witness", "", (number,), "value", (), _scalar(sort))))

    # --- elements that are sets or records ----------------------------------------------------------------------------

    def composite_elements(self) -> Iterator[Term]:
        """What surrogates stand for, and that they stand for different values. Outermost elements first."""
        finished: set[Sort] = set()
        while pending := [sort for sort in self.named if t.is_composite(sort) and sort not in finished]:
            sort = max(pending, key=_depth)
            finished.add(sort)
            written = [one for one in self.named[sort] if one.op == "const"]
            unknown = [one for one in self.named[sort] if one.op != "const"]
            if len(self.named[sort]) * len(unknown) > CONSTRAINTS_MAX:
                raise UnsupportedError("so many elements of a set that are sets or records themselves")
            for term, surrogate in [(term, one) for term, one in self.boxed.items() if term.sort == sort]:
                if surrogate.op != "const":
                    yield from self._agree(content(surrogate), term)
            for one, other in product(unknown, written):
                yield from self._agree(content(one), known(other), t.eq(one, other))
                yield t.or_(t.eq(one, other), self._differ(content(one), known(other)))
            for one, other in combinations(unknown, 2):
                yield t.or_(t.eq(one, other), self._differ(content(one), content(other)))

    def _agree(self, one: Term, other: Term, given: Term = t.TRUE) -> Iterator[Term]:
        """That two values are the same; what that means for sets is said once all elements are known."""
        if one.sort.kind == "Set":
            self.alike.append((_element_sort(one), given, self.lower(one), self.lower(other)))
        elif one.sort.kind != "Record":
            yield t.implies(given, t.eq(self.lower(one), self.lower(other)))
        for present, values in _fields(one, other):
            here, there = map(self.lower, present)
            yield t.implies(given, t.eq(here, there))
            yield from self._agree(*values, t.and_(given, here))

    def _differ(self, one: Term, other: Term) -> Term:
        """That two values are not the same: of two sets, a made-up element is in one only."""
        if one.sort.kind == "Set":
            element = self._witness(_element_sort(one))
            return _unlike(*(_holds(element, self.lower(each)) for each in (one, other)))
        if one.sort.kind != "Record":
            return _unlike(one, other)
        fields = _fields(one, other)
        return t.or_(*(t.or_(_unlike(*present), t.and_(*present, self._differ(*values))) for present, values in fields))

    # --- comparisons --------------------------------------------------------------------------------------------------

    def meanings(self) -> Iterator[Term]:
        """What the truth values of comparisons mean."""
        sorts = (*(_element_sort(term.args[0]) for term in self.comparisons), *(sort for sort, *_ in self.alike))
        if sum(len(self.named.get(sort, ())) for sort in sorts) > CONSTRAINTS_MAX:
            raise UnsupportedError("set operations on so many elements")
        for term, witness in self.comparisons.items():
            yield t.or_(self.done[term], self._breaks(term, witness))
            for element in self.named[_element_sort(term.args[0])]:
                yield t.or_(t.not_(self.done[term]), t.not_(self._breaks(term, element)))
        for sort, given, one, other in self.alike:
            for element in self.named.get(sort, ()):
                yield t.implies(given, t.eq(_holds(element, one), _holds(element, other)))

    def _breaks(self, term: Term, element: Term) -> Term:
        left, right = (_holds(element, self.done[arg]) for arg in term.args)
        return t.and_(left, t.not_(right) if term.op == "subset" else right)


def _unlike(one: Term, other: Term) -> Term:
    return t.not_(t.eq(one, other))


def _no_unknown(symbol: Symbol, _: tuple[Value, ...]) -> Value:
    raise AssertionError(f"`{symbol.kind}` is an unknown")


def _element_sort(collection: Term) -> Sort:
    element = collection.sort.element
    assert element is not None
    return element


def _fields(one: Term, other: Term) -> Iterator[tuple[tuple[Term, Term], tuple[Term, Term]]]:
    """Whether each attribute is there in two records, and its values; nothing of what are no records."""
    if one.sort.kind == "Record":
        args = [*zip(one.args, other.args, strict=True)]
        yield from zip(args[::2], args[1::2], strict=True)


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


def known(surrogate: Term) -> Term:
    """The value of a surrogate that is a constant."""
    assert surrogate.sort.element is not None
    return term_of(surrogate.data, surrogate.sort.element)


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
