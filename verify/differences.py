"""When two sides decide a request differently, as terms. The meaning is that of `models.cedar.decision.decide`.

What both sides have cannot make the difference: each term names the rules of one side alone that can, so that most ways
to change fold to `false`, and the others are easy to decide. Each is equivalent to the one side deciding in the one way
and the other in the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from models.cedar.annotations import SEVERITIES
from models.cedar.decision import Outcome
from models.cedar.policies import Escalation
from verify import term as t
from verify.checks.rounds import Matches
from verify.joint import Joint, Side
from verify.term import Term


def changes(joint: Joint, matches: Matches, transitions: Iterable[tuple[Outcome, Outcome]]) -> Sequence[Term]:
    """For each transition, when the old side decides in the one way and the new side in the other.

    Where both escalate: when they ask differently.
    """
    old, new = (_reasons(side, matches) for side in (joint.old, joint.new))
    return [_change(joint, matches, (old, new), *transition) for transition in transitions]


def _change(joint: Joint, matches: Matches, sides: tuple[_Reasons, _Reasons], before: Outcome, after: Outcome) -> Term:
    old, new = sides
    if before == "deny":
        return t.and_(new.decides(after), old.denies_beside(new))
    if after == "deny":
        return t.and_(old.decides(before), new.denies_beside(old))
    if before == after == "escalate":
        return t.and_(old.decides(before), new.decides(after), _asked_differently(joint, matches))
    asking, other = (old, new) if before == "escalate" else (new, old)
    return t.and_(other.decides("allow"), asking.free, asking.asks_beside(other))


@dataclass(frozen=True)
class _Reasons:
    """The reasons for decisions of one side: to deny, to permit (one of every group is needed), and to ask."""

    hard: tuple[Term, ...]
    groups: tuple[tuple[Term, ...], ...]
    asks: tuple[Term, ...]

    @cached_property
    def free(self) -> Term:
        """When the side does not deny."""
        return t.and_(t.not_(t.or_(*self.hard)), *(t.or_(*group) for group in self.groups))

    def decides(self, outcome: Outcome) -> Term:
        """When the side allows, or escalates."""
        return self._escalates if outcome == "escalate" else t.and_(self.free, t.not_(t.or_(*self.asks)))

    @cached_property
    def _escalates(self) -> Term:
        return t.and_(self.free, t.or_(*self.asks))

    def denies_beside(self, other: _Reasons) -> Term:
        """When the side denies, given that the other does not.

        A forbid of both is not matched then, and a group that has all permits of one of the other has a match.
        """
        apart = [forbid for forbid in self.hard if forbid not in other.hard]
        unmet = [group for group in self.groups if not any(set(one) <= set(group) for one in other.groups)]
        return t.or_(*apart, *(t.not_(t.or_(*group)) for group in unmet))

    def asks_beside(self, other: _Reasons) -> Term:
        """When the side has a reason to ask, given that the other has none."""
        return t.or_(*(one for one in self.asks if one not in other.asks))


def _reasons(side: Side, matches: Matches) -> _Reasons:
    policies, at = side.policies, side.at

    def some(indices: Iterable[int]) -> tuple[Term, ...]:
        return tuple(matches(at[index]) for index in indices if index in at)

    forbids = [policy for policy in policies.policies if policy.effect == "forbid"]
    asking = some(policy.index for policy in forbids if policy.escalation is not None)
    return _Reasons(
        hard=some(policy.index for policy in forbids if policy.escalation is None),
        groups=tuple(some(group) for group in policies.permit_groups),
        asks=(*asking, *_advised(side, some)),
    )


def _advised(side: Side, some: Callable[[Iterable[int]], tuple[Term, ...]]) -> Iterator[Term]:
    """When no permit of a group permits without asking, for each group that has permits that ask."""
    policies = side.policies.policies
    for group in side.policies.permit_groups:
        plain = [index for index in group if policies[index].escalation is None]
        if len(plain) < len(group):
            yield t.not_(t.or_(*some(plain)))


def _asked_differently(joint: Joint, matches: Matches) -> Term:
    """When, of requests that both sides escalate, they ask other chains, or with other bounds after merging."""
    old, new = ([*_rules(side)] for side in (joint.old, joint.new))
    bounds = dict.fromkeys(bound for escalation, _ in (*old, *new) for bound in _bounds(escalation))

    def reached(rules: Iterable[tuple[Escalation, int]], bound: _Bound) -> Term:
        return t.or_(*(matches(position) for escalation, position in rules if _reaches(escalation, bound)))

    pairs = ((reached(old, bound), reached(new, bound)) for bound in bounds)
    return t.or_(*(t.or_(t.and_(one, t.not_(two)), t.and_(t.not_(one), two)) for one, two in pairs))


def _rules(side: Side) -> Iterator[tuple[Escalation, int]]:
    for own, position in side.at.items():
        if escalation := side.policies.policies[own].escalation:
            yield escalation, position


class _Bound(NamedTuple):
    """A chain is asked (`by` is empty), or within a time, or with a severity or a greater one."""

    chain: str
    by: Literal["", "timeout", "severity"] = ""
    value: int = 0


def _bounds(escalation: Escalation) -> Iterator[_Bound]:
    yield _Bound(escalation.chain)
    if escalation.timeout is not None:
        yield _Bound(escalation.chain, "timeout", escalation.timeout)
    if escalation.severity is not None:
        yield _Bound(escalation.chain, "severity", SEVERITIES.index(escalation.severity))


def _reaches(escalation: Escalation, bound: _Bound) -> bool:
    """Whether a rule that matches makes the merged escalation at least as strict as a bound."""
    if escalation.chain != bound.chain:
        return False
    if bound.by == "timeout":
        return escalation.timeout is not None and escalation.timeout <= bound.value
    if bound.by == "severity":
        return escalation.severity is not None and SEVERITIES.index(escalation.severity) >= bound.value
    return True
