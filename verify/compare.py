"""Which requests two policy sets decide differently, by request environment, with witnesses and proofs.

Decisions are those of `models.cedar.decision`: deny, escalate or allow, nobody having approved. Environments that only
unchanged policies touch are equivalent without a question.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple

from models.cedar.decision import Decision, Outcome
from models.cedar.policies import Policy, PolicySet
from models.cedar.types import RequestEnvironment
from verify import term as t
from verify.checks.rounds import Asking, Matches
from verify.differences import changes
from verify.encode import Encoder
from verify.findings import Proof, Witness
from verify.joint import Fitting, Joint, Side, join, meaning, only
from verify.proofs import NOTHING_ASKED, joined
from verify.query import Accepts, Analysis, Budget, Case, Found, Impossible, Unknown, guessed
from verify.symbolic import UnsupportedError
from verify.term import Term
from verify.worlds import Name, World, admits, admitted_by, worlds

Result = Literal["equivalent", "more_permissive", "less_permissive", "incomparable", "undecided"]


class Transition(NamedTuple):
    """What became of a request, and what becomes of it now."""

    before: Outcome
    after: Outcome


ASKED_DIFFERENTLY = Transition("escalate", "escalate")
"""Other chains are asked, or within another time, or with another severity."""

TRANSITIONS = (
    Transition("deny", "allow"),
    Transition("deny", "escalate"),
    Transition("escalate", "allow"),
    Transition("allow", "escalate"),
    Transition("allow", "deny"),
    Transition("escalate", "deny"),
    ASKED_DIFFERENTLY,
)

RULES_MAX = 12
"""Changed rules that are looked at for a witness of their own, in each environment and transition. An assumption."""

_RANK: Mapping[Outcome, int] = {"deny": 0, "escalate": 1, "allow": 2}


@dataclass(frozen=True, slots=True)
class Change:
    """A request that is decided differently. Decisions name policies by their index in the set of their side.

    `schemas` are the sides whose schema admits the request, `refused` those that have no such environment and deny it
    without a policy. `erring` are the policies of the old and of the new side that err on it.
    """

    transition: Transition
    witness: Witness
    proof: Proof
    old: Decision
    new: Decision
    schemas: tuple[Name, ...]
    refused: Name | None
    erring: tuple[frozenset[int], frozenset[int]]


@dataclass(frozen=True, slots=True)
class EnvironmentDiff:
    """One request environment: the changes in it, and why it is not known whether there are others.

    There is a change for each transition that exists, and one for each changed rule that brings one about, in the first
    environment where it does, as far as `RULES_MAX` goes. `proof` stands behind there being no other transitions.
    """

    environment: RequestEnvironment
    changes: tuple[Change, ...] = ()
    unknown: Mapping[Transition, str] = field(default_factory=dict)
    proof: Proof = NOTHING_ASKED

    @property
    def result(self) -> Result:
        """How the old set stands to the new one under deny < escalate < allow, whatever chains are asked."""
        steps = {_step(change.transition) for change in self.changes} - {0}
        if steps == {-1, 1}:
            return "incomparable"
        if any(_step(transition) not in {0, *steps} for transition in self.unknown):
            return "undecided"
        return "less_permissive" if 1 in steps else "more_permissive" if -1 in steps else "equivalent"


def _step(transition: Transition) -> int:
    """1 where a change permits more, -1 where it permits less, 0 for neither."""
    return (_RANK[transition.after] > _RANK[transition.before]) - (_RANK[transition.after] < _RANK[transition.before])


def compare(old: PolicySet, new: PolicySet, budget: Budget, scripts: dict[str, str]) -> tuple[EnvironmentDiff, ...]:
    """Every request environment of either schema, compared. Scripts that are asked are added to `scripts`.

    Raises `verify.query.VerifierError` where solvers and Cedar contradict each other.
    """
    try:
        asked = worlds(old, new)
    except UnsupportedError as error:
        environments = dict.fromkeys((*old.schema.environments(), *new.schema.environments()))
        unknown = dict.fromkeys(TRANSITIONS, f"unsupported {error.construct}")
        return tuple(EnvironmentDiff(environment, unknown=unknown) for environment in environments)
    comparisons = {
        id(world): _Comparison(old, new, world, budget, scripts) for some in asked.values() for world in some
    }
    return tuple(
        _merged(environment, [comparisons[id(world)] for world in some], scripts) for environment, some in asked.items()
    )


_Answer = Change | Impossible | Unknown


def _merged(
    environment: RequestEnvironment, comparisons: Iterable[_Comparison], scripts: dict[str, str]
) -> EnvironmentDiff:
    """What the worlds of an environment say together: a transition is looked for until a world has it."""
    answers: dict[Transition, list[_Answer]] = {transition: [] for transition in TRANSITIONS}
    for comparison in comparisons:
        open_transitions = [
            transition for transition, some in answers.items() if not (some and isinstance(some[-1], Change))
        ]
        for transition, answer in comparison.answers(environment, open_transitions):
            answers[transition].append(answer)
    given = [answer for some in answers.values() for answer in some]
    changes = tuple(answer for answer in given if isinstance(answer, Change))
    reasons = {
        transition: "; ".join(dict.fromkeys(answer.reason for answer in some if isinstance(answer, Unknown)))
        for transition, some in answers.items()
        if not isinstance(some[-1], Change)
    }
    proofs = dict.fromkeys(answer.proof for answer in given if isinstance(answer, Impossible))
    return EnvironmentDiff(
        environment,
        changes,
        {transition: reason for transition, reason in reasons.items() if reason},
        joined(scripts, [proof for proof in proofs if proof != NOTHING_ASKED]),
    )


@dataclass
class _Comparison:
    """Both sets in one world."""

    old: PolicySet
    new: PolicySet
    world: World
    budget: Budget
    scripts: dict[str, str]
    _told: dict[Transition, set[Rule]] = field(default_factory=dict)
    """The rules that have a witness already."""

    def answers(
        self, environment: RequestEnvironment, transitions: Iterable[Transition]
    ) -> Iterator[tuple[Transition, _Answer]]:
        """For each transition: a change, or that there is none, or that it is not known."""
        admitting = admits(self.old, environment), admits(self.new, environment)
        encoder = Encoder(self.world.schema, environment)
        if all(admitting) and not self._touched(encoder):
            yield from ((transition, Impossible(NOTHING_ASKED)) for transition in transitions)
            return
        sides = zip((self.world.old, self.world.new), admitting, strict=True)
        fitting = Fitting(encoder)
        before, after = (fitting.among(policies) if admitted else () for policies, admitted in sides)
        joint = join(self.world.old, self.world.new, only(self.world.schema, environment), (before, after))
        asked = _Asked(joint, environment, Asking(Analysis(joint.policies, self.budget, self.scripts)))
        for transition, answer in asked.answers(tuple(transitions)):
            if not isinstance(answer, Found):
                yield transition, answer
                continue
            changes = [*self._changes(asked, transition, answer)]
            reliable = [change for change in changes if not self._guess(change)]
            yield from ((transition, change) for change in reliable)
            if not reliable:
                yield transition, Unknown(self._guess(changes[0]))

    def _guess(self, change: Change) -> str:
        """Why a change may be no more than what an inferred schema guesses of the types; empty where it is not."""
        sides: dict[Name, PolicySet] = {"old": self.world.old, "new": self.world.new}
        rules = [*_determining(change)]
        conflicts = ((name, conflict) for name, side in sides.items() for conflict in side.conflicts)
        reasons = (guessed(c) for name, c in conflicts if any(r.side == name and r.policy in c.policies for r in rules))
        return "; ".join(dict.fromkeys(reasons))

    def _changes(self, asked: _Asked, transition: Transition, found: Found) -> Iterator[Change]:
        """The change that was found, and one for each other changed rule that brings the transition about."""
        told = self._told.setdefault(transition, set())
        first = self._change(asked, transition, found, asked.accepts(transition))
        told.update(_determining(first))
        yield first
        rules = [rule for rule in asked.rules(transition, self._roles) if rule not in told]
        for rule in rules[:RULES_MAX]:
            if rule not in told and isinstance(answer := asked.by_rule(transition, rule), Found):
                change = self._change(asked, transition, answer, asked.accepts(transition, rule))
                told.update(_determining(change))
                yield change

    @cached_property
    def _roles(self) -> frozenset[Hashable]:
        """What policies do that are not on both sides."""
        old, new = ({_role(policy) for policy in side.policies} for side in (self.world.old, self.world.new))
        return frozenset(old ^ new)

    @cached_property
    def _changed(self) -> tuple[Policy, ...]:
        """The policies that the other side does not have likewise, each once."""
        policies = (*self.world.old.policies, *self.world.new.policies)
        return tuple({role: policy for policy in policies if (role := _role(policy)) in self._roles}.values())

    def _touched(self, encoder: Encoder) -> bool:
        """Whether a changed policy may match, or permits must match in more groups, or fewer, than before."""
        if len(self.old.permit_groups) != len(self.new.permit_groups):
            return True
        return any(self._is_guessed(policy) or _may_match(encoder, policy) for policy in self._changed)

    def _is_guessed(self, policy: Policy) -> bool:
        """Whether a policy reads an attribute of which an inferred schema does not know the type."""
        sides = self.world.old, self.world.new
        return any(
            policy in (side.policies[index] for index in conflict.policies)
            for side in sides
            for conflict in side.conflicts
        )

    def _change(self, asked: _Asked, transition: Transition, found: Found, accepts: Accepts) -> Change:
        case = asked.shrunk(found.case, accepts)
        old, new = asked.joint.old, asked.joint.new
        refused: dict[Name, bool] = {
            "old": not admits(self.old, asked.environment),
            "new": not admits(self.new, asked.environment),
        }
        return Change(
            transition=transition,
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


class Rule(NamedTuple):
    """A policy of one side."""

    side: Name
    policy: int


def _determining(change: Change) -> Iterator[Rule]:
    yield from (Rule("old", index) for index in change.old.determining)
    yield from (Rule("new", index) for index in change.new.determining)


def _decides(policy: Policy, outcome: Outcome) -> bool:
    """Whether a policy can be a reason for an outcome."""
    if policy.escalation is not None:
        return outcome == "escalate"
    return outcome == ("allow" if policy.effect == "permit" else "deny")


def _may_match(encoder: Encoder, policy: Policy) -> bool:
    try:
        return encoder.match(policy.syntax).matches is not t.FALSE
    except UnsupportedError:
        return True


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

    def answers(self, transitions: tuple[Transition, ...]) -> Iterator[tuple[Transition, Found | Impossible | Unknown]]:
        """For each transition, whether some request changes so. Where none changes at all, one question tells."""
        parts = {transition: part for transition, part in self._parts.items() if transition in transitions}
        possible = {transition: part for transition, part in parts.items() if part is not t.FALSE}
        proof = NOTHING_ASKED
        if len(possible) > 1:
            any_change = self._ask(
                t.or_(*possible.values()), lambda case: self._transition(case) in possible, "any change"
            )
            if isinstance(any_change, Impossible):
                proof, possible = any_change.proof, {}
        for transition in transitions:
            if transition not in possible:
                yield transition, Impossible(proof)
            else:
                yield transition, self._ask(possible[transition], self.accepts(transition), " -> ".join(transition))

    def rules(self, transition: Transition, roles: Collection[Hashable]) -> Iterator[Rule]:
        """The policies with one of these roles that can be a reason for such a change."""
        sides: tuple[tuple[Name, Side, Outcome], ...] = (
            ("new", self.joint.new, transition.after),
            ("old", self.joint.old, transition.before),
        )
        for name, side, outcome in sides:
            policies = (side.policies.policies[index] for index in side.at)
            yield from (Rule(name, p.index) for p in policies if _decides(p, outcome) and _role(p) in roles)

    def by_rule(self, transition: Transition, rule: Rule) -> Found | Impossible | Unknown:
        """Whether some request changes so and a policy is a reason."""
        position = self._side(rule).at[rule.policy]
        part = t.and_(self._parts[transition], self._matches(position))
        return self._ask(
            part, self.accepts(transition, rule), f"{' -> '.join(transition)} by {rule.side} {rule.policy}"
        )

    def shrunk(self, case: Case, accepts: Accepts) -> Case:
        """A smallest request that is accepted likewise, as a first decision sees it."""
        first = self._first(self._analysis.case(self._analysis.shrunk(self.environment, case, accepts)))
        assert first is not None
        return first

    def accepts(self, transition: Transition, rule: Rule | None = None) -> Accepts:
        """Judges whether a concrete request changes so, and if given, whether a policy is a reason."""

        def judge(case: Case) -> bool:
            if self._transition(case) != transition:
                return False
            first = self._first(case)
            return rule is None or (
                first is not None and rule.policy in self._side(rule).decision(first.matched).determining
            )

        return judge

    def _side(self, rule: Rule) -> Side:
        return self.joint.old if rule.side == "old" else self.joint.new

    def _ask(self, part: Term, accepts: Accepts, title: str) -> Found | Impossible | Unknown:
        return self._analysis.ask(self.environment, [part], accepts, f"diff {title}")

    def _transition(self, case: Case) -> Transition | None:
        """How a concrete request changes, by Cedar; None where it does not, or brings approvals along."""
        first = self._first(case)
        if first is None:
            return None
        old, new = (side.decision(first.matched) for side in (self.joint.old, self.joint.new))
        same = old.outcome == new.outcome and old.escalations == new.escalations
        return None if same else Transition(old.outcome, new.outcome)

    def _first(self, case: Case) -> Case | None:
        """The request when nobody has approved."""
        if not self.asking.sees_approvals(self.environment):
            return case
        if case.witness.context.get("approvals"):
            return None
        context = {**case.witness.context, "approvals": []}
        return self._analysis.case(replace(case.witness, context=context))

    @cached_property
    def _matches(self) -> Matches:
        return self.asking.first_matches(self.environment)

    @cached_property
    def _parts(self) -> Mapping[Transition, Term]:
        """When a request changes in each way."""
        return dict(zip(TRANSITIONS, changes(self.joint, self._matches, TRANSITIONS), strict=True))
