"""Recorded requests, decided again: what a policy set, or a change of it, does to traffic that really came.

A proof speaks of every request; a backtest of the ones on record, with their counts. Every decision is Cedar's own, by
cedarpy, under the set's profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from models.cedar.decision import Decision, Outcome, decided
from models.cedar.entities import explicit_entity
from models.cedar.policies import PolicySet
from models.cedar.recorded import RecordedRequest
from models.cedar.uids import parse_uid
from models.diagnostics import Diagnostic, InputError
from verify.changes import CHANGES, Kind, kind_of
from verify.checks.common import reference
from verify.findings import PolicyRef

SCHEMA: Final = "windtunnel.backtest/1"

GROUPS_MAX: Final = 10_000
"""Changes told apart by the rules behind them; what comes after is told by outcome alone. An assumption."""


@dataclass(frozen=True, slots=True)
class Change:
    """Requests that are decided differently, for the same reasons on both sides."""

    before: Outcome
    after: Outcome
    rules_before: tuple[PolicyRef, ...]
    """The rules that decided; none where no permit matches, or where the decision is one on record."""
    rules_after: tuple[PolicyRef, ...]
    count: int
    first: RecordedRequest

    @property
    def kind(self) -> Kind:
        """What the change is called."""
        return kind_of(self.before, self.after)


@dataclass(frozen=True, slots=True)
class RuleUse:
    """How many requests a rule decides, and on how many it errs."""

    rule: PolicyRef
    before: int | None
    """None where the decisions before are those on record."""
    after: int
    errors: int
    """On the side after, or before where it is gone."""


@dataclass(frozen=True, slots=True)
class Backtest:
    """What became of the requests of a log.

    `before` are the decisions of the old set, or where only one set is asked the decisions on record, as far as there
    are any; `after` those of the new or the only set.
    """

    requests: int
    before: Mapping[Outcome, int]
    after: Mapping[Outcome, int]
    changes: tuple[Change, ...]
    """Most frequent first."""
    rules: tuple[RuleUse, ...]
    outside_schema: int
    """Requests that no environment of the (new) set's own schema admits."""
    unlike_record: int
    """Requests whose decision on record is not what the (old) set says."""

    def count(self, kinds: Collection[str]) -> int:
        """Requests that change in one of these ways."""
        return sum(change.count for change in self.changes if change.kind in kinds)


@dataclass
class _Tally:
    """Counts of one policy set, by index of its policies."""

    policies: PolicySet
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    determined: Counter[int] = field(default_factory=Counter)
    erred: Counter[int] = field(default_factory=Counter)

    def decide(self, request: RecordedRequest, file: str) -> Decision:
        """The decision on a request, counted."""
        try:
            decision, erred = decided(self.policies, request.asked, self._entities(request), request.approvals)
        except (ValueError, UnicodeEncodeError) as error:
            message = f"Cedar cannot read the request: {error}"
            raise InputError(Diagnostic(message, file, request.line, 1)) from None
        self.outcomes[decision.outcome] += 1
        self.determined.update(decision.determining)
        self.erred.update(erred)
        return decision

    def _entities(self, request: RecordedRequest) -> Sequence[Mapping[str, Any]] | None:
        if request.entities is None or self.policies.schema_inferred:
            return request.entities
        return [explicit_entity(entity, self.policies.schema) for entity in request.entities]


def backtest(
    policies: PolicySet,
    requests: Iterable[RecordedRequest],
    other: PolicySet | None = None,
    *,
    file: str = "<requests>",
    progress: Callable[[int], None] | None = None,
) -> Backtest:
    """Decides recorded requests under one policy set, or under an old one and another.

    `progress` is told how many requests are done. Raises InputError where Cedar cannot read a request; `file` is the
    log's name in messages.
    """
    old, new = (_Tally(policies), _Tally(other)) if other is not None else (None, _Tally(policies))
    recorded: Counter[Outcome] = Counter()
    groups: Counter[_Group] = Counter()
    first: dict[_Group, RecordedRequest] = {}
    admitted = _admitted(new.policies)
    count = outside = unlike = 0
    for request in requests:
        count += 1
        outside += not admitted(request)
        before = old.decide(request, file) if old else None
        after = new.decide(request, file)
        if request.decision is not None:
            recorded[request.decision] += 1
            unlike += request.decision != (before or after).outcome
        outcome = before.outcome if before else request.decision
        if outcome is not None and outcome != after.outcome:
            group: _Group = outcome, after.outcome, before.determining if before else (), after.determining
            if len(groups) >= GROUPS_MAX and group not in groups:
                group = outcome, after.outcome, (), ()
            groups[group] += 1
            first.setdefault(group, request)
        if progress is not None:
            progress(count)
    return Backtest(
        count,
        dict(old.outcomes if old else recorded),
        dict(new.outcomes),
        tuple(_change(group, number, first[group], old, new) for group, number in _ordered(groups, first)),
        tuple(_rules(old, new)),
        outside,
        unlike,
    )


_Group = tuple[Outcome, Outcome, tuple[int, ...], tuple[int, ...]]
"""Outcomes, and the indices of the rules that decided, before and after."""


def _ordered(groups: Mapping[_Group, int], first: Mapping[_Group, RecordedRequest]) -> list[tuple[_Group, int]]:
    return sorted(groups.items(), key=lambda item: (-item[1], first[item[0]].line))


def _change(group: _Group, count: int, first: RecordedRequest, old: _Tally | None, new: _Tally) -> Change:
    before, after, by, now_by = group
    rules = tuple(reference(old.policies, index) for index in by) if old else ()
    return Change(before, after, rules, tuple(reference(new.policies, index) for index in now_by), count, first)


def _rules(old: _Tally | None, new: _Tally) -> list[RuleUse]:
    """Every rule of both sets, by name."""
    before, after = _uses(old), _uses(new)
    return [
        RuleUse(
            (after.get(name) or before[name])[0],
            None if old is None else before[name][1] if name in before else 0,
            after[name][1] if name in after else 0,
            (after.get(name) or before[name])[2],
        )
        for name in dict.fromkeys((*after, *before))
    ]


def _uses(tally: _Tally | None) -> dict[str, tuple[PolicyRef, int, int]]:
    """Each rule by name: where it stands, how often it decides, how often it errs."""
    found: dict[str, tuple[PolicyRef, int, int]] = {}
    for policy in tally.policies.policies if tally else ():
        assert tally is not None
        rule = reference(tally.policies, policy.index)
        found[rule.name] = rule, tally.determined[policy.index], tally.erred[policy.index]
    return found


def _admitted(policies: PolicySet) -> Callable[[RecordedRequest], bool]:
    """Whether the schema has the request's environment; an inferred schema says nothing of that."""
    known = {(e.principal, e.action, e.resource) for e in policies.schema.environments()}

    def admitted(request: RecordedRequest) -> bool:
        environment = parse_uid(request.principal).type, request.action, parse_uid(request.resource).type
        return policies.schema_inferred or environment in known

    return admitted


# --- JSON -------------------------------------------------------------------------------------------------------------


def to_json(result: Backtest, forbidden: Collection[str] = ()) -> dict[str, Any]:
    """The result as plain JSON values, `windtunnel.backtest/1`. Changes of the forbidden kinds make it a failure."""
    return {
        "schema": SCHEMA,
        "verdict": "fail" if result.count(forbidden) else "pass",
        "requests": result.requests,
        "before": dict(result.before),
        "after": dict(result.after),
        "changed": {kind: result.count([kind]) for kind in CHANGES},
        "changes": [_change_json(change) for change in result.changes],
        "rules": [
            {**_rule_json(use.rule), "before": use.before, "after": use.after, "errors": use.errors}
            for use in result.rules
        ],
        "outside_schema": result.outside_schema,
        "unlike_record": result.unlike_record,
    }


def _change_json(change: Change) -> dict[str, Any]:
    first = change.first
    return {
        "kind": change.kind,
        "from": change.before,
        "to": change.after,
        "count": change.count,
        "policies_before": [_rule_json(rule) for rule in change.rules_before],
        "policies_after": [_rule_json(rule) for rule in change.rules_after],
        "first": {"line": first.line, **first.asked},
    }


def _rule_json(rule: PolicyRef) -> dict[str, Any]:
    return {"name": rule.name, "location": {"file": rule.location.file, "line": rule.location.line}}
