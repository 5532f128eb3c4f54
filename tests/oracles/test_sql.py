"""SQL over a run says what pandas says, and reaches nothing but the tables."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import windtunnel as wt
from models.diagnostics import InputError
from reports import sql as tables
from sim.run import Run
from windtunnel.cli import exit_code
from windtunnel.new import new_scenario


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp('it\'s a "folder"') / "desk"
    new_scenario(folder)
    return wt.simulate(wt.load(folder, {"horizon": "12h"}), folder / "run", replications=2, workers=1)


def test_counts_and_means_are_those_of_pandas(run: Run) -> None:
    query = "select replication, outcome, count(*) as n, avg(cost) as cost from cases group by all order by all"
    found = wt.sql(run.folder, query)
    expected = (
        run.cases().groupby(["replication", "outcome"], as_index=False).agg(n=("case", "size"), cost=("cost", "mean"))
    )
    pd.testing.assert_frame_equal(found, expected.sort_values(["replication", "outcome"]), check_dtype=False)


def test_tables_join(run: Run) -> None:
    query = """
        select d.decision, count(distinct c."case") as n from decisions d
        join cases c using (replication, "case") where c.measured group by 1 order by 1
    """
    cases = run.cases().query("measured")[["replication", "case"]]
    joined = (
        run.decisions().merge(cases, on=["replication", "case"]).drop_duplicates(["replication", "case", "decision"])
    )
    per = joined.groupby("decision")["case"].nunique()
    assert dict(zip(*(wt.sql(run.folder, query)[c] for c in ("decision", "n")), strict=True)) == per.to_dict()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    column=st.sampled_from(["attempts", "cost", "tokens_in", "arrived"]),
    threshold=st.integers(0, 10**9),
    how=st.sampled_from(["count", "sum", "max"]),
)
def test_random_questions_have_one_answer(run: Run, column: str, threshold: int, how: str) -> None:
    found = wt.sql(run.folder, f"select {how}({column}) as x from cases where arrived > {threshold}")["x"][0]
    rows = run.cases().query(f"arrived > {threshold}")[column]
    expected = getattr(rows, how)()
    assert (pd.isna(found) and pd.isna(expected)) or int(found or 0) == int(expected)


def test_several_runs_are_told_apart(run: Run, tmp_path: Path) -> None:
    other = wt.simulate(wt.load(run.folder.parent, {"horizon": "6h"}), tmp_path / "o'ther", replications=1, workers=1)
    found = wt.sql([run.folder, other.folder], "select run, count(*) as n from cases group by 1 order by 1")
    assert dict(zip(found["run"], found["n"], strict=True)) == {"run": len(run.cases()), "o'ther": len(other.cases())}


def test_runs_of_one_name_are_told_apart(run: Run, tmp_path: Path) -> None:
    """Two folders named alike: their rows do not fall together under one name."""
    folders = [tmp_path / name / "run" for name in ("a", "b")]
    for folder in folders:
        shutil.copytree(run.folder, folder)
    found = wt.sql(folders, "select run, count(*) as n from cases group by 1 order by 1")
    assert dict(zip(found["run"], found["n"], strict=True)) == dict.fromkeys(("a/run", "b/run"), len(run.cases()))
    with pytest.raises(InputError, match="named twice"):
        wt.sql([folders[0], folders[0] / ".." / "run"], "select 1")


def test_the_tables_that_are_shown_are_those_of_the_run(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run.folder, other)
    for folders in (run.folder, [run.folder, other]):
        shown = wt.sql(folders, "show tables")["name"].tolist()
        assert shown == sorted(path.stem for path in run.folder.glob("*.parquet"))


def test_studies_have_tables_too(run: Run, tmp_path: Path) -> None:
    scenario = wt.load(run.folder.parent, {"horizon": "6h"})
    study = wt.compare(
        scenario, {"base": {}, "one": {"agents.helper.replicas": 1}}, tmp_path / "s", replications=2, workers=1
    )
    found = wt.sql(study.folder, "select count(*) as n from measures join variants using (variant)")
    assert found["n"][0] == len(study.measures())


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_parquet('cases.parquet')",
        "select * from '/etc/passwd'",
        "select * from glob('/*')",
        "copy cases to '/tmp/out.csv'",
        "attach '/tmp/a.db'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "create table x as select 1",
        "drop view cases",
        "insert into cases values (1)",
        "export database '/tmp/e'",
        "select 1; select 2",
        "select 1; drop view cases",
        "pragma version",
        "",
        "select * from query",
        "select * from run",
    ],
)
def test_nothing_but_the_tables_can_be_reached(run: Run, query: str) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in run.folder.iterdir())
    with pytest.raises(InputError):
        wt.sql(run.folder, query)
    assert sorted((path, path.stat().st_mtime_ns) for path in run.folder.iterdir()) == before


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select * from caes", "query:1:15: table with name caes does not exist"),
        ("select\n  outcom\nfrom cases", "query:2:3: referenced column"),
        ("selec 1", "query:1:1: syntax error"),
        ("create table x as select 1", "expected one statement that selects"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(
    run: Run, query: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["sql", str(run.folder), query]) == 2
    text = capsys.readouterr().err
    assert told in text
    assert "caes" not in query or "did you mean `cases`?" in text
    assert "outcom" not in query or "did you mean `outcome`?" in text


def test_a_query_that_wants_too_much_memory_is_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MEMORY", "100MB")
    with pytest.raises(InputError, match="takes more than 100MB of memory"):
        wt.sql(run.folder, "select list(a.sequence) from events a, events b, events c")


def test_rows_come_as_json_csv_and_files(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = "select outcome, count(*) as n, 1.0 / 0 as odd from cases group by 1 order by 1"
    assert exit_code(["sql", str(run.folder), query, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["odd"] for row in rows] == [None] * len(rows)
    assert exit_code(["sql", str(run.folder), query, "--format", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "outcome,n,odd"
    assert exit_code(["sql", str(run.folder), query, "--out", str(tmp_path / "x.parquet")]) == 0
    assert len(pd.read_parquet(tmp_path / "x.parquet")) == len(rows)
    assert exit_code(["sql", str(run.folder), query, "--out", str(tmp_path / "x.xls")]) == 2
    assert exit_code(["sql", str(run.folder)]) == 2
    assert exit_code(["sql", str(tmp_path), query]) == 2


def test_a_missing_extra_says_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match="DuckDB is not installed"):
        wt.sql(run.folder, "select 1")
