"""A scenario with values set from outside is the scenario whose file says so, and is refused where that would be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from models.changes import parse_changes
from models.diagnostics import InputError
from models.load import load
from sim.journal import Header, journal, read_header
from sim.run import open_run
from windtunnel.cli import exit_code
from windtunnel.new import new_scenario


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    new_scenario(folder)
    return folder


def faults_of(desk: Path, *texts: str) -> list[tuple[str, str, str]]:
    with pytest.raises(InputError) as refused:
        load(desk, parse_changes(texts))
    return [(fault.file, fault.message, fault.help) for fault in refused.value.diagnostics]


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("horizon: 2d", "horizon: 3d", "horizon=3d"),
        ("rate: 40/h", "rate: 30/h", "work.requests.arrivals.rate=30/h"),
        ("horizon: 2d", "horizon: 2d\ncurrency: EUR", "currency=EUR"),
        ("horizon: 2d", "horizon: 2d\ndecision-point:\n  latency: 5ms", "decision-point.latency=5ms"),
        ("path: policies", "path: other", "policies.path=other"),
    ],
)  # fmt: skip
def test_a_changed_scenario_is_the_one_whose_file_says_so(desk: Path, old: str, new: str, change: str) -> None:
    (desk / "other").mkdir()
    for file in (desk / "policies").iterdir():
        (desk / "other" / file.name).write_text(file.read_text() + "\n")
    before = load(desk)
    told = load(desk, parse_changes([change]))
    file = desk / "scenario.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    written = load(desk)
    assert (told.scenario, told.digest) == (written.scenario, written.digest)
    assert told.scenario.dump() == written.scenario.dump()
    assert told.digest != before.digest


def test_a_change_to_what_the_file_says_changes_nothing(desk: Path) -> None:
    assert load(desk, {"horizon": "2d"}).digest == load(desk).digest


@pytest.mark.parametrize(
    ("change", "message", "help"),
    [
        ("horizn=3d", "there is no `horizn`", "did you mean `horizon`?"),
        ("work.request.arrivals.rate=3/h", "there is no `work.request`", "`work.requests.arrivals.rate`"),
        ("horizon.x=3", "there is nothing below `horizon`", "`2d`"),
        ("horizon=3 parsecs", "duration", "expected"),
        ("replications=many", "`many` is not a whole number", "from 1 to 100,000"),
        ("replications=0", "`0` is out of range", "from 1 to 100,000"),
        ("horizon=", "missing value", "expected"),
        ("policies.path=polices", "no such file or folder: `polices`", "did you mean `policies`?"),
        ("horizon", "not a change", "path=value"),
        ("horizon=[1, 2", "expected", ""),
        ("horizon=3d\nseed: 4", "more than one value", ""),
        ("horizon=*a", "alias", ""),
    ],
)
def test_a_wrong_change_is_told_as_a_fault_of_it(desk: Path, change: str, message: str, help: str) -> None:
    ((file, said, helped),) = faults_of(desk, change)
    assert file == "--set " + change.replace("\n", " ")
    assert message in said
    assert help in helped


def test_all_faults_are_told_at_once(desk: Path) -> None:
    told = faults_of(desk, "horizn=3d", "replications=0", "seed=-1")
    assert [file for file, _, _ in told] == ["--set horizn=3d", "--set replications=0", "--set seed=-1"]


def test_a_path_cannot_be_set_twice(desk: Path) -> None:
    assert "set twice" in faults_of(desk, "seed=1", "seed=2")[0][1]


def test_list_items_are_set_by_position(desk: Path) -> None:
    file = desk / "scenario.yaml"
    text = file.read_text()
    assert "faults:" not in text
    file.write_text(text + "\nfaults:\n  - {kind: load-spike, work: requests, at: 1h, lasts: 2h, factor: 2}\n")
    assert load(desk, parse_changes(["faults.0.at=3h"])).scenario.faults[0].at == 3 * 3_600_000_000
    assert faults_of(desk, "faults.1.at=3h") == [
        ("--set faults.1.at=3h", "there is no `faults.1`", "expected an item from 0 to 0")
    ]


def test_the_run_is_that_of_the_changed_scenario(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = [
        "simulate",
        str(desk),
        "--set",
        "horizon=6h",
        "--set",
        "warm-up=1h",
        "--set",
        "replications=2",
        "--out",
        str(out),
    ]
    assert exit_code([*words, "--workers", "1"]) in (0, 1, 3), capsys.readouterr().err
    told = load(desk, {"horizon": "6h", "warm-up": "1h", "replications": 2})
    assert open_run(out).manifest.scenario_digest == told.digest
    assert json.loads((out / "scenario.json").read_text()) == told.scenario.dump()
    assert exit_code(["simulate", str(desk), "--set", "horizn=1h"]) == 2
    assert re.search("--set horizn=1h: there is no `horizn`", capsys.readouterr().err)


def test_what_was_changed_is_kept_for_who_goes_on_with_a_stopped_run(desk: Path, tmp_path: Path) -> None:
    loaded = load(desk, {"horizon": "6h"})
    header = Header(str(loaded.path), loaded.digest, 1, 2, {}, None, "events", loaded.changes)
    (tmp_path / "run").mkdir()
    with journal(tmp_path / "run", header, tmp_path / "out"):
        kept = read_header(tmp_path / "run")
    assert kept is not None
    assert load(Path(kept.scenario), kept.changes).digest == loaded.digest
