"""What a change of policies changes: per request environment, which requests are decided differently, with witnesses.

Decisions are those of `models.cedar.decision`: deny, escalate or allow, nobody having approved. Environments that only
unchanged policies touch are equivalent without a question.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple

from models.cedar.annotations import SEVERITIES
from models.cedar.decision import Decision, Outcome
from models.cedar.policies import Escalation, Policy, PolicySet
from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.checks.common import NOTHING_ASKED, environment_text, joined
from verify.checks.rounds import Asking, Matches
from verify.encode import Encoder
from verify.findings import Proof, Witness
from verify.joint import Joint, Side, join, meaning
from verify.query import Accepts, Analysis, Budget, Case, Found, Impossible, Unknown
from verify.symbolic import Scalar, UnsupportedError
from verify.term import Term
from verify.worlds import Name, World, admits, admitted_by, worlds

Result = Literal["equivalent", "more_permissive", "less_permissive", "incomparable", "undecided"]


class Kind(NamedTuple):
    """A kind of change: what became of a request, and what becomes of it now."""

    before: Outcome
    after: Outcome


ASKED_DIFFERENTLY = Kind("escalate", "escalate")
"""Other chains are asked, or within another time, or with another severity."""

KINDS = (
    Kind("deny", "allow"),
    Kind("deny", "escalate"),
    Kind("escalate", "allow"),
    Kind("allow", "escalate"),
    Kind("allow", "deny"),
    Kind("escalate", "deny"),
    ASKED_DIFFERENTLY,
)

_RANK: Mapping[Outcome, int] = {"deny": 0, "escalate": 1, "allow": 2}


@dataclass(frozen=True, slots=True)
class Change:
    """A request that is decided differently. Decisions name policies by their index in the set of their side.

    `schemas` are the sides whose schema admits the request, `refused` those that have no such environment and deny it
    without a policy. `erring` are the policies of the old and of the new side that err on it.
    """

    kind: Kind
    witness: Witness
    proof: Proof
    old: Decision
    new: Decision
    schemas: tuple[Name, ...]
    refused: Name | None
    erring: tuple[frozenset[int], frozenset[int]]


@dataclass(frozen=True, slots=True)
class EnvironmentDiff:
    """One request environment: one change of each kind that there is, and why others are not known.

    `proof` stands behind there being no change of the other kinds.
    """

    environment: RequestEnvironment
    changes: tuple[Change, ...] = ()
    unknown: Mapping[Kind, str] = field(default_factory=dict)
    proof: Proof = NOTHING_ASKED

    @property
    def result(self) -> Result:
        """How the old set stands to the new one under deny < escalate < allow, whatever chains are asked."""
        steps = {_step(change.kind) for change in self.changes} - {0}
        if steps == {-1, 1}:
            return "incomparable"
        if any(_step(kind) not in {0, *steps} for kind in self.unknown):
            return "undecided"
        return "less_permissive" if 1 in steps else "more_permissive" if -1 in steps else "equivalent"


def _step(kind: Kind) -> int:
    """1 where a change permits more, -1 where it permits less, 0 for neither."""
    return (_RANK[kind.after] > _RANK[kind.before]) - (_RANK[kind.after] < _RANK[kind.before])


def compare(old: PolicySet, new: PolicySet, budget: Budget, scripts: dict[str, str]) -> tuple[EnvironmentDiff, ...]:
    """Every request environment of either schema, compared. Scripts that are asked are added to `scripts`.

    Raises `verify.query.VerifierError` where solvers and Cedar contradict each other.
    """
    try:
        asked = worlds(old, new)
    except UnsupportedError as error:
        environments = dict.fromkeys((*old.schema.environments(), *new.schema.environments()))
        unknown = dict.fromkeys(KINDS, f"unsupported {error.construct}")
        return tuple(EnvironmentDiff(environment, unknown=unknown) for environment in environments)
    whole = Analysis(new, budget, scripts)
    comparisons = {
        id(world): _Comparison(old, new, world, budget, scripts) for some in asked.values() for world in some
    }
    return tuple(
        _merged(environment, [comparisons[id(world)] for world in some], whole) for environment, some in asked.items()
    )


_Answer = Change | Impossible | Unknown


def _merged(environment: RequestEnvironment, comparisons: Iterable[_Comparison], whole: Analysis) -> EnvironmentDiff:
    """What the worlds of an environment say together: a kind of change is looked for until a world has it."""
    answers: dict[Kind, list[_Answer]] = {kind: [] for kind in KINDS}
    for comparison in comparisons:
        open_kinds = [kind for kind, some in answers.items() if not (some and isinstance(some[-1], Change))]
        for kind, answer in comparison.answers(environment, open_kinds):
            answers[kind].append(answer)
    given = [answer for some in answers.values() for answer in some]
    changes = tuple(answer for answer in given if isinstance(answer, Change))
    reasons = {
        kind: "; ".join(dict.fromkeys(answer.reason for answer in some if isinstance(answer, Unknown)))
        for kind, some in answers.items()
        if not isinstance(some[-1], Change)
    }
    proofs = dict.fromkeys(answer.proof for answer in given if isinstance(answer, Impossible))
    return EnvironmentDiff(
        environment,
        changes,
        {kind: reason for kind, reason in reasons.items() if reason},
        joined(whole, [proof for proof in proofs if proof != NOTHING_ASKED]),
    )


@dataclass
class _Comparison:
    """Both sets in one world."""

    old: PolicySet
    new: PolicySet
    world: World
    budget: Budget
    scripts: dict[str, str]

    def answers(self, environment: RequestEnvironment, kinds: Iterable[Kind]) -> Iterator[tuple[Kind, _Answer]]:
        """For each kind: a change, or that there is none, or that it is not known."""
        admitting = admits(self.old, environment), admits(self.new, environment)
        encoder = Encoder(self.world.schema, environment)
        if all(admitting) and not self._touched(encoder):
            yield from ((kind, Impossible(NOTHING_ASKED)) for kind in kinds)
            return
        sides = zip((self.world.old, self.world.new), admitting, strict=True)
        before, after = (_fitting(encoder, policies) if admitted else () for policies, admitted in sides)
        joint = join(self.world.old, self.world.new, self.world.schema, (before, after))
        asked = _Asked(joint, environment, Asking(Analysis(joint.policies, self.budget, self.scripts)))
        for kind, answer in asked.answers(tuple(kinds)):
            yield kind, self._change(asked, kind, answer) if isinstance(answer, Found) else answer

    @cached_property
    def _changed(self) -> tuple[Policy, ...]:
        """The policies that the other side does not have likewise."""
        had, has = ({_role(policy): policy for policy in side.policies} for side in (self.world.old, self.world.new))
        return tuple(policy for role, policy in (had | has).items() if (role in had) != (role in has))

    def _touched(self, encoder: Encoder) -> bool:
        """Whether a changed policy may match, or permits must match in more groups, or fewer, than before."""
        if len(self.old.permit_groups) != len(self.new.permit_groups):
            return True
        return any(_may_match(encoder, policy) for policy in self._changed)

    def _change(self, asked: _Asked, kind: Kind, found: Found) -> Change:
        case = asked.shrunk(kind, found.case)
        old, new = asked.joint.old, asked.joint.new
        refused: dict[Name, bool] = {
            "old": not admits(self.old, asked.environment),
            "new": not admits(self.new, asked.environment),
        }
        return Change(
            kind=kind,
            witness=case.witness,
            proof=found.proof,
            old=old.decision(case.matched),
            new=new.decision(case.matched),
            schemas=admitted_by(case.witness, {"old": self.old, "new": self.new}),
            refused=next((name for name, is_so in refused.items() if is_so), None),
            erring=(old.matched(case.errored), new.matched(case.errored)),
        )


def _role(policy: Policy) -> Hashable:
    """All of a policy that decisions depend on."""
    return meaning(policy), policy.escalation, policy.tier


def _may_match(encoder: Encoder, policy: Policy) -> bool:
    try:
        return encoder.match(policy.syntax).matches is not t.FALSE
    except UnsupportedError:
        return True


def _fitting(encoder: Encoder, policies: PolicySet) -> tuple[int, ...]:
    """The policies whose scope fits some request of an environment: no other can match or err."""
    fits: dict[Hashable, bool] = {}
    for policy in policies.policies:
        scope = policy.syntax.principal, policy.syntax.action, policy.syntax.resource
        if scope not in fits:
            value = encoder.scope(policy.syntax).value
            fits[scope] = not (isinstance(value, Scalar) and value.term is t.FALSE)
    return tuple(p.index for p in policies.policies if fits[p.syntax.principal, p.syntax.action, p.syntax.resource])


# --- questions --------------------------------------------------------------------------------------------------------


@dataclass
class _Asked:
    """The questions about one environment."""

    joint: Joint
    environment: RequestEnvironment
    asking: Asking

    @property
    def _analysis(self) -> Analysis:
        return self.asking.analysis

    def answers(self, kinds: tuple[Kind, ...]) -> Iterator[tuple[Kind, Found | Impossible | Unknown]]:
        """For each kind, whether some request changes so. Where none changes at all, one question tells."""
        parts = {kind: part for kind, part in self._parts.items() if kind in kinds}
        possible = {kind: part for kind, part in parts.items() if part is not t.FALSE}
        proof = NOTHING_ASKED
        if len(possible) > 1:
            any_change = self._ask(t.or_(*possible.values()), lambda case: self._kind(case) in possible, "any change")
            if isinstance(any_change, Impossible):
                proof, possible = any_change.proof, {}
        for kind in kinds:
            if kind not in possible:
                yield kind, Impossible(proof)
            else:
                yield kind, self._ask(possible[kind], self._accepts(kind), " -> ".join(kind))

    def shrunk(self, kind: Kind, case: Case) -> Case:
        """A smallest request that changes likewise, as a first decision sees it."""
        witness = self._analysis.shrunk(self.environment, case, self._accepts(kind))
        first = self._first(self._analysis.case(witness))
        assert first is not None
        return first

    def _ask(self, part: Term, accepts: Accepts, title: str) -> Found | Impossible | Unknown:
        name = environment_text(self.environment)
        return self._analysis.ask(self.environment, [part], accepts, f"diff {title}, {name}")

    def _accepts(self, kind: Kind) -> Accepts:
        return lambda case: self._kind(case) == kind

    def _kind(self, case: Case) -> Kind | None:
        """How a concrete request changes, by Cedar; None where it does not, or brings approvals along."""
        first = self._first(case)
        if first is None:
            return None
        old, new = (side.decision(first.matched) for side in (self.joint.old, self.joint.new))
        same = old.outcome == new.outcome and old.escalations == new.escalations
        return None if same else Kind(old.outcome, new.outcome)

    def _first(self, case: Case) -> Case | None:
        """The request when nobody has approved."""
        if not self.asking.sees_approvals(self.environment):
            return case
        if case.witness.context.get("approvals"):
            return None
        context = {**case.witness.context, "approvals": []}
        return self._analysis.case(replace(case.witness, context=context))

    @cached_property
    def _parts(self) -> Mapping[Kind, Term]:
        """When a request changes in each way."""
        matches = self.asking.first(self.environment).matches
        old, new = (_outcomes(side, matches) for side in (self.joint.old, self.joint.new))
        parts = {kind: t.and_(old[kind.before], new[kind.after]) for kind in KINDS}
        differently = _asked_differently(self.joint, matches)
        return parts | {ASKED_DIFFERENTLY: t.and_(parts[ASKED_DIFFERENTLY], differently)}


def _outcomes(side: Side, matches: Matches) -> Mapping[Outcome, Term]:
    """When a side decides in each way. The meaning is that of `models.cedar.decision.decide`."""
    policies, at = side.policies, side.at

    def some(indices: Iterable[int]) -> Term:
        return t.or_(*(matches(at[index]) for index in indices if index in at))

    forbids = [policy for policy in policies.policies if policy.effect == "forbid"]
    hard = some(policy.index for policy in forbids if policy.escalation is None)
    soft = some(policy.index for policy in forbids if policy.escalation is not None)
    free = t.and_(t.not_(hard), *(some(group) for group in policies.permit_groups))
    return {"deny": t.not_(free), "escalate": t.and_(free, soft), "allow": t.and_(free, t.not_(soft))}


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
