"""The witnesses and the proofs that an analysis has come by, and what they are looked through for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from models.cedar.types import RequestEnvironment, Schema
from verify.cases import Case
from verify.findings import Proof, Witness
from verify.grafts import Known, known, moved
from verify.term import Term

EXAMPLES_MAX = 2
"""Requests of other environments that are kept as examples of a term. An assumption: the first do as well as any."""


@dataclass
class Pool:
    """Cases by environment, in the order in which they were found, each once."""

    schema: Schema
    _cases: dict[RequestEnvironment, dict[str, Case]] = field(default_factory=dict)
    _matching: dict[tuple[RequestEnvironment, int], list[Case]] = field(default_factory=dict)
    _known: dict[RequestEnvironment, dict[str, Known]] = field(default_factory=dict)
    _examples: dict[Term | str, dict[RequestEnvironment, Witness]] = field(default_factory=dict)
    _moved: dict[tuple[RequestEnvironment, RequestEnvironment, str], Known] = field(default_factory=dict)

    def add(self, environment: RequestEnvironment, case: Case, matches: Callable[[int], Term]) -> None:
        """Keep a case. `matches` tells when a policy matches in the environment."""
        cases = self._cases.setdefault(environment, {})
        key = repr(case.witness)
        if key in cases:
            return
        cases[key] = case
        for index in sorted(case.matched):
            self._matching.setdefault((environment, index), []).append(case)
            self.keep(matches(index), environment, case.witness)

    def keep(self, of: Term | str, environment: RequestEnvironment, witness: Witness) -> None:
        """Keep a request as an example of what fulfils a term, or of what answers a kind of question."""
        examples = self._examples.setdefault(of, {})
        if len(examples) < EXAMPLES_MAX:
            examples.setdefault(environment, witness)

    def cases(self, environment: RequestEnvironment, index: int | None = None) -> Iterable[Case]:
        """The cases of an environment, or those of them that a policy matches."""
        if index is None:
            return self._cases.get(environment, {}).values()
        return self._matching.get((environment, index), ())

    def known(self, environment: RequestEnvironment) -> Sequence[Known]:
        """The cases of an environment with the values of terms."""
        found = self._known.setdefault(environment, {})
        cases = self._cases.get(environment, {})
        found.update((key, known(case.witness)) for key, case in cases.items() if key not in found)
        return tuple(found.values())

    def elsewhere(
        self, environment: RequestEnvironment, examples: Iterable[Term | str], plain: Callable[[], Witness]
    ) -> Iterator[Known]:
        """Requests of like environments that are examples, as requests of this one, which `plain` is of."""
        for of in examples:
            for other, witness in self._examples.get(of, {}).items():
                if other == environment or (other.principal, other.resource) != (
                    environment.principal,
                    environment.resource,
                ):
                    continue
                key = environment, other, repr(witness)
                if key not in self._moved:
                    self._moved[key] = known(moved(witness, plain(), self.schema))
                yield self._moved[key]

    def by_environment(self) -> Mapping[RequestEnvironment, Sequence[Case]]:
        """Every case."""
        return {environment: tuple(cases.values()) for environment, cases in self._cases.items()}


@dataclass
class Contradictions:
    """Conditions that no request fulfils together, with the proof of it.

    A condition says the same in every environment that it is one of, so what is proved in one holds in the others.
    """

    _proofs: dict[Term, list[tuple[frozenset[Term], Proof]]] = field(default_factory=dict)

    def add(self, conditions: Sequence[Term], proof: Proof) -> None:
        """Keep a proof that these contradict each other."""
        rarest = min(conditions, key=lambda term: len(self._proofs.get(term, ())))  # then few are looked at in vain
        self._proofs.setdefault(rarest, []).append((frozenset(conditions), proof))

    def among(self, conditions: Collection[Term]) -> tuple[frozenset[Term], Proof] | None:
        """Some of the conditions that are known to contradict each other, the first found."""
        given = frozenset(conditions)
        found = (one for term in conditions for one in self._proofs.get(term, ()) if one[0] <= given)
        return next(found, None)
