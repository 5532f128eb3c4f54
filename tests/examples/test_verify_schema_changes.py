"""Changes of a schema, alone and with the policies, worked by hand."""

from __future__ import annotations

import pytest

from models.cedar.load import policy_set
from models.cedar.schema import parse_schema
from verify.diff import Diff, diff, to_json
from verify.worlds import shared_schema

SCHEMA = """
entity Team;
entity User in [Team];
entity Doc = { public: Bool, level: Long };
action readers;
action view, list in [readers] appliesTo { principal: User, resource: Doc };
action edit appliesTo { principal: User, resource: Doc, context: { amount: Long } };
"""


def changed(old: str, new: str, old_schema: str = SCHEMA, new_schema: str = SCHEMA) -> Diff:
    return diff(policy_set(old, old_schema, file="old.cedar"), policy_set(new, new_schema, file="new.cedar"))


def results(found: Diff) -> dict[str, str]:
    return {one.environment.action: one.result for one in found.environments}


def told(found: Diff) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(*change.transition, change.schemas) for one in found.environments for change in one.changes]


PUBLIC = '@id("public") permit(principal, action == Action::"view", resource) when { resource.public };'
GUARDED = PUBLIC.replace("resource.public }", "resource has public && resource.public }")
LOOSE = PUBLIC.replace("resource.public }", "if resource has public then resource.public else true }")
OPTIONAL = SCHEMA.replace("public: Bool", "public?: Bool")


def test_an_attribute_made_optional_with_a_guard_changes_nothing() -> None:
    found = changed(PUBLIC, GUARDED, SCHEMA, OPTIONAL)
    assert found.result == "equivalent"
    assert to_json(found)["checked"]["schema_changed"] is True


def test_an_attribute_made_optional_and_allowed_when_absent() -> None:
    found = changed(PUBLIC, LOOSE, SCHEMA, OPTIONAL)
    assert results(found)['Action::"view"'] == "less_permissive"
    assert told(found) == [("deny", "allow", ("new",))]
    (finding, _) = found.findings.findings
    assert "no permit matches, and `public` (old.cedar:1) errs on it" in finding.message


def test_an_attribute_made_required_refuses_nothing_that_was_allowed() -> None:
    assert told(changed(LOOSE, PUBLIC, OPTIONAL, SCHEMA)) == [("allow", "deny", ("old",))]


def test_a_type_that_changes_makes_rules_of_the_other_side_err() -> None:
    text = SCHEMA.replace("level: Long", "level: String")
    number = 'permit(principal, action == Action::"view", resource) when { resource.level > 3 };'
    word = 'permit(principal, action == Action::"view", resource) when { resource.level like "4*" };'
    assert sorted(told(changed(number, word, SCHEMA, text))) == [
        ("allow", "deny", ("old",)),
        ("deny", "allow", ("new",)),
    ]


ALL = '@id("all") permit(principal, action, resource);'


def test_an_action_that_no_longer_applies_is_refused() -> None:
    gone = SCHEMA.replace("action edit appliesTo { principal: User, resource: Doc, context: { amount: Long } };", "")
    found = changed(ALL, ALL, SCHEMA, gone)
    assert results(found)['Action::"edit"'] == "more_permissive"
    assert told(found) == [("allow", "deny", ("old",))]
    assert "Denied now: the new schema has no such request." in found.findings.findings[0].message
    back = changed(ALL, ALL, gone, SCHEMA)
    assert told(back) == [("deny", "allow", ("new",))]
    assert "Denied before: the old schema has no such request." in back.findings.findings[0].message


def test_an_action_with_a_wider_reach_allows_more() -> None:
    wider = SCHEMA.replace("entity Team;", "entity Team; entity Bot;").replace(
        "edit appliesTo { principal: User", "edit appliesTo { principal: [User, Bot]"
    )
    found = changed(ALL, ALL, SCHEMA, wider)
    assert {(one.environment.principal, one.result) for one in found.environments} == {
        ("User", "equivalent"),
        ("Bot", "less_permissive"),
    }
    people = ALL.replace("principal,", "principal is User,")
    assert changed(people, people, SCHEMA, wider).result == "equivalent"


READERS = '@id("readers") permit(principal, action in Action::"readers", resource);'
REGROUPED = SCHEMA.replace("action view, list in [readers]", "action list; action view in [readers]").replace(
    "action list;", "action list appliesTo { principal: User, resource: Doc };"
)


@pytest.mark.parametrize(
    "text",
    [
        READERS,
        READERS.replace(
            'action in Action::"readers", resource)', 'action, resource) when { action in Action::"readers" }'
        ),
        READERS.replace(
            'action in Action::"readers", resource)',
            'action, resource) when { action in [Action::"edit", Action::"readers"] && action != Action::"edit" }',
        ),
    ],
)
def test_an_action_that_leaves_its_group_leaves_the_groups_rules(text: str) -> None:
    found = changed(text, text, SCHEMA, REGROUPED)
    assert results(found) == {
        'Action::"edit"': "equivalent",
        'Action::"list"': "more_permissive",
        'Action::"view"': "equivalent",
    }
    assert told(found) == [("allow", "deny", ("old", "new"))]


def test_groups_written_out_are_the_same_rule() -> None:
    written = READERS.replace('action in Action::"readers"', 'action in [Action::"view", Action::"list"]')
    assert changed(READERS, written, SCHEMA, SCHEMA).result == "equivalent"
    assert changed(READERS, written, SCHEMA, REGROUPED).result == "equivalent"


def test_an_unrelated_type_changes_nothing() -> None:
    assert changed(PUBLIC, PUBLIC, SCHEMA, SCHEMA + "entity Other;").result == "equivalent"


def test_approvals_are_there_where_either_schema_has_them() -> None:
    seeing = SCHEMA.replace("amount: Long", "amount: Long, approvals: Set<String>")
    old = 'permit(principal, action == Action::"edit", resource);'
    new = old + '\n@id("two") forbid(principal, action == Action::"edit", resource)'
    new += ' when { context.amount > 9 } unless { context.approvals.contains("chief") };'
    found = changed(old, new, SCHEMA, seeing)
    assert [(*change.transition,) for one in found.environments for change in one.changes] == [("allow", "deny")]
    (change,) = (change for one in found.environments for change in one.changes)
    assert change.witness.context == {"amount": 10, "approvals": []}
    assert change.schemas == ("old", "new")


def test_a_request_that_both_schemas_admit_shows_what_the_policies_change() -> None:
    found = changed(PUBLIC, GUARDED.replace('"view"', '"list"'), SCHEMA, OPTIONAL)
    assert told(found) == [("deny", "allow", ("old", "new")), ("allow", "deny", ("old", "new"))]


def test_what_both_schemas_admit_is_admitted_by_both() -> None:
    one = """entity E { a: Long, b?: String, r: { x?: Long, y: Long } };
             action go appliesTo { principal: E, resource: E, context: { s: Long, t?: Long } };"""
    other = """entity E { a?: Long, c?: String, b?: Long, r: { x: Long, y: Long } };
               action go appliesTo { principal: E, resource: E, context: { s: Long, u?: Long } };"""
    shared = shared_schema(parse_schema(one), parse_schema(other))
    expected = """entity E { a: Long, r: { x: Long, y: Long } };
                  action go appliesTo { principal: E, resource: E, context: { s: Long } };"""
    assert shared == parse_schema(expected)


@pytest.mark.parametrize(
    "text",
    [
        "entity E { a: Long }; action go appliesTo { principal: E, resource: E };",
        "entity E; action go appliesTo { principal: E, resource: E, context: { a: String } };",
        "entity E, F; action go appliesTo { principal: E, resource: E };",
        "entity E in [E]; action go appliesTo { principal: E, resource: E };",
        "entity E; action stop appliesTo { principal: E, resource: E };",
    ],
)
def test_where_no_request_is_admitted_by_both_there_is_no_shared_environment(text: str) -> None:
    one = "entity E; action go appliesTo { principal: E, resource: E, context: { a: Long } };"
    shared = shared_schema(parse_schema(one), parse_schema(text))
    assert shared is None or shared.environments() == ()
