"""Findings about what a scenario declares, and the first decision on a request, in terms and on concrete ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from models.cedar.decision import Decision, has_approvals
from models.cedar.policies import PolicySet
from models.cedar.types import RequestEnvironment
from models.load import LoadedScenario
from verify import term as t
from verify.catalogue import CATALOGUE
from verify.checks.common import reference, told_all, undecided_for
from verify.checks.rounds import Asking, Round, decisions, escalating
from verify.encode import Encoder
from verify.findings import Finding, Location, PolicyRef, Verdict
from verify.query import Analysis, Case
from verify.symbolic import Collection, record_with
from verify.term import Term


@dataclass(frozen=True, slots=True)
class Element:
    """A part of the scenario that a finding is about: its name, and the keys that lead to it."""

    loaded: LoadedScenario
    name: str
    keys: tuple[str | int, ...]

    @property
    def reference(self) -> PolicyRef:
        span = self.loaded.locate(*self.keys)
        return PolicyRef(self.name, Location(span.file, span.line))

    @property
    def told(self) -> str:
        """How a sentence names it."""
        place = self.reference.location
        return f"`{self.name}` ({place.file}:{place.line})"


def about(check: str, elements: Sequence[Element], verdict: Verdict, message: str) -> Finding:
    """A finding about parts of a scenario, the first of them its place, without evidence."""
    entry = CATALOGUE[check]
    references = tuple(element.reference for element in elements)
    return Finding(
        entry.id,
        entry.name,
        entry.severity,
        verdict,
        references,
        message,
        references[0].location,
        subjects=len(references),
    )


def undecided(check: str, elements: Sequence[Element], reasons: Iterable[str]) -> Finding:
    """The finding of a check that could not be decided."""
    message = undecided_for([element.reference for element in elements], reasons)
    return about(check, elements, "undecided", message)


def with_policies(finding: Finding, policies: PolicySet, indices: Iterable[int]) -> Finding:
    """The finding, about these policies too."""
    references = (*finding.policies, *(reference(policies, index) for index in indices))
    return replace(finding, policies=references)


# --- the first decision -----------------------------------------------------------------------------------------------


def allowed_at_once(asking: Asking, environment: RequestEnvironment) -> Term:
    """When the first decision allows: nobody has approved, and nobody is asked."""
    return released(asking, asking.rounds(environment)[0])


def released(asking: Asking, round_: Round) -> Term:
    """When a round that is reached is the last one, and allows."""
    policies = asking.analysis.policies
    return t.and_(round_.allowed, *(t.not_(round_.asks(policies, index)) for index in escalating(policies)))


def first_matched(policies: PolicySet, case: Case) -> frozenset[int] | None:
    """The policies that match a concrete request when nobody has approved; None where it brings approvals along."""
    first = at_first(policies, case)
    return None if first is None else frozenset(first.matched)


def at_first(policies: PolicySet, case: Case) -> Case | None:
    """A concrete request when nobody has approved; None where it brings approvals along."""
    if case.witness.context.get("approvals"):
        return None
    if has_approvals(policies, case.witness.action) and "approvals" not in case.witness.context:
        return case.judge(replace(case.witness, context={**case.witness.context, "approvals": []}))
    return case


def first_encoder(analysis: Analysis, environment: RequestEnvironment) -> Encoder:
    """The encoder of an environment as it is when nobody has approved."""
    own = analysis.encoder(environment)
    if not has_approvals(analysis.policies, environment.action):
        return own
    nobody = Collection(t.elements(t.STRING, ()))
    return replace(own, context=record_with(own.own_context, {"approvals": nobody}))


def first_decision(policies: PolicySet, case: Case) -> Decision | None:
    """The first decision on a concrete request; None where it brings approvals along that nobody was asked for."""
    made = decisions(policies, case)
    return made[0] if made else None


def is_allowed_at_once(policies: PolicySet, case: Case) -> bool:
    """Whether the first decision on a concrete request allows."""
    decision = first_decision(policies, case)
    return decision is not None and decision.outcome == "allow"


def allowing(policies: PolicySet, decision: Decision) -> str:
    """Who allows, as a sentence says it: `x` (a.cedar:1) permits it."""
    verb = "permits" if len(decision.determining) == 1 else "permit"
    return f"{told_all(policies, decision.determining)} {verb} it"
