"""Queries: published verdicts of Cedar's symbolic compiler, asked as a user asks them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from models.cedar.load import policy_set
from verify.questions import query, to_json
from windtunnel.cli import exit_code

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the public verdicts are not beside the project")


def cases() -> list[Any]:
    path = DATA / "symcc.json"
    return json.loads(path.read_text()) if path.is_file() else []


def named(case: Mapping[str, Any], key: str) -> str | None:
    return None if case[key] == "all" else str(case[key])


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_every_property_has_the_published_verdict(case: Mapping[str, Any]) -> None:
    texts = [case[key] for key in ("policies", "policies1", "policies2") if key in case]
    first, *other = (policy_set("\n".join(text), case["schema"]) for text in texts)
    result = to_json(
        query(
            case["property"],
            first,
            *other,
            principal_type=named(case, "principal_type"),
            action=named(case, "action"),
            resource_type=named(case, "resource_type"),
        )
    )
    assert result["verdict"] == ("holds" if case["holds"] else "violated")
    assert (result["witness"] is None) == case["holds"]


@pytest.mark.parametrize("case", cases()[::8], ids=lambda case: case["name"])
def test_the_command_line_says_so_too(
    case: Mapping[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "schema.cedarschema").write_text(case["schema"])
    arguments = ["query", case["property"], "--schema", str(tmp_path / "schema.cedarschema"), "--format", "json"]
    for key, option in (("policies", "policies"), ("policies1", "policies"), ("policies2", "other")):
        if key in case:
            (tmp_path / f"{option}.cedar").write_text("\n".join(case[key]))
            arguments += [f"--{option}", str(tmp_path / f"{option}.cedar")]
    for key, option in (("principal_type", "principal-type"), ("action", "action"), ("resource_type", "resource-type")):
        if (name := named(case, key)) is not None:
            arguments += [f"--{option}", name]
    assert exit_code(arguments) == (0 if case["holds"] else 1)
    assert json.loads(capsys.readouterr().out)["verdict"] == ("holds" if case["holds"] else "violated")
