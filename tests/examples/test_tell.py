"""`wt.tell`: the text of `--format`, from Python."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

import windtunnel as wt
from models.cedar.load import load_policies
from reports.baseline import baseline_text
from reports.statements import of_findings
from verify.verify import verify
from windtunnel.cli import exit_code
from windtunnel.new import new_scenario

SCHEMA = "entity A; entity B; action pay appliesTo { principal: [A], resource: [B], context: { n: Long } };\n"
BAD = '@id("never") permit(principal is A, action, resource) when { context.n > 3 && context.n < 2 };\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("old", BAD), ("new", BAD.replace("< 2", "< 9"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.cedar").write_text(text)
        (tmp_path / name / "a.cedarschema").write_text(SCHEMA)
    return tmp_path


def _untitled(text: str) -> str:
    """Without the title: the command knows the names of the folders."""
    for title in ("change of policies", "change%20of%20policies", "change of%20policies", "old to new"):
        text = text.replace(title, "")
    return text


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("format", ["sarif", "code-scanning", "junit", "github", "markdown"])
def test_it_is_what_the_command_prints(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(["diff", "old", "new", "--format", format])
    told = wt.tell(wt.diff("old", "new"), format)  # type: ignore[arg-type]
    assert _untitled(told) == _untitled(capsys.readouterr().out)
    assert "D401" in told


@pytest.mark.usefixtures("folder")
def test_exceptions_and_the_day_are_arguments() -> None:
    found = verify(load_policies(Path("old")), None)
    (bad,) = (one for one in of_findings(found) if one.rule == "P101" and one.kind == "fail")
    Path("b.json").write_text(baseline_text([bad]))
    Path("w.yaml").write_text(
        f'windtunnel: 1\nwaivers:\n- {{fingerprint: "{bad.fingerprint}", check: P101, scope: old, reason: r, '
        "approver: a, created: 2026-01-01, expires: 2026-02-01}\n"
    )

    def code(**given: object) -> int:
        (run,) = json.loads(wt.tell(found, "sarif", **given))["runs"]  # type: ignore[arg-type]
        return int(run["invocations"][0]["exitCode"])

    assert code() == 1
    assert code(baseline="b.json") == 0
    assert code(waivers="w.yaml", today=date(2026, 1, 15)) == 0
    assert code(waivers="w.yaml", today=date(2026, 2, 2)) == 4


@pytest.mark.usefixtures("folder")
def test_a_run_is_told() -> None:
    new_scenario(Path("desk"))
    scenario = wt.load("desk", {"horizon": "6h"})
    run = wt.simulate(scenario, "r", replications=2, workers=1, findings=wt.verify(scenario, effort="low"))
    assert "objective" in wt.tell(run, "junit")


@pytest.mark.usefixtures("folder")
def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of sarif"):
        wt.tell(wt.diff("old", "new"), "pdf")  # type: ignore[arg-type]
