"""Questions about the requests of an environment, and the answers to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.cases import Case
from verify.findings import Proof
from verify.term import Term

Accepts = Callable[[Case], bool]
"""Whether a concrete request is one that a question asks for."""


@dataclass(frozen=True, slots=True)
class Found:
    """There is such a request."""

    case: Case
    proof: Proof


@dataclass(frozen=True, slots=True)
class Impossible:
    """There is none. `needed` are the positions of the parts that the proof rests on."""

    proof: Proof
    needed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Unknown:
    """It is not known whether there is one."""

    reason: str


Answer = Found | Impossible | Unknown

REPLAYED = Proof("none", "cedarpy", "")
"""A request that was found for another question answers this one."""


class Question(NamedTuple):
    """Is there a request of an environment that fulfils all parts? `accepts` says the same of a concrete request.

    Questions about several environments that have the same title are alike: a request may answer another one as well.
    """

    environment: RequestEnvironment
    parts: tuple[Term, ...]
    accepts: Accepts
    title: str

    @property
    def name(self) -> str:
        """The title with the environment."""
        principal, action, resource = self.environment.principal, self.environment.action, self.environment.resource
        return f"{self.title}, {principal}, {action}, {resource}"


def conditions_of(parts: Sequence[Term]) -> Iterator[tuple[Term, int]]:
    """The conjuncts of the parts, each with the position of its part."""
    pending = [(part, position) for position, part in reversed(list(enumerate(parts)))]
    while pending:
        term, position = pending.pop()
        inner = term.args[0] if term.op == "not" else term
        if term.op == "and":
            pending += [(arg, position) for arg in reversed(term.args)]
        elif term.op == "not" and inner.op == "or":
            pending += [(t.not_(arg), position) for arg in reversed(inner.args)]
        elif term is not t.TRUE:
            yield term, position
