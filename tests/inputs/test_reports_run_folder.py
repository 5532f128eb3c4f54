"""A run folder is not trusted: what does not fit is refused before it is computed with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.diagnostics import InputError
from reports.json import read_findings
from reports.outcomes import assess
from reports.verdict import UNVERIFIED
from sim.audit import audit
from sim.run import FINDINGS, Run, open_run
from verify.findings import Finding, Findings, Location
from windtunnel import api
from windtunnel.cli import exit_code

SCENARIO = """\
windtunnel: 1
name: small
start: 2026-01-05T00:00:00Z
horizon: 1h
workflows: {w: {start: s, steps: {s: {kind: end}}}}
work: {all: {workflow: w, arrivals: {kind: poisson, rate: 10/h}}}
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO)
    return api.simulate(api.load(file), tmp_path / "run", replications=2, workers=1)


@pytest.mark.parametrize("number", [2, 2**31 - 1, -1])
def test_rows_of_a_replication_that_is_not_there_are_refused(run: Run, number: int) -> None:
    file = run.folder / "cases.parquet"
    cases = pq.read_table(file)
    numbers = pa.array([number, *cases["replication"].to_pylist()[1:]], pa.int32())
    pq.write_table(cases.set_column(0, cases.schema.field(0), numbers), file)
    with pytest.raises(InputError, match="replications that the run has not"):
        assess(open_run(run.folder))


@pytest.mark.parametrize("number", [0, 10**12])
def test_a_number_of_replications_out_of_range_is_refused(run: Run, number: int) -> None:
    file = run.folder / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"replications": number}))
    with pytest.raises(InputError):
        assess(open_run(run.folder))


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "{}", '{"schema": "windtunnel.findings/2", "findings": [], "checked": {}}',
        '{"schema": "windtunnel.findings/1", "findings": [{}], "checked": {}}',
        '{"schema": "windtunnel.findings/1", "findings": 3, "checked": {}}',
        '{"schema": "windtunnel.findings/1", "findings": [{"verdict": "fine", "severity": "error"}], "checked": {}}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_findings_that_cannot_be_read_are_an_input_error(run: Run, text: str) -> None:
    (run.folder / FINDINGS).write_text(text)
    manifest = run.manifest.model_copy(update={"findings": hashlib.sha256(text.encode()).hexdigest()})
    (run.folder / "run.json").write_text(manifest.text())
    with pytest.raises(InputError, match="holds no findings of this version"):
        read_findings(open_run(run.folder))


# --- a run that was verified, and one that was not --------------------------------------------------------------------

BROKEN = Findings((Finding("P106", "conflict", "error", "violated", (), "it conflicts", Location("a.cedar", 1)),), {})


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """A run whose verdict fails by its findings alone."""
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO + "objectives: {done: {kind: count, of: deadlocks, at-most: 0}}\n")
    folder = tmp_path / "failed"
    api.simulate(api.load(file), folder, replications=5, workers=1, findings=BROKEN)
    assert exit_code(["report", str(folder), "--format", "json"]) == 1
    assert audit(folder).intact
    return folder


def lost(folder: Path) -> None:
    (folder / FINDINGS).unlink()


def emptied(folder: Path) -> None:
    (folder / FINDINGS).write_text("")


def without_findings(folder: Path) -> None:
    (folder / FINDINGS).write_text('{"schema": "windtunnel.findings/1", "findings": [], "checked": {}}')


@pytest.mark.parametrize("harm", [lost, emptied, without_findings])
@pytest.mark.parametrize("format", ["html", "text", "json"])
def test_a_failed_run_never_passes_for_want_of_its_findings(
    failed: Path, harm: Any, format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    harm(failed)
    capsys.readouterr()
    assert exit_code(["report", str(failed), "--format", format]) == 2
    said = capsys.readouterr()
    assert "findings.json" in said.err
    assert "pass" not in said.out
    with pytest.raises(InputError, match=r"findings\.json"):
        api.report(open_run(failed), None, failed / "report.html")
    assert exit_code(["audit", str(failed)]) == 1
    assert "findings.json" in capsys.readouterr().out


def test_findings_put_beside_a_run_that_was_not_verified_are_refused(failed: Path, run: Run) -> None:
    (run.folder / FINDINGS).write_bytes((failed / FINDINGS).read_bytes())
    with pytest.raises(InputError, match="nothing was verified"):
        read_findings(run)
    assert not audit(run.folder).intact


def test_a_report_without_findings_given_tells_those_kept_with_the_run(failed: Path) -> None:
    page = api.report(open_run(failed), None, failed / "report.html").read_text()
    assert "it conflicts" in page
    assert UNVERIFIED not in page


def test_a_verdict_without_verification_says_so_beside_it(failed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario, folder = str(failed.parent / "scenario.yaml"), failed.parent / "alone"
    options = ["--out", str(folder), "--replications", "5", "--workers", "1"]
    assert exit_code(["simulate", scenario, *options]) == 0
    assert json.loads((folder / "run.json").read_text())["findings"] is None
    told = [capsys.readouterr().out]
    assert exit_code(["report", str(folder), "--format", "text"]) == 0
    told.append(capsys.readouterr().out)
    for text in told:
        lines = text.splitlines()
        beside = " ".join(" ".join(lines[: lines.index("")]).split())  # the first block: verdict and reasons
        assert beside.startswith(("✓ pass", "+ pass"))
        assert UNVERIFIED in beside
    assert exit_code(["report", str(folder), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"]["reasons"][-1] == UNVERIFIED
    assert exit_code(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert UNVERIFIED in page[: page.index("</section>")]
    capsys.readouterr()
    assert exit_code(["audit", str(folder)]) == 0
    assert "nothing was verified" in capsys.readouterr().out


@pytest.mark.parametrize("detail", ["", "{", "[]", '{"ring": 3}', '{"ring": [{"case": "x"}]}', "[" * 50_000, "null"])
def test_rings_that_cannot_be_read_are_left_out(detail: Any) -> None:
    from reports.deadlock import read_members

    assert read_members(detail) == ()
