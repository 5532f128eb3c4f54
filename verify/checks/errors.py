"""P103: can evaluating a policy err? A policy that errs does not match, so a forbid that errs lets through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple

from models.cedar.decision import evaluated
from models.cedar.policies import Policy, PolicySet
from models.cedar.types import Attribute, RecordType, RequestEnvironment, Schema, Type
from verify import term as t
from verify.checks.common import Sought, finding, joined, seek, shown, told, told_all, undecided
from verify.checks.elements import (
    allowed_at_once,
    allowing,
    at_first,
    first_decision,
    first_encoder,
    is_allowed_at_once,
)
from verify.checks.rounds import Asking
from verify.findings import Finding, Proof
from verify.query import Accepts, Analysis, Case, request
from verify.term import Term

Lacking = Literal["attribute", "entity"]
"""What a policy errs without: an attribute that no schema promises, or an entity in the store."""

NAMED_MAX = 10
"""Policies that a message names one by one. An assumption: what a reader takes in; the finding refers to all."""


WEIGHED_MAX = 200
"""Policies of a set in which a request is searched for that a forbid lets through where something is lacking; in a
larger one only the requests at hand are looked at. An assumption: they cost encoding in every environment."""


def may_err(analysis: Analysis, indices: Sequence[int]) -> Iterator[Finding]:
    """P103 of those of these policies that have conditions.

    One finding for each policy that errs though nothing is lacking, and for each that never errs. The policies that err
    only where something is lacking are told together, permits and forbids apart: what mends one mends the others.
    """
    stages = _stages(analysis)
    lacking: dict[tuple[str, int], list[tuple[int, Sought]]] = {}
    for index in (i for i in indices if analysis.policies.policies[i].syntax.clauses):
        found = _judged(stages, index)
        if isinstance(found, Finding):
            yield found
        else:
            number, sought = found
            lacking.setdefault((analysis.policies.policies[index].effect, number), []).append((index, sought))
    for (_, number), some in sorted(lacking.items()):
        yield _together(stages[number], some)


def on_values(analysis: Analysis, index: int) -> tuple[Analysis, Sought]:
    """A request on which a policy errs though nothing is lacking, and the analysis of such requests."""
    whole = _stages(analysis)[0].analysis
    return whole, _sought(whole, index)


class _Stage(NamedTuple):
    """Requests and stores that policies are evaluated on, and what these lack; None where nothing is lacking."""

    analysis: Analysis
    lacking: Lacking | None


def _stages(analysis: Analysis) -> tuple[_Stage, ...]:
    """From what lacks nothing to what lacks most.

    A schema that was given says which attributes may be absent. In an inferred one all may, which says nothing of the
    policies, so they are first evaluated where every attribute is there.
    """
    policies = analysis.policies
    shared = analysis.budget, analysis.scripts, analysis.asked
    incomplete = _Stage(Analysis(policies, *shared, missing=True), "entity")
    if not policies.schema_inferred:
        return _Stage(analysis, None), incomplete
    whole = Analysis(replace(policies, schema=_promised(policies.schema)), *shared)
    return _Stage(whole, None), _Stage(analysis, "attribute"), incomplete


def _promised(schema: Schema) -> Schema:
    """The schema with every attribute required."""
    types = {name: replace(type, attributes=_required(type.attributes)) for name, type in schema.entity_types.items()}
    actions = {uid: replace(action, context=_required(action.context)) for uid, action in schema.actions.items()}
    return Schema(types, actions)


def _required(record: RecordType) -> RecordType:
    def whole(type: Type) -> Type:
        return _required(type) if isinstance(type, RecordType) else type

    return RecordType({name: Attribute(whole(each.type), True) for name, each in record.attributes.items()})


def _judged(stages: Sequence[_Stage], index: int) -> Finding | tuple[int, Sought]:
    """The finding about one policy; or the stage that lacks what it errs without, and a request that shows it."""
    policies = stages[0].analysis.policies
    proofs: list[Proof] = []
    for number, (analysis, lacking) in enumerate(stages):
        sought = _sought(analysis, index)
        if sought.unknown and not sought.found:
            return undecided("P103", policies, [index], sought.unknown)
        if sought.found:
            return (number, sought) if lacking else _alone(analysis, index, sought)
        proofs += sought.proofs
    message = f"Evaluating {told(policies.policies[index])} never errs, not even where entities are missing."
    return replace(finding("P103", policies, [index], "holds", message), proof=joined(stages[0].analysis, proofs))


def _sought(analysis: Analysis, index: int) -> Sought:
    """A request on which a policy errs."""
    environments = [e for e in analysis.reach(index) if analysis.succeeds(e, index) is not t.TRUE]
    title = f"P103 {analysis.policies.policies[index].name}{' with entities missing' if analysis.missing else ''}"
    return seek(
        analysis,
        environments,
        lambda e: [t.not_(analysis.succeeds(e, index))],
        lambda case: index in case.errored,
        title,
    )


def _alone(analysis: Analysis, index: int, sought: Sought) -> Finding:
    """The finding about a policy that errs though nothing is lacking."""
    policy = analysis.policies.policies[index]
    if policy.effect == "permit":
        result, cause = _witnessed(analysis, [index], sought)
        return replace(
            result, message=f"Evaluating {told(policy)} can err: {cause}. {_then([policy])}", severity="warning"
        )
    through = _through(analysis, index)
    if through is None or through.found is None:
        result, cause = _witnessed(analysis, [index], sought)
        harmless = through is not None and through.impossible
        besides = " Every request on which it errs is denied all the same, as things are." if harmless else ""
        message = f"Evaluating {told(policy)} can err: {cause}. {_then([policy])}{besides}"
        return replace(result, message=message, severity="warning" if harmless else "error")
    result, cause = _witnessed(analysis, [index], through, partial(_goes_through, analysis.policies, index))
    message = f"Evaluating {told(policy)} can err: {cause}. {_then([policy])} Here {_by(analysis, result)}."
    return replace(result, message=message, severity="error")


def _through(analysis: Analysis, index: int) -> Sought | None:
    """A request on which a forbid errs and that is not denied, one that is allowed at once where there is one.

    None where policies see who has approved: a request that is denied at first may yet be looked at otherwise.
    """
    asking = Asking(analysis)
    environments = [e for e in analysis.reach(index) if analysis.succeeds(e, index) is not t.TRUE]
    if any(map(asking.sees_approvals, environments)):
        return None
    title = f"P103 {analysis.policies.policies[index].name}"

    def errs(environment: RequestEnvironment) -> Term:
        return t.not_(analysis.encoded(index, first_encoder(analysis, environment), "nobody").ok)

    def at_once(case: Case) -> bool:
        return _goes_through(analysis.policies, index, case) and is_allowed_at_once(analysis.policies, case)

    allowed = seek(analysis, environments, lambda e: [errs(e), allowed_at_once(asking, e)], at_once, f"{title} allowed")
    if allowed.found:
        return allowed
    return seek(
        analysis,
        environments,
        lambda e: [errs(e), asking.rounds(e)[0].allowed],
        partial(_goes_through, analysis.policies, index),
        f"{title} not denied",
    )


def _goes_through(policies: PolicySet, index: int, case: Case) -> bool:
    """Whether a forbid errs on a request that is not denied, nobody having approved."""
    first, decision = at_first(policies, case), first_decision(policies, case)
    return first is not None and index in first.errored and decision is not None and decision.outcome != "deny"


def _by(analysis: Analysis, finding: Finding) -> str:
    """Who lets the witness of a finding through, as the end of a sentence."""
    assert finding.witness is not None
    decision = first_decision(analysis.policies, analysis.case(finding.witness))
    assert decision is not None
    if decision.outcome == "escalate":
        return f"{' and '.join(f'`{chain}`' for chain in decision.chains)} may approve it"
    return allowing(analysis.policies, decision)


def _first_through(analysis: Analysis, some: Sequence[tuple[int, Sought]]) -> tuple[int, Sought] | None:
    """The first of some forbids that err for which a request is known that is not denied, and that request."""
    for index, sought in some:
        assert sought.found is not None
        if _goes_through(analysis.policies, index, sought.found[1].case):
            return index, sought
    if len(analysis.policies.policies) <= WEIGHED_MAX:
        for index, _ in some[:NAMED_MAX]:
            through = _through(analysis, index)
            if through is not None and through.found is not None:
                return index, through
    return None


def _together(stage: _Stage, some: Sequence[tuple[int, Sought]]) -> Finding:
    """The finding about the policies of one effect that err only where something is lacking."""
    policies = stage.analysis.policies
    indices = [index for index, _ in some]
    forbids = policies.policies[indices[0]].effect == "forbid"
    through = _first_through(stage.analysis, some) if forbids else None
    if through is None:
        result, cause = _witnessed(stage.analysis, indices, some[0][1])
        ends = ""
    else:
        erring, sought = through
        accepts = partial(_goes_through, policies, erring)
        result, cause = _witnessed(stage.analysis, indices, sought, accepts, erring)
        ends = f" Here {_by(stage.analysis, result)}."
    where = (
        "where an entity whose attributes or tags are read is not in the store"
        if stage.lacking == "entity"
        else "where an attribute that is read is absent, and no schema says that it is there"
    )
    then = _then([policies.policies[index] for index in indices])
    message = f"Evaluating {_some(policies, indices)} errs {where} ({cause}). {then}{ends}"
    return replace(result, message=message, severity="warning" if forbids else "info")


def _witnessed(
    analysis: Analysis,
    indices: Sequence[int],
    sought: Sought,
    accepts: Accepts | None = None,
    erring: int | None = None,
) -> tuple[Finding, str]:
    """The finding about policies of which one errs (else the first), its message to be written; and why, by Cedar."""
    assert sought.found is not None
    first, policies = indices[0] if erring is None else erring, analysis.policies
    base = finding("P103", policies, indices, "violated", "")
    result, witness = shown(analysis, base, sought.found, accepts or (lambda case: first in case.errored))
    case = analysis.case(witness)
    judged = case if first in case.errored else at_first(policies, case)
    assert judged is not None
    return result, evaluated(policies, request(judged.witness), witness.entities)[1][first]


def _then(policies: Sequence[Policy]) -> str:
    """What follows where policies of one effect err."""
    if policies[0].effect == "permit":
        return "A permit that errs permits nothing."
    asked = ", and nobody is asked" if any(policy.escalation for policy in policies) else ""
    return f"A forbid that errs is skipped: what it forbids goes through{asked}."


def _some(policies: PolicySet, indices: Sequence[int]) -> str:
    """The policies in a sentence, the first of them by name."""
    if len(indices) <= NAMED_MAX:
        return told_all(policies, indices)
    names = ", ".join(told(policies.policies[index]) for index in indices[:NAMED_MAX])
    return f"{names} and {len(indices) - NAMED_MAX} more"
