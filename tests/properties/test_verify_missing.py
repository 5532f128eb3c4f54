"""P103 against random requests and stores, entities missing among them: no claim is refuted by cedarpy."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cedar.load import policy_set
from verify.checks.errors import may_err
from verify.encode import Encoder
from verify.eval import evaluate
from verify.findings import Finding, Witness
from verify.query import BUDGETS, Analysis, Case
from verify.world import interpretation

SCHEMA = """
entity Team in [Team];
entity User in [Team] = { tier: Long, boss: User, nick?: String, teams: Set<Team> } tags Long;
entity Doc = { owner: User };
action view appliesTo { principal: [User], resource: [Doc], context: { n: Long, m?: Long } };
"""
USERS = ["principal", "principal.boss", "resource.owner", 'User::"u1"']
NUMBERS = [0, 1, -1, 2**62, 2**63 - 1, -(2**63)]


class Writer:
    """Writes random conditions that pass strict validation, and random requests with random stores."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def condition(self) -> str:
        user, number = self.chance.choice(USERS), self.chance.choice(["context.n", f"{self.chance.choice(USERS)}.tier"])
        atom = self.chance.choice(
            [
                "context.n > 1",
                f"{number} * 2 > 1",
                f"{number} + 1 > 1",
                f"-{number} > 1",
                "context has m && context.m - 1 > 0",
                f"{user}.tier < 3",
                f'{user} in Team::"t"',
                f"{user} in {self.chance.choice(USERS)}.teams",
                f'{user} has nick && {user}.nick == "x"',
                f'{user}.hasTag("k") && {user}.getTag("k") > 0',
                f'{user}.hasTag("k") && {user}.getTag("k") + 1 > 0',
                f'{user}.teams.contains(Team::"t")',
                f"{user} == principal",
                "context.n < 5 && context.n > -5",
            ]
        )
        return f"({atom})"

    def text(self, policies: int) -> str:
        written = []
        for number in range(policies):
            parts = [self.condition() for _ in range(self.chance.randint(1, 3))]
            condition = parts[0]
            for part in parts[1:]:
                condition = f"({condition} {self.chance.choice(['&&', '||'])} {part})"
            effect = self.chance.choice(["permit", "forbid"])
            written.append(f'@id("p{number}") {effect}(principal, action, resource) when {{ {condition} }};')
        return "\n".join(written)

    def case(self, missing: bool) -> Witness:
        users = ["u0", "u1", "u2"]
        entities: list[dict[str, Any]] = [
            *({"uid": {"type": "Team", "id": name}, "attrs": {}, "parents": []} for name in ("t", "s")),
            *(self._user(name, users) for name in users),
            {"uid": {"type": "Doc", "id": "d"}, "attrs": {"owner": self._ref("User", users)}, "parents": []},
        ]
        kept: list[Mapping[str, Any]] = [entity for entity in entities if not missing or self.chance.random() < 0.6]
        context = {"n": self.chance.choice(NUMBERS)}
        if self.chance.random() < 0.5:
            context["m"] = self.chance.choice(NUMBERS)
        return Witness(f'User::"{self.chance.choice(users)}"', 'Action::"view"', 'Doc::"d"', context, tuple(kept))

    def _user(self, name: str, users: list[str]) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            "tier": self.chance.choice(NUMBERS),
            "boss": self._ref("User", users),
            "teams": [self._ref("Team", ["t"])] * self.chance.randint(0, 1),
        }
        if self.chance.random() < 0.5:
            attributes["nick"] = self.chance.choice(["x", "y"])
        tags = {"k": self.chance.choice(NUMBERS)} if self.chance.random() < 0.5 else {}
        parents = [{"type": "Team", "id": t} for t in ("t", "s") if self.chance.random() < 0.5]
        return {"uid": {"type": "User", "id": name}, "attrs": attributes, "parents": parents, "tags": tags}

    def _ref(self, type: str, names: list[str]) -> dict[str, Any]:
        return {"__entity": {"type": type, "id": self.chance.choice(names)}}


def _refuted(finding: Finding, index: int, whole: list[Case], lacking: list[Case]) -> bool:
    """Whether requests show that a policy errs where a finding says that it does not."""
    if finding.verdict == "holds":
        return any(index in case.errored for case in whole + lacking)
    return "not in the store" in finding.message and any(index in case.errored for case in whole)


def _judged(seed: int, requests: int) -> set[tuple[str, str]]:
    writer = Writer(random.Random(seed))
    policies = policy_set(writer.text(4), SCHEMA)
    analysis = Analysis(policies, BUDGETS["low"])
    whole = [analysis.case(writer.case(False)) for _ in range(requests)]
    lacking = [analysis.case(writer.case(True)) for _ in range(requests)]
    findings = list(may_err(analysis, range(4)))
    named = {int(name.name[1:]): finding for finding in findings for name in finding.policies}
    assert named.keys() == set(range(4))
    for index, finding in named.items():
        assert finding.verdict != "undecided", finding
        assert not _refuted(finding, index, whole, lacking), (policies.text, finding)
    return {(finding.verdict, finding.severity) for finding in findings}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_no_claim_about_errors_is_refuted(seed: int) -> None:
    _judged(seed, 40)


@pytest.mark.long
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_no_claim_about_errors_is_refuted_by_many_requests(seed: int) -> None:
    _judged(seed, 400)


def test_random_sets_have_every_verdict() -> None:
    told = set().union(*(_judged(seed, 1) for seed in range(8)))
    assert told >= {("holds", "error"), ("violated", "error"), ("violated", "warning"), ("violated", "info")}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_the_encoding_with_missing_entities_says_what_cedarpy_says(seed: int) -> None:
    writer = Writer(random.Random(seed))
    policies = policy_set(writer.text(5), SCHEMA)
    analysis = Analysis(policies, BUDGETS["low"], missing=True)
    (environment,) = policies.schema.environments()
    matches = [Encoder(policies.schema, environment, missing=True).match(p.syntax) for p in policies.policies]
    for _ in range(25):
        witness = writer.case(True)
        case, meaning = analysis.case(witness), interpretation(witness)
        assert {i for i, m in enumerate(matches) if not evaluate(m.ok, meaning)} == case.errored
        assert {i for i, m in enumerate(matches) if evaluate(m.matches, meaning)} == case.matched


def test_fewer_entities_never_heal_an_error_that_values_make() -> None:
    text = '@id("p0") forbid(principal, action, resource) when { context.n * 2 > 1 || principal.tier > 3 };'
    policies = policy_set(text, SCHEMA)
    analysis = Analysis(policies, BUDGETS["low"])
    witness = Writer(random.Random(1)).case(False)
    large = Witness(witness.principal, witness.action, witness.resource, {"n": 2**62}, witness.entities)
    for kept in combinations(large.entities, 3):
        smaller = Witness(large.principal, large.action, large.resource, large.context, kept)
        assert 0 in analysis.case(smaller).errored
