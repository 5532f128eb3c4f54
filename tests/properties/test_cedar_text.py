"""Places in Cedar text, uids, and schemas: what holds for any of them."""

from __future__ import annotations

import json
from typing import Any

import cedarpy
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cedar.load import policy_set
from models.cedar.schema import parse_schema
from models.cedar.source import Source
from models.cedar.types import (
    Action,
    Attribute,
    BoolType,
    EntityRefType,
    EntityType,
    ExtensionType,
    LongType,
    RecordType,
    Schema,
    SetType,
    StringType,
    Type,
)
from models.cedar.uids import Uid, escape, parse_uid
from models.diagnostics import Diagnostic, InputError

GAPS = st.sampled_from(["\n", " ", "\r\n", "\t", '// a ; comment " }\n', '\n\n// @id("no")\n'])
LITERALS = st.sampled_from(['"a;b"', '"// not a comment"', r'"\";\\"', '"multi\nline;"', '"é😀;"'])


@st.composite
def written_policies(draw: st.DrawFn) -> list[str]:
    """Policies with strings, comments and white space that could mislead a splitter."""
    found = []
    for _ in range(draw(st.integers(1, 5))):
        gaps = [draw(GAPS) for _ in range(4)]
        effect = draw(st.sampled_from(["permit", "forbid"]))
        note = f"@note({draw(LITERALS)})" if draw(st.booleans()) else ""
        found.append(
            f"{note}{gaps[0] if note else ''}{effect}{gaps[1]}(principal,{gaps[2]}action, resource)"
            f" when {{ context.x == {draw(LITERALS)}{gaps[3]}}};"
        )
    return found


@settings(max_examples=150, deadline=None, derandomize=True)
@given(written_policies(), st.data())
def test_the_splitter_finds_each_policy_where_it_is_written(written: list[str], data: st.DataObject) -> None:
    text, starts = "", []
    for policy in written:
        text += data.draw(GAPS)
        starts.append(len(text))
        text += policy
    text += data.draw(GAPS)
    loaded = policy_set(text)
    assert [policy.text for policy in loaded.policies] == written
    for policy, start in zip(loaded.policies, starts, strict=True):
        lines = text[:start].split("\n")
        assert (policy.span.line, policy.span.column) == (len(lines), len(lines[-1]) + 1)
        alone = next(iter(cedarpy.policies_to_pst(policy.text).static_policies.values()))
        assert alone.clauses == policy.syntax.clauses, "the text and the tree are of one policy"


@given(st.text(max_size=200))
def test_any_text_splits_without_losing_a_character_that_counts(text: str) -> None:
    source = Source("f", text)
    for statement in source.statements:
        for token in statement.tokens:
            assert text[token.start : token.end] == token.text
            span = source.span(token.start)
            assert text.split("\n")[span.line - 1][span.column - 1 :].startswith(token.text.split("\n")[0])


@given(st.text(max_size=30))
def test_a_uid_reads_back_and_cedar_reads_it_too(identity: str) -> None:
    uid = Uid("Shop::User", identity)
    assert parse_uid(str(uid)) == uid
    if not any(0xD800 <= ord(c) <= 0xDFFF for c in identity):
        tree = cedarpy.policies_to_pst(f"permit (principal == {uid}, action, resource);")
        assert tree.static_policies["policy0"].principal.entity.id == identity  # type: ignore[union-attr]


# Schemas: random ones, through Cedar's own printer, come back as they were.

NAMES = ("User", "Team", "Box")
ENTITIES = tuple(f"Shop::{name}" for name in NAMES)
ATTRIBUTES = st.sampled_from(["a", "b c", "in", "é", 'q"', "", "type"])


def _records(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[RecordType]:
    return st.dictionaries(ATTRIBUTES, st.builds(Attribute, inner, st.booleans()), max_size=3).map(RecordType)


types: st.SearchStrategy[Type] = st.recursive(
    st.one_of(
        st.sampled_from([BoolType(), LongType(), StringType()]),
        st.sampled_from(["decimal", "ipaddr", "datetime", "duration"]).map(ExtensionType),
        st.sampled_from(ENTITIES).map(EntityRefType),
    ),
    lambda inner: st.one_of(inner.map(SetType), _records(inner)),
    max_leaves=6,
)
records = _records(types)
some_entities = st.lists(st.sampled_from(ENTITIES), max_size=2, unique=True).map(tuple)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    entities = {
        name: EntityType(name, draw(some_entities), draw(records), draw(st.none() | types)) for name in ENTITIES
    }
    if draw(st.booleans()):
        entities["Shop::Kind"] = EntityType("Shop::Kind", ids=("x", 'y "z"'))
    group = str(Uid("Shop::Action", "all"))
    actions = {group: Action(group)}
    for identity in draw(st.lists(st.sampled_from(["view", "refund it", 'q"']), unique=True)):
        principals, resources = draw(some_entities), draw(some_entities)
        if not principals or not resources:
            principals = resources = ()
        context = draw(records) if principals else RecordType()
        parents = (group,) if draw(st.booleans()) else ()
        uid = str(Uid("Shop::Action", identity))
        actions[uid] = Action(uid, parents, principals, resources, context)
    return Schema(entities, actions)


def _written(typed: Type) -> str:
    match typed:
        case SetType(element):
            return f"Set<{_written(element)}>"
        case RecordType(attributes):
            inner = (f'"{escape(n)}"{"" if a.required else "?"}: {_written(a.type)}' for n, a in attributes.items())
            return f"{{{', '.join(inner)}}}"
        case EntityRefType(name) | ExtensionType(name):
            return name
    return {BoolType: "Bool", LongType: "Long", StringType: "String"}[type(typed)]


def _entity_text(entity: EntityType) -> str:
    name = entity.name.removeprefix("Shop::")
    if entity.ids is not None:
        return f"entity {name} enum [{', '.join(json.dumps(i) for i in entity.ids)}];"
    tags = f" tags {_written(entity.tags)}" if entity.tags else ""
    return f"entity {name} in [{', '.join(entity.parents)}] {_written(entity.attributes)}{tags};"


def _action_text(action: Action) -> str:
    name = json.dumps(parse_uid(action.uid).id)
    within = (
        f" in [{', '.join(json.dumps(parse_uid(parent).id) for parent in action.parents)}]" if action.parents else ""
    )
    if not action.principals:
        return f"action {name}{within};"
    principals, resources = ", ".join(action.principals), ", ".join(action.resources)
    context = _written(action.context)
    return (
        f"action {name}{within} appliesTo {{ principal: [{principals}], resource: [{resources}], context: {context} }};"
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(schemas())
def test_a_schema_comes_back_from_cedars_canonical_text(schema: Schema) -> None:
    body = "\n".join([*map(_entity_text, schema.entity_types.values()), *map(_action_text, schema.actions.values())])
    canonical = str(cedarpy.Schema.from_str(f"namespace Shop {{ {body} }}"))
    assert _sorted(parse_schema(canonical)) == _sorted(schema)


def _sorted(schema: Schema) -> Any:
    """Cedar prints names in an order of its own."""
    entities = {e.name: (set(e.parents), e.attributes, e.tags, e.ids) for e in schema.entity_types.values()}
    actions = {a.uid: (a.parents, set(a.principals), set(a.resources), a.context) for a in schema.actions.values()}
    return entities, actions


# Whatever the text, it is a policy set or it is refused with places; nothing else comes out.

POLICIES = '@id("a") @escalate("x") @timeout("5m")\nforbid (principal is A in B::"b", action, resource) // note\n'
POLICIES += 'when { context.a["b"] like "x*" || [1, 2].contains(context.n) };\npermit (principal, action, resource);'
SCHEMA = 'namespace N { type T = { a?: Set<Long> }; entity A in [B] = T tags String; entity B enum ["x"]; }\n'
SCHEMA += 'action "g"; action a in ["g"] appliesTo { principal: [N::A], resource: N::B, context: { n: N::T } };'
PIECES = st.sampled_from(
    [
        *'";{}()@[].<>=-!\\é\0',
        "//",
        "\r\n",
        "::",
        "&&",
        "when",
        "?principal",
        '@escalte("")',
        "entity",
        "type",
        "Set<",
        "if",
    ]
)


@st.composite
def spoilt(draw: st.DrawFn, text: str) -> str:
    for _ in range(draw(st.integers(1, 3))):
        start, length = draw(st.integers(0, len(text))), draw(st.integers(0, 6))
        text = text[:start] + draw(PIECES | st.just("")) + text[start + length :]
    return text


@settings(max_examples=300, deadline=None, derandomize=True)
@given(spoilt(POLICIES), st.none() | spoilt(SCHEMA), st.sampled_from(["windtunnel", "tiered"]))
def test_a_spoilt_text_loads_or_is_refused_at_places_in_it(policies: str, schema: str | None, profile: Any) -> None:
    faults: tuple[Diagnostic, ...] = ()
    kept: tuple[str, ...] = ()
    try:
        kept = tuple(policy.text for policy in policy_set(policies, schema, profile=profile).policies)
    except InputError as error:
        faults = error.diagnostics
        kept = ("",) if faults else ("refused, and no fault named",)
    assert all(text in policies for text in kept)
    for fault in faults:
        lines = {"<text>": policies, "<schema>": schema or ""}[fault.file].split("\n")
        assert fault.line == 0 or fault.column <= len(lines[fault.line - 1]) + 1
        assert str(fault).startswith(fault.file)
