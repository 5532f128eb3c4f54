"""The run folder: what is written, when it is refused, and that nothing half-written looks whole."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models.diagnostics import InputError
from models.load import LoadedScenario
from sim import engine, simulate, workload
from sim.run import open_run
from sim.simulate import simulate as fly
from sim.tables import TABLES


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_one_seed_gives_one_run_to_the_byte_whatever_the_workers(small: LoadedScenario, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    fly(small, tmp_path / "one", workers=1, progress=lambda done, total: steps.append((done, total)))
    fly(small, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert set(contents(tmp_path / "one")) == {"run.json", "scenario.json"} | {f"{name}.parquet" for name in TABLES}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_another_seed_gives_another_run_and_a_replication_is_the_same_alone(
    small: LoadedScenario, tmp_path: Path
) -> None:
    base = fly(small, tmp_path / "base", workers=1)
    other = fly(small, tmp_path / "other", seed=6, workers=1)
    alone = fly(small, tmp_path / "alone", replications=1, workers=1)
    assert not base.events().equals(other.events())
    first = base.events().query("replication == 0").reset_index(drop=True)
    assert first.equals(alone.events())


def test_tables_have_the_columns_they_promise(small: LoadedScenario, tmp_path: Path) -> None:
    run = fly(small, tmp_path / "run", workers=1)
    for name, schema in TABLES.items():
        found = pq.read_schema(tmp_path / "run" / f"{name}.parquet")
        assert [(f.name, f.type) for f in found][: len(schema)] == [(f.name, f.type) for f in schema]
    assert run.cases()["attr.n"].between(0, 9).all()
    assert run.manifest.replications == 3
    assert run.scenario == small.scenario
    assert len(run.manifest.roots) == 3


def test_the_manifest_names_no_place_and_no_time(small: LoadedScenario, tmp_path: Path) -> None:
    fly(small, tmp_path / "run", workers=1)
    text = (tmp_path / "run" / "run.json").read_text()
    assert str(tmp_path) not in text
    assert os.uname().nodename not in text
    assert list(json.loads(text)["inputs"]) == ["policies.cedar"]


def test_a_run_is_replaced_by_a_whole_one_only(small: LoadedScenario, tmp_path: Path) -> None:
    fly(small, tmp_path / "run", workers=1)
    (tmp_path / "run" / "report.html").write_text("old")
    before = contents(tmp_path / "run")

    def interrupted(done: int, total: int) -> None:
        if done == 2:
            assert contents(tmp_path / "run") == before, "the old run stands until the new one is whole"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="2 of 3"):
        fly(small, tmp_path / "run", seed=6, workers=1, progress=interrupted)
    assert contents(tmp_path / "run") == before
    fly(small, tmp_path / "run", seed=6, workers=1)
    assert "report.html" not in contents(tmp_path / "run")
    assert open_run(tmp_path / "run").manifest.seed == 6


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_leaves_what_can_be_gone_on_with(small: LoadedScenario, tmp_path: Path, workers: int) -> None:
    def interrupted(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"1 of 3 replications are kept; `windtunnel resume .*run` goes on"):
        fly(small, tmp_path / "run", workers=workers, progress=interrupted)
    assert [path.name for path in tmp_path.iterdir()] == [".run.unfinished"]
    assert multiprocessing.active_children() == []


def refusal(scenario: LoadedScenario, out: Path, **options: int) -> str:
    with pytest.raises(InputError) as refused:
        fly(scenario, out, **options)  # type: ignore[arg-type]
    return str(refused.value)


def test_a_place_that_is_not_a_run_is_not_overwritten(small: LoadedScenario, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert "is a file" in refusal(small, tmp_path / "file")
    assert "cannot be written" in refusal(small, tmp_path / "file" / "below")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    assert "holds no run" in refusal(small, tmp_path / "folder")
    for manifest in ("{}", "[]", "7", "{", '{"schema": "other/1"}', "[" * 100_000):
        (tmp_path / "folder" / "run.json").write_text(manifest)
        assert "holds no run" in refusal(small, tmp_path / "folder")
    assert (tmp_path / "folder" / "thesis.txt").read_text() == "mine"


def test_an_unwritable_place_is_refused_before_anything_runs(
    small: LoadedScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(_: object) -> None:
        raise AssertionError("work before the place is known to be writable")

    monkeypatch.setattr(simulate, "compile_plan", compiled)
    assert "cannot be written" in refusal(small, Path("/proc/windtunnel/run"))  # not even root may write there


def test_an_empty_folder_is_taken(small: LoadedScenario, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    fly(small, tmp_path / "run", workers=1)
    assert open_run(tmp_path / "run").manifest.seed == 5


@pytest.mark.parametrize(
    ("options", "word"), [({"replications": 0}, "replications"), ({"seed": -1}, "seed"), ({"workers": 0}, "workers")]
)
def test_arguments_out_of_range(small: LoadedScenario, tmp_path: Path, options: dict[str, int], word: str) -> None:
    assert f"expected {word} from" in refusal(small, tmp_path / "run", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_told_and_leaves_nothing(
    small: LoadedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(simulate, "part_under_way", full)
    assert "No space left on device" in refusal(small, tmp_path / "run", workers=1)
    assert list(tmp_path.iterdir()) == []


def test_limits_are_told_with_the_replication(
    small: LoadedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "EVENTS_MAX", 100)
    assert "replication 0 has more than" in refusal(small, tmp_path / "run", workers=1)
    monkeypatch.undo()
    monkeypatch.setattr(workload, "CASES_MAX", 10)
    assert "cases: lower the rate" in refusal(small, tmp_path / "run", workers=1)
    assert list(tmp_path.iterdir()) == []


# --- opening ----------------------------------------------------------------------------------------------------------


def complaint(folder: Path) -> str:
    with pytest.raises(InputError) as refused:
        open_run(folder)
    return str(refused.value)


@pytest.mark.parametrize("name", [*(f"{table}.parquet" for table in TABLES), "run.json", "scenario.json"])
def test_every_file_must_be_there_and_whole(copy: Path, name: str) -> None:
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[: len(data) // 2])
    assert name in complaint(copy)
    (copy / name).unlink()
    assert "missing" in complaint(copy) or "no run.json" in complaint(copy)


def test_all_bad_tables_are_named_at_once(copy: Path) -> None:
    (copy / "cases.parquet").unlink()
    (copy / "events.parquet").write_bytes(b"PAR1")
    told = complaint(copy)
    assert "cases.parquet" in told
    assert "events.parquet" in told


@pytest.mark.parametrize(
    ("schema", "word"),
    [("windtunnel.run/3", "newer"), ("windtunnel.run/1", "older"), ("other/1", "not the manifest"), (7, "not the")],
)
def test_a_manifest_of_another_version(copy: Path, schema: object, word: str) -> None:
    manifest = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(manifest | {"schema": schema}))
    assert word in complaint(copy)


@pytest.mark.parametrize("text", ["", "[]", "{", "7", '{"schema": "windtunnel.run/2"}', "[" * 100_000, "\xff"])
def test_a_manifest_that_is_none(copy: Path, text: str) -> None:
    (copy / "run.json").write_bytes(text.encode("latin-1"))
    assert "run.json" in complaint(copy)


def test_a_table_without_its_columns(copy: Path) -> None:
    table = pq.read_table(copy / "cases.parquet").drop(["outcome"])
    pq.write_table(table, copy / "cases.parquet")
    assert "has not the columns" in complaint(copy)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    assert "is not a run folder" in complaint(tmp_path)
    assert "is not a run folder" in complaint(tmp_path / "nowhere")
