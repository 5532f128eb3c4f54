"""A variant that is exported is a scenario of its own: the same values, the same digest, the same runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import windtunnel as wt
from models.changes import changed, parse_changes
from models.diagnostics import InputError
from models.export import exported_text
from models.load import load
from models.reading import parse_document
from windtunnel.cli import exit_code
from windtunnel.new import new_scenario

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.parent.name for path in (ROOT / "scenarios").glob("*/scenario.yaml"))
CHANGES: dict[str, Any] = {
    "horizon": "6h",
    "warm-up": "30m",
    "currency": "EUR",
    "name": "NO",
    "description": "2026-01-05 # no comment: *a",
    "work.requests.arrivals.rate": "20/h",
    "work.requests.attributes.amount": 7,
    "desks.supervisors.roster.0.staff": 3,
    "desks.supervisors.roster.1": {"days": "mon-fri", "hours": "08:00-09:00", "staff": 1},
    "desks.second": {"roster": [{"days": "daily", "hours": "00:00-24:00", "staff": 2}], "service": "2m"},
    "faults.0": {"kind": "load-spike", "work": "requests", "at": "1h", "lasts": "1h", "factor": 2},
    "faults": [],
    "objectives": None,
    "agents.helper.replicas": None,
    "decision-point.latency": "5ms",
    "policies.path": "other",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "desk"
    new_scenario(folder)
    shutil.copytree(folder / "policies", folder / "other")
    with (folder / "other" / "policies.cedar").open("a") as file:
        file.write("// another\n")
    return folder


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=6, unique=True))
def test_a_variant_is_its_changes_by_hand_and_exported(
    desk: Path, paths: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    changes = {path: CHANGES[path] for path in paths}
    folder = tmp_path_factory.mktemp("variants") / "desk"
    shutil.copytree(desk, folder)
    plain = load(folder, changes)
    with (folder / "scenario.yaml").open("a") as file:
        file.write(f"variants: {{x: {{set: {json.dumps(changes)}}}}}\n")
    variant = load(folder, variant="x")
    files = wt.export(variant, folder.parent / "out")
    out = load(folder.parent / "out")
    assert (plain.digest, plain.scenario.dump()) == (variant.digest, variant.scenario.dump())
    assert (out.digest, out.scenario.dump()) == (plain.digest, plain.scenario.dump())
    assert not out.scenario.variants
    assert {path.relative_to(folder.parent / "out").as_posix() for path in files} == {"scenario.yaml", *plain.inputs}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_scenario_and_variant_exports(name: str, tmp_path: Path) -> None:
    base = load(ROOT / "scenarios" / name)
    for variant in ("base", *base.scenario.variants):
        loaded = load(base.path, variant=variant)
        wt.export(loaded, tmp_path / variant)
        assert load(tmp_path / variant).digest == loaded.digest
        assert (loaded.digest == base.digest) == (variant == "base")


def test_comments_and_layout_stay(desk: Path) -> None:
    text = (desk / "scenario.yaml").read_text()
    assert exported_text(load(desk)) == text
    assert exported_text(load(desk, {"horizon": "3d"})) == text.replace("horizon: 2d", "horizon: 3d")


def test_the_run_of_an_export_is_the_variants(desk: Path, tmp_path: Path) -> None:
    changes = {"horizon": "6h", "replications": 2, "faults.0": CHANGES["faults.0"]}
    loaded = load(desk, changes)
    wt.export(loaded, tmp_path / "out")
    one = wt.simulate(loaded, tmp_path / "one", workers=1)
    other = wt.simulate(load(tmp_path / "out"), tmp_path / "other", workers=1)
    read = [{file.name: file.read_bytes() for file in run.folder.rglob("*") if file.is_file()} for run in (one, other)]
    assert read[0] == read[1]


def test_commands_export_and_verify_a_variant(desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "desk"
    shutil.copytree(desk, folder)
    with (folder / "scenario.yaml").open("a") as file:
        file.write("variants: {open: {set: {policies.path: other}}, ill: {set: {agents.helper: null}}}\n")
    assert exit_code(["verify", str(folder)]) == 2
    assert "variant `ill`: " in capsys.readouterr().err
    text = (folder / "other" / "policies.cedar").read_text()
    (folder / "other" / "policies.cedar").write_text(text.replace('@escalate("supervisors")', '@escalate("nobody")'))
    assert exit_code(["verify", str(folder), "--variant", "open"]) != 0
    capsys.readouterr()
    assert exit_code(["verify", str(desk), "--set", "policies.path=other"]) == 0
    assert exit_code(["verify", str(desk / "policies"), "--set", "horizon=2d"]) == 2
    capsys.readouterr()
    out = tmp_path / "new"
    asked = ["new", str(out), "--from", str(desk), "--set", "policies.path=other"]
    assert exit_code(asked) == 0
    assert str(out / "other" / "policies.cedar") in capsys.readouterr().out
    assert not (out / "policies").exists()
    before = (out / "scenario.yaml").read_bytes()
    assert exit_code(asked) == 2
    assert "the folder exists already" in capsys.readouterr().err
    assert (out / "scenario.yaml").read_bytes() == before
    assert exit_code(["new", str(tmp_path / "x"), "--variant", "open"]) == 2


def test_files_outside_the_folder_are_not_copied(desk: Path, tmp_path: Path) -> None:
    shutil.copytree(desk, tmp_path / "desk")
    shutil.copytree(desk / "policies", tmp_path / "outside")
    loaded = load(tmp_path / "desk", {"policies.path": "../outside"})
    with pytest.raises(InputError, match="is outside the scenario's folder"):
        wt.export(loaded, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_changed_since_loading_leaves_nothing_behind(desk: Path, tmp_path: Path) -> None:
    shutil.copytree(desk, tmp_path / "desk")
    loaded = load(tmp_path / "desk")
    with (tmp_path / "desk" / "policies" / "policies.cedar").open("a") as file:
        file.write("// later\n")
    with pytest.raises(InputError, match="has changed since"):
        wt.export(loaded, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_items_are_added_at_the_end_and_null_takes_out_what_may_go() -> None:
    document = parse_document("windtunnel: 1\nhorizon: 2d\ndesks: {a: {staff: 1}}\nfaults: [{at: 1h}]\n", "f")
    told = changed(document, parse_changes(["faults.1={at: 2h}", "desks.a=null", "replications=null"]))
    assert told.value == {"windtunnel": 1, "horizon": "2d", "desks": {}, "faults": [{"at": "1h"}, {"at": "2h"}]}
    assert changed(document, {"horizon": None}).value["horizon"] is None  # has to be there: told as missing
    (fault,) = changed(document, {"faults.2": {}}).faults
    assert (fault.message, fault.help) == ("there is no `faults.2`", "expected an item from 0 to 0; 1 adds one")
