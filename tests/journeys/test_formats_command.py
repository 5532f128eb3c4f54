"""Commands in every format: what is printed, and the exit code, say the same verdict."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from reports.formats.github import SUMMARY_BYTES
from windtunnel.cli import exit_code
from windtunnel.new import new_scenario
from windtunnel.options import ToldFormat

SCHEMA = "entity A; entity B; action pay appliesTo { principal: [A], resource: [B], context: { n: Long } };\n"
PAY = 'principal is A, action == Action::"pay", resource is B'
GOOD = f'@id("pay") permit({PAY});\n'
BAD = f'@id("never") permit({PAY}) when {{ context.n > 3 && context.n < 2 }};\n'
OPEN = f"""@id("number") permit({PAY}) when {{ context.n > 3 }};
@id("text") permit({PAY}) when {{ context.n == "many" }};
"""
SETS = {"pass": GOOD, "fail": BAD, "invalid": "permit(", "undecided": OPEN}
CODES = {"pass": 0, "fail": 1, "invalid": 2, "undecided": 3}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout; the working directory is a folder in it."""
    (tmp_path / ".git").mkdir()
    where = tmp_path / "some where"
    where.mkdir()
    for name, text in SETS.items():
        (where / name).mkdir()
        (where / name / "a b.cedar").write_text(text)
        if name != "undecided":  # one attribute of two types, and no schema to say which
            (where / name / "a.cedarschema").write_text(SCHEMA)
    monkeypatch.chdir(where)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return where


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = exit_code(arguments)
    return code, capsys.readouterr().out


def verdict_of(format: str, out: str) -> tuple[str, int]:
    """The verdict and the exit code that a format says."""
    match format:
        case "text":
            found = re.match(r"\S (\w+)", out)
            assert found
            return found[1], CODES[found[1]]
        case "json":
            read = json.loads(out)
            return read["verdict"], CODES[read["verdict"]]
        case "sarif" | "code-scanning":
            (run,) = json.loads(out)["runs"]
            return run["properties"]["verdict"], run["invocations"][0]["exitCode"]
        case "junit":
            suites = ET.fromstring(out)
            facts = {p.attrib["name"]: p.attrib["value"] for p in suites.iter("property")}
            bad = int(suites.attrib["failures"]), int(suites.attrib["errors"])
            assert (bad == (0, 0)) == (facts["verdict"] == "pass")
            return facts["verdict"], int(facts["exit code"])
        case "github":
            *_, last = out.splitlines()
            found = re.match(r"windtunnel: (\w+).*\(exit code (\d)\)$", last)
            assert found
            assert ("::error" in out) == (found[1] != "pass")
            return found[1], int(found[2])
    found = re.match(r"## \S Windtunnel: (\w+), .*?Exit code (\d)\.", out, re.DOTALL)
    assert found
    return found[1], int(found[2])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("format", list(ToldFormat))
@pytest.mark.parametrize("verdict", SETS)
def test_the_verdict_and_the_exit_code_agree(verdict: str, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "verify", verdict, "--effort", "low", "--format", format)
    if verdict == "invalid" and format in ("text", "json"):
        assert (code, out) == (2, "")  # the faults are told on standard error
        return
    assert (code, verdict_of(format, out)) == (CODES[verdict], (verdict, CODES[verdict]))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("format", ["sarif", "junit", "github", "markdown"])
@pytest.mark.parametrize("forbid", [[], ["--forbid", "newly-denied"]])
def test_a_change_in_every_format(format: str, forbid: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out = said(capsys, "diff", "pass", "fail", *forbid, "--format", format)
    assert code == len(forbid) // 2
    assert verdict_of(format, out) == ("fail" if forbid else "pass", code)
    assert "D402" in out


def test_files_are_named_from_the_root_of_the_checkout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for target in ("fail", str(folder / "fail")):
        _, out = said(capsys, "verify", target, "--format", "sarif")
        places = [place["physicalLocation"] for place in _results(out)[0]["locations"]]
        assert [place["artifactLocation"]["uri"] for place in places] == ["some%20where/fail/a%20b.cedar"]
        _, out = said(capsys, "verify", target, "--format", "github")
        assert "::error file=some where/fail/a b.cedar,line=1," in out
        assert str(folder) not in out


def _results(out: str) -> list[dict[str, Any]]:
    found = json.loads(out)["runs"][0]["results"]
    assert isinstance(found, list)
    return found


def test_the_summary_of_a_step_is_appended(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = folder / "summary.md"
    sheet.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(sheet))
    assert said(capsys, "verify", "fail", "--format", "markdown")[0] == 1
    assert sheet.read_text() == "before\n"
    assert said(capsys, "verify", "fail", "--format", "github")[0] == 1
    assert sheet.read_text().startswith("before\n## ❌ Windtunnel: fail")
    sheet.write_bytes(b"x" * (SUMMARY_BYTES - 500))
    said(capsys, "verify", "fail", "--format", "github")
    assert sheet.stat().st_size <= SUMMARY_BYTES
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "no" / "where"))
    assert exit_code(["verify", "fail", "--format", "github"]) == 1
    assert "the summary of the step cannot be written" in capsys.readouterr().err


def test_a_run_is_told_alike_when_it_is_made_and_when_it_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    new_scenario(Path("desk"))
    few = ["--replications", "2", "--workers", "1", "--set", "horizon=6h", "--effort", "low"]
    code, out = said(capsys, "run", "desk", *few, "--out", "r", "--format", "junit")
    assert verdict_of("junit", out)[1] == code
    rules = {case.attrib["classname"] for case in ET.fromstring(out).iter("testcase")}
    assert {"windtunnel", "objective"} < rules
    for format in ("sarif", "junit", "github", "markdown", "json"):
        again, told = said(capsys, "report", "r", "--format", format)
        assert again == code
        if format != "json":
            assert verdict_of(format, told)[1] == code
    assert said(capsys, "report", "r", "--format", "markdown", "--out", "r.md") == (code, "")
    assert Path("r.md").read_text().startswith("## ")
    names = {case.attrib["name"] for case in ET.fromstring(out).iter("testcase")}
    told = said(capsys, "report", "r", "--format", "junit")[1]
    assert {case.attrib["name"] for case in ET.fromstring(told).iter("testcase")} == names
    alone = said(capsys, "simulate", "desk", *few[:-2], "--out", "s", "--format", "sarif")
    where = {r["ruleId"]: r["locations"][0]["physicalLocation"] for r in _results(alone[1]) if "locations" in r}
    assert where
    lines = Path("desk/scenario.yaml").read_text().splitlines()
    for rule, place in where.items():
        assert place["artifactLocation"]["uri"] == "desk/scenario.yaml"
        assert lines[place["region"]["startLine"] - 1].strip().startswith(rule.removeprefix("objective/"))


@pytest.mark.usefixtures("folder")
def test_one_command_writes_several_formats(capsys: pytest.CaptureFixture[str]) -> None:
    also = ["--write", "junit=j.xml", "--write=code-scanning=c.sarif"]
    for verdict in ("fail", "invalid"):
        code, out = said(capsys, "verify", verdict, *also, "--format", "github")
        assert verdict_of("github", out)[1] == code
        assert verdict_of("junit", Path("j.xml").read_text()) == (verdict, code)
        assert verdict_of("sarif", Path("c.sarif").read_text()) == (verdict, code)
    assert said(capsys, "verify", "pass", "--write", "junit=no/where.xml")[0] == 2
    for wrong, told in (
        ("junt=x", "did you mean `junit`?"),
        ("text=x", "expected one of"),
        ("junit", "expected a file"),
    ):
        assert exit_code(["verify", "pass", "--write", wrong]) == 2
        assert told in capsys.readouterr().err
