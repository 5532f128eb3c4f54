"""Random policies, requests and stores: the encoding says what cedarpy says, and proofs survive random requests."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cedar.entities import entities_handle
from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from verify import properties
from verify import term as t
from verify.encode import Encoder
from verify.eval import evaluate
from verify.findings import Witness
from verify.query import BUDGETS, Analysis, Found, Impossible
from verify.term import subterms
from verify.world import interpretation

SCHEMA = """
entity Color enum ["red", "green"];
entity Group in [Group] = { open: Bool };
entity User in [Group] = { age: Long, name?: String, boss: User, tint?: Color, roles: Set<String> } tags Long;
entity Doc in [Group] = { owner: User, watchers: Set<User>, meta: { note?: String, size: Long } };
action all;
action view, edit in [all] appliesTo {
  principal: [User], resource: [Doc],
  context: {
    n: Long, m?: Long, s: String, flag: Bool, who: User, crowd: Set<User>, words: Set<String>, deep?: { k: Long }
  }
};
"""
NUMBERS = ["0", "1", "-1", "2", "7", "9223372036854775807", "-9223372036854775808"]
STRINGS = ["", "a", "b", "ab", "a.env"]
GLOBS = ["*", "a*", "*b", "*.env", "a*b", "ab", "*a*"]
USERS, GROUPS, DOCS = ["u0", "u1", "u2"], ["g0", "g1", "g2"], ["d0", "d1"]


class Writer:
    """Writes random well-typed expressions in Cedar's text."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def pick(self, *choices: Any) -> Any:
        return self.chance.choice(choices)

    def bool(self, depth: int) -> str:
        if depth == 0:
            return self.pick(
                "context.flag", "true", "false", "context has m", "principal has name", "resource has meta"
            )
        d = depth - 1
        kinds = (
            lambda: f"({self.bool(d)} && {self.bool(d)})",
            lambda: f"({self.bool(d)} || {self.bool(d)})",
            lambda: f"!({self.bool(d)})",
            lambda: f"(if {self.bool(d)} then {self.bool(d)} else {self.bool(d)})",
            lambda: f"({self.long(d)} {self.pick('<', '<=', '>', '>=', '==', '!=')} {self.long(d)})",
            lambda: f"({self.string(d)} {self.pick('==', '!=')} {self.string(d)})",
            lambda: f'{self.string(d)} like "{self.pick(*GLOBS)}"',
            lambda: f"({self.user(d)} == {self.user(d)})",
            lambda: f"({self.pick(self.user(d), 'resource')} in {self.group()})",
            lambda: f"({self.pick(self.user(d), 'resource')} in [{self.group()}, {self.group()}])",
            lambda: f"({self.user(d)} in {self.users(d)})",
            lambda: f"({self.user(d)} is {self.pick('User', 'Group')})",
            lambda: f"({self.users(d)}).contains({self.user(d)})",
            lambda: f"({self.words(d)}).contains({self.string(d)})",
            lambda: f"({self.words(d)}).{self.pick('containsAll', 'containsAny')}({self.words(d)})",
            lambda: f"({self.users(d)}).{self.pick('containsAll', 'containsAny')}({self.users(d)})",
            lambda: f"({self.words(d)}).isEmpty()",
            lambda: f"({self.words(d)} == {self.words(d)})",
            lambda: f"{self.user(d)}.hasTag({self.string(d)})",
            lambda: "(context has deep.k)",
            lambda: f"({self.user(d)} has tint && {self.user(d)}.tint == Color::\"red\")",
            lambda: f"(resource.meta == {{size: {self.long(d)}, note: {self.string(d)}}})",
            lambda: 'action in Action::"all"',
        )  # fmt: skip
        return str(self.pick(*kinds)())

    def long(self, depth: int) -> str:
        if depth == 0:
            return str(self.pick("context.n", "context.m", "principal.age", "resource.meta.size", *NUMBERS))
        d = depth - 1
        kinds = (
            lambda: f"({self.long(d)} {self.pick('+', '-')} {self.long(d)})",
            lambda: f"({self.pick('2', '-3')} * {self.long(d)})",
            lambda: f"(-{self.long(d)})",
            lambda: f"(if {self.bool(d)} then {self.long(d)} else {self.long(d)})",
            lambda: f"{self.user(d)}.getTag({self.string(d)})",
            lambda: "context.deep.k",
        )
        return str(self.pick(*kinds)()) if self.chance.random() < 0.6 else self.long(0)

    def string(self, _: int) -> str:
        return str(self.pick("context.s", "principal.name", "resource.meta.note", *(f'"{s}"' for s in STRINGS)))

    def user(self, depth: int) -> str:
        simple = ["principal", "context.who", "resource.owner", 'User::"u0"', 'User::"u1"']
        return str(self.pick(*simple) if depth == 0 or self.chance.random() < 0.7 else f"{self.user(depth - 1)}.boss")

    def group(self) -> str:
        return str(self.pick('Group::"g0"', 'Group::"g1"', 'Group::"g2"'))

    def users(self, depth: int) -> str:
        return str(self.pick("context.crowd", "resource.watchers", f"[{self.user(depth)}, {self.user(depth)}]"))

    def words(self, depth: int) -> str:
        return str(self.pick("context.words", "principal.roles", f"[{self.string(depth)}, {self.string(depth)}]"))

    def policy(self) -> str:
        scope = self.pick("principal", 'principal in Group::"g0"', "principal is User", 'principal == User::"u0"')
        action = self.pick(
            "action", 'action == Action::"view"', 'action in [Action::"all"]', 'action in Action::"edit"'
        )
        clauses = " ".join(f"{self.pick('when', 'unless')} {{ {self.bool(3)} }}" for _ in range(self.pick(1, 1, 2)))
        return (
            f"{self.pick('permit', 'forbid')}({scope}, {action}, {self.pick('resource', 'resource is Doc')}) {clauses};"
        )

    # requests and stores

    def input(self) -> Witness:
        """A request and a strongly well-formed store."""
        users = {name: self._user(name) for name in USERS}
        groups = {name: {"open": self.pick(True, False)} for name in GROUPS}
        entities = [
            *(self._entity("User", name, attributes) for name, attributes in users.items()),
            *(
                self._entity("Group", name, attributes, position)
                for position, (name, attributes) in enumerate(groups.items())
            ),
            *(self._entity("Doc", name, self._doc()) for name in DOCS),
            *({"uid": {"type": "Color", "id": c}, "attrs": {}, "parents": []} for c in ("red", "green")),
        ]
        for entity in entities[: len(USERS)]:
            entity["tags"] = {key: self._long() for key in STRINGS if self.chance.random() < 0.3}
        context = {
            "n": self._long(), "s": self._string(), "flag": self.pick(True, False), "who": self._ref(),
            "crowd": self._refs(), "words": self._strings(),
        }  # fmt: skip
        if self.pick(True, False):
            context["m"] = self._long()
        if self.pick(True, False):
            context["deep"] = {"k": self._long()}
        names = (f'User::"{self.pick(*USERS)}"', f'Action::"{self.pick("view", "edit")}"', f'Doc::"{self.pick(*DOCS)}"')
        return Witness(*names, context, _closed(entities))

    def _entity(self, type: str, name: str, attributes: Mapping[str, Any], below: int = 0) -> dict[str, Any]:
        # A group is below later groups only, so the hierarchy has no circle.
        above = GROUPS[below + 1 :] if type == "Group" else GROUPS
        parents = [{"type": "Group", "id": g} for g in above if self.chance.random() < 0.4]
        return {"uid": {"type": type, "id": name}, "attrs": attributes, "parents": parents}

    def _user(self, name: str) -> dict[str, Any]:
        user = {"age": self._long(), "boss": self._ref(), "roles": self._strings()}
        if self.pick(True, False):
            user["name"] = self._string()
        if self.pick(True, False):
            user["tint"] = {"__entity": {"type": "Color", "id": self.pick("red", "green")}}
        return user

    def _doc(self) -> dict[str, Any]:
        meta = {"size": self._long()} | ({"note": self._string()} if self.pick(True, False) else {})
        return {"owner": self._ref(), "watchers": self._refs(), "meta": meta}

    def _long(self) -> int:
        return int(self.pick(*NUMBERS))

    def _string(self) -> str:
        return str(self.pick(*STRINGS))

    def _strings(self) -> list[str]:
        return [s for s in STRINGS if self.chance.random() < 0.3]

    def _ref(self) -> dict[str, Any]:
        return {"__entity": {"type": "User", "id": self.pick(*USERS)}}

    def _refs(self) -> list[dict[str, Any]]:
        return [{"__entity": {"type": "User", "id": u}} for u in USERS if self.chance.random() < 0.4]


def _closed(entities: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The store with every ancestor as a parent."""
    parents = {(e["uid"]["type"], e["uid"]["id"]): {p["id"] for p in e["parents"]} for e in entities}
    for group in GROUPS:
        for above in parents.values():
            if group in above:
                above |= parents["Group", group]
    for entity in entities:
        found = parents[entity["uid"]["type"], entity["uid"]["id"]]
        entity["parents"] = [{"type": "Group", "id": group} for group in sorted(found)]
    return tuple(entities)


def unvalidated(texts: Sequence[str]) -> PolicySet:
    """The set under the schema, without strict validation: policies may err."""
    typed = policy_set("", SCHEMA)
    read = policy_set("\n".join(texts))
    store = entities_handle((), typed.schema)
    return replace(
        read, schema=typed.schema, schema_text=typed.schema_text, schema_inferred=False, entities=(), store=store
    )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_the_encoding_says_what_cedarpy_says(seed: int) -> None:
    writer = Writer(random.Random(seed))
    policies = unvalidated([writer.policy() for _ in range(4)])
    analysis = Analysis(policies, BUDGETS["low"])
    for _ in range(6):
        witness = writer.input()
        case = analysis.case(witness)
        environment = next(e for e in policies.schema.environments() if e.action == witness.action)
        meaning = interpretation(witness)
        encoder = Encoder(policies.schema, environment)
        matches = [encoder.match(policy.syntax) for policy in policies.policies]
        assert {i for i, m in enumerate(matches) if not evaluate(m.ok, meaning)} == case.errored
        assert {i for i, m in enumerate(matches) if evaluate(m.matches, meaning)} == case.matched


def _asked(seed: int, inputs: int) -> tuple[int, int]:
    """Asks every question about two random policies; witnesses replay or an error is raised. Counts both verdicts."""
    writer = Writer(random.Random(seed))
    policies = unvalidated([writer.policy() for _ in range(2)])
    analysis = Analysis(policies, BUDGETS["normal"])
    cases = [analysis.case(writer.input()) for _ in range(inputs)]
    found = proved = 0
    for environment in policies.schema.environments():
        here = [case for case in cases if case.witness.action == environment.action]
        questions = [
            (properties.never_errors(analysis, environment, 0), lambda c: 0 in c.errored),
            (properties.never_matches(analysis, environment, 0), lambda c: 0 in c.matched),
            (properties.always_matches(analysis, environment, 0), lambda c: 0 not in c.matched),
            (properties.matches_implies(analysis, environment, 0, 1), lambda c: 0 in c.matched and 1 not in c.matched),
            (properties.matches_disjoint(analysis, environment, 0, 1), lambda c: c.matched >= {0, 1}),
            (
                properties.matches_equivalent(analysis, environment, 0, 1),
                lambda c: (0 in c.matched) != (1 in c.matched),
            ),
        ]
        for question, counters in questions:
            answer = analysis.ask(*question)
            found += isinstance(answer, Found)
            if isinstance(answer, Impossible):
                proved += 1
                assert not any(map(counters, here)), (policies.text, answer)
    return found, proved


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_proofs_survive_random_requests_and_witnesses_replay(seed: int) -> None:
    _asked(seed, 100)


@pytest.mark.long
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_proofs_survive_a_thousand_random_requests(seed: int) -> None:
    _asked(seed, 1000)


def test_random_questions_have_both_answers() -> None:
    answers = [_asked(seed, 5) for seed in range(12)]
    assert sum(found for found, _ in answers) > 20
    assert sum(proved for _, proved in answers) > 5


def test_constants_need_no_solver() -> None:
    policies = unvalidated(['permit(principal, action, resource) when { 1 + 1 == 2 && "ab" like "a*" && !(3 < 2) };'])
    environment = policies.schema.environments()[0]
    assert Encoder(policies.schema, environment).match(policies.policies[0].syntax).matches is t.TRUE
    assert [each.op for each in subterms(t.TRUE)] == ["const"]
