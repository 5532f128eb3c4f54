"""Concrete requests, and what policies make of them.

`Case`s that stand in findings are evaluated by cedarpy. While a witness is being made smaller, thousands of candidates
are looked at for a policy or two: there the terms are evaluated, of no more policies than are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Set
from dataclasses import dataclass, field

from models.cedar.decision import Decision
from verify.eval import Interpretation, Value, step
from verify.findings import Witness
from verify.term import Term


class Indices(Set[int]):
    """Policies by index, each judged when it is asked for."""

    def __init__(self, among: Collection[int], judge: Callable[[int], bool]) -> None:
        self._among = among
        self._judge = judge
        self._known: dict[int, bool] = {}

    def __contains__(self, index: object) -> bool:
        if not isinstance(index, int) or index not in self._among:
            return False
        if index not in self._known:
            self._known[index] = self._judge(index)
        return self._known[index]

    def __iter__(self) -> Iterator[int]:
        return (index for index in self._among if index in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @classmethod
    def _from_iterable(cls, indices: Iterable[int]) -> frozenset[int]:  # type: ignore[override]
        return frozenset(indices)

    def isdisjoint(self, other: Iterable[int]) -> bool:
        return not any(index in self for index in other)

    def issuperset(self, other: Iterable[int]) -> bool:
        return all(index in self for index in other)

    def intersection(self, other: Iterable[int]) -> frozenset[int]:
        return frozenset(index for index in other if index in self)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A concrete request with the policies that match it, those that error on it, and those whose scope it fits.

    `judge` evaluates another request in the way in which this one was. `decided` is filled by who decides the request.
    """

    witness: Witness
    matched: frozenset[int] | Indices
    errored: frozenset[int] | Indices
    fitting: frozenset[int] | Indices
    judge: Callable[[Witness], Case]
    decided: list[Decision] = field(default_factory=list)


class Valuation:
    """The values of terms under one interpretation, each computed once and only where it is needed."""

    def __init__(self, interpretation: Interpretation) -> None:
        self._interpretation = interpretation
        self._values: dict[Term, Value] = {}

    def __call__(self, term: Term) -> Value:
        if term not in self._values:
            self._values[term] = self._value(term)
        return self._values[term]

    def _value(self, term: Term) -> Value:
        match term.op:
            case "and":
                return all(self(arg) for arg in term.args)
            case "or":
                return any(self(arg) for arg in term.args)
            case "ite":
                condition, chosen, otherwise = term.args
                return self(chosen if self(condition) else otherwise)
        for arg in term.args:
            self(arg)
        return step(term, self._values, self._interpretation)
