"""A run and its report with waivers: the verdict goes by them, the page tells them, and what is out of date fails."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from models.load import LoadedScenario
from windtunnel.cli import exit_code

NEVER = '\n@id("never") permit (principal, action, resource) when { context.n > 3 && context.n < 2 };\n'
TODAY = "--today=2026-11-23"


@pytest.fixture
def desk(small: LoadedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scenario with one rule that can never match, and a run of it, under the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = Path("fleet/desk")
    shutil.copytree(small.path.parent, folder)
    with (folder / "policies.cedar").open("a") as policies:
        policies.write(NEVER)
    assert exit_code(["run", str(folder), "--out", "kept", "--workers", "1"]) == 1
    return folder


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = exit_code([*words, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def waive(capsys: pytest.CaptureFixture[str], scope: str) -> None:
    _, said = told(capsys, "report", "kept")
    [known_by] = [one["fingerprint"] for one in said["statements"] if one["rule"] == "P101" and one["kind"] == "fail"]
    Path("waivers.yaml").write_text(
        f'windtunnel: 1\nwaivers:\n- fingerprint: "{known_by}"\n  check: P101\n  scope: {scope}\n'
        "  reason: Going away.\n  approver: R. Okafor\n  created: 2026-11-01\n  expires: 2026-12-31\n"
    )


WAIVED = ("--waivers", "waivers.yaml", TODAY)


def test_a_run_goes_by_waivers_and_its_page_tells_them(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waive(capsys, "fleet/desk")
    assert exit_code(["run", str(desk), "--out", "again", "--workers", "1", *WAIVED]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 statement waived." in out
    assert "waived: Going away. Approved by R. Okafor" in out
    page = Path("again/report.html").read_text()
    assert "<strong>Waived.</strong> Going away." in page
    assert re.search(r'id="waivers".*?P101 never-matches.*?Approved by R\. Okafor', page, re.DOTALL)
    assert re.search(r'id="residual-risk".*?violated, waived', page, re.DOTALL)
    first = Path("kept/report.html").read_text()
    assert "No waiver was named for this report" in first
    assert "Waived." not in first
    assert exit_code(["report", "kept", *WAIVED, "--scenario", str(desk), "--out", "other.html"]) == 0
    assert Path("other.html").read_bytes() == Path("again/report.html").read_bytes()


def test_every_format_of_a_report_agrees_on_waivers(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waive(capsys, "fleet/desk")
    of = ("report", "kept", "--waivers", "waivers.yaml", "--scenario", str(desk))
    code, said = told(capsys, *of, TODAY)
    assert (code, said["verdict"]["result"], said["verdict"]["exit_code"]) == (0, "pass", 0)
    assert [one["waived"] != "" for one in said["statements"] if one["rule"] == "P101" and one["kind"] == "fail"] == [
        True
    ]
    code, said = told(capsys, *of, "--today=2027-01-01")
    assert (code, said["verdict"]["result"], said["verdict"]["exit_code"]) == (4, "fail", 4)
    assert "expired on 2026-12-31" in said["verdict"]["reasons"][0]
    for format in ("text", "md", "html", "csv", "sarif", "junit", "github", "markdown"):
        assert exit_code([*of, TODAY, "--format", format]) == 0
        assert exit_code([*of, "--today=2027-01-01", "--format", format]) == 4
    assert "not in force" in Path("kept/report.html").read_text()


def test_a_waiver_of_another_scope_waives_nothing(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waive(capsys, "fleet/other")
    assert exit_code(["run", str(desk), "--out", "again", "--workers", "1", *WAIVED]) == 1
    assert "waives nothing: what it is for stands in fleet/desk/policies.cedar" in " ".join(
        capsys.readouterr().out.split()
    )
    assert "unused" in Path("again/report.html").read_text()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("report", "kept", TODAY), "--waivers"),
        (("report", "kept", "--scenario", "fleet/desk"), "--waivers"),
        (("report", "kept", "kept", "--waivers", "waivers.yaml"), "of one run"),
        (("report", "kept", "--waivers", "none.yaml"), "none.yaml"),
        (("run", "fleet/desk", "--waivers", "none.yaml"), "none.yaml"),
    ],
)
@pytest.mark.usefixtures("desk")
def test_what_cannot_be_waived_so(words: tuple[str, ...], fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    waive(capsys, "fleet/desk")
    assert exit_code(words) == 2
    assert fault in capsys.readouterr().err
