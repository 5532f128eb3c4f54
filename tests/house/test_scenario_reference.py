"""What is generated from the scenario models is fresh, is what it claims to be, and agrees with the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from models.json_schema import (
    SCHEMA_FILE,
    expectation,
    generated_text,
    resolved,
    scenario_schema,
    schema_at,
    schema_text,
)
from models.load import load
from models.presets import PRESETS, Framework
from models.reading import read_document
from models.reference import PRESETS_FILE, REFERENCE_FILE, presets_page, reference

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").glob("*/scenario.yaml"))


def test_the_committed_json_schema_is_fresh() -> None:
    assert schema_text() == generated_text(), "run `python -m models.reference`"


def test_the_committed_reference_is_fresh() -> None:
    assert REFERENCE_FILE.read_text(encoding="utf-8") == reference(), "run `python -m models.reference`"


def test_the_committed_page_of_frameworks_is_fresh() -> None:
    assert PRESETS_FILE.read_text(encoding="utf-8") == presets_page(), "run `python -m models.reference`"


def test_every_framework_has_a_source_and_is_named_by_its_version() -> None:
    assert set(get_args(Framework)) == PRESETS.keys()
    for name, preset in PRESETS.items():
        version = name.rpartition("-")[2]
        assert any(version in source for source in preset.sources), name
        assert presets_page().count(f"`framework: {name}`") == 1


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.parent.name)
def test_a_shipped_scenario_says_where_its_numbers_are_from(path: Path) -> None:
    """For the report's appendix. What `sources` does not name is an assumption, which the README beside it says."""
    assert load(path).scenario.sources
    assert (path.parent / "README.md").is_file()


def test_the_json_schema_is_one() -> None:
    Draft202012Validator.check_schema(scenario_schema())
    assert scenario_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_key_has_a_meaning() -> None:
    parts = {"Scenario": scenario_schema(), **scenario_schema()["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, part in parts.items()
        for key, field in part["properties"].items()
        if not field.get("description") and key != "kind"
    ]
    assert silent == []
    assert [name for name, part in parts.items() if not part.get("description")] == []


def test_every_default_fits_its_own_place() -> None:
    root = scenario_schema()
    for part in (root, *root["$defs"].values()):
        for field in part["properties"].values():
            if "default" in field:
                Draft202012Validator({**field, "$defs": root["$defs"]}).validate(field["default"])


def test_every_part_and_key_stands_in_the_reference() -> None:
    text = reference()
    for name, part in scenario_schema()["$defs"].items():
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert all(f"| `{key}` |" in section for key in part["properties"])


def test_every_link_of_the_reference_leads_somewhere() -> None:
    text = reference()
    anchors = {line[3:].lower() for line in text.splitlines() if line.startswith("## ")}
    links = {part.split(")")[0] for part in text.split("](#")[1:]}
    assert links <= anchors


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.parent.name)
def test_shipped_scenarios_satisfy_the_json_schema(path: Path) -> None:
    Draft202012Validator(scenario_schema()).validate(read_document(path).value)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.parent.name)
def test_shipped_scenarios_name_the_json_schema(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve() == SCHEMA_FILE.resolve()


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.parent.name)
def test_values_are_those_of_ruamels_own_loader(path: Path) -> None:
    ours = read_document(path).value
    theirs = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    theirs["start"] = ours["start"]  # ruamel makes a moment of it; here it stays text
    assert json.loads(json.dumps(ours)) == json.loads(json.dumps(theirs))


def test_the_json_schema_says_no() -> None:
    check = Draft202012Validator(scenario_schema())
    good = {
        "windtunnel": 1,
        "name": "x",
        "start": "2026-01-05T00:00:00Z",
        "horizon": "1d",
        "workflows": {"w": {"start": "s", "steps": {"s": {"kind": "end"}}}},
        "work": {"k": {"workflow": "w", "arrivals": {"kind": "poisson", "rate": "1/h"}}},
    }
    check.validate(good)
    for change in ({"horizon": "1 day"}, {"zzz": 1}, {"windtunnel": 2}, {"sites": {"9": {}}}, {"work": {}}):
        assert not check.is_valid({**good, **change})


def test_a_place_says_what_it_expects() -> None:
    value = {"workflows": {"w": {"steps": {"s": {"kind": "desk"}}}}}
    place = schema_at(("workflows", "w", "steps", "s", "timeout"), value)
    assert expectation(place) == "a duration, such as `15m`"
    unlike = schema_at(("workflows", "w", "steps", "s"), {})
    assert expectation(unlike).startswith("a mapping with a `kind`: ")
    assert expectation(resolved({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, None)) == "`true` or `false`"
