"""Which files are read: folders below, folders of scenarios, byte order marks; and what an inferred schema guesses."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.cedar.inference import infer
from models.cedar.load import load_policies, policy_set
from models.diagnostics import InputError

RULE = "permit(principal, action, resource);\n"


def fault(path: Path) -> str:
    with pytest.raises(InputError) as raised:
        load_policies(path)
    return str(raised.value)


def test_policies_below_the_folder_are_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(RULE)
    assert not any("below" in warning for warning in load_policies(tmp_path).warnings)
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "b.cedar").write_text(RULE)
    loaded = load_policies(tmp_path, root=tmp_path)
    assert len(loaded.policies) == 1
    assert "team: the policies in it are not read: a folder is read without those below it" in loaded.warnings
    assert not any("below" in warning for warning in load_policies(tmp_path / "a.cedar").warnings)


def test_a_folder_without_policies_says_where_they_may_be(tmp_path: Path) -> None:
    assert fault(tmp_path) == f"{tmp_path}: the folder holds no `*.cedar` file"
    (tmp_path / "scenario.yaml").write_text("")
    assert "the folder holds a scenario: name its policies" in fault(tmp_path)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.cedar").write_text(RULE)
    assert "policies lie below it, in `rules`" in fault(tmp_path)


@pytest.mark.parametrize("name", ["a.cedar", "a.cedarschema", "entities.json"])
def test_a_byte_order_mark_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(RULE)
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + RULE.encode())
    told = fault(tmp_path)
    assert f"{name}:1:1: the file begins with a byte order mark" in told
    assert "save it as UTF-8 without one" in told


GUESS = "is only compared: it is taken as Long, and could be a datetime or a duration"


def test_what_is_only_compared_is_a_guess_and_told() -> None:
    rule = 'permit(principal is U, action == Action::"a", resource is R) when {{ resource.ends < {} }};'
    assert any(GUESS in one for one in infer(policy_set(rule.format("context.now")).policies).warnings)
    for said in ("context.now + 1", "7", 'datetime("2026-01-01")'):
        assert not any(GUESS in one for one in infer(policy_set(rule.format(said)).policies).warnings)


@pytest.mark.parametrize("name", ["fleet.cedarschema", "fleet.cedarschema.json", "schema.json"])
def test_a_schema_given_as_policies_is_named_as_what_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("entity User;")
    with pytest.raises(InputError, match="holds a schema, not policies") as told:
        load_policies(tmp_path / name)
    assert "--schema" in str(told.value)
