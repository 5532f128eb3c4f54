"""Random changes of policies: what `diff` says of every request is true of random ones, decided by the engine."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cedar.decision import Decision, authorize
from models.cedar.load import policy_set
from models.cedar.policies import PolicySet, Profile
from verify.compare import TRANSITIONS, Change, EnvironmentDiff
from verify.diff import Diff, diff
from verify.findings import Witness
from verify.query import request
from verify.worlds import Name, admitted_by

SCHEMA = """
entity Team in [Team];
entity Agent in [Team] = { level: Long };
entity Thing = { name: String };
action any;
action go, stop in [any] appliesTo {
  principal: [Agent], resource: [Thing], context: { n: Long, s: String, b: Bool, x?: Long, approvals?: Set<String> }
};
"""
ATOMS = [
    "context.n > 1",
    "context.n < 3",
    "context.n == 2",
    "context.n + principal.level > 3",
    'context.s like "a*"',
    'context.s == "ab"',
    "context.b",
    "context has x && context.x > 0",
    "context.x > 0",
    'principal in Team::"t"',
    "principal.level > 1",
    "resource.name == context.s",
    'context has approvals && context.approvals.contains("one")',
]
SCOPES = ["action", 'action == Action::"go"', 'action == Action::"stop"', 'action in Action::"any"']

PROFILES: list[Profile] = ["windtunnel", "tiered", "advice"]
ADVICE = ' @advice("{\\"verdict\\": \\"escalate\\"}")'


def rule(chance: random.Random, name: str, profile: Profile) -> str:
    condition = f" {chance.choice(['&&', '||'])} ".join(f"({a})" for a in chance.sample(ATOMS, chance.randint(1, 2)))
    effect = chance.choice(["permit", "permit", "forbid", "ask", "ask"])
    notes = f'@id("{name}")'
    if profile == "tiered":
        notes += chance.choice(["", ' @tier("hard")', ' @tier("soft")'])
    elif profile == "advice":
        notes += ADVICE if effect == "ask" else ""
    elif effect == "ask":
        notes += f' @escalate("{chance.choice(["one", "one", "two"])}") @timeout("{chance.choice([5, 10])}m")'
        notes += chance.choice(["", ' @severity("low")', ' @severity("high")'])
    clause = f" when {{ {condition} }}" if chance.random() < 0.9 else ""
    written = ("permit" if profile == "advice" else "forbid") if effect == "ask" else effect
    return f"{notes} {written}(principal, {chance.choice(SCOPES)}, resource){clause};"


def changed(chance: random.Random, rules: list[str], profile: Profile) -> list[str]:
    """The rules with some replaced, dropped, added or put elsewhere."""
    after = [rule(chance, f"p{i}", profile) if chance.random() < 0.3 else text for i, text in enumerate(rules)]
    after = [text for text in after if chance.random() < 0.9]
    if chance.random() < 0.5:
        after.append(rule(chance, "new", profile))
    chance.shuffle(after)
    return after


def some_request(chance: random.Random) -> Witness:
    context: dict[str, object] = {
        "n": chance.randint(0, 4),
        "s": chance.choice(["", "a", "b", "ab"]),
        "b": chance.random() < 0.5,
    }
    if chance.random() < 0.5:
        context["x"] = chance.randint(-1, 1)
    parents = [{"type": "Team", "id": "t"}] if chance.random() < 0.5 else []
    agent = {"uid": {"type": "Agent", "id": "a"}, "attrs": {"level": chance.randint(0, 3)}, "parents": parents}
    name = chance.choice(["", "a", "ab"])
    thing = {"uid": {"type": "Thing", "id": "t"}, "attrs": {"name": name}, "parents": []}
    action = f'Action::"{chance.choice(["go", "stop"])}"'
    return Witness('Agent::"a"', action, 'Thing::"t"', context, (agent, thing))


def decided(old: PolicySet, new: PolicySet, witness: Witness) -> tuple[Decision, Decision]:
    """Both decisions, by the engine. What a side's schema has no environment for is refused."""
    before, after = (
        authorize(policies, request(witness), witness.entities)
        if policies.schema.actions[witness.action].principals
        else Decision("deny", "not permitted", ())
        for policies in (old, new)
    )
    return before, after


def differs(before: Decision, after: Decision) -> bool:
    return before.outcome != after.outcome or before.escalations != after.escalations


def confirmed(found: Diff, change: Change) -> bool:
    """Whether the engine, asked again, says of the witness what the change says."""
    before, after = decided(found.old, found.new, change.witness)
    return (
        (before.outcome, after.outcome) == change.transition
        and differs(before, after)
        and (before, after) == (change.old, change.new)
    )


def missed(one: EnvironmentDiff, before: Decision, after: Decision) -> bool:
    """Whether a concrete change is one that the diff denies."""
    transition = next(t for t in TRANSITIONS if t == (before.outcome, after.outcome))
    return transition not in {change.transition for change in one.changes} | one.unknown.keys()


def unvalidated(texts: Iterable[str], schema: str, profile: Profile) -> PolicySet:
    """The set under a schema, without strict validation: policies may err, or not fit it."""
    typed, read = policy_set("", schema), policy_set("\n".join(texts), profile=profile)
    return replace(read, schema=typed.schema, schema_text=typed.schema_text, schema_inferred=False, conflicts=())


def judged(
    seed: int, requests: int, profile: Profile = "windtunnel", schemas: Sequence[str] = (SCHEMA, SCHEMA)
) -> Diff:
    """Compares a random set with a change of it: witnesses replay, and random requests change as they are said to."""
    chance = random.Random(seed)
    rules = [rule(chance, f"p{number}", profile) for number in range(chance.randint(3, 7))]
    old = unvalidated(rules, schemas[0], profile)
    new = unvalidated(changed(chance, rules, profile), schemas[1], profile)
    found = diff(old, new)
    environments = {one.environment.action: one for one in found.environments}
    assert not [one.unknown for one in found.environments if one.unknown]
    for one in found.environments:
        for change in one.changes:
            assert confirmed(found, change), (old.text, new.text, change)
    for _ in range(requests):
        witness = some_request(chance)
        sides: dict[Name, PolicySet] = {"old": old, "new": new}
        if admitted_by(witness, sides):
            before, after = decided(old, new, witness)
            said = differs(before, after) and missed(environments[witness.action], before, after)
            assert not said, (old.text, new.text, witness)
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.sampled_from(PROFILES))
def test_changes_of_random_requests_are_told(seed: int, profile: Profile) -> None:
    judged(seed, 150, profile)


@pytest.mark.long
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.sampled_from(PROFILES))
def test_changes_of_a_thousand_random_requests_are_told(seed: int, profile: Profile) -> None:
    judged(seed, 1000, profile)


def test_random_changes_are_of_every_kind() -> None:
    compared = [one for seed in range(24) for one in judged(seed, 0).environments]
    assert {change.transition for one in compared for change in one.changes} == set(TRANSITIONS)
    assert {one.result for one in compared} == {"equivalent", "more_permissive", "less_permissive", "incomparable"}


# --- schemas ----------------------------------------------------------------------------------------------------------

SCHEMAS = [
    SCHEMA,
    SCHEMA.replace("x?: Long", "x: Long"),
    SCHEMA.replace("go, stop in [any]", "go, stop").replace("action any;", "action any;"),
    SCHEMA.replace("action go, stop in [any]", "action stop; action go in [any]"),
    SCHEMA.replace("level: Long", "level: Long, rank?: Long"),
    SCHEMA.replace("name: String", "name: Long"),
    SCHEMA.replace("s: String", "s?: String"),
    SCHEMA.replace("Agent in [Team]", "Agent"),
]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.sampled_from(SCHEMAS), st.sampled_from(SCHEMAS))
def test_changes_are_told_of_what_either_schema_admits(seed: int, before: str, after: str) -> None:
    judged(seed, 150, "windtunnel", (before, after))


# --- mutants ----------------------------------------------------------------------------------------------------------

BASE = """
@id("own") permit(principal, action == Action::"go", resource) when { context.n > 1 && context.b };
@id("team") permit(principal in Team::"t", action, resource) when { principal.level >= 2 } unless { context.s == "ab" };
@id("large") @escalate("one") @timeout("5m") forbid(principal, action, resource) when { context.n > 3 };
@id("never") forbid(principal, action == Action::"stop", resource) when { context.s like "a*" };
"""


def mutants() -> Iterator[tuple[str, str]]:
    """Small faults, each by what was done: an operator flipped, a clause dropped, an effect swapped, and so on."""
    for pattern, others in {
        r">=": (">", "<", "=="),
        r" > ": (" >= ", " < ", " == "),
        r"&&": ("||",),
        r"==(?= \")": ("!=",),
        r"permit": ("forbid",),
        r"forbid": ("permit",),
        r" (?:when|unless) \{[^}]*\}": ("",),
        r"when": ("unless",),
        r"unless": ("when",),
        r' in Team::"t"': ("",),
        r' == Action::"\w+"': ("",),
        r'"5m"': ('"6m"',),
        r'@escalate\("one"\) @timeout\("5m"\) ': ("",),
        r'\("one"\)': ('("two")',),
        r'"a\*"': ('"a"', '"*a*"'),
        r"@id[^;]*;": ("",),
    }.items():
        for found in re.finditer(pattern, BASE):
            for other in others:
                text = f"{BASE[: found.start()]}{other}{BASE[found.end() :]}"
                if not re.search(r"@escalate[^;]*permit", text):
                    yield f"{found[0].strip()} -> {other.strip()} at {found.start()}", text


@pytest.mark.parametrize(("fault", "text"), list(mutants()), ids=[fault for fault, _ in mutants()])
def test_a_fault_is_noticed(fault: str, text: str) -> None:
    found = diff(policy_set(BASE, SCHEMA), policy_set(text, SCHEMA))
    assert any(one.changes for one in found.environments), fault
    assert all(confirmed(found, change) for one in found.environments for change in one.changes)


@pytest.mark.parametrize(
    "text",
    [
        BASE,
        BASE.replace("\n", "\n// as before\n"),
        BASE.replace("context.n > 1", "context.n >= 2"),
        BASE.replace("context.n > 1 && context.b", "context.b && context.n > 1"),
        BASE.replace("context.n > 3", "!(context.n <= 3)"),
        BASE.replace('@id("own")', '@id("mine") @owner("me")'),
        "\n".join(reversed(BASE.strip().splitlines())),
        BASE + BASE.replace('@id("', '@id("again-'),
    ],
)
def test_what_means_the_same_is_equivalent(text: str) -> None:
    found = diff(policy_set(BASE, SCHEMA), policy_set(text, SCHEMA))
    assert {one.result for one in found.environments} == {"equivalent"}
    assert [finding.check for finding in found.findings.findings] == ["D405"]
