"""A run folder is not trusted: what does not fit is refused before it is computed with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.diagnostics import InputError
from reports.json import FINDINGS_FILE, read_findings
from reports.outcomes import assess
from sim.run import Run, open_run
from windtunnel import api

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
def test_findings_that_cannot_be_read_are_an_input_error(tmp_path: Path, text: str) -> None:
    (tmp_path / FINDINGS_FILE).write_text(text)
    with pytest.raises(InputError, match="findings"):
        read_findings(tmp_path)


@pytest.mark.parametrize("detail", ["", "{", "[]", '{"ring": 3}', '{"ring": [{"case": "x"}]}', "[" * 50_000, "null"])
def test_rings_that_cannot_be_read_are_left_out(detail: Any) -> None:
    from reports.deadlock import read_members

    assert read_members(detail) == ()
