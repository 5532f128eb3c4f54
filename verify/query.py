"""Questions to the solvers, and what stands behind each answer.

A question is a list of conditions in one request environment: is there a request for which all hold? `found` answers
carry a witness that cedarpy confirms; `impossible` ones a proof that cvc5 and z3 were asked for; what neither solver
decides within its budget is `unknown`. Old witnesses are looked through first: most questions are answered by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial

import cedarpy
from cedarpy import pst

from models.cedar.decision import matching
from models.cedar.policies import Policy, PolicySet, TypeConflict
from models.cedar.source import tokens
from models.cedar.types import RequestEnvironment
from models.cedar.uids import Uid
from verify import portfolio
from verify import term as t
from verify.answers import REPLAYED as REPLAYED
from verify.answers import Accepts as Accepts
from verify.answers import Answer as Answer
from verify.answers import Found as Found
from verify.answers import Impossible as Impossible
from verify.answers import Question as Question
from verify.answers import Unknown as Unknown
from verify.answers import conditions_of
from verify.cases import UNENCODED, Indices, Valuation, changed, reads
from verify.cases import Case as Case
from verify.encode import Encoder, Match
from verify.findings import Proof, Witness
from verify.grafts import Known, enriched, grafted, known
from verify.ground import without_sets
from verify.lift import entities_read, lift
from verify.pool import Contradictions, Pool
from verify.portfolio import BUDGETS as BUDGETS
from verify.portfolio import Budget as Budget
from verify.portfolio import Effort as Effort
from verify.portfolio import Sat, Unsat
from verify.portfolio import VerifierError as VerifierError
from verify.reach import Reach
from verify.shrink import shrink
from verify.simplify import globs_in, without_globs
from verify.smtlib import Script, script
from verify.symbolic import Scalar, UnsupportedError
from verify.term import Symbol, Term, subterms
from verify.wellformed import constraints
from verify.world import interpretation

AT_ONCE = 12
"""Conditions that a solver gets at once. Of more, it first gets those that a plain request does not fulfil, then those
that its own models do not: most never matter. An assumption."""

APART_FROM = 8
"""Requests of one action from which on only policies that apply to it are evaluated. Measured on 100 policies: to set
them apart costs 4.7 ms, to evaluate the others too 0.5 ms a request."""


@dataclass
class Analysis:
    """One policy set under analysis: its encodings, the budget, the witnesses found so far and the scripts asked.

    Where `missing`, stores that lack entities are admitted. Such witnesses answer no question of another analysis.
    """

    policies: PolicySet
    budget: Budget
    scripts: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    """Questions by how they were answered; analyses with the same counter count together."""
    missing: bool = False
    further: tuple[Uid, ...] = ()
    """Entities that are in every store besides those that policies read: what is asked about requests reads them."""
    _encoders: dict[RequestEnvironment, Encoder] = field(default_factory=dict)
    _matches: dict[tuple[RequestEnvironment, int], Match] = field(default_factory=dict)
    _unsupported: dict[Term, str] = field(default_factory=dict)
    _touched: dict[int, dict[RequestEnvironment, None]] = field(default_factory=dict)
    _sets: dict[str, PolicySet] = field(default_factory=dict)
    _contradictions: Contradictions = field(default_factory=Contradictions)
    _unknown: dict[tuple[Term, ...], Unknown] = field(default_factory=dict)
    _places: dict[RequestEnvironment, Mapping[str, frozenset[int]]] = field(default_factory=dict)
    _plain: dict[RequestEnvironment, Known] = field(default_factory=dict)
    _judged: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> Mapping[str, int]:
        """Questions by how they were answered: by an old witness, by several, by folding, by a solver, not at all."""
        return {how: self.asked[how] for how in ("recalled", "grafted", "folded", "solved", "unknown")}

    @cached_property
    def _refuter(self) -> portfolio.Refuter:
        return portfolio.Refuter()

    @cached_property
    def _pool(self) -> Pool:
        return Pool(self.policies.schema)

    def _applying(self, action: str) -> PolicySet:
        """The set without the policies that other actions alone bring to speak: those neither match nor err."""
        if action not in self._sets:
            kept = tuple(p for p in self.policies.policies if action in self._reach.actions(p))
            self._sets[action] = _with_syntax(self.policies, kept, lambda syntax: syntax)
        return self._sets[action]

    @cached_property
    def _scopes_only(self) -> PolicySet:
        """The set, judged by scopes alone."""
        return _with_syntax(self.policies, self.policies.policies, lambda syntax: replace(syntax, clauses=()))

    @cached_property
    def _read(self) -> tuple[Uid, ...]:
        read = entities_read(policy.syntax for policy in self.policies.policies)
        return () if self.missing else tuple(sorted({*read, *self.further}))

    def encoder(self, environment: RequestEnvironment) -> Encoder:
        """The encoder of an environment."""
        if environment not in self._encoders:
            self._encoders[environment] = Encoder(self.policies.schema, environment, self.missing)
        return self._encoders[environment]

    def matches(self, environment: RequestEnvironment, index: int) -> Term:
        """When a policy matches in an environment.

        A policy that cannot be encoded may match or not, whatever the request: a truth value of its own. What holds
        for either holds; what is found is kept only if cedarpy confirms it. So is one that reads an attribute of which
        an inferred schema does not know the type.
        """
        key = environment, index
        if key not in self._matches:
            fits = index in self.fitting(environment)
            self._matches[key] = self.encoded(index, self.encoder(environment)) if fits else Match(t.FALSE, t.TRUE)
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

    # --- environments -------------------------------------------------------------------------------------------------

    @cached_property
    def _reach(self) -> Reach:
        return Reach(self.policies.schema)

    def reach(self, index: int) -> tuple[RequestEnvironment, ...]:
        """The environments that the scope of a policy fits."""
        return tuple(
            environment
            for action in sorted(self._reach.actions(self.policies.policies[index]))
            for environment in self._reach.environments[action]
            if self.scope(environment, index) is not t.FALSE
        )

    def touched(self, *indices: int) -> tuple[RequestEnvironment, ...]:
        """The environments in which all these policies may match."""
        for index in indices:
            if index not in self._touched:
                matching = (e for e in self.reach(index) if self.matches(e, index) is not t.FALSE)
                self._touched[index] = dict.fromkeys(matching)
        first, *others = (self._touched[index] for index in indices)
        return tuple(environment for environment in first if all(environment in other for other in others))

    def touches(self, index: int, environment: RequestEnvironment) -> bool:
        """Whether a policy may match in an environment."""
        self.touched(index)
        return environment in self._touched[index]

    def fitting(self, environment: RequestEnvironment) -> Collection[int]:
        """The policies whose scope fits, by index."""
        return self._fitting.get(environment, {})

    @cached_property
    def _fitting(self) -> Mapping[RequestEnvironment, Mapping[int, None]]:
        found: dict[RequestEnvironment, dict[int, None]] = {}
        for policy in self.policies.policies:
            for environment in self.reach(policy.index):
                found.setdefault(environment, {})[policy.index] = None
        return found

    # --- questions ----------------------------------------------------------------------------------------------------

    def ask(self, environment: RequestEnvironment, parts: Sequence[Term], accepts: Accepts, title: str) -> Answer:
        """Whether some request of an environment fulfils all parts. `accepts` says the same of a concrete request.

        Raises VerifierError where a witness does not do what the solver says, or the solvers contradict each other.
        """
        return self.recall(environment, accepts) or self.solve(environment, parts, accepts, title)

    def recall(self, environment: RequestEnvironment, accepts: Accepts, index: int | None = None) -> Found | None:
        """The oldest witness of another question that is accepted, of those that policy `index` matches if given."""
        for case in self._pool.cases(environment, index):
            if accepts(case):
                self.asked["recalled"] += 1
                return Found(case, REPLAYED)
        return None

    def known(self, environment: RequestEnvironment, index: int) -> Iterable[Case]:
        """The requests known so far that a policy matches."""
        return self._pool.cases(environment, index)

    def solve(self, environment: RequestEnvironment, parts: Sequence[Term], accepts: Accepts, title: str) -> Answer:
        """As `ask`, without looking through old witnesses."""
        key = tuple(parts)
        if key in self._unknown:
            return self._unknown[key]
        conditions = dict(conditions_of(parts))
        if (known := self._contradictions.among(conditions)) is not None:
            self.asked["recalled"] += 1
            return Impossible(known[1], frozenset(conditions[term] for term in known[0]))
        try:
            answer = self._solved(Question(environment, key, accepts, title), conditions)
        except UnsupportedError as error:
            answer = Unknown(f"unsupported {error.construct}")
        self.asked[_how(answer)] += 1
        if isinstance(answer, Found):
            self._pool.keep(title, environment, answer.case.witness)
        if isinstance(answer, Unknown):
            self._unknown[key] = answer
        return answer

    def _solved(self, question: Question, conditions: Mapping[Term, int]) -> Answer:
        environment = question.environment
        if (guess := self._guessed(question, conditions)) is not None:
            return guess
        chosen = list(conditions)
        if len(chosen) > AT_ONCE:
            plain = self._plain_request(environment)
            chosen = [term for term in chosen if self._open(term) or not plain.value(term)]
        while True:
            answer = self._checked(chosen, question.name)
            if isinstance(answer, Proof):
                self._contradictions.add(chosen, answer)
                return Impossible(answer, frozenset(conditions[term] for term in chosen))
            if answer is None:
                if len(chosen) == len(conditions):
                    return Unknown(
                        f"not decided within the budget (z3 rlimit {self.budget.z3}, cvc5 rlimit {self.budget.cvc5})"
                    )
                chosen = list(conditions)
                continue
            printed, reply = answer
            witness = lift(printed, reply.model, self.policies.schema, environment, self._read)
            bundle = {"script": printed.text, "model": str(dict(reply.model)), "witness": str(witness)}
            value = Valuation(interpretation(witness))
            broken = [term for term in conditions if not self._open(term) and not value(term)]
            if not broken:
                return self._confirmed(question, witness, Proof(reply.solver, "cedarpy", printed.sha256), bundle)
            if not set(broken).isdisjoint(chosen) and len(chosen) < len(conditions):
                # Apart from the others, a condition may tell of an entity that need not be in the store.
                chosen = list(conditions)
                continue
            if not set(broken).isdisjoint(chosen):
                raise VerifierError("a witness does not fulfil the question it was found for", bundle)
            self._remember(environment, self._quick(witness))
            chosen += broken

    def enriched(
        self, environment: RequestEnvironment, case: Case, kept: Sequence[Term], wished: Sequence[Term]
    ) -> Case:
        """A request that fulfils what is kept, as this case does, and more of what is wished, as it comes."""
        conditions = dict(conditions_of(kept))
        if any(self._open(term) for term in (*conditions, *wished)):
            return case
        pool = self._donors(environment, wished)
        base = known(case.witness)
        better = enriched(base, conditions, dict.fromkeys(wished), pool)
        if better is base:
            return case
        found = self._quick(better.witness)
        self._remember(environment, found)
        return found

    def _donors(self, environment: RequestEnvironment, examples: Iterable[Term | str]) -> Sequence[Known]:
        """Old witnesses of the environment, and of others that are examples of these."""
        elsewhere = self._pool.elsewhere(environment, examples, lambda: self._plain_request(environment).witness)
        return (*self._pool.known(environment), *elsewhere)

    def _guessed(self, question: Question, conditions: Collection[Term]) -> Found | None:
        """A request put together from old witnesses."""
        if any(self._open(term) for term in conditions):
            return None
        environment = question.environment
        terms = dict.fromkeys(term for part in question.parts for term in (part, *(part.args * (part.op == "or"))))
        witness = grafted(conditions, self._donors(environment, (question.title, *terms)))
        if witness is None:
            return None
        case = self._quick(witness)
        if not question.accepts(case):
            return None  # terms may leave open what a question does not, such as approvals that a request brings along
        self._remember(environment, case)
        return Found(case, REPLAYED)

    def _checked(self, parts: Sequence[Term], title: str) -> Proof | tuple[Script, Sat] | None:
        """A proof that the parts contradict each other, or a script with its model; None where no solver knows."""
        printed = self._script(parts, title)
        if t.FALSE in parts:
            return self._proof("folded", "none", printed)  # the script is `false`: to ask would confirm nothing
        if t.and_(*parts) is t.FALSE and portfolio.refuted(printed.text, self.budget):
            return self._proof("folded", "cvc5", printed)
        globs = globs_in(parts)
        match portfolio.check(printed.text, self.budget, globs, self._refuter):
            case Sat() as found:
                self.scripts[printed.sha256] = printed.text
                return printed, found
            case Unsat("cvc5", "none") if globs:
                return self._refuted_with_globs(parts, printed, title)
            case Unsat(solver, checked_by):
                return self._proof(solver, checked_by, printed)
        return None

    def _refuted_with_globs(self, parts: Sequence[Term], printed: Script, title: str) -> Proof:
        """The strongest proof of what cvc5 has refuted: mostly it does not matter which texts the globs are of."""
        relaxed = self._script(without_globs(parts), f"{title}, whatever the globs mean")
        if portfolio.check(relaxed.text, self.budget, 0, self._refuter) == Unsat("z3", "cvc5"):
            return self._proof("z3", "cvc5", relaxed)
        both = portfolio.repeated(printed.text, self.budget, globs_in(parts))
        return self._proof("z3" if both else "cvc5", "cvc5" if both else "none", printed)

    def _script(self, parts: Sequence[Term], title: str) -> Script:
        lowered = without_sets(parts)
        return script((*lowered, *constraints(lowered, self.policies.schema)), title)

    def _proof(self, solver: str, checked_by: str, printed: Script) -> Proof:
        self.scripts[printed.sha256] = printed.text
        return Proof(solver, checked_by, printed.sha256)

    def _open(self, term: Term) -> bool:
        """Whether a term depends on a policy that cannot be encoded."""
        return bool(self._unsupported) and any(inner in self._unsupported for inner in subterms(term))

    def _plain_request(self, environment: RequestEnvironment) -> Known:
        """The request that says as little as the schema allows."""
        if environment not in self._plain:
            self._plain[environment] = known(
                lift(Script("", {}, {}), {}, self.policies.schema, environment, self._read)
            )
        return self._plain[environment]

    def _confirmed(
        self, question: Question, witness: Witness, proof: Proof, bundle: Mapping[str, str]
    ) -> Found | Unknown:
        """The answer that a witness is, by cedarpy. Raises VerifierError where cedarpy does not confirm it."""
        case = self._quick(witness)
        if not question.accepts(case):
            reasons = [self._unsupported[term] for term in subterms(*question.parts) if term in self._unsupported]
            if reasons:
                return Unknown("; ".join(dict.fromkeys(reasons)))
            told = {"title": question.name, **bundle, "witness": str(witness), "matched": str(sorted(case.matched))}
            raise VerifierError("cedarpy does not confirm a witness", told)
        self._remember(question.environment, case)
        return Found(case, proof)

    # --- concrete requests --------------------------------------------------------------------------------------------

    def case(self, witness: Witness) -> Case:
        """A concrete request, evaluated by cedarpy."""
        return self._case(self.policies, witness)

    def _case(self, policies: PolicySet, witness: Witness) -> Case:
        @cache
        def scopes() -> frozenset[int]:
            return matching(self._scopes_only, request(witness), witness.entities)[0]

        fitting = Indices(range(len(self.policies.policies)), lambda index: index in scopes())
        judge = partial(self._case, policies)
        return Case(witness, *matching(policies, request(witness), witness.entities), fitting, judge)

    def _quick(self, witness: Witness) -> Case:
        """As `case`, of the policies only whose scope admits the action, once it pays to set these apart."""
        self._judged[witness.action] += 1
        few = self._judged[witness.action] < APART_FROM
        return self._case(self.policies if few else self._applying(witness.action), witness)

    def _by_terms(self, environment: RequestEnvironment, witness: Witness, near: Case | None = None) -> Case:
        """A concrete request of an environment, evaluated by the terms of the policies; by cedarpy where one has none.

        Policies that read nothing in which the request differs from the one of `near` do as they do there.
        """
        among = self.fitting(environment)
        value = Valuation(interpretation(witness))
        by_cedar = cache(lambda: self.case(witness))
        places = None if near is None else changed(near.witness, witness)

        def matches(index: int) -> bool:
            term = self.matches(environment, index)
            return index in by_cedar().matched if self._open(term) else bool(value(term))

        def errs(index: int) -> bool:
            term = self.succeeds(environment, index)
            return index in by_cedar().errored if self._open(term) else not value(term)

        if near is None or places is None:
            matched = Indices(among, matches)
        else:
            readers = self._readers(environment)
            apart = frozenset[int]().union(*(readers.get(place, ()) for place in (*places, UNENCODED)))
            matched = Indices(apart, matches, near.matched)
        fits = Indices(among, lambda index: bool(value(self.scope(environment, index))))
        return Case(witness, matched, Indices(among, errs), fits, partial(self._by_terms, environment))

    def _readers(self, environment: RequestEnvironment) -> Mapping[str, frozenset[int]]:
        """The policies whose match depends on a place of a request or its store, by place."""
        if environment not in self._places:
            found: dict[str, set[int]] = {}
            for index in self.fitting(environment):
                for place in reads(self.matches(environment, index)):
                    found.setdefault(place, set()).add(index)
            self._places[environment] = {place: frozenset(indices) for place, indices in found.items()}
        return self._places[environment]

    def shrunk(self, environment: RequestEnvironment, case: Case, accepts: Accepts) -> Witness:
        """The smallest witness near a case that is still accepted; cedarpy confirms it."""
        last = case

        def fits(witness: Witness) -> bool:
            nonlocal last
            found = self._by_terms(environment, witness, last)
            if accepts(found):
                last = replace(found, matched=frozenset(found.matched))
                return True
            return False

        smallest = shrink(case.witness, self.policies.schema, fits, self._read)
        confirmed = self.case(smallest)
        if not accepts(confirmed):
            bundle = {"witness": str(smallest), "matched": str(sorted(confirmed.matched))}
            raise VerifierError("cedarpy does not confirm a smaller witness", bundle)
        self._remember(environment, confirmed)
        return smallest

    def _remember(self, environment: RequestEnvironment, case: Case) -> None:
        self._pool.add(environment, case, partial(self.matches, environment))


def _with_syntax(
    policies: PolicySet, kept: Sequence[Policy], change: Callable[[pst.Template], pst.Template]
) -> PolicySet:
    """Some policies of a set, each as a permit with other syntax, to tell which of them match."""
    tree = policies.matcher.to_pst().static_policies
    changed = {policy.id: change(tree[policy.id]) for policy in kept}
    matcher = cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=changed, template_links=()))
    return replace(policies, policies=tuple(kept), matcher=matcher)


def _how(answer: Answer) -> str:
    """How a question was answered, for the count."""
    if isinstance(answer, Unknown):
        return "unknown"
    return {"folded": "folded", "none": "grafted"}.get(answer.proof.solver, "solved")


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
