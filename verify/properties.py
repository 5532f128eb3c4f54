"""The questions of Cedar's own symbolic compiler, under its names, for one request environment.

Each asks for a counterexample: `Found` is one, so the property does not hold; `Impossible` is its proof. Policies are
named by their index in the analysed set, policy sets by the indices of their policies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.query import Accepts, Analysis, Answer, Case
from verify.term import Term

Policies = Collection[int]
Judge = Callable[[bool, bool], bool]


def never_errors(analysis: Analysis, environment: RequestEnvironment, index: int) -> Answer:
    """Evaluating the policy never errors, in stores that have every entity that is referred to."""
    parts = [t.not_(analysis.succeeds(environment, index))]
    return analysis.ask(environment, parts, lambda case: index in case.errored, f"never-errors {index}")


def always_matches(analysis: Analysis, environment: RequestEnvironment, index: int) -> Answer:
    """The policy matches every request."""
    parts = [t.not_(analysis.matches(environment, index))]
    return analysis.ask(environment, parts, lambda case: index not in case.matched, f"always-matches {index}")


def never_matches(analysis: Analysis, environment: RequestEnvironment, index: int) -> Answer:
    """The policy matches no request."""
    parts = [analysis.matches(environment, index)]
    return analysis.ask(environment, parts, lambda case: index in case.matched, f"never-matches {index}")


def matches_implies(analysis: Analysis, environment: RequestEnvironment, first: int, second: int) -> Answer:
    """Whenever the first policy matches, the second does."""
    parts = [analysis.matches(environment, first), t.not_(analysis.matches(environment, second))]
    title = f"matches-implies {first} {second}"
    return analysis.ask(environment, parts, lambda case: first in case.matched and second not in case.matched, title)


def matches_equivalent(analysis: Analysis, environment: RequestEnvironment, first: int, second: int) -> Answer:
    """The first policy matches exactly when the second does."""
    parts = [_differ(analysis.matches(environment, first), analysis.matches(environment, second))]
    title = f"matches-equivalent {first} {second}"
    return analysis.ask(environment, parts, lambda case: (first in case.matched) != (second in case.matched), title)


def matches_disjoint(analysis: Analysis, environment: RequestEnvironment, first: int, second: int) -> Answer:
    """No request is matched by both policies."""
    parts = [analysis.matches(environment, first), analysis.matches(environment, second)]
    title = f"matches-disjoint {first} {second}"
    return analysis.ask(environment, parts, lambda case: case.matched.issuperset({first, second}), title)


def always_allows(analysis: Analysis, environment: RequestEnvironment, some: Policies) -> Answer:
    """The set allows every request."""
    parts = [t.not_(allows(analysis, environment, some))]
    return analysis.ask(environment, parts, _counter(analysis, lambda one, _: not one, some), f"always-allows {some}")


def always_denies(analysis: Analysis, environment: RequestEnvironment, some: Policies) -> Answer:
    """The set denies every request."""
    parts = [allows(analysis, environment, some)]
    return analysis.ask(environment, parts, _counter(analysis, lambda one, _: one, some), f"always-denies {some}")


def implies(analysis: Analysis, environment: RequestEnvironment, some: Policies, other: Policies) -> Answer:
    """Whatever the first set allows, the second does."""
    parts = [allows(analysis, environment, some), t.not_(allows(analysis, environment, other))]
    accepts = _counter(analysis, lambda one, two: one and not two, some, other)
    return analysis.ask(environment, parts, accepts, f"implies {some} {other}")


def equivalent(analysis: Analysis, environment: RequestEnvironment, some: Policies, other: Policies) -> Answer:
    """Both sets decide every request alike."""
    parts = [_differ(allows(analysis, environment, some), allows(analysis, environment, other))]
    accepts = _counter(analysis, lambda one, two: one != two, some, other)
    return analysis.ask(environment, parts, accepts, f"equivalent {some} {other}")


def disjoint(analysis: Analysis, environment: RequestEnvironment, some: Policies, other: Policies) -> Answer:
    """No request is allowed by both sets."""
    parts = [allows(analysis, environment, some), allows(analysis, environment, other)]
    accepts = _counter(analysis, lambda one, two: one and two, some, other)
    return analysis.ask(environment, parts, accepts, f"disjoint {some} {other}")


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
