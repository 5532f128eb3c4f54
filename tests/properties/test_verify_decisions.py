"""Random policy sets: what the checks claim of every request is true of random ones, decided by the engine itself."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cedar.decision import decide
from models.cedar.load import policy_set
from models.cedar.policies import PolicySet, Profile
from verify.findings import Finding, Witness
from verify.query import BUDGETS, Analysis, Case, request
from verify.verify import verify

SCHEMA = """
entity Team in [Team];
entity Agent in [Team] = { level: Long };
entity Thing;
action go appliesTo { principal: [Agent], resource: [Thing], context: { n: Long, s: String, b: Bool, x?: Long } };
"""
ATOMS = [
    "context.n > 1",
    "context.n < 3",
    "context.n == 2",
    "context.n + 1 > 3",
    'context.s like "a*"',
    'context.s like "*b"',
    'context.s == "ab"',
    "context.b",
    "!context.b",
    "context has x && context.x > 0",
    'principal in Team::"t"',
    "principal.level > 1",
]


def written(chance: random.Random, profile: Profile) -> str:
    """Four to seven policies over few atoms, so that they overlap, cover and mask each other."""
    texts = []
    for number in range(chance.randint(4, 7)):
        condition = f" {chance.choice(['&&', '||'])} ".join(
            f"({a})" for a in chance.sample(ATOMS, chance.randint(1, 2))
        )
        effect = chance.choice(["permit", "permit", "forbid", "ask", "ask"])
        notes = f'@id("p{number}") @owner("{chance.choice("ab")}")'
        tier = "soft" if effect == "ask" else "hard" if effect == "forbid" else chance.choice(["hard", "soft"])
        if profile == "tiered":
            notes += f' @tier("{tier}")'
        if effect == "ask" and profile == "advice":
            notes, effect = notes + ' @advice("{\\"verdict\\": \\"escalate\\"}")', "permit"
        elif effect == "ask":
            notes += f' @escalate("{chance.choice(["one", "one", "two"])}")'
            minutes = chance.choice([5, 10])
            notes += f' @approval_timeout_s("{minutes}")' if profile == "tiered" else f' @timeout("{minutes}m")'
            notes += f' @severity("{chance.choice(["low", "high"])}")'
        clause = f" when {{ {condition} }}" if chance.random() < 0.9 else ""
        texts.append(f"{notes} {'forbid' if effect == 'ask' else effect}(principal, action, resource){clause};")
    return "\n".join(texts)


def asserted(chance: random.Random) -> str:
    """Three assertions over the same atoms."""
    texts = []
    for number in range(3):
        condition = " && ".join(f"({a})" for a in chance.sample(ATOMS, chance.randint(1, 3)))
        effect = chance.choice(["permit", "forbid"])
        texts.append(f'@invariant("i{number}") {effect}(principal, action, resource) when {{ {condition} }};')
    return "\n".join(texts)


def some_request(chance: random.Random) -> Witness:
    context = {"n": chance.randint(0, 4), "s": chance.choice(["", "a", "b", "ab", "ba"]), "b": chance.random() < 0.5}
    if chance.random() < 0.5:
        context["x"] = chance.randint(-1, 1)
    parents = [{"type": "Team", "id": "t"}] if chance.random() < 0.5 else []
    agent = {"uid": {"type": "Agent", "id": "a"}, "attrs": {"level": chance.randint(0, 3)}, "parents": parents}
    thing = {"uid": {"type": "Thing", "id": "t"}, "attrs": {}, "parents": []}
    return Witness('Agent::"a"', 'Action::"go"', 'Thing::"t"', context, (agent, thing))


def _outcome(policies: PolicySet, matched: frozenset[int]) -> object:
    decision = decide(policies, matched)
    return decision.outcome, decision.kind, decision.escalations


def _refuted(policies: PolicySet, finding: Finding, case: Case) -> bool:
    """Whether a concrete request shows that a claim about all requests is wrong."""
    assert policies.invariants is not None
    index = {p.name: p.index for p in policies.invariants.policies}
    both, case = case, replace(case, matched=frozenset(case.matched) & frozenset(range(len(policies.policies))))
    if finding.check == "P107":
        return finding.verdict == "holds" and not case.matched
    first, *others = (index[p.name] for p in finding.policies)
    match finding.check, finding.verdict:
        case "P101", "violated":
            return first in case.matched
        case "P102", "violated":
            return first not in case.matched
        case "P103", "holds":
            return first in case.errored
        case "P305", "violated" if finding.witness is None:
            return first in both.matched
        case "P305", "holds":
            excluded = "allow" if policies.invariants.policies[first].effect == "forbid" else "deny"
            return first in both.matched and decide(policies, case.matched).outcome == excluded
        case "P104" | "P105", "violated":
            return _outcome(policies, case.matched) != _outcome(policies, case.matched - {first})
        case "P106", "holds":
            owner = policies.policies[first].owner
            rivals = {
                p.index for p in policies.policies if p.effect == "forbid" and not p.escalation and p.owner != owner
            }
            return first in case.matched and not rivals.isdisjoint(case.matched)
        case "P201", "violated":
            return first in decide(policies, case.matched).determining
        case "P202", "holds":
            decision = decide(policies, case.matched)
            return (
                decision.outcome == "escalate"
                and decide(policies, case.matched, frozenset(decision.chains)).outcome == "deny"
            )
        case "P204", "violated" if finding.witness is None:
            determining = decide(policies, case.matched).determining
            return first in determining and not any(other in determining for other in others)
    return False


def _judged(seed: int, requests: int) -> list[Finding]:
    chance = random.Random(seed)
    profile: Profile = ("windtunnel", "tiered", "advice")[seed % 3]  # type: ignore[assignment]
    policies = policy_set(written(chance, profile), SCHEMA, profile=profile, invariants=asserted(chance))
    findings = verify(policies).findings
    assert not [f for f in findings if f.verdict == "undecided"]
    assert policies.invariants is not None
    analysis = Analysis(policies.invariants, BUDGETS["low"])
    cases = [analysis.case(some_request(chance)) for _ in range(requests)]
    for finding in findings:
        refuting = next((case for case in cases if _refuted(policies, finding, case)), None)
        assert refuting is None, (policies.text, finding, refuting and request(refuting.witness))
    return list(findings)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_claims_survive_random_requests(seed: int) -> None:
    _judged(seed, 150)


@pytest.mark.long
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_claims_survive_a_thousand_random_requests(seed: int) -> None:
    _judged(seed, 1000)


def test_random_sets_are_of_every_kind() -> None:
    told = {(f.check, f.verdict) for seed in range(24) for f in _judged(seed, 1)}
    for verdict, checks in (
        ("violated", "P101 P103 P104 P105 P106 P107 P201 P204 P305"),
        ("holds", "P101 P102 P103 P104 P105 P107 P201 P202 P204 P305"),
    ):
        assert set(checks.split()) <= {check for check, said in told if said == verdict}
