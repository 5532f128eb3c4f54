"""The terminal summary and the JSON: verdict first, plain text off a terminal, nothing a terminal would obey."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from reports import progress, terminal
from reports.console import mark
from reports.outcomes import Outcomes, assess
from reports.statements import told_of_findings
from reports.verdict import judge
from sim.run import Run
from verify.findings import Finding, Findings, Location, PolicyRef, Witness
from windtunnel import api

ROOT = Path(__file__).parents[2]
WHERE = Location("policies/a.cedar", 7)


def finding(name: str, verdict: Any, check: str = "P106") -> Finding:
    witness = Witness('Agent::"a"', 'Action::"b"', 'R::"c"', {"amount": 501}, (), ("finance",))
    told = witness if verdict == "violated" else None
    return Finding(check, "conflict", "error", verdict, (PolicyRef(name, WHERE),), f"{name} conflicts", WHERE, told)


FINDINGS = Findings((finding("calm", "holds"), finding("open", "undecided"), finding("bad", "violated")), {})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "incident-desk"
    return api.simulate(api.load(ROOT / "scenarios" / "incident-desk"), folder, replications=3, workers=1)


@pytest.fixture(scope="module")
def outcomes(run: Run) -> Outcomes:
    return assess(run)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")


def test_the_summary_starts_with_the_verdict_and_ends_with_the_report(
    outcomes: Outcomes, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.print_run(judge(FINDINGS, outcomes), FINDINGS, outcomes, Path("runs/x/report.html"))
    lines = capsys.readouterr().out.splitlines()
    assert "fail" in lines[0]
    assert "incident-desk" in lines[0]
    assert lines[-1] == "report: runs/x/report.html"
    text = "\n".join(lines)
    for word in ("no-deadlock", "lock:service", "P106 conflict", "bad conflicts", "policies/a.cedar:7", "seed 2013"):
        assert word in text, word
    assert "\x1b" not in text
    assert max(map(len, lines)) <= 100


def test_findings_tell_violated_first_and_count_what_holds(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_findings(told_of_findings(judge(FINDINGS, None), FINDINGS), FINDINGS)
    text = capsys.readouterr().out
    assert "1 violated, 1 undecided, 1 holds" in text
    assert text.index("bad conflicts", text.index("checks:")) < text.index("open conflicts", text.index("checks:"))
    assert "calm conflicts" not in text


def test_a_violated_warning_looks_like_a_warning_not_like_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mild = dataclasses.replace(finding("mild", "violated"), severity="warning")
    found = Findings((mild,), {})
    terminal.print_findings(told_of_findings(judge(found, None), found), found)
    text = capsys.readouterr().out
    assert "! warning  P106 conflict  violated" in text
    assert "checks: 0 violated, 1 warning, 0 undecided, 0 holds" in text
    monkeypatch.delenv("NO_COLOR")
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(mark(console, "warning"))
    amber, red = "\x1b[33m", "31m"
    assert amber in console.file.getvalue()  # type: ignore[attr-defined]
    assert red not in console.file.getvalue()  # type: ignore[attr-defined]


def test_hostile_names_neither_colour_nor_break_lines(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = Findings((finding("[bold red]x[/]\x1b[2J\n✓ pass", "violated"),), {})
    terminal.print_findings(told_of_findings(judge(hostile, None), hostile), hostile)
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "[bold red]x[/]" in text
    assert "\n✓ pass" not in text


def test_simulation_alone_says_where_the_run_is(outcomes: Outcomes, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_outcomes(judge(None, outcomes), outcomes, Path("runs/x"))
    assert capsys.readouterr().out.splitlines()[-1] == "run: runs/x"


def test_a_console_without_unicode_gets_plain_symbols() -> None:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert mark(console, "fail").plain == "x fail"


def test_each_open_objective_has_its_reason_beside_it_in_every_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from reports.html import render_html
    from reports.json import report_json

    loaded = api.load(ROOT / "scenarios" / "incident-desk")
    run = api.simulate(loaded, tmp_path / "run", replications=1, workers=1)
    outcomes = assess(run)
    verdict = judge(FINDINGS, outcomes)
    undecided = [o.name for o in outcomes.objectives if o.verdict == "undecided"]
    assert undecided
    why = "one replication gives no interval"
    terminal.print_run(verdict, FINDINGS, outcomes, None)
    said = " ".join(capsys.readouterr().out.split())
    told = report_json(verdict, FINDINGS, outcomes)["verdict"]["open"]
    assert told[-1] == {"check": "P106", "because": "open conflicts"}
    assert told[:-1] == [{"objective": name, "because": why} for name in undecided]
    for name in undecided:
        assert f"{name} is undecided because {why}" in said
    page = render_html(run.scenario, FINDINGS, outcomes, verdict)
    assert page.count(f"Undecided because {why}.") == len(undecided)


def test_progress_is_silent_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.bar("working") as advance:
        advance(1, 2)
        advance(2, 2)
    with progress.status("thinking"):
        pass
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip() == ""


def test_json_is_versioned_finite_and_whole(outcomes: Outcomes) -> None:
    from reports.json import report_json

    value = report_json(judge(None, outcomes), None, outcomes)
    text = json.dumps(value, allow_nan=False)
    assert json.loads(text) == value
    assert value["schema"] == "windtunnel.report/1"
    assert value["verdict"]["result"] == "fail"
    assert value["verdict"]["exit_code"] == 1
    assert value["findings"] is None
    objectives = {o["name"]: o for o in value["outcomes"]["objectives"]}
    assert objectives["no-deadlock"]["verdict"] == "fail"
    assert len(objectives["no-deadlock"]["sample"]["low"]) == 3


def test_findings_survive_the_file_beside_the_run(run: Run, tmp_path: Path) -> None:
    from reports.json import read_findings

    assert read_findings(run) is None
    loaded = api.load(ROOT / "scenarios" / "incident-desk")
    kept = api.simulate(loaded, tmp_path / "run", replications=1, workers=1, findings=FINDINGS)
    assert read_findings(kept) == FINDINGS
