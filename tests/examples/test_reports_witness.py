"""Witnesses in the terminal: values as Cedar writes them, and the entities that the rules read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cedarpy
import pytest

from reports.console import open_console
from reports.witness import ENTITIES_MAX, print_witness, request, value
from verify.findings import Witness
from windtunnel.cli import exit_code

ENTITY = {"__entity": {"type": "Lab::Bot", "id": 'a"\n'}}


def extension(function: str, argument: str) -> dict[str, Any]:
    return {"__extn": {"fn": function, "arg": argument}}


VALUES: list[Any] = [
    True,
    -9,
    'a "quoted"\n\u0007 text',
    [1, 2],
    [],
    {},
    {"on leave": True, "ünder": 1, "plain": {"deep": ["x"]}},
    {"type": "Lab::Bot", "id": "a record, not an entity"},
    ENTITY,
    extension("decimal", "250.0001"),
    extension("ip", "10.0.0.0/8"),
    extension("duration", "2h"),
    {"__extn": {"fn": "offset", "args": [extension("datetime", "1970-01-01"), extension("duration", "3000000d")]}},
]


@pytest.mark.parametrize("given", VALUES, ids=str)
def test_a_value_is_told_as_cedar_reads_it(given: Any) -> None:
    policy = f"permit(principal, action, resource) when {{ context.given == {value(given)} }};"
    asked = {"principal": 'U::"a"', "action": 'Action::"b"', "resource": 'U::"a"', "context": {"given": given}}
    decided = cedarpy.is_authorized(asked, policy, [])
    assert not decided.diagnostics.errors
    assert decided.allowed


def test_a_request_is_one_line() -> None:
    told = request('U::"a"', 'Action::"b"', 'R::"c"', {"now": extension("datetime", "1970-01-01"), "n": 1})
    assert told == 'U::"a" Action::"b" R::"c" {now: datetime("1970-01-01"), n: 1}'


def test_entities_that_say_something_are_told_up_to_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    silent = {"uid": {"type": "T", "id": "silent"}, "attrs": {}, "parents": []}
    speaking = [{"uid": {"type": "T", "id": str(n)}, "attrs": {"n": n}, "parents": []} for n in range(ENTITIES_MAX + 2)]
    witness = Witness('U::"a"', 'Action::"b"', 'R::"c"', {}, (silent, *speaking), ("finance",))
    print_witness(open_console(), witness)
    told = capsys.readouterr().out
    assert "approved by finance" in told
    assert 'T::"0" {n: 0}' in told
    assert "and 2 more entities" in told
    assert "silent" not in told


SCHEMA = """
entity Person { boss: Person };
action "look" appliesTo { principal: [Person], resource: [Person], context: { at: datetime } };
"""
POLICIES = """
@id("boss") @owner("a") permit(principal, action, resource) when { resource.boss == principal };
@id("late") @owner("b") forbid(principal, action, resource)
when { context.at > datetime("9999-12-31").offset(duration("400d")) };
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "rules.cedar").write_text(POLICIES)
    (tmp_path / "rules.cedarschema").write_text(SCHEMA)
    return tmp_path


def test_verify_tells_the_entities_that_the_rules_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["verify", str(folder)]) == 1
    told = capsys.readouterr().out
    assert 'Person::"a" {boss: Person::"a"}' in told
    assert "__" not in told


def test_a_moment_that_no_text_names_is_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["verify", str(folder), "--explain", "conflict"]) == 1
    assert 'at = datetime("1970-01-01").offset(duration(' in " ".join(capsys.readouterr().out.split())
