"""Seeded faults are noticed: each change of a rule in one place, told apart by every request that there is.

The rules compare with few constants, so a handful of values stands for all: cedarpy decides every request of the space,
and the verifier has to say of each mutant what the enumeration says.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import cedarpy
import pytest
from cedarpy import pst

from models.cedar.decision import Decision, decide
from models.cedar.load import policy_set
from models.cedar.policies import Policy, PolicySet
from mutations import Mutant, mutants, written
from verify.diff import diff
from verify.verify import verify

SCHEMA = """
entity Team;
entity Agent in [Team] = { senior: Bool };
entity Doc;
action all;
action read, pay in [all] appliesTo { principal: Agent, resource: Doc, context: { amount: Long, tool?: String } };
"""
RULES = (
    '@id("read") permit(principal, action == Action::"read", resource)'
    " when { principal.senior || !(context has tool) };",
    '@id("pay") permit(principal in Team::"desk", action == Action::"pay", resource) when { context.amount < 50 };',
    '@id("edge") permit(principal, action == Action::"pay", resource)'
    " when { context.amount >= 10 && context.amount < 11 && principal.senior };",
    '@id("late") permit(principal in Team::"out", action == Action::"pay", resource)'
    " when { context.amount < 10 || context.amount >= 11 };",
    '@id("cap") @escalate("board") @timeout("15m") @severity("high")'
    ' forbid(principal, action == Action::"pay", resource) when { context.amount >= 10 };',
    '@id("tool") @escalate("guard") forbid(principal, action in Action::"all", resource)'
    ' when { context has tool && context.tool like "sh*" } unless { principal.senior };',
    '@id("out") forbid(principal in Team::"out", action, resource) when { context.amount > 9 || !principal.senior };',
)
AMOUNTS = (-1, 0, 8, 9, 10, 11, 12, 48, 49, 50, 51, 52)
"""On both sides of every constant of the rules, and of those next to it."""
TOOLS = (None, "", "s", "sh", "shx", "xsh", "h", "hx", "x")


def store() -> list[dict[str, Any]]:
    """Agents of every kind: senior or not, in every set of teams."""
    agents = [
        {
            "uid": {"type": "Agent", "id": f"{'senior' if senior else 'junior'} {'+'.join(teams)}"},
            "attrs": {"senior": senior},
            "parents": [{"type": "Team", "id": team} for team in teams],
        }
        for senior in (True, False)
        for teams in ((), ("desk",), ("out",), ("desk", "out"))
    ]
    return [*agents, *({"uid": {"type": "Team", "id": team}, "attrs": {}, "parents": []} for team in ("desk", "out"))]


@cache
def requests() -> list[dict[str, Any]]:
    """Every request that the rules, and rules one change away, can tell apart."""
    principals = [entity["uid"] for entity in store() if entity["uid"]["type"] == "Agent"]
    return [
        {
            "principal": principal,
            "action": {"type": "Action", "id": action},
            "resource": {"type": "Doc", "id": "d"},
            "context": {"amount": amount} | ({} if tool is None else {"tool": tool}),
        }
        for principal, action, amount, tool in itertools.product(principals, ("read", "pay"), AMOUNTS, TOOLS)
    ]


@cache
def matched(text: str) -> frozenset[int]:
    """The requests that a policy matches, by number, as cedarpy says."""
    return _matched([text])[0]


def _matched(texts: Sequence[str]) -> list[frozenset[int]]:
    """As `matched`, of many policies in one evaluation: as permits, each that matches is told."""
    trees = [cedarpy.policies_to_pst(text).static_policies["policy0"] for text in texts]
    named = {f"m{n}": replace(tree, id=f"m{n}", effect="permit", annotations={}) for n, tree in enumerate(trees)}
    policies = cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=named, template_links=()))
    entities = cedarpy.Entities.from_json_str(json.dumps(store()), cedarpy.Schema.from_str(SCHEMA))
    found: list[set[int]] = [set() for _ in texts]
    for number, result in enumerate(cedarpy.is_authorized_batch(requests(), policies, entities)):
        assert not result.diagnostics.errors
        for name in result.diagnostics.reasons:
            found[int(name[1:])].add(number)
    return [frozenset(one) for one in found]


@cache
def all_mutants() -> tuple[tuple[int, Mutant], ...]:
    """Every well-typed mutant of a rule, with the position of the rule."""
    found = [
        (position, mutant)
        for position, rule in enumerate(RULES)
        for mutant in mutants(rule)
        if cedarpy.validate_policies(mutant.text, SCHEMA).validation_passed
    ]
    return tuple(found)


@cache
def matches_of_mutants() -> dict[str, frozenset[int]]:
    texts = [*RULES, *(mutant.text for _, mutant in all_mutants())]
    return dict(zip(texts, _matched(texts), strict=True))


def with_mutant(position: int, mutant: Mutant) -> list[str]:
    return [*RULES[:position], mutant.text, *RULES[position + 1 :]]


def decisions(policies: PolicySet, texts: Sequence[str]) -> list[Decision]:
    """The decision on every request."""
    known = [matches_of_mutants()[text] for text in texts]
    return [decide(policies, {i for i, some in enumerate(known) if n in some}) for n in range(len(requests()))]


def essence(decision: Decision) -> tuple[object, ...]:
    return decision.outcome, decision.escalations


def changes(old: Sequence[Decision], new: Sequence[Decision]) -> set[tuple[str, str]]:
    """Outcomes before and after, of the requests that are decided differently."""
    both = zip(old, new, strict=True)
    return {(one.outcome, other.outcome) for one, other in both if essence(one) != essence(other)}


def differs(position: int, mutant: Mutant) -> bool:
    """Compares a mutant with the rules by `diff`, and with the enumeration; whether it changes a decision."""
    texts = with_mutant(position, mutant)
    old, new = policy_set("\n".join(RULES), SCHEMA), policy_set("\n".join(texts), SCHEMA)
    expected = changes(decisions(old, RULES), decisions(new, texts))
    compared = diff(old, new, effort="low")
    found = {(c.transition.before, c.transition.after) for one in compared.environments for c in one.changes}
    assert found == expected, (mutant, found, expected)
    assert (compared.result == "equivalent") == all(before == after for before, after in expected)
    return bool(expected)


def claims(position: int, mutant: Mutant) -> Counter[str]:
    """What the checks say of the rules with a mutant is what the enumeration says. Counts what is violated."""
    texts = with_mutant(position, mutant)
    policies = policy_set("\n".join(texts), SCHEMA)
    told = {
        (finding.check, finding.policies[0].name): finding.verdict
        for finding in verify(policies, effort="low", checks=["P101", "P102", "P104", "P105", "P201"]).findings
    }
    unspoken = verify(policies, effort="low", checks=["P107"]).findings
    told["P107", ""] = "violated" if "violated" in {finding.verdict for finding in unspoken} else "holds"
    truth = dict(violations(policies, texts))
    assert {key: verdict == "violated" for key, verdict in told.items()} == truth, (mutant, told, truth)
    return Counter(check for (check, _), violated in truth.items() if violated)


def violations(policies: PolicySet, texts: Sequence[str]) -> Iterator[tuple[tuple[str, str], bool]]:
    """Whether the enumeration shows a violation, by check and rule; of the checks that are asked of the rule."""
    known = [matches_of_mutants()[text] for text in texts]
    whole = decisions(policies, texts)
    hard = frozenset().union(*(known[p.index] for p in policies.policies if p.effect == "forbid" and not p.escalation))
    yield ("P107", ""), len(frozenset().union(*known)) < len(requests())
    for policy in policies.policies:
        mine, name = known[policy.index], policy.name
        yield ("P101", name), not mine
        if not mine:
            continue
        if policy.syntax.clauses:
            yield ("P102", name), mine == matched(_scope_alone(policy.syntax))
        mates = (p for p in policies.policies if p.index != policy.index and _stands_in(p, policy))
        yield ("P104", name), mine <= frozenset().union(*(known[mate.index] for mate in mates))
        if policy.effect == "permit":
            yield ("P105", name), mine <= hard
        if policy.escalation:
            yield ("P201", name), not any(policy.index in one.determining for one in whole if one.outcome == "escalate")


def _stands_in(one: Policy, policy: Policy) -> bool:
    """Whether one policy decides for another; no two rules here ask one chain."""
    return one.effect == policy.effect and one.escalation is None


def _scope_alone(syntax: pst.Template) -> str:
    return written(replace(syntax, clauses=()))


SOME = slice(0, None, 7)


def test_every_seventh_mutant_that_changes_a_decision_is_noticed_by_diff() -> None:
    noticed = [differs(position, mutant) for position, mutant in all_mutants()[SOME]]
    assert sum(noticed) > len(noticed) / 2


def test_checks_say_of_every_seventh_mutant_what_every_request_says() -> None:
    assert sum((claims(position, mutant) for position, mutant in all_mutants()[SOME]), Counter()).total() > 0


@pytest.mark.long
def test_every_mutant_that_changes_a_decision_is_noticed_by_diff() -> None:
    noticed: dict[str, list[bool]] = {}
    for position, mutant in all_mutants():
        noticed.setdefault(mutant.kind, []).append(differs(position, mutant))
    assert all(map(any, noticed.values())), noticed
    assert len(noticed) > 9


@pytest.mark.long
def test_checks_say_of_every_mutant_what_every_request_says() -> None:
    violated = sum((claims(position, mutant) for position, mutant in all_mutants()), Counter())
    assert violated.keys() == {"P101", "P102", "P104", "P105", "P107", "P201"}
