"""The conditions that a scenario declares of requests: as terms, and on a concrete request by cedarpy.

They are judged on the first decision, when nobody has approved: `context.approvals` is empty where the schema has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from models.cedar.decision import has_approvals, matching
from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment
from models.cedar.uids import Uid
from models.declared import Declared, declared
from models.load import LoadedScenario
from verify import term as t
from verify.checks.elements import first_encoder
from verify.encode import Match
from verify.lift import entities_read
from verify.query import Analysis, Case, request
from verify.symbolic import Scalar, UnsupportedError
from verify.term import Term

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Conditions:
    """The declared conditions of a scenario whose policies are under analysis."""

    analysis: Analysis
    loaded: LoadedScenario

    @cached_property
    def _declared(self) -> dict[Keys, Declared]:
        return {one.keys: one for one in declared(self.loaded.scenario)}

    @cached_property
    def _permits(self) -> PolicySet:
        """Each condition as a permit, in their order."""
        text = "\n".join(one.policy for one in self._declared.values())
        return policy_set(text, self.analysis.policies.schema_text)

    def __contains__(self, keys: object) -> bool:
        return keys in self._declared

    @property
    def read(self) -> tuple[Uid, ...]:
        """The entities that conditions name and read: in a store that lacks one, they would err."""
        return entities_read(policy.syntax for policy in self._permits.policies) if self._declared else ()

    def declared(self, *keys: str | int) -> Declared:
        """A condition as it is declared."""
        return self._declared[keys]

    def environments(self, *keys: str | int) -> tuple[RequestEnvironment, ...]:
        """The environments whose requests a condition is asked of: those of its actions."""
        syntax = self._permits.policies[self._index(keys)].syntax
        return tuple(
            environment
            for environment in self.analysis.policies.schema.environments()
            if first_encoder(self.analysis, environment).scope(syntax).value != Scalar(t.FALSE)
        )

    def surely(self, environment: RequestEnvironment, *keys: str | int) -> Term:
        """When a condition holds, and does not err. Raises UnsupportedError."""
        return self._match(environment, keys).matches

    def perhaps(self, environment: RequestEnvironment, *keys: str | int) -> Term:
        """When a condition holds or errs. Raises UnsupportedError."""
        found = self._match(environment, keys)
        return t.or_(found.matches, t.not_(found.ok))

    def errs(self, environment: RequestEnvironment, *keys: str | int) -> Term:
        """When a condition errs. Raises UnsupportedError."""
        return t.not_(self._match(environment, keys).ok)

    def holding(self, case: Case) -> frozenset[Keys]:
        """The conditions that hold of a concrete request, and do not err."""
        return self._named(self._matching(case)[0])

    def possible(self, case: Case) -> frozenset[Keys]:
        """The conditions that hold of a concrete request, or err."""
        return self._named(frozenset().union(*self._matching(case)))

    def _index(self, keys: Keys) -> int:
        return list(self._declared).index(keys)

    def _named(self, indices: Iterable[int]) -> frozenset[Keys]:
        names = list(self._declared)
        return frozenset(names[index] for index in indices)

    def _match(self, environment: RequestEnvironment, keys: Keys) -> Match:
        try:
            return first_encoder(self.analysis, environment).match(self._permits.policies[self._index(keys)].syntax)
        except UnsupportedError as error:
            span = self.loaded.locate(*keys)
            raise UnsupportedError(f"{error.construct} at {span.file}:{span.line}", error.token) from None

    def _matching(self, case: Case) -> tuple[frozenset[int], frozenset[int]]:
        asked = request(case.witness)
        if has_approvals(self.analysis.policies, case.witness.action):
            asked["context"] = {**case.witness.context, "approvals": []}
        return matching(self._permits, asked, case.witness.entities)
