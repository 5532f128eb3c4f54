"""The properties of Cedar's own symbolic compiler, under its names, for one request environment.

Each is put as the question for a counterexample: `Found` is one, so the property does not hold; `Impossible` is its
proof. Policies are named by their index in the analysed set, policy sets by the indices of their policies. Decisions
are Cedar's own, allow or deny: a forbid that escalates is a forbid.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, Literal, NamedTuple

from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.query import Accepts, Analysis, Case, Question
from verify.term import Term

Policies = Collection[int]
Judge = Callable[[bool, bool], bool]


def never_errors(analysis: Analysis, environment: RequestEnvironment, index: int) -> Question:
    """Evaluating the policy never errors, in stores that have every entity that is referred to."""
    parts = (t.not_(analysis.succeeds(environment, index)),)
    return Question(environment, parts, lambda case: index in case.errored, f"never-errors {index}")


def always_matches(analysis: Analysis, environment: RequestEnvironment, index: int) -> Question:
    """The policy matches every request."""
    parts = (t.not_(analysis.matches(environment, index)),)
    return Question(environment, parts, lambda case: index not in case.matched, f"always-matches {index}")


def never_matches(analysis: Analysis, environment: RequestEnvironment, index: int) -> Question:
    """The policy matches no request."""
    parts = (analysis.matches(environment, index),)
    return Question(environment, parts, lambda case: index in case.matched, f"never-matches {index}")


def matches_implies(analysis: Analysis, environment: RequestEnvironment, first: int, second: int) -> Question:
    """Whenever the first policy matches, the second does."""
    parts = (analysis.matches(environment, first), t.not_(analysis.matches(environment, second)))
    title = f"matches-implies {first} {second}"
    return Question(environment, parts, lambda case: first in case.matched and second not in case.matched, title)


def matches_equivalent(analysis: Analysis, environment: RequestEnvironment, first: int, second: int) -> Question:
    """The first policy matches exactly when the second does."""
    parts = (_differ(analysis.matches(environment, first), analysis.matches(environment, second)),)
    title = f"matches-equivalent {first} {second}"
    return Question(environment, parts, lambda case: (first in case.matched) != (second in case.matched), title)


def matches_disjoint(analysis: Analysis, environment: RequestEnvironment, first: int, second: int) -> Question:
    """No request is matched by both policies."""
    parts = (analysis.matches(environment, first), analysis.matches(environment, second))
    title = f"matches-disjoint {first} {second}"
    return Question(environment, parts, lambda case: case.matched.issuperset({first, second}), title)


def always_allows(analysis: Analysis, environment: RequestEnvironment, some: Policies) -> Question:
    """The set allows every request."""
    parts = (t.not_(allows(analysis, environment, some)),)
    return Question(environment, parts, _counter(analysis, lambda one, _: not one, some), "always-allows")


def always_denies(analysis: Analysis, environment: RequestEnvironment, some: Policies) -> Question:
    """The set denies every request."""
    parts = (allows(analysis, environment, some),)
    return Question(environment, parts, _counter(analysis, lambda one, _: one, some), "always-denies")


def implies(analysis: Analysis, environment: RequestEnvironment, some: Policies, other: Policies) -> Question:
    """Whatever the first set allows, the second does."""
    parts = (allows(analysis, environment, some), t.not_(allows(analysis, environment, other)))
    accepts = _counter(analysis, lambda one, two: one and not two, some, other)
    return Question(environment, parts, accepts, "implies")


def equivalent(analysis: Analysis, environment: RequestEnvironment, some: Policies, other: Policies) -> Question:
    """Both sets decide every request alike."""
    parts = (_differ(allows(analysis, environment, some), allows(analysis, environment, other)),)
    accepts = _counter(analysis, lambda one, two: one != two, some, other)
    return Question(environment, parts, accepts, "equivalent")


def disjoint(analysis: Analysis, environment: RequestEnvironment, some: Policies, other: Policies) -> Question:
    """No request is allowed by both sets."""
    parts = (allows(analysis, environment, some), allows(analysis, environment, other))
    accepts = _counter(analysis, lambda one, two: one and two, some, other)
    return Question(environment, parts, accepts, "disjoint")


class Property(NamedTuple):
    """A property of one or two sides. Its question takes the index of each policy, or the indices of each set."""

    question: Callable[..., Question]
    of: Literal["policy", "set"]
    sides: Literal[1, 2]


PROPERTIES: Final[Mapping[str, Property]] = {
    "never-errors": Property(never_errors, "policy", 1),
    "always-matches": Property(always_matches, "policy", 1),
    "never-matches": Property(never_matches, "policy", 1),
    "matches-equivalent": Property(matches_equivalent, "policy", 2),
    "matches-implies": Property(matches_implies, "policy", 2),
    "matches-disjoint": Property(matches_disjoint, "policy", 2),
    "always-allows": Property(always_allows, "set", 1),
    "always-denies": Property(always_denies, "set", 1),
    "equivalent": Property(equivalent, "set", 2),
    "implies": Property(implies, "set", 2),
    "disjoint": Property(disjoint, "set", 2),
}
"""The properties by name."""


def allows(analysis: Analysis, environment: RequestEnvironment, some: Policies) -> Term:
    """When Cedar's authorizer allows under these policies: some permit matches and no forbid does."""
    policies = analysis.policies.policies
    matches = {index: analysis.matches(environment, index) for index in some}
    permits = (term for index, term in matches.items() if policies[index].effect == "permit")
    forbids = (term for index, term in matches.items() if policies[index].effect == "forbid")
    return t.and_(t.or_(*permits), t.not_(t.or_(*forbids)))


def _allowed(policies: PolicySet, some: Policies, case: Case) -> bool:
    effects = [policies.policies[index].effect for index in case.matched.intersection(some)]
    return "permit" in effects and "forbid" not in effects


def _counter(analysis: Analysis, judge: Judge, some: Policies, other: Policies = ()) -> Accepts:
    """Judges a concrete request by whether each of two sets allows it."""
    policies = analysis.policies
    return lambda case: judge(_allowed(policies, some, case), _allowed(policies, other, case))


def _differ(one: Term, other: Term) -> Term:
    return t.or_(t.and_(one, t.not_(other)), t.and_(t.not_(one), other))
