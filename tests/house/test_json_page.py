"""docs/checks.md names every key of the JSON that commands print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from windtunnel.cli import exit_code

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"
POLICIES = """
@id("pay") permit(principal is A, action == Action::"pay", resource is B);
@id("no") forbid(principal is A, action == Action::"pay", resource is B) when { context.n > 3 };
@id("never") permit(principal is A, action == Action::"pay", resource is B) when { context.n > 3 };
"""
SCHEMA = "entity A; entity B; action pay appliesTo { principal: [A], resource: [B], context: { n: Long } };"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.cedar").write_text(POLICIES)
    (tmp_path / "a.cedarschema").write_text(SCHEMA)
    asked = {"principal": 'A::"a"', "action": 'Action::"pay"', "resource": 'B::"b"', "context": {"n": 1}}
    (tmp_path / "log.jsonl").write_text(json.dumps(asked))
    return tmp_path


COMMANDS = {
    "windtunnel.findings/1": "verify a.cedar",
    "windtunnel.diff/1": "diff a.cedar a.cedar",
    "windtunnel.query/1": "query always-denies --policies a.cedar",
    "windtunnel.backtest/1": "backtest a.cedar --requests log.jsonl",
    "windtunnel.inferred/1": "schema infer a.cedar",
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("schema", COMMANDS)
def test_every_key_is_on_the_page(schema: str, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code([*COMMANDS[schema].split(), "--format", "json"])
    said = json.loads(capsys.readouterr().out)
    page = PAGE.read_text().partition("## JSON")[2].partition("\n## ")[0]
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{schema}`"))
    assert [key for key in said if key != "schema" and f"`{key}`" not in row] == []
    assert said["schema"] == schema
    for finding in said.get("findings", ()):
        assert [key for key in finding if f"`{key}`" not in page] == []
        assert [key for key in finding["witness"] or () if f"`{key}`" not in page] == []
