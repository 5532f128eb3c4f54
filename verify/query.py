"""Questions to the solvers, and what stands behind each answer.

A question is a list of conditions in one request environment: is there a request for which all hold? `found` answers
carry a witness that cedarpy confirms; `impossible` ones a proof that cvc5 was asked to repeat; what neither solver
decides within its budget is `unknown`. Old witnesses are looked through first: most questions are answered by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple

import cedarpy
from cedarpy import pst

from models.cedar.decision import matching
from models.cedar.policies import Policy, PolicySet, TypeConflict
from models.cedar.source import tokens
from models.cedar.types import RequestEnvironment
from models.cedar.uids import Uid
from verify import cvc5_backend, z3_backend
from verify import term as t
from verify.encode import Encoder, Match
from verify.eval import evaluate
from verify.findings import Proof, Witness
from verify.ground import without_sets
from verify.lift import entities_read, lift
from verify.shrink import shrink
from verify.simplify import simplify
from verify.smtlib import Model, Script, script
from verify.symbolic import Scalar, UnsupportedError
from verify.term import Symbol, Term, subterms
from verify.wellformed import constraints
from verify.world import interpretation

Effort = Literal["low", "normal", "high"]


class Budget(NamedTuple):
    """Resource limits of one question, in each solver's own units."""

    z3: int
    cvc5: int
    z3_globs: int
    """Of z3 on a question about globs."""


BUDGETS: Mapping[Effort, Budget] = {
    "low": Budget(1_000_000, 200_000, 20_000),
    "normal": Budget(10_000_000, 2_000_000, 40_000),
    "high": Budget(100_000_000, 20_000_000, 400_000),
}
"""Measured: questions on real policy sets take 2,000 to 30,000 units of z3; ten million are about two seconds. On
globs z3 counts little of what it does: one question about 13 globs took 135 s for a million units, and cvc5 60 ms."""


class VerifierError(Exception):
    """The verifier contradicts itself or Cedar: a defect of ours, exit code 70. `bundle` is what a report needs."""

    def __init__(self, message: str, bundle: Mapping[str, str]) -> None:
        super().__init__("\n".join((message, *(f"--- {name}\n{text}" for name, text in bundle.items()))))
        self.bundle = bundle


class Case(NamedTuple):
    """A concrete request with the policies that match it, and those that error on it, by cedarpy."""

    witness: Witness
    matched: frozenset[int]
    errored: frozenset[int]


Accepts = Callable[[Case], bool]
"""Whether a concrete request is one that a question asks for."""


@dataclass(frozen=True, slots=True)
class Found:
    """There is such a request."""

    case: Case
    proof: Proof


@dataclass(frozen=True, slots=True)
class Impossible:
    """There is none."""

    proof: Proof


@dataclass(frozen=True, slots=True)
class Unknown:
    """It is not known whether there is one."""

    reason: str


Answer = Found | Impossible | Unknown

REPLAYED = Proof("none", "cedarpy", "")
"""A request that was found for another question answers this one."""


class Question(NamedTuple):
    """Is there a request of an environment that fulfils all parts? `accepts` says the same of a concrete request."""

    environment: RequestEnvironment
    parts: tuple[Term, ...]
    accepts: Accepts
    title: str


@dataclass
class Analysis:
    """One policy set under analysis: its encodings, the budget, the witnesses found so far and the scripts asked.

    Where `missing`, stores that lack entities are admitted. Such witnesses answer no question of another analysis.
    """

    policies: PolicySet
    budget: Budget
    scripts: dict[str, str] = field(default_factory=dict)
    missing: bool = False
    _encoders: dict[RequestEnvironment, Encoder] = field(default_factory=dict)
    _matches: dict[tuple[RequestEnvironment, int], Match] = field(default_factory=dict)
    _unsupported: dict[Term, str] = field(default_factory=dict)
    _cases: dict[RequestEnvironment, list[Case]] = field(default_factory=dict)

    @cached_property
    def scopes_only(self) -> PolicySet:
        """The set, judged by scopes alone."""
        tree = self.policies.matcher.to_pst().static_policies
        bare = {name: replace(policy, clauses=()) for name, policy in tree.items()}
        matcher = cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=bare, template_links=()))
        return replace(self.policies, matcher=matcher)

    @cached_property
    def _read(self) -> tuple[Uid, ...]:
        return () if self.missing else entities_read(policy.syntax for policy in self.policies.policies)

    def encoder(self, environment: RequestEnvironment) -> Encoder:
        """The encoder of an environment."""
        if environment not in self._encoders:
            self._encoders[environment] = Encoder(self.policies.schema, environment, self.missing)
        return self._encoders[environment]

    def matches(self, environment: RequestEnvironment, index: int) -> Term:
        """When a policy matches in an environment.

        A policy that cannot be encoded may match or not, whatever the request: a truth value of its own. What holds
        for either holds; what is found is kept only if cedarpy confirms it. So is one that reads an attribute of which an
        inferred schema does not know the type.
        """
        key = environment, index
        if key not in self._matches:
            self._matches[key] = self.encoded(index, self.encoder(environment))
        return self._matches[key].matches

    def succeeds(self, environment: RequestEnvironment, index: int) -> Term:
        """When evaluating a policy does not error."""
        self.matches(environment, index)
        return self._matches[environment, index].ok

    def encoded(self, index: int, encoder: Encoder, variant: str = "") -> Match:
        """As `matches`, by an encoder that sees the request differently. `variant` tells apart what it sees."""
        policy = self.policies.policies[index]
        if conflict := next((c for c in self.policies.conflicts if index in c.policies), None):
            fits = encoder.scope(policy.syntax).value
            assert isinstance(fits, Scalar)
            either = self._either(index, variant, guessed(conflict))
            return Match(t.and_(fits.term, either.matches), either.ok)
        try:
            return encoder.match(policy.syntax)
        except UnsupportedError as error:
            return self._either(index, variant, f"unsupported {error.construct} at {place(policy, error.token)}")

    def _either(self, index: int, variant: str, reason: str) -> Match:
        """A policy that may match or not."""
        roles = ("matches", "succeeds")
        matches, ok = (t.leaf(Symbol("flag", role, (str(index), variant), "value", (), t.BOOL)) for role in roles)
        self._unsupported |= {matches: reason, ok: reason}
        return Match(matches, ok)

    def scope(self, environment: RequestEnvironment, index: int) -> Term:
        """When the scope of a policy fits, whatever its conditions say."""
        result = self.encoder(environment).scope(self.policies.policies[index].syntax).value
        assert isinstance(result, Scalar)
        return result.term

    def touched(self, *indices: int) -> tuple[RequestEnvironment, ...]:
        """The environments in which all these policies may match."""
        return tuple(
            environment
            for environment in self.policies.schema.environments()
            if all(self.matches(environment, index) is not t.FALSE for index in indices)
        )

    def ask(self, environment: RequestEnvironment, parts: Sequence[Term], accepts: Accepts, title: str) -> Answer:
        """Whether some request of an environment fulfils all parts. `accepts` says the same of a concrete request.

        Raises VerifierError where a witness does not do what the solver says, or the solvers contradict each other.
        """
        for case in self._cases.get(environment, ()):
            if accepts(case):
                return Found(case, REPLAYED)
        try:
            return self._solved(Question(environment, tuple(parts), accepts, title))
        except UnsupportedError as error:
            return Unknown(f"unsupported {error.construct}")

    def _solved(self, question: Question) -> Answer:
        printed, folded = self._script(question.parts, question.title)
        self.scripts[printed.sha256] = printed.text
        if folded:
            return Impossible(Proof("folded", self._second(printed, question.parts), printed.sha256))
        if _has_globs(printed):
            return self._by_cvc5(question, printed)
        first = z3_backend.check(printed.text, self.budget.z3)
        if first.status == "sat":
            return self._confirmed(question, printed, first.model, "z3")
        if first.status == "unsat":
            return Impossible(Proof("z3", self._second(printed, question.parts), printed.sha256))
        return self._by_cvc5(question, printed)

    def _by_cvc5(self, question: Question, printed: Script) -> Answer:
        """The answer of cvc5; on globs, where it goes first, z3 repeats its proofs if it can cheaply."""
        reply = cvc5_backend.check(printed.text, self.budget.cvc5)
        if reply.status == "sat":
            return self._confirmed(question, printed, reply.model, "cvc5")
        other = z3_backend.check(printed.text, self.budget.z3_globs) if _has_globs(printed) else None
        if reply.status == "unsat":
            if other and other.status == "sat":
                bundle = {"script": printed.text, "z3": str(other.model)}
                raise VerifierError("the solvers contradict each other", bundle)
            both = other is not None and other.status == "unsat"
            return Impossible(Proof("z3" if both else "cvc5", "cvc5" if both else "none", printed.sha256))
        if other and other.status == "sat":
            return self._confirmed(question, printed, other.model, "z3")
        if other and other.status == "unsat":
            return Impossible(Proof("z3", "none", printed.sha256))
        return Unknown(f"not decided within the budget (z3 rlimit {self.budget.z3}, cvc5 rlimit {self.budget.cvc5})")

    def shrunk(self, environment: RequestEnvironment, case: Case, accepts: Accepts) -> Witness:
        """The smallest witness near a case that is still accepted, by cedarpy."""

        smallest = shrink(case.witness, self.policies.schema, lambda one: accepts(self.case(one)), self._read)
        self._remember(environment, self.case(smallest))
        return smallest

    def case(self, witness: Witness) -> Case:
        """A concrete request, evaluated by cedarpy."""
        return Case(witness, *matching(self.policies, request(witness), witness.entities))

    def _script(self, parts: Sequence[Term], title: str) -> tuple[Script, bool]:
        """The script of a question, and whether folding alone refutes it: then the parts are printed as they are."""
        simple = simplify(parts)
        folded = simple == (t.FALSE,)
        lowered = without_sets(parts if folded else simple)
        return script((*lowered, *constraints(lowered, self.policies.schema)), title), folded

    def _second(self, printed: Script, parts: Sequence[Term]) -> str:
        """Who confirms that a script is unsatisfiable."""
        if t.FALSE in parts:
            return "none"  # the script is `false`: to ask would confirm nothing
        reply = cvc5_backend.check(printed.text, self.budget.cvc5)
        if reply.status == "sat":
            raise VerifierError("the solvers contradict each other", {"script": printed.text, "cvc5": str(reply.model)})
        return "cvc5" if reply.status == "unsat" else "none"

    def _confirmed(self, question: Question, printed: Script, model: Model, solver: str) -> Found | Unknown:
        environment, parts, accepts, _ = question
        witness = lift(printed, model, self.policies.schema, environment, self._read)
        case = self.case(witness)
        open_policies = [self._unsupported[term] for term in subterms(*parts) if term in self._unsupported]
        if not accepts(case):
            if open_policies:
                return Unknown("; ".join(dict.fromkeys(open_policies)))
            bundle = {"script": printed.text, "model": str(dict(model)), "witness": str(witness)}
            bundle["matched"] = str(sorted(case.matched))
            raise VerifierError("cedarpy does not confirm a witness", bundle)
        meaning = interpretation(witness)
        if not open_policies and not all(evaluate(part, meaning) for part in parts):
            bundle = {"script": printed.text, "model": str(dict(model)), "witness": str(witness)}
            raise VerifierError("a witness does not fulfil the question it was found for", bundle)
        self._remember(environment, case)
        return Found(case, Proof(solver, "cedarpy", printed.sha256))

    def _remember(self, environment: RequestEnvironment, case: Case) -> None:
        self._cases.setdefault(environment, []).append(case)


def _has_globs(printed: Script) -> bool:
    return "str.in_re" in printed.text


def request(witness: Witness) -> dict[str, object]:
    """The request of a witness, as cedarpy takes it."""
    return {
        "principal": witness.principal,
        "action": witness.action,
        "resource": witness.resource,
        "context": dict(witness.context),
    }


def guessed(conflict: TypeConflict) -> str:
    """Why nothing found about a policy that reads such an attribute can be relied on."""
    return f"no schema says the type: {conflict}"


def place(policy: Policy, token: str) -> str:
    """Where a construct is written in a policy, as `file:line`; the policy's first line where it is not found."""
    found = next((one.start for one in tokens(policy.text) if one.text == token), 0)
    return f"{policy.span.file}:{policy.span.line + policy.text.count(chr(10), 0, found)}"
