"""P103's suggested edits on random conditions and stores: cedarpy says that they do what the suggestion says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.cedar.decision import evaluated
from models.cedar.load import policy_set
from verify.findings import Edit
from verify.verify import verify

SCHEMA = """
entity User = { tier: Long, boss: User, nick?: User };
entity Doc = { owner: User, open: Bool };
action view appliesTo { principal: User, resource: Doc, context: { n: Long, m?: Long } };
"""
ATOMS = [
    "true", "context.n > 3", "context has m && context.m > 1", "principal.tier < 3", "resource.open",
    "resource.owner == principal", "principal.boss.tier > 2", "principal has nick && principal.nick.tier == 1",
    'User::"b".tier > context.n', "resource.owner.boss.tier < 5",
]  # fmt: skip
CONDITION = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) && ({two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) || ({two[1]})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner, inner).map(lambda three: "if {} then {} else {}".format(*three)),
    ),
    max_leaves=4,
)
CLAUSES = st.tuples(st.sampled_from(["when", "unless"]), CONDITION, st.sampled_from(["when", "unless"]), CONDITION)


def applied(text: str, edits: Sequence[Edit]) -> str:
    for edit in sorted(edits, key=lambda one: (one.line, one.column), reverse=True):
        at = sum(len(line) + 1 for line in text.split("\n")[: edit.line - 1]) + edit.column - 1
        assert text.startswith(edit.remove, at)
        text = text[:at] + edit.insert + text[at + len(edit.remove) :]
    return text


def drawn(chance: random.Random, complete: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A request and a store that may lack entities, and attributes too unless they are complete."""

    def some(attributes: dict[str, Any]) -> dict[str, Any]:
        kept = {"nick", "m"} if complete else attributes.keys()
        return {name: value for name, value in attributes.items() if name not in kept or chance.random() < 0.7}

    def user() -> dict[str, Any]:
        return {"__entity": {"type": "User", "id": chance.choice("ab")}}

    store = [
        {"uid": {"type": type, "id": id}, "attrs": some(attributes), "parents": []}
        for type, id, attributes in (
            *(("User", id, {"tier": chance.randrange(6), "boss": user(), "nick": user()}) for id in "ab"),
            ("Doc", "d", {"owner": user(), "open": chance.random() < 0.5}),
        )
        if chance.random() < 0.8
    ]
    context = some({"n": chance.randrange(6), "m": chance.randrange(4)})
    asked = {"principal": f'User::"{chance.choice("ab")}"', "action": 'Action::"view"', "resource": 'Doc::"d"'}
    return {**asked, "context": context}, store


@settings(max_examples=100, deadline=None)
@given(CLAUSES, st.sampled_from(["permit", "forbid"]), st.booleans(), st.integers(0, 2**32))
def test_guarded_rules_never_err_permits_match_as_before_and_forbids_where_they_erred(
    clauses: tuple[str, str, str, str], effect: str, complete: bool, seed: int
) -> None:
    head = f'@id("rule") {effect}(principal is User, action == Action::"view", resource is Doc)'
    text = "{}\n{} {{ {} }} {} {{ {} }};".format(head, *clauses)
    schema = SCHEMA if complete else None
    before = policy_set(text, schema)
    found = [f for f in verify(before, checks=["P103"]).findings if f.verdict == "violated" and f.suggestion]
    if not found or found[0].suggestion is None:
        return
    after = policy_set(applied(text, found[0].suggestion.edits), schema)
    chance = random.Random(seed)
    for _ in range(100):
        asked, store = drawn(chance, complete)
        matched, errors = evaluated(before, asked, store)
        matches_now, errors_now = evaluated(after, asked, store)
        assert not errors_now
        assert matched <= matches_now
        if effect == "permit" or not errors:
            assert matched == matches_now
