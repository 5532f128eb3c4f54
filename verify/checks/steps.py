"""P303: may the agent of a step ever take its action? And the requests that the steps of a scenario make."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from models.cedar.decision import has_approvals
from models.cedar.policies import PolicySet
from models.cedar.types import RecordType, RequestEnvironment, Type
from models.cedar.uids import Uid, parse_uid
from models.cedar.values import LONG_MAX, LONG_MIN
from models.laws import AttributeLaw, Chance, Choice, Law
from models.load import LoadedScenario
from models.scenario import Task
from verify import term as t
from verify.checks.common import Sought, joined
from verify.checks.elements import Element, about, first_decision, undecided, with_policies
from verify.checks.requests import Kind, allowed_in_the_end, is_allowed_in_the_end, refusal
from verify.checks.rounds import Asking, chain_of, escalating
from verify.findings import Finding
from verify.given import Given
from verify.query import Case
from verify.symbolic import Record, Scalar, Stored, UnsupportedError
from verify.symbolic import field as field_of
from verify.term import Term

Value = AttributeLaw | bool | int | str
Values = Mapping[str, "Value | Values"]
"""What a step puts into the context: laws of case attributes and constants, nested as the dots of their names say."""


@dataclass(frozen=True)
class StepRequest:
    """The request that a step makes: who asks, for what, with what in the context.

    The context is told once for each stream of work that comes by. An attribute that a case does not have is absent,
    as in a run.
    """

    loaded: LoadedScenario
    workflow: str
    step: str
    task: Task

    @property
    def element(self) -> Element:
        """The step, as a finding names it."""
        return Element(self.loaded, f"{self.workflow}.{self.step}", ("workflows", self.workflow, "steps", self.step))

    @cached_property
    def principal(self) -> Uid:
        return parse_uid(self.loaded.scenario.agents[self.task.agent].principal or "")

    @cached_property
    def action(self) -> str:
        return str(parse_uid(self.task.action or ""))

    @cached_property
    def resource(self) -> Uid:
        return parse_uid(self.task.resource or "")

    @property
    def contexts(self) -> tuple[Values, ...]:
        """What is in the context, for each stream of work."""
        scenario = self.loaded.scenario
        works = [work for work in scenario.work.values() if self.workflow in scenario.workflows_of(work)]
        return tuple(_nested({**work.attributes, **self.task.context}) for work in works)

    def kind(self, asking: Asking, check: str) -> Kind:
        """The requests of the step, with the scenario's entities as they are given."""
        policies = asking.analysis.policies
        environment = RequestEnvironment(self.principal.type, self.action, self.resource.type)
        return Kind(
            asking,
            f"{check} {self.workflow}.{self.step}",
            tuple(e for e in policies.schema.environments() if e == environment),
            lambda e: [self._context_term(asking, e)],
            lambda case: self._accepts(policies, case),
            self.principal,
            self.resource,
            Given(policies),
        )

    def _context_term(self, asking: Asking, environment: RequestEnvironment) -> Term:
        own = asking.analysis.encoder(environment).own_context
        hidden = _hidden(asking.analysis.policies, environment.action)
        return t.or_(*(_fits(own, values, hidden) for values in self.contexts))

    def _accepts(self, policies: PolicySet, case: Case) -> bool:
        type, context = policies.schema.actions[self.action].context, case.witness.context
        hidden = _hidden(policies, self.action)
        return any(_is_one(context, type, values, hidden) for values in self.contexts)


def step_requests(loaded: LoadedScenario) -> tuple[StepRequest, ...]:
    """The requests of all steps that ask the policies and that cases come by."""
    scenario = loaded.scenario
    busy = {workflow for work in scenario.work.values() for workflow in scenario.workflows_of(work)}
    return tuple(
        StepRequest(loaded, name, step_name, step)
        for name, workflow in scenario.workflows.items()
        for step_name, step in workflow.steps.items()
        if name in busy and isinstance(step, Task) and step.action is not None
    )


# --- what a step puts into the context --------------------------------------------------------------------------------


def _hidden(policies: PolicySet, action: str) -> frozenset[str]:
    """What the decision point puts into the context, not the step."""
    return frozenset({"approvals"} if has_approvals(policies, action) else ())


def _nested(values: Mapping[str, Value]) -> Values:
    found: dict[str, Any] = {}
    for name, value in values.items():
        *outer, last = name.split(".")
        inner = found
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return found


def _fits(record: Record | Stored, values: Values, hidden: frozenset[str] = frozenset()) -> Term:
    """When a record holds what these values may be, and nothing else. Raises UnsupportedError."""
    assert isinstance(record, Stored)
    parts: list[Term] = []
    for name in record.type.attributes:
        found, value = field_of(record, name), values.get(name)
        assert found is not None
        if name in hidden:
            continue
        if value is None:
            parts.append(t.not_(found.present))
        elif isinstance(value, Mapping) and isinstance(found.value, Stored):
            parts += [found.present, _fits(found.value, value)]
        elif isinstance(found.value, Scalar) and not isinstance(value, Mapping):
            parts += [found.present, _within(found.value.term, value, name)]
        else:
            raise UnsupportedError(f"`{name}` of another type than the policies use it as")
    return t.and_(*parts)


def _within(term: Term, value: Value, name: str) -> Term:
    """When a number, text or truth value is one that a law draws."""
    sort, few, (low, high) = _support(value)
    if term.sort != sort:
        raise UnsupportedError(f"`{name}` of another type than the policies use it as")
    if few is not None:
        return t.or_(*(t.eq(term, t.const(one, sort)) for one in few))
    return t.and_(t.le(t.long(low), term), t.le(term, t.long(high)))


def _support(value: Value) -> tuple[t.Sort, tuple[bool | int | str, ...] | None, tuple[int, int]]:
    """The sort of a value, what it may be where that is few, and the bounds between which it is otherwise."""
    none = (0, 0)
    match value:
        case bool():
            return t.BOOL, (value,), none
        case int():
            return t.LONG, (value,), none
        case str():
            return t.STRING, (value,), none
        case Choice(values, weights):
            return t.STRING, tuple(one for one, weight in zip(values, weights, strict=True) if weight > 0), none
        case Chance(p):
            return t.BOOL, tuple(one for one, share in ((True, p), (False, 1 - p)) if share > 0), none
        case Law("values", parameters):
            half = len(parameters) // 2
            drawn = zip(parameters[:half], parameters[half:], strict=True)
            return t.LONG, tuple(dict.fromkeys(_whole(one) for one, weight in drawn if weight > 0)), none
        case Law():
            low, high = value.support
            return t.LONG, None, (_whole(low), _whole(high))


def _whole(drawn: float) -> int:
    """The whole number that a draw becomes in a case: the nearest, halves up, within 64 bits."""
    if math.isinf(drawn):
        return LONG_MAX if drawn > 0 else LONG_MIN
    return max(min(int((drawn + 0.5) // 1), LONG_MAX), LONG_MIN)


def _is_one(record: Mapping[str, Any], type: RecordType, values: Values, hidden: frozenset[str] = frozenset()) -> bool:
    """Whether a concrete record holds what these values may be, as `_fits` says."""
    names = type.attributes.keys() - hidden
    if any((name in record) != (name in values) for name in names):
        return False
    return all(_is_drawn(record[name], type.attributes[name].type, values[name]) for name in names if name in record)


def _is_drawn(given: Any, type: Type, value: Value | Values) -> bool:
    if isinstance(value, Mapping):
        return isinstance(given, Mapping) and isinstance(type, RecordType) and _is_one(given, type, value)
    sort, few, (low, high) = _support(value)
    if few is not None:
        return any(given == one and given.__class__ is one.__class__ for one in few)
    return sort == t.LONG and given.__class__ is int and low <= given <= high


# --- P303 -------------------------------------------------------------------------------------------------------------


def never_allowed(asking: Asking, loaded: LoadedScenario) -> Iterator[Finding]:
    """P303 of every step that asks the policies."""
    for request in step_requests(loaded):
        yield _never_allowed(asking, request)


def _never_allowed(asking: Asking, request: StepRequest) -> Finding:
    policies = asking.analysis.policies
    chains = frozenset(request.loaded.scenario.chains)
    kind = request.kind(asking, "P303")

    sought = allowed_in_the_end(kind, chains)
    told = f"`{request.principal}` at step {request.element.told}"
    if sought.found:
        base = about("P303", [request.element], "holds", f"{told} may take `{request.action}`.")
        return kind.shown(base, sought, lambda case: is_allowed_in_the_end(policies, case, chains))[0]
    if sought.unknown:
        return undecided("P303", [request.element], sought.unknown)
    reason, causes = _reason(kind, chains)
    message = f"{told} may never take `{request.action}`: {reason}."
    base = replace(about("P303", [request.element], "violated", message), proof=joined(asking.analysis, sought.proofs))
    return with_policies(base, policies, causes)


def _reason(kind: Kind, chains: Collection[str]) -> tuple[str, tuple[int, ...]]:
    """Why a step's request is never allowed in the end, and the policies that see to it."""
    policies = kind.policies
    if _at_once_or_asked(kind).impossible:
        return refusal(kind)
    if allowed_in_the_end(kind, policies.chains).found:
        nobody = [index for index in escalating(policies) if chain_of(policies, index) not in chains]
        missing = sorted({chain_of(policies, index) for index in nobody})
        names = " and ".join(f"`{chain}`" for chain in missing)
        exist = "which does not exist" if len(missing) == 1 else "which do not exist"
        return f"it has to be approved by the chain {names}, {exist}", tuple(nobody)
    return "it is escalated, and denied once everyone asked has approved", ()


def _at_once_or_asked(kind: Kind) -> Sought:
    """A request of a kind that the first decision does not deny."""
    policies = kind.policies

    def passes(case: Case) -> bool:
        decision = first_decision(policies, case)
        return decision is not None and decision.outcome != "deny"

    return kind.seek(lambda e: [kind.asking.rounds(e)[0].allowed], passes, "not denied")
