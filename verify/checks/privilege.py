"""P302: is an agent permitted what no step uses, or what the agent that it works for is not?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.cedar.decision import Decision
from models.cedar.entities import uid_of
from models.cedar.policies import PolicySet
from models.cedar.types import RecordType, RequestEnvironment
from models.cedar.uids import Uid, parse_uid
from models.load import LoadedScenario
from models.scenario import Task
from verify import term as t
from verify.checks.common import Sought, joined, told_all
from verify.checks.elements import (
    Element,
    about,
    allowed_at_once,
    allowing,
    first_decision,
    first_encoder,
    is_allowed_at_once,
    undecided,
    with_policies,
)
from verify.checks.requests import Kind
from verify.checks.rounds import Asking, Round, chain_of, escalating, not_denied
from verify.encode import Encoder
from verify.findings import Finding, PolicyRef, Proof
from verify.given import Given
from verify.query import Case
from verify.simplify import substitute
from verify.symbolic import Field, Record, Scalar, Stored, Value
from verify.symbolic import field as field_of
from verify.term import Term, subterms


def excessive(asking: Asking, loaded: LoadedScenario) -> Iterator[Finding]:
    """P302 of every agent that has a principal, and of every one that has a parent."""
    told: set[Uid] = set()
    for name, pool in loaded.scenario.agents.items():
        if pool.principal is not None and (uid := parse_uid(pool.principal)) not in told:
            told.add(uid)
            yield from _unused(asking, Element(loaded, name, ("agents", name)), uid)
    for name, pool in loaded.scenario.agents.items():
        if pool.parent is not None:
            yield _contained(asking, loaded, name, pool.parent)


# --- what no step uses ------------------------------------------------------------------------------------------------


def _unused(asking: Asking, agent: Element, uid: Uid) -> Iterator[Finding]:
    """A finding for each action that an agent may take otherwise than its steps do; else one that there is none."""
    proofs: list[Proof] = []
    clear = True
    environments = asking.analysis.policies.schema.environments()
    for action in sorted({e.action for e in environments if e.principal == uid.type}):
        steps = _steps(agent.loaded, uid, action)
        sought, finding = _beyond(asking, agent, uid, action, steps)
        proofs += sought.proofs
        clear = clear and sought.impossible
        if finding is not None:
            yield finding
    if clear:
        message = f"{agent.told} is permitted nothing without approval that its steps do not ask for."
        yield replace(about("P302", [agent], "holds", message), proof=joined(asking.analysis, proofs))


def _steps(loaded: LoadedScenario, uid: Uid, action: str) -> dict[str, Task]:
    """The steps by which an agent asks for an action, by name."""
    agents = loaded.scenario.agents
    return {
        f"{name}.{step_name}": step
        for name, workflow in loaded.scenario.workflows.items()
        for step_name, step in workflow.steps.items()
        if isinstance(step, Task)
        and step.action is not None
        and str(parse_uid(step.action)) == action
        and parse_uid(agents[step.agent].principal or "") == uid
    }


def _beyond(
    asking: Asking, agent: Element, uid: Uid, action: str, steps: dict[str, Task]
) -> tuple[Sought, Finding | None]:
    policies = asking.analysis.policies
    environments = (e for e in policies.schema.environments() if (e.principal, e.action) == (uid.type, action))
    kind = Kind(
        asking,
        f"P302 {agent.name} {action}",
        tuple(environments),
        lambda e: [t.not_(t.or_(*(_used(asking.analysis.encoder(e), step) for step in steps.values())))],
        lambda case: not any(_is_used(policies, case, step) for step in steps.values()),
        uid,
        None,
        Given(policies),
    )

    def allowed(case: Case) -> bool:
        return is_allowed_at_once(policies, case)

    sought = kind.seek(lambda e: [allowed_at_once(asking, e)], allowed)
    if sought.impossible:
        return sought, None
    if sought.found is None:
        return sought, undecided("P302", [agent], sought.unknown)
    base, case = kind.shown(about("P302", [agent], "violated", ""), sought, allowed)
    decision = first_decision(policies, case)
    assert decision is not None
    beyond = f"otherwise than {' and '.join(f'`{name}`' for name in steps)} do" if steps else "which no step asks for"
    beyond = beyond.replace(" do", " does") if len(steps) == 1 else beyond
    message = f"{agent.told} may take `{action}` without approval, {beyond}: {allowing(policies, decision)}."
    asked = (*base.policies, PolicyRef(action, base.location))
    base = replace(base, message=message, policies=asked, subjects=len(asked))
    return sought, with_policies(base, policies, decision.determining)


def _used(encoder: Encoder, step: Task) -> Term:
    """When a request is for what a step asks: the resource, and the constants that it puts into the context.

    What a case brings along is not looked at: it is drawn, not written by who made the workflow.
    """
    resource, uid = encoder.variables["resource"], parse_uid(step.resource or "")
    assert isinstance(resource, Scalar)
    if uid.type != resource.term.sort.name:
        return t.FALSE
    parts = [t.eq(resource.term, t.const(uid.id, resource.term.sort))]
    for name, value in step.context.items():
        found = _at(encoder.own_context, name.split("."))
        if found is not None:
            parts += [found.present, _is_value(found.value, value)]
    return t.and_(*parts)


def _is_value(held: Value, value: bool | int | str) -> Term:
    sort = t.BOOL if isinstance(value, bool) else t.LONG if isinstance(value, int) else t.STRING
    fits = isinstance(held, Scalar) and held.term.sort == sort
    return t.eq(held.term, t.const(value, sort)) if fits and isinstance(held, Scalar) else t.FALSE


def _at(record: Record | Stored, path: list[str]) -> Field | None:
    """The attribute at a path of names; None where the type has none, so that it is not sent."""
    found = field_of(record, path[0])
    if found is None or len(path) == 1:
        return found
    if not isinstance(found.value, Record | Stored):
        return None
    inner = _at(found.value, path[1:])
    return None if inner is None else Field(t.and_(found.present, inner.present), inner.value)


def _is_used(policies: PolicySet, case: Case, step: Task) -> bool:
    """As `_used`, of a concrete request."""
    type = policies.schema.actions[case.witness.action].context
    return parse_uid(case.witness.resource) == parse_uid(step.resource or "") and all(
        _has(case.witness.context, type, name.split("."), value) for name, value in step.context.items()
    )


def _has(record: Mapping[str, Any], type: RecordType, path: list[str], value: bool | int | str) -> bool:
    declared = type.attributes.get(path[0])
    if declared is None or (len(path) > 1 and not isinstance(declared.type, RecordType)):
        return True
    if path[0] not in record:
        return isinstance(declared.type, RecordType) and len(path) > 1 and not _declares(declared.type, path[1:])
    held = record[path[0]]
    if len(path) == 1:
        return held == value and held.__class__ is value.__class__
    assert isinstance(declared.type, RecordType)
    return _has(held, declared.type, path[1:], value)


def _declares(type: RecordType, path: list[str]) -> bool:
    found = type.attributes.get(path[0])
    if found is None or len(path) == 1:
        return found is not None
    return isinstance(found.type, RecordType) and _declares(found.type, path[1:])


# --- a child within its parent ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pair:
    """A child and its parent, and the first decision on the same request of each."""

    asking: Asking
    child: Uid
    parent: Uid

    def more(self, environment: RequestEnvironment) -> list[Term]:
        """When the child is not denied, and the parent is, or has to ask somebody whom the child has not."""
        policies = self.asking.analysis.policies
        first, other = self.asking.rounds(environment)[0], self.of_parent(environment)
        if other is None:
            return [first.allowed]
        further = (
            t.and_(_asked(policies, other, chain), t.not_(_asked(policies, first, chain))) for chain in policies.chains
        )
        return [first.allowed, t.or_(t.not_(other.allowed), *further)]

    def of_parent(self, environment: RequestEnvironment) -> Round | None:
        """The first decision on the parent's request; None where the schema lets no such parent ask."""
        analysis = self.asking.analysis
        policies = analysis.policies
        theirs = replace(environment, principal=self.parent.type)
        if theirs not in policies.schema.environments():
            return None
        encoder = first_encoder(analysis, theirs)
        principal = encoder.variables["principal"]
        assert isinstance(principal, Scalar)
        put = {principal.term: t.const(self.parent.id, principal.term.sort)}
        found: dict[int, Term] = {}

        def matches(index: int) -> Term:
            if index not in found:
                # A policy that cannot be encoded may match for one and not for the other: a variant of its own.
                found[index] = substitute(analysis.encoded(index, encoder, "parent").matches, put)
            return found[index]

        return Round((), matches, not_denied(policies, matches), dict.fromkeys(policies.chains, t.FALSE))

    def is_more(self, case: Case) -> bool:
        """As `more`, of a concrete request; the parent is in the store where a policy reads something of it."""
        policies = self.asking.analysis.policies
        own = first_decision(policies, case)
        if own is None or own.outcome == "deny":
            return False
        theirs = self.decided(case)
        return theirs is None or theirs.outcome == "deny" or not set(theirs.chains).issubset(own.chains)

    def decided(self, case: Case) -> Decision | None:
        """The first decision on the parent's request; None where the schema lets no such parent ask."""
        policies = self.asking.analysis.policies
        witness = case.witness
        theirs = RequestEnvironment(self.parent.type, witness.action, parse_uid(witness.resource).type)
        if theirs not in policies.schema.environments():
            return None
        return first_decision(policies, self.asking.analysis.case(replace(witness, principal=str(self.parent))))

    def reads_parent(self, environment: RequestEnvironment) -> bool:
        """Whether a policy reads an attribute or a tag of the parent, so that without it in the store it would err."""
        other = self.of_parent(environment)
        constant = t.const(self.parent.id, t.entity_sort(self.parent.type))
        terms = () if other is None else tuple(other.matches(p.index) for p in self.asking.analysis.policies.policies)
        return any(
            term.op == "leaf" and term.data.kind in ("attribute", "tag") and term.args[0] is constant
            for term in subterms(*terms)
        )


def _asked(policies: PolicySet, round_: Round, chain: str) -> Term:
    """When a round that is reached asks a chain."""
    return t.or_(*(round_.asks(policies, i) for i in escalating(policies) if chain_of(policies, i) == chain))


def _contained(asking: Asking, loaded: LoadedScenario, name: str, above: str) -> Finding:
    policies = asking.analysis.policies
    child, parent = (Element(loaded, one, ("agents", one)) for one in (name, above))
    uids = [parse_uid(loaded.scenario.agents[one].principal or "") for one in (name, above)]
    pair = _Pair(asking, *uids)
    environments = tuple(e for e in policies.schema.environments() if e.principal == pair.child.type)
    reads = any(pair.reads_parent(environment) for environment in environments)

    def has_parent(case: Case) -> bool:
        return not reads or any(uid_of(entity["uid"]) == pair.parent for entity in case.witness.entities)

    kind = Kind(
        asking,
        f"P302 {name} {above}",
        environments,
        lambda _: [],
        has_parent,
        principal=pair.child,
        given=Given(policies),
        besides=(pair.parent,),
    )
    sought = kind.seek(pair.more, pair.is_more)
    if sought.found:
        base, case = kind.shown(about("P302", [child, parent], "violated", ""), sought, pair.is_more)
        own, theirs = first_decision(policies, case), pair.decided(case)
        assert own is not None
        message = (
            f"{child.told} may do what {parent.told}, for whom it works, may not: {_compared(policies, own, theirs)}."
        )
        causes = [i for i in (theirs.determining if theirs else ()) if i not in own.determining]
        return with_policies(replace(base, message=message), policies, (*own.determining, *causes))
    if sought.unknown:
        return undecided("P302", [child, parent], sought.unknown)
    message = f"{child.told} may do nothing that {parent.told}, for whom it works, may not."
    return replace(about("P302", [child, parent], "holds", message), proof=joined(asking.analysis, sought.proofs))


def _compared(policies: PolicySet, own: Decision, theirs: Decision | None) -> str:
    allowed = f"is allowed, for {allowing(policies, own)}" if own.outcome == "allow" else f"has to ask {_chains(own)}"
    return f"the child {allowed}, and the parent {_held(policies, theirs)}"


def _held(policies: PolicySet, theirs: Decision | None) -> str:
    """What keeps the parent from doing the same at once."""
    if theirs is None:
        return "is denied, for the schema has no such request of it"
    if theirs.outcome != "deny":
        return f"has to ask {_chains(theirs)}"
    if not theirs.determining:
        return "is denied, for no permit matches"
    verb = "denies" if len(theirs.determining) == 1 else "deny"
    return f"is denied, for {told_all(policies, theirs.determining)} {verb} it"


def _chains(decision: Decision) -> str:
    return " and ".join(f"`{chain}`" for chain in decision.chains)
