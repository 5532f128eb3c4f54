"""A policy may be called anything: what is said of it is inert in every format, and says the name."""

from __future__ import annotations

import json
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from models.cedar.uids import escape
from readers import harmless, obeyed, shown, texts
from reports.words import printable
from statements import HOSTILE
from windtunnel.cli import exit_code
from windtunnel.options import ToldFormat

SCHEMA = "entity A; entity B; action pay appliesTo { principal: [A], resource: [B], context: { s: String } };\n"
NAMES = [text for text in HOSTILE if text.isprintable() or text.encode("utf-8", "ignore").decode() == text]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "a.cedarschema").write_text(SCHEMA)
    return tmp_path


def spelt(text: str) -> str:
    """A text as formats have it, wherever in a line it stands: `::` is spelt out where a word starts."""
    return printable(text).replace("\\u003a", ":")


def said(folder: Path, name: str, format: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What verification says of a rule of a hostile name, that asks a chain of one and compares with one."""
    text = escape(name)
    rule = 'principal is A, action == Action::"pay", resource is B'
    (folder / "a.cedar").write_text(
        f'@id("{text}") permit({rule}) when {{ context.s == "{text}" && context.s == "other" }};\n'
        f'@id("pay") permit({rule}) unless {{ context.s == "{text}" }};\n'
        f'@id("ask {text}") @escalate("team {text}") @owner("{text}") forbid({rule});\n'
    )
    capsys.readouterr()
    assert exit_code(["verify", "a.cedar", "--effort", "low", "--format", format]) in (0, 1, 3)
    return capsys.readouterr().out


@pytest.mark.parametrize("format", list(ToldFormat))
@pytest.mark.parametrize("name", NAMES)
def test_names_are_inert_in_every_format(
    name: str, format: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(folder, name, format, capsys)
    assert "P101" in out
    if format == ToldFormat.json:
        json.loads(out)
        return
    obeyed_by_terminals = {c for c in out if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"} - {"\n"}
    assert obeyed_by_terminals == set()
    commands = [command for line in out.split("\n") if (command := obeyed(line))]
    if format == ToldFormat.github:
        assert {command.name for command in commands} <= {"error", "warning", "notice"}
        assert len(commands) == out.count("title=") - sum("title=" in name for _ in commands)
    else:
        assert commands == []
    if format == ToldFormat.markdown:
        harmless(out)
        assert printable(name).replace("`", "") in "".join(texts(shown(out), code=True)).replace("`", "")
    if format == ToldFormat.junit:
        assert any(spelt(name) in spelt(case.attrib.get("message", "")) for case in ET.fromstring(out).iter())
    if format in (ToldFormat.sarif, ToldFormat.code_scanning):
        found = json.loads(out)["runs"][0]["results"]
        assert any(spelt(name).replace("](", "] (") in spelt(result["message"]["text"]) for result in found)
        assert not any("](" in result["message"]["text"] for result in found)
