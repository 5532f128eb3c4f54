"""Worked cases: what annotations, tiers and schema inference come to."""

from __future__ import annotations

from pathlib import Path

import cedarpy
import pytest

from models.cedar.inference import infer, infer_schema
from models.cedar.load import load_policies, policy_set
from models.cedar.policies import Escalation, PolicySet
from models.cedar.schema import parse_schema
from models.cedar.types import (
    BoolType,
    EntityRefType,
    ExtensionType,
    LongType,
    RecordType,
    SetType,
    StringType,
    Type,
)
from models.units import MINUTE, SECOND

PERMIT = "permit (principal, action, resource);"


def test_the_annotations_of_the_windtunnel_profile() -> None:
    policy = policy_set(
        '@id("cap") @escalate("finance") @timeout("15m") @severity("high")\n'
        '@owner("payments") @overrides("risk, legal") @invariant("x") forbid (principal, action, resource);'
    ).policies[0]
    assert (policy.name, policy.owner, policy.overrides) == ("cap", "payments", {"risk", "legal"})
    assert policy.escalation == Escalation("finance", 15 * MINUTE, "high")
    assert policy.annotations["invariant"] == "x"


def test_a_policy_without_an_id_is_called_by_its_position() -> None:
    loaded = policy_set(f'{PERMIT} @id("") {PERMIT} permit (principal == ?principal, action, resource); {PERMIT}')
    assert [policy.name for policy in loaded.policies] == ["policy0", "policy1", "policy3"]
    assert [policy.index for policy in loaded.policies] == [0, 1, 2]


def _tiered(tmp_path: Path, **files: str) -> PolicySet:
    for stem, text in files.items():
        (tmp_path / f"{stem}.cedar").write_text(text)
    return load_policies(tmp_path, profile="tiered", root=tmp_path)


SOFT = (
    '@tier("soft") @rule_id("ask") @approval_timeout_s("300") @severity("medium") forbid (principal, action, resource);'
)
HARD = '@tier("hard") @rule_id("never") forbid (principal, action, resource);'


def test_a_soft_forbid_escalates_and_a_hard_one_is_absolute(tmp_path: Path) -> None:
    loaded = _tiered(tmp_path, rules=f"{PERMIT}\n{SOFT}\n{HARD}")
    assert [policy.escalation for policy in loaded.policies] == [
        None,
        Escalation("human", 300 * SECOND, "medium"),
        None,
    ]
    assert any("ask the chain `human`" in warning for warning in loaded.warnings)


def test_the_tier_of_a_file_is_that_of_its_annotated_policies_before_its_name(tmp_path: Path) -> None:
    loaded = _tiered(tmp_path, one=f"{PERMIT}\n{SOFT}", soft_rules=f"{HARD}\n{PERMIT}", hard_base=PERMIT, other=PERMIT)
    assert {policy.span.file: policy.tier for policy in loaded.policies if policy.effect == "permit"} == {
        "one.cedar": "soft",
        "soft_rules.cedar": "hard",
        "hard_base.cedar": "hard",
        "other.cedar": "",
    }


@pytest.mark.parametrize(
    ("files", "groups"),
    [
        ({"hard": f"{PERMIT}{HARD}", "soft": f"{PERMIT}{SOFT}"}, ((0,), (2,))),
        ({"hard": f"{PERMIT}{HARD}", "soft": SOFT}, ((0,),)),
        ({"both": f"{PERMIT}{HARD}{SOFT}"}, ((0,),)),
        ({"base": PERMIT, "hard": f"{PERMIT}{HARD}", "soft": f"{PERMIT}{SOFT}"}, ((0, 1), (0, 3))),
        ({"hard": HARD, "soft": SOFT}, ((),)),
    ],
    ids=["a permit in each tier", "one tier permits", "no tier's own", "a base for both", "no permit at all"],
)
def test_each_tier_with_permits_of_its_own_must_permit(
    files: dict[str, str], groups: tuple[tuple[int, ...], ...], tmp_path: Path
) -> None:
    assert _tiered(tmp_path, **files).permit_groups == groups


def test_a_forbid_of_no_tier_counts_as_hard_and_is_warned_about(tmp_path: Path) -> None:
    loaded = _tiered(tmp_path, rules=f"{PERMIT}\nforbid (principal, action, resource);\n{SOFT}{HARD}")
    assert loaded.policies[1].escalation is None
    assert "rules.cedar:2: the forbid is of no tier: it counts as hard" in loaded.warnings


# Inference


def _context(condition: str) -> dict[str, Type]:
    loaded = policy_set(f'permit (principal, action == Action::"a", resource) when {{ {condition} }};')
    return {name: attribute.type for name, attribute in loaded.schema.actions['Action::"a"'].context.attributes.items()}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('context.x like "a*"', StringType()),
        ("context.x < 5", LongType()),
        ("-context.x == 3", LongType()),
        ("context.x + 1 == context.y", LongType()),
        ("context.x", BoolType()),
        ("!context.x || context.y", BoolType()),
        ("context.x == true", BoolType()),
        ('if context.x then context.y == "a" else false', BoolType()),
        ('context.x == "a"', StringType()),
        ('context.x == User::"a"', EntityRefType("User")),
        ('context.x in Team::"a"', EntityRefType("Team")),
        ('context.x is User', EntityRefType("User")),
        ('context.x.contains("a")', SetType(StringType())),
        ('["a", "b"].contains(context.x)', StringType()),
        ("context.x.containsAny([1, 2])", SetType(LongType())),
        ("context.x.isEmpty() && context.x.contains(1)", SetType(LongType())),
        ('context.x < datetime("2025-01-01")', ExtensionType("datetime")),
        ('context.y < context.x && context.y < datetime("2025-01-01")', ExtensionType("datetime")),
        ('ip("10.0.0.0/8").isInRange(context.x) || context.x.isLoopback()', ExtensionType("ipaddr")),
        ('context.x.lessThan(decimal("1.0"))', ExtensionType("decimal")),
        ("context.x.toHours() > 3", ExtensionType("duration")),
        ("context.x < context.y", LongType()),
        ("context.x == context.y", StringType()),
        ("context has x", StringType()),
        ("principal in context.x && principal is User", EntityRefType("User")),
    ],
)  # fmt: skip
def test_the_type_of_an_attribute_is_that_of_its_uses(condition: str, expected: Type) -> None:
    assert _context(condition)["x"] == expected


def test_nested_access_makes_records_and_everything_is_optional() -> None:
    loaded = policy_set("permit (principal, action, resource) when { context.a.b.c > 1 && context.a has d };")
    outer = loaded.schema.actions['Action::"action"'].context.attributes["a"]
    assert isinstance(outer.type, RecordType)
    inner = outer.type.attributes["b"]
    assert isinstance(inner.type, RecordType)
    assert inner.type.attributes["c"].type == LongType()
    assert {outer.required, inner.required, inner.type.attributes["c"].required} == {False}
    assert outer.type.attributes["d"].type == StringType()


def test_a_context_attribute_belongs_to_the_actions_that_read_it() -> None:
    schema = policy_set(
        'permit (principal, action == Action::"a", resource) when { context.own };\n'
        'permit (principal, action in [Action::"b", Action::"c"], resource) when { context.two };\n'
        "forbid (principal, action, resource) when { context.every };"
    ).schema
    names = {uid: sorted(action.context.attributes) for uid, action in schema.actions.items()}
    assert names == {
        'Action::"a"': ["every", "own"],
        'Action::"b"': ["every", "two"],
        'Action::"c"': ["every", "two"],
    }


def test_an_action_applies_to_the_types_that_its_policies_name() -> None:
    schema = policy_set(
        'permit (principal is User, action == Action::"a", resource == Doc::"d");\n'
        'permit (principal, action == Action::"b", resource) when { resource is Box };\n'
        'permit (principal is Bot, action == Action::"c", resource is Box in Room::"r");'
    ).schema
    applies = {uid: (set(a.principals), set(a.resources)) for uid, a in schema.actions.items()}
    assert applies == {
        'Action::"a"': ({"User"}, {"Doc"}),
        'Action::"b"': ({"User", "Bot"}, {"Doc", "Box"}),
        'Action::"c"': ({"Bot"}, {"Box"}),
    }
    assert schema.entity_types["Box"].parents == ("Room",)


def test_placeholders_stand_where_the_policies_name_nothing() -> None:
    schema = policy_set('permit (principal, action == Shop::Action::"a", resource);').schema
    environment = schema.environments()[0]
    assert (environment.principal, environment.resource) == ("Shop::Principal", "Shop::Resource")


def test_a_type_test_narrows_what_an_attribute_is_read_of() -> None:
    schema = policy_set(
        'permit (principal, action, resource) when { principal is User && principal.name like "a*" };\n'
        "permit (principal, action, resource) when { principal is Bot } when { principal.level > 3 };"
    ).schema
    assert list(schema.entity_types["User"].attributes.attributes) == ["name"]
    assert list(schema.entity_types["Bot"].attributes.attributes) == ["level"]


def test_tags_and_hierarchy_are_inferred() -> None:
    schema = policy_set(
        'permit (principal is User, action, resource is Doc) when {\n'
        '  principal in [Team::"a", Org::"b"] && resource.hasTag("k") && resource.getTag("k").contains(principal) };'
    ).schema  # fmt: skip
    assert set(schema.entity_types["User"].parents) == {"Team", "Org"}
    assert schema.entity_types["Doc"].tags == SetType(EntityRefType("User"))


def test_types_at_odds_and_unknown_types_are_warned_about() -> None:
    warnings = policy_set(
        'permit (principal, action in Action::"all", resource)\n'
        'when { context.c == 1 || context.c == "a" || context.u == context.v };'
    ).warnings  # fmt: skip
    text = "\n".join(warnings)
    assert "`context.c` is used as Long (<text>:2) and String (<text>:2): it is taken as Long, and checks of" in text
    assert "nothing says the type of `context.u`" in text
    assert 'the members of the action group Action::"all" are not known' in text


CONFLICTING = """@id("a") permit (principal is User, action == Action::"x", resource) when { context.n > 5 };
@id("b") permit (principal is User, action == Action::"x", resource)
when { resource.open &&
       context.n == "gold" };
@id("c") permit (principal is User, action == Action::"y", resource is Doc) when { context.n > 4 };
"""


def test_a_conflict_names_both_uses_where_they_stand_and_the_policies_that_read_it() -> None:
    (conflict,) = policy_set(CONFLICTING, file="a.cedar").conflicts
    assert conflict.attribute == "context.n"
    assert [(kind, str(place)) for kind, place in conflict.uses] == [
        ("Long", "a.cedar:1:85"),
        ("String", "a.cedar:4:16"),
    ]
    assert conflict.policies == {0, 1}, "the other action has a context of its own"


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ("resource.o == User::\"a\" || resource.o == Group::\"b\"", {"Doc.o": ["User", "Group"]}),
        ("resource.o is User || resource.o is Group", {"Doc.o": ["User", "Group"]}),
        ("resource.o == Action::\"x\"", {"Doc.o": ["Action"]}),
        ('["a", "b"].contains(context.x) && context.x < 3', {"context.x": ["String", "Long"]}),
        ('context.x.contains(1) && context.x.contains("a")', {"context.x[]": ["Long", "String"]}),
        ('context.r.f == 1 && context.r.f like "a"', {"context.r.f": ["Long", "String"]}),
        ('resource.getTag("k") == 1 && resource.getTag("l") == "a"', {"the tags of Doc": ["Long", "String"]}),
        ('context.x == context.y && context.x == 1 && context.y == "a"', {
            "context.x": ["Long", "String"], "context.y": ["Long", "String"],
        }),
        ("context.x == 1 || 1 == context.x || context.x > 3", {}),
        ("resource.o == principal && resource.o == User::\"a\" && resource.o in Group::\"g\"", {}),
        ("context.x == context.y && context.z == principal", {}),
        ("principal == Group::\"b\"", {}),
    ],
)  # fmt: skip
def test_conflicts_are_of_attributes_whose_uses_no_type_fits(conditions: str, found: dict[str, list[str]]) -> None:
    text = f'permit (principal is User, action == Action::"x", resource is Doc) when {{ {conditions} }};'
    conflicts = policy_set(text).conflicts
    assert {conflict.attribute: [kind for kind, _ in conflict.uses] for conflict in conflicts} == found
    assert all(conflict.policies == {0} for conflict in conflicts)


def test_who_reads_what_holds_a_conflict_reads_the_conflict() -> None:
    text = """permit (principal is User, action == Action::"x", resource) when { context.r.f == 1 };
    forbid (principal is User, action == Action::"x", resource) when { context.r.f == "a" };
    forbid (principal is User, action == Action::"x", resource) when { context.r == {f: 1} };
    forbid (principal is User, action == Action::"x", resource) when { context == {n: 1} };
    forbid (principal is User, action == Action::"x", resource) when { context.n == 1 };"""
    (conflict,) = policy_set(text).conflicts
    assert (conflict.attribute, conflict.policies) == ("context.r.f", {0, 1, 2, 3})


def test_a_schema_that_is_given_has_no_conflicts() -> None:
    schema = 'entity User, Doc; action "x" appliesTo { principal: User, resource: Doc, context: { n: Long } };'
    assert policy_set("permit (principal, action, resource) when { context.n == 1 };", schema).conflicts == ()


def test_an_inferred_schema_says_what_each_part_is_from() -> None:
    inferred = infer(policy_set(CONFLICTING, file="a.cedar").policies)
    origins = {(o.kind, o.name): (o.type, [f"{use} {place}" for use, place in o.uses]) for o in inferred.origins}
    assert origins == {
        ("entity type", "Doc"): ("", ["named a.cedar:5:72"]),
        ("entity type", "User"): ("", ["named a.cedar:1:31"]),
        ("action", 'Action::"x"'): ("", ["named a.cedar:1:47"]),
        ("action", 'Action::"y"'): ("", ["named a.cedar:5:47"]),
        ("attribute", "Doc.open"): ("__cedar::Bool", ["used as Bool a.cedar:3:17"]),
        ("attribute", 'Action::"x" context.n'): (
            "__cedar::Long",
            ["used as Long a.cedar:1:85", "used as String a.cedar:4:16"],
        ),
        ("attribute", 'Action::"y" context.n'): ("__cedar::Long", ["used as Long a.cedar:5:92"]),
    }
    assert len(inferred.conflicts) == 1
    placeholder = infer(policy_set("permit (principal, action, resource);").policies).origins
    assert {(o.kind, o.name, o.uses) for o in placeholder} == {
        ("entity type", "Principal", ()),
        ("entity type", "Resource", ()),
        ("action", 'Action::"action"', ()),
    }


def test_places_are_of_the_attribute_and_not_of_what_is_spelt_alike() -> None:
    text = """@n("n") // n
permit (principal is n, action == Action::"n", resource == D::"n")
when { ["n"].contains(context.s) && {n: 1} == context.r && {"n": 1}.n == 1 }
unless { context has
         "n" && context[
         "n"] > 3 };"""
    origins = infer(policy_set(text, file="a.cedar").policies).origins
    (uses,) = (o.uses for o in origins if o.name.endswith("context.n"))
    assert [str(place) for _, place in uses] == ["a.cedar:6:10"]


def test_a_type_that_contains_itself_ends() -> None:
    loaded = policy_set("permit (principal, action, resource) when { context.a == context.a.b };")
    assert any("context.a" in warning for warning in loaded.warnings)


def test_names_that_cedar_allows_no_schema_for_ask_for_one() -> None:
    with pytest.raises(Exception, match="put a schema beside the policies"):
        policy_set("permit (principal is A, action, resource is N::A);")


def test_the_inferred_text_is_a_schema_to_cedar() -> None:
    policies = policy_set(
        'permit (principal, action == Action::"a\\n\\"", resource) when { context["x y\\n"] };'
    ).policies
    text = infer_schema(policies)
    assert text == infer(policies).text
    assert 'Action::"a\\n\\""' in parse_schema(str(cedarpy.Schema.from_str(text))).actions
