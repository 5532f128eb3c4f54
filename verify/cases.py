"""Concrete requests, and what policies make of them.

`Case`s that stand in findings are evaluated by cedarpy. While a witness is being made smaller, thousands of candidates
are looked at for a policy or two: there the terms are evaluated, of no more policies than are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from models.cedar.decision import Decision
from models.cedar.entities import uid_of
from verify.eval import Interpretation, Value, step
from verify.findings import Witness
from verify.term import Symbol, Term, subterms


class Indices(Set[int]):
    """Policies by index, each judged when it is asked for; those outside `open` are as they are in `near`."""

    def __init__(
        self, open: Collection[int], judge: Callable[[int], bool], near: frozenset[int] | Indices = frozenset()
    ) -> None:
        self._open = open
        self._judge = judge
        self._near = near
        self._known: dict[int, bool] = {}

    def __contains__(self, index: object) -> bool:
        if not isinstance(index, int) or index not in self._open:
            return index in self._near
        if index not in self._known:
            self._known[index] = self._judge(index)
        return self._known[index]

    @cached_property
    def whole(self) -> frozenset[int]:
        """All of them."""
        near = self._near.whole if isinstance(self._near, Indices) else self._near
        return near.difference(self._open).union(index for index in self._open if index in self)

    def __iter__(self) -> Iterator[int]:
        return iter(self.whole)

    def __len__(self) -> int:
        return len(self.whole)

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


UNENCODED = "flag"
"""The place that a policy speaks of that cannot be encoded: it may speak of any."""


def reads(*terms: Term) -> frozenset[str]:
    """The places of a request and its store that terms speak of."""
    return frozenset(place(term.data) for term in subterms(*terms) if isinstance(term.data, Symbol))


def place(symbol: Symbol) -> str:
    """The place of a request and its store that an unknown is."""
    match symbol.kind:
        case "context":
            return f"context {symbol.path[0]}"
        case "attribute":
            return f"attribute {symbol.owner} {symbol.path[0]}"
        case "tag":
            return f"tag {symbol.owner}"
    return symbol.kind


def changed(before: Witness, after: Witness) -> frozenset[str] | None:
    """The places in which two witnesses differ; None where they may differ anywhere."""
    ends = [(one.principal, one.action, one.resource, len(one.entities)) for one in (before, after)]
    pairs = list(zip(before.entities, after.entities, strict=False))
    if ends[0] != ends[1] or any(one["uid"] != other["uid"] for one, other in pairs):
        return None
    found = {f"context {name}" for name in _differing(before.context, after.context)}
    for one, other in pairs:
        if one is not other:
            type = uid_of(one["uid"]).type
            found |= {f"attribute {type} {name}" for name in _differing(one["attrs"], other["attrs"])}
            found |= {"above"} if one["parents"] != other["parents"] else set()
            found |= {f"tag {type}"} if one.get("tags") != other.get("tags") else set()
    return frozenset(found)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    return {name for name in {**one, **other} if name not in one or name not in other or one[name] != other[name]}


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
