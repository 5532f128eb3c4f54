"""The checks of a scenario's requests against every request there is, where the rules tell only few of them apart.

Amounts are compared with 2 and 5 only, texts with `a` and `b` only, and so on: a handful of values stands for all, so a
check must say what the enumeration says. Nothing of the verifier takes part in the enumeration but cedarpy.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cedar.decision import Decision, authorize
from models.cedar.policies import PolicySet
from models.load import LoadedScenario, load
from verify.findings import Finding
from verify.verify import verify

SCHEMA = """
entity Role in [Role];
entity Agent in [Role] = { level: Long, boss?: Agent, words: Set<String>, teams: Set<Role> } tags Long;
entity Thing = { secret: Bool };
action pay, look appliesTo {
  principal: [Agent], resource: [Thing],
  context: { amount: Long, kind: String, tool?: String, approvals?: Set<String> }
};
"""


def agent(name: str, level: int, roles: Iterable[str], **attributes: Any) -> dict[str, Any]:
    parents = [{"type": "Role", "id": role} for role in roles]
    plain = {"level": level, "words": [], "teams": []}
    return {"uid": {"type": "Agent", "id": name}, "attrs": plain | attributes, "parents": parents}


def reference(type: str, name: str) -> dict[str, Any]:
    return {"__entity": {"type": type, "id": name}}


ENTITIES: list[dict[str, Any]] = [
    agent("child", 3, ["low"], boss=reference("Agent", "parent"), words=["a", "b"]) | {"tags": {"a": 1, "b": 9}},
    agent("parent", 4, ["top"], words=["c"], teams=[reference("Role", "all"), reference("Role", "low")]),
    {"uid": {"type": "Role", "id": "low"}, "attrs": {}, "parents": [{"type": "Role", "id": "all"}]},
    {"uid": {"type": "Role", "id": "top"}, "attrs": {}, "parents": [{"type": "Role", "id": "all"}]},
    {"uid": {"type": "Role", "id": "all"}, "attrs": {}, "parents": []},
]
ATOMS = (
    "context.amount > 2", "context.amount > 5", "context.amount <= 2", 'context.kind == "a"', 'context.kind != "b"',
    'context has tool && context.tool == "a"', "!(context has tool)", "principal.level > 3", "principal.level < 4",
    'principal in Role::"low"', 'principal in Role::"all"', "resource.secret", 'resource == Thing::"t"',
    'context has approvals && context.approvals.contains("one")', "true",
)  # fmt: skip
OF_THE_GIVEN = (
    "principal has boss && principal.boss.level > 3", 'principal has boss && principal.boss in Role::"top"',
    'principal.words.contains("a")', 'principal.words.containsAny(["b", "c"])', 'principal.words == ["a", "b"]',
    "principal.words.contains(context.kind)", "principal in principal.teams", 'principal.teams.contains(Role::"low")',
    "principal.hasTag(context.kind)", 'principal.hasTag("b") && principal.getTag("b") > 5', "principal.words.isEmpty()",
    "principal.hasTag(context.kind) && principal.getTag(context.kind) > 5", 'Agent::"child" in Role::"all"',
)  # fmt: skip
"""What tells agents apart by more than a handful of stores: only for checks of the agents as they are given."""
CONTEXTS = [
    {"amount": amount, "kind": kind, **tool}
    for amount, kind, tool in itertools.product((1, 4, 9), ("a", "b", "c"), ({}, {"tool": "a"}, {"tool": "c"}))
]
STEP = {
    "kind": "task", "agent": "child", "capability": "act", "action": 'Action::"pay"', "resource": 'Thing::"t"',
}  # fmt: skip


def condition(chance: random.Random, known: Sequence[str]) -> str:
    atoms = [f"({one})" for one in chance.sample(known, chance.choice((1, 1, 2)))]
    return chance.choice((" && ", " || ")).join(atoms)


def rule(chance: random.Random, number: int, known: Sequence[str]) -> str:
    kind = chance.choice(("permit", "permit", "permit", "forbid", "one", "two", "gone"))
    annotation = "" if kind in ("permit", "forbid") else f'@escalate("{kind}")'
    principal = chance.choice(("principal", "principal", 'principal == Agent::"child"', 'principal in Role::"top"'))
    action = chance.choice(("action", 'action == Action::"pay"'))
    scope = f"({principal}, {action}, resource)"
    when = chance.choice(("when", "unless"))
    effect = kind if kind == "permit" else "forbid"
    return f'@id("r{number}") {annotation} {effect}{scope} {when} {{ {condition(chance, known)} }};'


def scenario(
    folder: Path, chance: random.Random, when: str = "true", known: Sequence[str] = ATOMS + OF_THE_GIVEN
) -> LoadedScenario:
    rules = "\n".join(rule(chance, number, known) for number in range(chance.randint(1, 5)))
    level = {"levels": [{"desk": "desk"}]}
    pool = {"capabilities": {"act": {"service": "1s"}}}
    desk = {"roster": [{"days": "daily", "hours": "00:00-24:00", "staff": 1}], "service": "5m"}
    arrivals = {"kind": "poisson", "rate": "1/h"}
    attributes = {"amount": chance.choice(("values(1=0.5, 9=0.5)", "uniform(low=3, high=5)", 4)), "kind": "choice(a=1)"}
    whole = {
        "windtunnel": 1, "name": "random", "start": "2026-03-25T10:00:00Z", "horizon": "1d",
        "policies": {"path": "rules.cedar"},
        "agents": {
            "child": {**pool, "principal": 'Agent::"child"', "parent": "parent"},
            "parent": {**pool, "principal": 'Agent::"parent"'},
        },
        "desks": {"desk": desk},
        "chains": {"one": level, "two": level},
        "risks": {"risk": {"actions": ['Action::"pay"'], "when": when}},
        "workflows": {"w": {"start": "s", "steps": {"s": STEP | chance.choice(({}, {"context": {"tool": "a"}}))}}},
        "work": {"w": {"workflow": "w", "arrivals": arrivals, "attributes": attributes}},
    }  # fmt: skip
    (folder / "rules.cedar").write_text(rules)
    (folder / "rules.cedarschema").write_text(SCHEMA)
    (folder / "rules.entities.json").write_text(json.dumps(ENTITIES))
    (folder / "scenario.yaml").write_text(json.dumps(whole))  # JSON is YAML
    return load(folder)


def asked(principal: str, action: str, resource: str, context: dict[str, Any]) -> dict[str, Any]:
    return {"principal": principal, "action": f'Action::"{action}"', "resource": resource, "context": context}


def things() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A resource, and a store that has it: the step's own or another, secret or not."""
    for name, secret in itertools.product(("t", "u"), (True, False)):
        yield f'Thing::"{name}"', [{"uid": {"type": "Thing", "id": name}, "attrs": {"secret": secret}, "parents": []}]


def agents() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A principal, and a store that has it: the child or any other, whatever its level and roles."""
    roles = ("low", "top", "all")
    groups = [{"uid": {"type": "Role", "id": role}, "attrs": {}, "parents": []} for role in roles]
    for name, level, held in itertools.product(("child", "any"), (3, 4), itertools.product((True, False), repeat=3)):
        yield f'Agent::"{name}"', [agent(name, level, itertools.compress(roles, held)), *groups]


def in_the_end(policies: PolicySet, request: dict[str, Any], entities: list[dict[str, Any]]) -> bool:
    """Whether a request is allowed at last, the chains that exist approving."""
    granted: set[str] = set()
    while True:
        decision = authorize(policies, request, entities, granted)
        if decision.outcome != "escalate":
            return decision.outcome == "allow"
        granted |= set(decision.chains)
        if not granted <= {"one", "two"}:
            return False


def found(loaded: LoadedScenario, check: str) -> list[Finding]:
    findings = [
        finding for finding in verify(loaded.policies, loaded, checks=[check]).findings if finding.check == check
    ]
    assert "undecided" not in {finding.verdict for finding in findings}
    return findings


def first(policies: PolicySet, request: dict[str, Any], entities: list[dict[str, Any]]) -> Decision:
    return authorize(policies, request, entities)


RISKY: dict[str, Callable[[dict[str, Any], list[dict[str, Any]]], bool]] = {
    "context.amount > 2": lambda context, _: context["amount"] > 2,
    'context has tool && context.tool == "a"': lambda context, _: context.get("tool") == "a",
    "principal.level > 3": lambda _, store: store[0]["attrs"]["level"] > 3,
}
quick = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    "when", ["context.amount > 2", 'context has tool && context.tool == "a"', "principal.level > 3"]
)
@given(st.randoms(use_true_random=False))
@quick
def test_a_risk_is_unguarded_where_some_such_request_is_allowed(
    tmp_path: Path, when: str, chance: random.Random
) -> None:
    loaded = scenario(tmp_path, chance, when, ATOMS)
    unguarded = any(
        first(loaded.policies, asked(principal, "pay", resource, context), [*store, *thing]).outcome == "allow"
        for context in CONTEXTS
        for principal, store in agents()
        for resource, thing in things()
        if RISKY[when](context, store)
    )
    (finding,) = found(loaded, "P205")
    assert (finding.verdict == "violated") == unguarded


@given(st.randoms(use_true_random=False))
@quick
def test_a_step_is_never_allowed_where_none_of_its_requests_is(tmp_path: Path, chance: random.Random) -> None:
    loaded = scenario(tmp_path, chance)
    step, work = loaded.scenario.workflows["w"].steps["s"], loaded.scenario.work["w"]
    constants = getattr(step, "context", {})
    amounts = {"values(1=0.5, 9=0.5)": (1, 9), "uniform(low=3, high=5)": (3, 4, 5)}
    allowed = any(
        in_the_end(
            loaded.policies,
            asked('Agent::"child"', "pay", resource, {"amount": amount, "kind": "a", **constants}),
            [*ENTITIES, *thing],
        )
        for amount in amounts.get(str(work.attributes["amount"]), (4,))
        for resource, thing in things()
        if resource == 'Thing::"t"'
    )
    (finding,) = found(loaded, "P303")
    assert (finding.verdict == "holds") == allowed


@given(st.randoms(use_true_random=False))
@quick
def test_an_agent_has_more_than_its_steps_use_where_some_other_request_is_allowed(
    tmp_path: Path, chance: random.Random
) -> None:
    loaded = scenario(tmp_path, chance)
    constants = getattr(loaded.scenario.workflows["w"].steps["s"], "context", {})
    beyond = {
        ("child", action)
        for action, context, (resource, thing) in itertools.product(("pay", "look"), CONTEXTS, things())
        if not (action == "pay" and resource == 'Thing::"t"' and constants.items() <= context.items())
        and first(loaded.policies, asked('Agent::"child"', action, resource, context), [*ENTITIES, *thing]).outcome
        == "allow"
    } | {
        ("parent", action)
        for action, context, (resource, thing) in itertools.product(("pay", "look"), CONTEXTS, things())
        if first(loaded.policies, asked('Agent::"parent"', action, resource, context), [*ENTITIES, *thing]).outcome
        == "allow"
    }
    told = {
        (finding.policies[0].name, finding.policies[1].name.removeprefix('Action::"').removesuffix('"'))
        for finding in found(loaded, "P302")
        if finding.verdict == "violated" and finding.policies[1].name.startswith("Action")
    }
    assert told == beyond


@given(st.randoms(use_true_random=False))
@quick
def test_a_child_does_more_than_its_parent_where_some_request_says_so(tmp_path: Path, chance: random.Random) -> None:
    loaded = scenario(tmp_path, chance)

    def more(action: str, resource: str, context: dict[str, Any], thing: list[dict[str, Any]]) -> bool:
        child, parent = (
            first(loaded.policies, asked(f'Agent::"{name}"', action, resource, context), [*ENTITIES, *thing])
            for name in ("child", "parent")
        )
        if child.outcome == "deny":
            return False
        return parent.outcome == "deny" or not set(parent.chains) <= set(child.chains)

    beyond = any(
        more(action, resource, context, thing)
        for action, context, (resource, thing) in itertools.product(("pay", "look"), CONTEXTS, things())
    )
    (finding,) = (f for f in found(loaded, "P302") if [ref.name for ref in f.policies][:2] == ["child", "parent"])
    assert (finding.verdict == "violated") == beyond
