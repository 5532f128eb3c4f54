"""Comparing policy sets: published verdicts of Cedar's own verified analysis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from windtunnel.cli import exit_code

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public verdicts are not beside the project")


def cases() -> list[Any]:
    path = DATA / "compare.json"
    return json.loads(path.read_text()) if path.is_file() else []


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_every_environment_compares_as_published(
    case: Mapping[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DATA)
    arguments = ["diff", case["old"], case["new"], "--schema", case["schema"], "--format", "json"]
    code = exit_code(arguments)
    result = json.loads(capsys.readouterr().out)
    found = {(one["principal"], one["action"], one["resource"]): one for one in result["environments"]}
    assert {key: one["result"] for key, one in found.items()} == {
        (row["principal"], row["action"], row["resource"]): row["result"] for row in case["expected"]
    }
    for one in found.values():
        steps = {("deny", "allow"): "less_permissive", ("allow", "deny"): "more_permissive"}
        said = {steps[change["from"], change["to"]] for change in one["changes"]}
        assert one["result"] in said if len(said) == 1 else one["result"] == ("incomparable" if said else "equivalent")
    assert (code, result["verdict"]) == (0, "pass")
    equal = all(one["result"] == "equivalent" for one in found.values())
    assert exit_code([*arguments, "--forbid", "newly-allowed,newly-denied"]) == (0 if equal else 1)
