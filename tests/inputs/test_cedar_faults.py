"""Bad policies, schemas and entities: Cedar's own message, at the place it is about, all at once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.cedar import load as loading
from models.cedar.load import load_policies, policy_set
from models.diagnostics import Diagnostic, InputError

GOOD = "permit (principal, action, resource);"
WHEN = "permit (principal, action, resource) when {{ {} }};"
SCHEMA = """entity User = { name: String, level: Long };
entity Doc;
action view appliesTo { principal: User, resource: Doc, context: { amount: Long } };
"""


def _faults(*given: Any, **named: Any) -> tuple[Diagnostic, ...]:
    with pytest.raises(InputError) as caught:
        policy_set(*given, **named)
    return caught.value.diagnostics


def _pointed_at(fault: Diagnostic) -> str:
    """The word, number or mark under the caret."""
    found = re.match(r"\w+|.", fault.source[fault.column - 1 :])
    return found[0] if found else ""


@pytest.mark.parametrize(
    ("text", "message", "under", "help"),
    [
        (WHEN.format("context.a =="), "unexpected token `}`", "}", ""),
        ("permit (principl, action, resource);", "invalid variable in the policy scope", "principl", "`principal`"),
        ("permitt (principal, action, resource);", "invalid policy effect", "permitt", "`permit`"),
        ("permit (principal, action, resource) wen { true };", "invalid policy condition", "wen", "`when`"),
        (WHEN.format("contxt.a"), "invalid member access", "contxt", "`context`"),
        (WHEN.format("context.a.contain(1)"), "not a valid method", "contain", "`contains`"),
        (WHEN.format('context.a lke "x"'), "unexpected token `lke`", "lke", "`like`"),
        (WHEN.format('desimal("1.0")'), "not a valid function", "desimal", "`decimal`"),
        (WHEN.format("context.a = 1"), "not a valid operator", "=", "`==`"),
        (WHEN.format("1 < 99999999999999999999"), "integer parse error", "99999999999999999999", ""),
        (WHEN.format(r'context.a == "\q"'), "not a valid escape", '"', ""),
        (WHEN.format("context.a # 1"), "invalid token", "#", ""),
        ("permit (principal, action, resource)", "unexpected end of input", ")", "ends with `;`"),
        ('permit (principal, action == Role::"x", resource);', "type `Action`", "Role", "Action::"),
        ('@id("a") @id("b") permit (principal, action, resource);', "duplicate annotation", "id", ""),
    ],
)
def test_a_syntax_error_is_cedars_own_at_its_token(text: str, message: str, under: str, help: str) -> None:
    before = f'{GOOD} // "\n@note(";")\n{GOOD}\n  '
    (fault,) = _faults(before + text + "\n" + GOOD) if text.endswith(";") else _faults(before + text)
    assert message in fault.message
    assert (fault.file, fault.line) == ("<text>", 4)
    assert _pointed_at(fault) == under
    assert help in fault.help


def test_a_string_that_is_not_closed_is_shown_where_it_starts() -> None:
    (fault,) = _faults(WHEN.format('context.a == "x') + "\n" + WHEN.format('context.b == "y"'))
    assert (fault.line, fault.source[fault.column - 1 :]) == (1, '"x };')
    assert "runs over the end of its line" in fault.help


def test_every_faulty_policy_is_reported_at_once() -> None:
    faults = _faults("\n".join([GOOD, WHEN.format("context.a =="), GOOD, "permitt (principal, action, resource);"]))
    assert [fault.line for fault in faults] == [2, 4]


def test_faults_of_all_files_and_of_the_schema_come_together(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(WHEN.format("context.a =="))
    (tmp_path / "b.cedar").write_text("// first line\n" + WHEN.format("foo(1)"))
    (tmp_path / "x.cedarschema").write_text("entity User = { name: Strin };")
    with pytest.raises(InputError) as caught:
        load_policies(tmp_path, root=tmp_path)
    places = [(fault.file, fault.line) for fault in caught.value.diagnostics]
    assert places == [("a.cedar", 1), ("b.cedar", 2), ("x.cedarschema", 1)]


def test_half_a_policy_does_not_borrow_its_other_half_from_the_next_file(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text("permit (principal,")
    (tmp_path / "b.cedar").write_text("action, resource);")
    with pytest.raises(InputError) as caught:
        load_policies(tmp_path, root=tmp_path)
    assert [fault.file for fault in caught.value.diagnostics] == ["a.cedar", "b.cedar"]


# Annotations

FORBID = "forbid (principal, action, resource);"


@pytest.mark.parametrize(
    ("annotations", "message", "under"),
    [
        ('@escalate("")', "names no chain", "escalate"),
        ('@id("x") @escalate("a") @timeout("5")', "duration", "timeout"),
        ('@escalate("a") @severity("hgh")', "the severity is", "severity"),
    ],
)
def test_an_annotation_that_says_nothing_sound_is_refused_at_its_place(
    annotations: str, message: str, under: str
) -> None:
    (fault,) = _faults(f"{GOOD}\n{annotations}\n{FORBID}")
    assert message in fault.message
    assert (fault.line, fault.source[fault.column - 1 :][: len(under) + 1]) == (2, f"@{under}")


def test_an_escalating_permit_is_refused() -> None:
    (fault,) = _faults(f'@escalate("a") {GOOD}')
    assert "fails closed only on a forbid" in fault.message


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ('@tier("sft")', 'the tier is "hard" or "soft"'),
        ('@tier("hard") @escalate("a")', "cannot escalate"),
        ('@tier("soft") @approval_timeout_s("5m")', "whole seconds"),
        ('@tier("soft") @approval_timeout_s("0")', "whole seconds"),
        ('@tier("soft") @approval_timeout_s("99999999999999999999999")', "whole seconds"),
        ('@tier("soft") @approval_timeout_s("٣")', "whole seconds"),
    ],
)
def test_a_tiered_annotation_that_says_nothing_sound_is_refused(annotations: str, message: str) -> None:
    (fault,) = _faults(f"{annotations} {FORBID}", profile="tiered")
    assert message in fault.message


@pytest.mark.parametrize("escalate", ['@escalate("desk")', '@escalate("")', '@escalate("desk") PERMIT'])
def test_one_faulty_annotation_hides_no_other(escalate: str) -> None:
    policy = GOOD if escalate.endswith("PERMIT") else FORBID
    text = f'{escalate.removesuffix("PERMIT")} @severity("hi")\n@timeout("ten") {policy}'
    messages = "\n".join(fault.message for fault in _faults(text))
    assert 'the severity is "low"' in messages
    assert "`@timeout`: `ten` is not a duration" in messages
    assert ("`@escalate`" in messages) == (escalate != '@escalate("desk")')


def test_a_name_is_given_once_in_a_tier() -> None:
    text = f'@id("a") {GOOD}\n@id("a") {FORBID}'
    (fault,) = _faults(text)
    assert (fault.line, fault.message) == (2, "the name `a` is taken by the policy at <text>:1:1")
    tiered = text.replace("@id", '@tier("hard") @id', 1).replace("\n@id", '\n@tier("soft") @id')
    assert [policy.name for policy in policy_set(tiered, profile="tiered").policies] == ["a", "a"]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (f'{GOOD}\n@timeout("5m") {FORBID}', "<text>:2: `@timeout` does nothing: the policy does not escalate"),
        (
            "permit (principal == ?principal, action, resource);",
            "<text>:1: a template that is not linked plays no part",
        ),
        ("// nothing", "the policy set is empty: it denies everything"),
    ],
)
def test_what_is_likely_a_mistake_is_warned_about(text: str, warning: str) -> None:
    assert warning in policy_set(text, SCHEMA).warnings


def test_foreign_annotations_are_left_alone() -> None:
    assert not policy_set(f'@category("x") @rationale("y") @doc("z") {GOOD}', SCHEMA).warnings


# Entities and schemas


def test_an_entity_above_itself_is_named_where_it_stands() -> None:
    schema = "entity T in [T]; action a appliesTo { principal: T, resource: T };"

    def entity(name: str, *parents: str) -> dict[str, object]:
        return {"uid": {"type": "T", "id": name}, "attrs": {}, "parents": [{"type": "T", "id": p} for p in parents]}

    with pytest.raises(InputError) as raised:
        policy_set(
            "permit (principal, action, resource);", schema, [entity("a", "b"), entity("b", "c"), entity("c", "b")]
        )
    (fault,) = raised.value.diagnostics
    assert fault.message == 'the entity is above itself: `T::"b"` -> `T::"c"` -> `T::"b"`'
    assert fault.source[fault.column - 1 :].startswith('{"uid": {"type": "T", "id": "b"}')


def test_every_unknown_type_of_a_schema_is_told_once_at_its_place() -> None:
    schema = """entity User;
entity Doc;
action view, edit appliesTo {
  principal: [User], resource: [Doc], context: { n: Lnog, s: Set<Strin> } };"""
    faults = _faults("permit (principal, action, resource);", schema)
    found = {(fault.message, fault.line, fault.help) for fault in faults}
    assert ("unknown type `Lnog`", 4, "did you mean `Long`?") in found
    assert len(found) == len(faults)


# Validation against a given schema


@pytest.mark.parametrize(
    ("clauses", "pointed"),
    [
        ('when { context.amount >\n "5" }', "context.amount"),
        ("when { true } unless { principal.level > 4 || principal.name == 3 }", "principal.name"),
        ('when { true &&\n(context.amount like "x") }', "(context.amount"),
        ("when { true }\nwhen { context.amount }", "context.amount"),
        ("when { if context.amount then true else false }", "if"),
    ],
)
def test_a_clash_of_types_stands_at_the_part_of_the_clause_it_is_in(clauses: str, pointed: str) -> None:
    """Not at the first line of the policy, which says nothing of types."""
    text = f'@permit("permit") @id("a")\npermit (principal, action, resource)\n{clauses};'
    for fault in _faults(text, SCHEMA):
        assert fault.source[fault.column - 1 :].startswith(pointed), (fault.message, fault.source, fault.column)


def test_a_scope_that_fits_nothing_stands_at_the_effect() -> None:
    text = '@id("a")\nforbid (principal is Doc, action, resource)\nwhen { true };'
    assert {(fault.line, fault.column) for fault in _faults(text, SCHEMA)} == {(2, 1)}


def test_each_validation_error_stands_at_the_name_it_is_about() -> None:
    text = (
        'permit (principal, action, resource)\nwhen {\n  principal.nme == "x"\n  && context.amont > 3 };\n'
        'permit (principal is Usr, action == Action::"veiw", resource);\n'
    )
    faults = _faults(text, SCHEMA)
    found = {(fault.line, _pointed_at(fault), fault.help) for fault in faults}
    assert {
        (3, "nme", "did you mean `name`?"),
        (4, "amont", "did you mean `amount`?"),
        (5, "Usr", "did you mean `User`?"),
    } <= found
    assert [fault.line for fault in faults] == sorted(fault.line for fault in faults)
    assert not any("policy0" in fault.message for fault in faults)


def test_unguarded_access_to_an_optional_attribute_is_refused_only_under_a_given_schema() -> None:
    text = WHEN.format("context.amount > 5")
    assert policy_set(text).schema_inferred
    (fault,) = _faults(text, SCHEMA.replace("amount:", "amount?:"))
    assert "unable to guarantee safety" in fault.message
    assert _pointed_at(fault) == "amount"


# Schemas

DOUBLING = "".join(f"type T{n} = {{a: T{n + 1}, b: T{n + 1}}};" for n in range(40)) + "type T40 = Long; entity A = T0;"


@pytest.mark.parametrize(
    ("schema", "message", "line"),
    [
        ("entity User;\nentity Doc = { name: Strin };", "unknown type `Strin`", 2),
        ("entity User = { name: String }\nentity Doc;", "unexpected token `entity`", 2),
        ("entity User = {", "unexpected end of input", 1),
        ('{"": {"entityTypes": }}', "not JSON", 1),
        ('{"": {"entityTypes": {"A": {"shape": {"type": "Recrd"}}}, "actions": {}}}', "Recrd", 1),
        (DOUBLING, "expands to more than", 1),
        ("type T = U; type U = T; entity A { t: T };", "in a circle", 1),
        ("type T = " + "Set<" * 20_000 + "Long" + ">" * 20_000 + ";", "nested too deeply", 1),
        ('{"a":' * 20_000 + "1" + "}" * 20_000, "nested too deeply", 1),
    ],
)
def test_a_schema_that_cedar_cannot_read_is_refused_at_its_place(schema: str, message: str, line: int) -> None:
    (fault,) = _faults(GOOD, schema)
    assert message in fault.message
    assert (fault.file, fault.line) == ("<schema>", line)


# Entities


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("[{]", "not JSON", 1),
        ("{}", "expected a list of entities", 1),
        ("null", "expected a list of entities", 1),
        ('[\n {"uid": {"type": "User", "id": "a"}}\n]', "error during entity deserialization", 2),
        ('[\n {"attrs": {}}]', "error during entity deserialization", 2),
        ('[\n {"uid": "User::1", "attrs": {}, "parents": []}]', "error during entity deserialization", 2),
        ("[" * 100_000 + "]" * 100_000, "nested more than", 1),
        (
            '[\n {"uid": {"type": "Doc", "id": "d"}, "attrs": {}, "parents": []},\n'
            ' {"uid": {"type": "User", "id": "a"}, "attrs": {"name": 1, "level": 2}, "parents": []}]',
            "does not conform to the schema",
            3,
        ),
    ],
)
def test_entities_that_cedar_cannot_read_are_refused_at_their_place(
    text: str, message: str, line: int, tmp_path: Path
) -> None:
    (tmp_path / "p.cedar").write_text(GOOD)
    (tmp_path / "s.cedarschema").write_text(SCHEMA)
    (tmp_path / "entities.json").write_text(text)
    with pytest.raises(InputError) as caught:
        load_policies(tmp_path, root=tmp_path)
    (fault,) = caught.value.diagnostics
    assert message in fault.message
    assert (fault.file, fault.line) == ("entities.json", line)


def test_entities_without_a_schema_are_refused_alike() -> None:
    for entity in ({"attrs": {}}, {"uid": "User::1"}, {"uid": {"type": "User"}}):
        (fault,) = _faults(GOOD, entities=[entity])
        assert "entity" in fault.message


# Files


@pytest.mark.parametrize("name", ["missing.cedar", "missing.d/x.cedar"])
def test_a_missing_file_is_said_to_be_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{name}: cannot read the file: No such file"):
        load_policies(tmp_path / name, root=tmp_path)


def test_a_folder_without_policies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no `\*\.cedar` file"):
        load_policies(tmp_path)


def test_a_file_that_is_not_text_is_refused_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.cedar").write_bytes(b"// \n// \xff\xfe\n")
    with pytest.raises(InputError, match=r"p\.cedar:2:1: the file is not UTF-8"):
        load_policies(tmp_path / "p.cedar", root=tmp_path)


def test_a_file_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "FILE_BYTES_MAX", len(GOOD) - 1)
    (tmp_path / "p.cedar").write_text(GOOD)
    with pytest.raises(InputError, match="larger than"):
        load_policies(tmp_path)


def test_two_schemas_in_a_folder_need_naming(tmp_path: Path) -> None:
    (tmp_path / "p.cedar").write_text(GOOD)
    for name in ("a.cedarschema", "b.cedarschema"):
        (tmp_path / name).write_text(SCHEMA)
    with pytest.raises(InputError, match=r"a\.cedarschema, b\.cedarschema"):
        load_policies(tmp_path)
    assert not load_policies(tmp_path, schema=tmp_path / "a.cedarschema").schema_inferred


@pytest.mark.parametrize("name", ["schema.json", "x.cedarschema.json", "x.cedarschema"])
def test_a_schema_and_entities_beside_the_policies_are_found(name: str, tmp_path: Path) -> None:
    applies = {"principalTypes": ["A"], "resourceTypes": ["A"]}
    schema = {"": {"entityTypes": {"A": {"tags": {"type": "Long"}}}, "actions": {"a": {"appliesTo": applies}}}}
    text = "entity A tags Long; action a appliesTo { principal: A, resource: A };"
    (tmp_path / "p.cedar").write_text(GOOD)
    (tmp_path / name).write_text(text if name == "x.cedarschema" else json.dumps(schema))
    (tmp_path / "entities.json").write_text(
        '[{"uid": {"type": "A", "id": "x"}, "attrs": {}, "parents": [], "tags": {"k": 1}}]'
    )
    loaded = load_policies(tmp_path)
    assert list(loaded.schema.entity_types) == ["A"]
    assert {entity["uid"]["id"] for entity in loaded.entities} == {"x", "a"}, "the store holds the schema's actions"


# Texts on which `cedarpy` itself overflows its stack, in a process of their own: where the guard fails, that one dies.

DEEP = {
    "brackets": "(" * 5000 + "true" + ")" * 5000,
    "sets": "[" * 5000 + "]" * 5000,
    "records": "{a:" * 5000 + "1" + "}" * 5000,
    "negations": "!(" * 5000 + "true" + ")" * 5000,
    "conjunction": "true" + " && true" * 20_000,
    "sums": "1" + " + 1" * 20_000 + " == 1",
    "members": "context" + ".a" * 20_000,
    "indices": "context" + '["a"]' * 20_000,
    "has": "context has " + ".".join("a" * 20_000),
    "conditionals": "if true then true else " * 20_000 + "true",
}
PROGRAM = """
import sys
from models.cedar.load import policy_set
from models.diagnostics import InputError
for condition in sys.stdin.read().split("\\0"):
    try:
        policy_set("permit (principal, action, resource) when { " + condition + " };")
    except InputError as error:
        print(error.diagnostics[0].message)
"""


def test_a_text_that_would_overflow_cedars_stack_never_reaches_it() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\0".join(DEEP.values()),
        text=True,
        capture_output=True,
        cwd=root,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-500:]
    messages = done.stdout.splitlines()
    assert len(messages) == len(DEEP)
    assert all("nested more than" in message or "operators" in message for message in messages)


def test_a_chain_beyond_cedars_tree_is_refused_with_advice() -> None:
    (fault,) = _faults(WHEN.format(" || ".join(["context.x == 1"] * 120)))
    assert "limit of 100 levels" in fault.message
    assert "contains" in fault.help
