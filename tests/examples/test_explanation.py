"""`windtunnel verify --explain CHECK`, and explanations in the terminal, the report and the JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.json import from_json
from verify.catalogue import CATALOGUE, CHANGES
from verify.findings import Findings
from verify.json import to_json
from verify.page import check_named, section
from windtunnel.cli import exit_code

POLICIES = """@id("base") permit(principal, action == Action::"refund", resource);
@id("large") @escalate("finance")
\tforbid(principal, action == Action::"refund", resource) when {
    context.amount > 500 && context.tier == "gold" };
@id("cap") forbid(principal, action == Action::"refund", resource) when { context.amount > 100 };
@id("pay") @owner("a") permit(principal, action == Action::"restart", resource) when { context.amount > 9 };
@id("stop") @owner("b") forbid(principal, action == Action::"restart", resource) when { context.amount > 90 };
"""
SCHEMA = """
entity Agent;
entity Thing;
action refund, restart appliesTo { principal: [Agent], resource: [Thing], context: { amount: Long, tier: String } };
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rules.cedar").write_text(POLICIES)
    (tmp_path / "rules.cedarschema").write_text(SCHEMA)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def out(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    assert exit_code(["verify", "rules.cedar", *arguments]) == code
    return capsys.readouterr().out


@pytest.mark.usefixtures("folder")
def test_a_check_is_explained_with_its_findings_rules_and_clauses(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "--explain", "unreachable-escalation")
    lines = text.splitlines()
    assert "P201 unreachable-escalation" in lines[0]
    assert CATALOGUE["P201"].question in text
    assert "Mend: " in text
    quoted = lines.index('        4 |     context.amount > 500 && context.tier == "gold" };')
    assert lines[quoted + 1] == "          |     ^^^^^^^^^^^^^^^^^^^^"
    assert "P106" not in text
    assert "why: Whenever `context.amount > 500` (line 4) is true, `cap` matches" in " ".join(text.split())
    assert '      - @id("large") @escalate("finance")' in lines


@pytest.mark.usefixtures("folder")
def test_a_witness_is_told_as_a_story_with_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(out(capsys, "--explain", "p106").split())
    assert 'asks for Action::"restart" on Thing::' in text
    assert 'with amount = 91, tier = "". It is denied, by `stop`.' in text
    assert '+ @overrides("a")' in text


@pytest.mark.usefixtures("folder")
def test_what_holds_is_told_in_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "--explain", "P101", code=0)
    assert "`large` (rules.cedar:2) can match." in text
    assert "violated 1" not in text


@pytest.mark.usefixtures("folder")
def test_a_check_that_has_nothing_to_ask_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert "No finding: no scenario" in out(capsys, "--explain", "P205", code=3)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("check", "told"),
    [("P999", "there is no check"), ("unreachable-escalaton", "unreachable-escalation"), ("D401", "windtunnel diff")],
)
def test_a_check_that_is_not_asked_is_refused(check: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["verify", "rules.cedar", "--explain", check]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("check", CATALOGUE)
def test_every_check_has_a_page_by_id_and_name(check: str) -> None:
    assert check_named(check.lower()) == check_named(CATALOGUE[check].name) == check
    assert CATALOGUE[check].question in " ".join(section(check).split())
    assert "\n##" not in section(check)
    assert check in CHANGES or "Mend:" in section(check)


@pytest.mark.usefixtures("folder")
def test_explanations_are_told_in_the_terminal_and_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(out(capsys).split())
    assert "Whenever `context.amount > 500` (line 4) is true, `cap` matches" in text
    assert "suggested: Delete `large`" in text
    value = json.loads(out(capsys, "--format", "json"))
    (masked,) = [finding for finding in value["findings"] if finding["check"] == "P201"]
    assert masked["because"][0] == {
        "role": "whenever", "policy": "large", "file": "rules.cedar", "line": 4, "column": 5,
        "text": "context.amount > 500", "negated": False,
    }  # fmt: skip
    (edit,) = masked["suggestion"]["edits"]
    assert (edit["file"], edit["line"], edit["column"], edit["insert"]) == ("rules.cedar", 2, 1, "")
    assert POLICIES.split("\n", 1)[1].startswith(edit["remove"])


@pytest.mark.usefixtures("folder")
def test_explanations_survive_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    value = json.loads(out(capsys, "--format", "json"))
    read = from_json(value)
    assert any(finding.because for finding in read.findings)
    assert any(finding.suggestion for finding in read.findings)
    again = to_json(Findings(read.findings, read.checked))
    assert [finding["because"] for finding in again["findings"]] == [f["because"] for f in value["findings"]]
    assert [finding["suggestion"] for finding in again["findings"]] == [f["suggestion"] for f in value["findings"]]
    value["findings"][0]["because"] = [{"role": "else", "policy": "", "file": "", "line": 0, "column": 0, "text": ""}]
    with pytest.raises(ValueError, match="role"):
        from_json(value)
