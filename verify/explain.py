"""Why a finding is what it is: the clauses that decide it, as few as suffice, in a sentence.

What is proved is explained by asking again with conditions left out: those that can go do not decide. What a witness
shows is explained by what each condition comes to on it. An explanation never changes a verdict: where a question about
it is not answered, the clause is kept, and where nothing can be singled out, nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from cedarpy import pst

from models.cedar.clauses import Part, conditions_of, scope_of
from models.cedar.decision import decide, has_approvals, matching
from models.cedar.policies import Policy, PolicySet
from verify import term as t
from verify.checks.common import seek
from verify.edits import suggested
from verify.findings import Clause, Finding, PolicyRef, Role, Witness
from verify.guards import guarded
from verify.query import BUDGETS, Analysis, VerifierError, request
from verify.variants import variant

QUESTIONS_MAX = 400
"""Questions asked to explain one set's findings, gravest first; what is left then is told with all of its conditions.
Measured: 14 ms each on two cores, so some six seconds at most."""

CONDITIONS_MAX = 12
"""Conditions of one policy that are left out one by one; of more, all are told. An assumption."""

PERMITS_MAX = 200
"""Permits that are looked at together for why none of them matches. An assumption: they cost encoding, not reading."""

NEAR = 3
"""Rules that are told because their scope fits a request and their conditions do not. An assumption."""


_GRAVEST = ("error", "warning", "info")


def explained(policies: PolicySet, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, the violated ones with the clauses that decide them, why, and where there is one an edit."""
    involved, questions = Involved(policies), Questions()
    told = list(findings)
    for number in sorted(range(len(told)), key=lambda number: _GRAVEST.index(told[number].severity)):
        if told[number].verdict == "violated":
            told[number] = _explained(involved, questions, told[number])
    return tuple(told)


@dataclass(frozen=True)
class Involved:
    """The policies that findings name."""

    deployed: PolicySet

    def asked(self, finding: Finding) -> PolicySet:
        """The set that a finding speaks of: with the invariants, where it is about one."""
        return self.deployed.invariants or self.deployed if finding.check == "P305" else self.deployed

    @cached_property
    def _indices(self) -> dict[tuple[str, str, int], int]:
        found: dict[tuple[str, str, int], int] = {}
        for policy in (self.deployed.invariants or self.deployed).policies:
            for name in (policy.name, f"{policy.tier}:{policy.name}"):
                found.setdefault((name, policy.span.file, policy.span.line), policy.index)
        return found

    def index(self, reference: PolicyRef) -> int | None:
        """The policy that a finding names; None for another part of a scenario."""
        return self._indices.get((reference.name, reference.location.file, reference.location.line))

    def policies(self, finding: Finding) -> list[Policy]:
        """The policies that a finding names, in its order."""
        among = self.asked(finding).policies
        indices = (self.index(reference) for reference in finding.policies)
        return [among[index] for index in indices if index is not None and index < len(among)]


def _explained(involved: Involved, questions: Questions, finding: Finding) -> Finding:
    policies = involved.policies(finding)
    if not policies:
        return finding
    whole = involved.asked(finding)
    because: tuple[Clause, ...] = ()
    reason = ""
    try:
        if finding.witness is not None:
            because, reason = _on_witness(involved.deployed, whole, finding, policies)
        elif (
            finding.check in _PROVED
            and finding.proof is not None
            and not any(p.index in c.policies for p in policies for c in whole.conflicts)
        ):
            because, reason = _PROVED[finding.check](questions, whole, finding, policies)
    except VerifierError:
        # Policies with conditions left out need not be well-typed, and Cedar promises nothing of such ones.
        because, reason = (), ""
    suggestion = finding.suggestion or (
        guarded(whole, policies) if finding.check == "P103" else suggested(whole, finding, policies)
    )
    return replace(finding, because=because, reason=reason, suggestion=suggestion)


# --- sentences --------------------------------------------------------------------------------------------------------

TEXT_MAX = 160
"""Characters of a clause that a sentence repeats; its data has all of them."""


def _clause(role: Role, policy: Policy, part: Part) -> Clause:
    place = part.place
    return Clause(role, policy.name, place.file, place.line, place.column, part.text, part.negated)


def _clauses(role: Role, policy: Policy, parts: Iterable[Part]) -> tuple[Clause, ...]:
    return tuple(_clause(role, policy, part) for part in parts)


def _text(clause: Clause, finding: Finding) -> str:
    """A clause in a sentence, with its line, and its file where that is not the finding's."""
    text = " ".join(clause.text.split())
    text = text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}..."
    here = clause.file == finding.location.file
    place = f"line {clause.line}" if here else f"{clause.file}:{clause.line}"
    return f"`{text}` ({place})"


def _needed(clause: Clause, finding: Finding) -> str:
    """A clause in a sentence, as what its policy needs."""
    return f"{'not ' * clause.negated}{_text(clause, finding)}"


def _met(clauses: Sequence[Clause], finding: Finding, missed: bool = False) -> str:
    """What clauses come to where they are met, or `missed`: `a` (line 1) is true and `b` (line 2) is false."""
    groups = [
        (value, [_text(c, finding) for c in clauses if (c.negated != missed) == (value == "false")])
        for value in ("true", "false")
    ]
    return _list([f"{_list(texts)} {'is' if len(texts) == 1 else 'are'} {value}" for value, texts in groups if texts])


def _list(words: Sequence[str], joint: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


# --- what is proved ---------------------------------------------------------------------------------------------------

Explained = tuple[tuple[Clause, ...], str]
_NOTHING: Explained = ((), "")


@dataclass
class Questions:
    """Asks whether a policy still matches nothing else, as long as questions are left."""

    left: int = QUESTIONS_MAX

    def impossible(self, policies: PolicySet, forbids: Sequence[int] = (), permitted: bool = False) -> bool:
        """Whether it is proved that the first policy matches no request that none of some others matches.

        Where `permitted`, no such request that the permits permit.
        """
        if self.left <= 0:
            return False
        self.left -= 1
        analysis = Analysis(policies, BUDGETS["low"])
        groups = policies.permit_groups if permitted else ()
        return seek(
            analysis,
            analysis.touched(0),
            lambda e: [
                analysis.matches(e, 0),
                *(t.not_(analysis.matches(e, i)) for i in forbids),
                *(t.or_(*(analysis.matches(e, i) for i in group)) for group in groups),
            ],
            lambda case: (
                0 in case.matched
                and case.matched.isdisjoint(forbids)
                and all(case.matched.intersection(group) for group in groups)
            ),
            "explanation",
        ).impossible


def _fewest(conditions: Sequence[Part], suffice: Callable[[Sequence[Part]], bool]) -> tuple[Part, ...]:
    """As few of the conditions, which all together suffice, as do: none of them is known to be able to go."""
    kept = tuple(conditions)
    if len(kept) > CONDITIONS_MAX:
        return kept
    for one in conditions:
        fewer = tuple(part for part in kept if part is not one)
        if suffice(fewer):
            kept = fewer
    return kept


def _contradictory(questions: Questions, whole: PolicySet, finding: Finding, policies: Sequence[Policy]) -> Explained:
    """Conditions of a policy that no request meets together, or the part of its scope that fits none."""
    policy = policies[0]
    kept = _fewest(conditions_of(policy), lambda some: questions.impossible(variant(whole, [(policy, some)])))
    if not kept:
        return _nowhere(policy, finding)
    clauses = _clauses("never-together", policy, kept)
    told = _list([_needed(clause, finding) for clause in clauses])
    ends = {1: "is true of no request", 2: "cannot both hold"}
    return clauses, _sentence(f"{told} {ends.get(len(clauses), 'cannot all hold')}")


def _nowhere(policy: Policy, finding: Finding) -> Explained:
    names = ("principal", "action", "resource")
    clauses = _clauses("nowhere", policy, (part for part in scope_of(policy) if part.text not in names))
    if not clauses:
        return (), "The schema admits no request at all."
    told = _list([_text(clause, finding) for clause in clauses])
    return clauses, f"No request that the schema admits is of the scope {told}."


def _always(_: Questions, __: PolicySet, finding: Finding, policies: Sequence[Policy]) -> Explained:
    clauses = _clauses("always", policies[0], conditions_of(policies[0]))
    return clauses, _sentence(f"on every request of its scope {_met(clauses, finding)}")


def _covered(questions: Questions, whole: PolicySet, finding: Finding, policies: Sequence[Policy]) -> Explained:
    """Conditions of a policy under which one of others always matches, as it is proved that one does."""
    subject, *cover = policies
    others, beside = range(1, len(policies)), [(one, None) for one in cover]
    kept = _fewest(
        conditions_of(subject),
        lambda some: questions.impossible(variant(whole, [(subject, some), *beside]), others),
    )
    return _with_cover(finding, _clauses("whenever", subject, kept), cover, "")


def _perhaps_covered(questions: Questions, whole: PolicySet, finding: Finding, policies: Sequence[Policy]) -> Explained:
    """As `_covered`, where that is so: what is proved is that one of the others matches when people are asked."""
    chosen = [(one, None) for one in policies]
    if len(policies) > 1 and questions.impossible(variant(whole, chosen), range(1, len(policies))):
        return _covered(questions, whole, finding, policies)
    return _NOTHING


def _barred(_: Questions, __: PolicySet, finding: Finding, policies: Sequence[Policy]) -> Explained:
    """Clauses of forbids of which one denies every request that a scenario's part makes."""
    if all(policy.effect == "forbid" and policy.escalation is None for policy in policies):
        return _with_cover(finding, (), policies, "", "every such request")
    return _NOTHING


def _with_cover(
    finding: Finding, clauses: tuple[Clause, ...], cover: Sequence[Policy], before: str, what: str = ""
) -> Explained:
    """That one of several policies matches, whenever the clauses of another are met."""
    then = [_clauses("then", one, conditions_of(one)) for one in cover]
    if len(cover) == 1:
        always = f"{before}`{cover[0].name}` matches"
        details = f"{_met(then[0], finding)} then" if then[0] else "it has no condition"
    else:
        always = f"{before}one of these matches"
        details = "; or ".join(
            f"`{one.name}`, where {_met(some, finding)}" if some else f"`{one.name}`, which has no condition"
            for one, some in zip(cover, then, strict=True)
        )
    whenever = (
        f"whenever {_met(clauses, finding)}, {always}"
        if clauses
        else f"{always} {what or 'every request of its scope'}"
    )
    return (*clauses, *(c for some in then for c in some)), _sentence(f"{whenever}: {details}")


def _unreachable(questions: Questions, whole: PolicySet, finding: Finding, policies: Sequence[Policy]) -> Explained:
    """Conditions of an escalating forbid under which others deny, or nothing permits."""
    if (found := _perhaps_covered(questions, whole, finding, policies)) != _NOTHING:
        return found
    subject, *masking = policies
    permits = [policy for policy in whole.policies if policy.effect == "permit"]
    beside = [(one, None) for one in (*masking, *permits)]

    def denied(some: Sequence[Part]) -> bool:
        return questions.impossible(variant(whole, [(subject, some), *beside]), range(1, len(policies)), True)

    conditions = conditions_of(subject)
    if len(permits) > PERMITS_MAX or not denied(conditions):
        return _NOTHING
    clauses = _clauses("whenever", subject, _fewest(conditions, denied))
    if masking:
        return _with_cover(finding, clauses, masking, "where a permit matches, ")
    if not clauses:
        return (), "No permit matches any request of its scope."
    return clauses, _sentence(f"whenever {_met(clauses, finding)}, no permit matches")


_PROVED: dict[str, Callable[[Questions, PolicySet, Finding, Sequence[Policy]], Explained]] = {
    "P101": _contradictory,
    "P102": _always,
    "P104": _covered,
    "P105": _covered,
    "P201": _unreachable,
    "P204": _perhaps_covered,
    "P207": _barred,
    "P303": _barred,
    "P305": _contradictory,
}

# --- what a witness shows ---------------------------------------------------------------------------------------------


_DECIDED = frozenset({"P107", "P202", "P205", "P206", "P301", "P302", "P305"})
"""The checks that find a request decided as it should not be: rules that nearly match are told beside."""


_TOGETHER = frozenset({"P106", "P204"})
"""The checks that find rules which match one request: of those that match others along with the first, not a word."""


def _on_witness(deployed: PolicySet, whole: PolicySet, finding: Finding, policies: Sequence[Policy]) -> Explained:
    """What the conditions of the policies come to on the witness."""
    witness = finding.witness
    assert witness is not None
    told = list(policies)
    if finding.check in _TOGETHER:
        matched, _ = matching(whole, asked_request(whole, witness), witness.entities)
        told = [policy for policy in told if policy.index in matched]
    if finding.check in _DECIDED:
        told += _near(deployed, witness, told)
    seen = _seen(whole, witness, told)
    if finding.check == "P103":
        seen = [one for one in seen if one.errs][:1]
    sentences = (_on_witness_text(one, finding) for one in seen)
    return tuple(clause for one in seen for clause in one.clauses), " ".join(filter(None, sentences))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A policy on a witness: whether it matches or errs, and the clauses that decide that."""

    policy: Policy
    matches: bool
    errs: bool
    clauses: tuple[Clause, ...]


def asked_request(policies: PolicySet, witness: Witness) -> dict[str, object]:
    """The request of a witness once those have approved who are told to."""
    asked = request(witness)
    if witness.approvals and has_approvals(policies, witness.action):
        asked["context"] = {**witness.context, "approvals": sorted(witness.approvals)}
    return asked


def _near(deployed: PolicySet, witness: Witness, told: Sequence[Policy]) -> list[Policy]:
    """Rules that would decide the witness otherwise, and whose scope alone fits it."""
    asked = asked_request(deployed, witness)
    matched, _ = matching(deployed, asked, witness.entities)
    kind = decide(deployed, matched, frozenset(witness.approvals)).kind
    effect = {"not permitted": "permit", "allowed": "forbid"}.get(kind)
    told_already = matched.union(policy.index for policy in told)
    others = [p for p in deployed.policies if p.effect == effect and p.index not in told_already]
    bare = variant(deployed, [(policy, ()) for policy in others])
    fitting = matching(bare, asked, witness.entities)[0]
    return [others[number] for number in sorted(fitting)[:NEAR]]


def _seen(whole: PolicySet, witness: Witness, told: Sequence[Policy]) -> list[_Seen]:
    """What policies and each of their conditions come to on a witness, by Cedar."""
    head = pst.Template("", "permit", pst.ScopeAny(), pst.ScopeAny(), pst.ScopeAny(), (), {})
    parts = [(policy, part) for policy in told for part in conditions_of(policy)]
    alone = [
        (replace(policy, syntax=replace(head, clauses=(pst.When(part.clause.expr),))), None) for policy, part in parts
    ]
    asked = variant(whole, [*((policy, None) for policy in told), *alone])
    matched, errored = matching(asked, asked_request(whole, witness), witness.entities)
    values: list[Role] = [
        "true" if n in matched else "errs" if n in errored else "false"
        for n in range(len(told), len(told) + len(parts))
    ]
    found = []
    for number, policy in enumerate(told):
        own = [(part, value) for (of, part), value in zip(parts, values, strict=True) if of is policy]
        clauses = tuple(_clause(value, policy, part) for part, value in _deciding(own, number in matched))
        found.append(_Seen(policy, number in matched, number in errored, clauses))
    return found


def _deciding(own: Sequence[tuple[Part, Role]], matches: bool) -> list[tuple[Part, Role]]:
    """Of a policy that matches all conditions; of another the first that keeps it from matching."""
    if matches:
        return list(own)
    return [(part, value) for part, value in own if value == "errs" or (value == "true") == part.negated][:1]


def _on_witness_text(one: _Seen, finding: Finding) -> str:
    name, clauses = f"`{one.policy.name}`", one.clauses
    if one.matches:
        return f"{name} matches: {_met(clauses, finding)}." if clauses else f"{name} matches: it has no condition."
    if not clauses:
        return ""  # its scope does not fit, which the witness shows
    if one.errs:
        return f"{name} errs: {_text(clauses[0], finding)} cannot be evaluated."
    return f"{name} does not match: {_met(clauses, finding, missed=True)}."
