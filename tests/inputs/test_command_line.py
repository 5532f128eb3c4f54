"""Bad input on the command line: exit 2, every fault with its place and help, never a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from windtunnel.cli import exit_code
from windtunnel.new import new_scenario


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    new_scenario(folder)
    return folder


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    code = exit_code([str(word) for word in words])
    said = capsys.readouterr()
    assert code == 2, said.out + said.err
    assert "Traceback" not in said.err
    assert "internal error" not in said.err
    return said.err


CYCLE = """\
        next: again
      again:
        kind: wait
        duration: 1m
        next: answer
"""

FAULTS = {
    "unknown key": ("horizon: 2d", "horizn: 2d", r"scenario\.yaml:\d+:1: .*`horizn`", "horizon"),
    "wrong unit": ("horizon: 2d", "horizon: 2 parsecs", r"scenario\.yaml:\d+:10: .*duration", "parsecs"),
    "no unit": ("rate: 40/h", "rate: 40", r"scenario\.yaml:\d+:\d+: .*rate", "40"),
    "unknown agent": ("agent: helper", "agent: helpr", r"scenario\.yaml:\d+:\d+: .*`helpr`", "helper"),
    "never staffed": ('"00:00-24:00"', '"00:00-00:00"', r"scenario\.yaml:\d+:\d+: .*hours", "00:00"),
    "missing policies": ("path: policies", "path: policy", r"policy", "policy"),
    "cycle without a limit": (
        "jitter: full}\n",
        f"jitter: full}}\n{CYCLE}",
        r"scenario\.yaml:\d+:\d+: .*steps go round",
        "limit",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_scenario_is_placed_and_explained(
    fault: str, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, place, word = FAULTS[fault]
    change(desk / "scenario.yaml", old, new)
    err = refused(capsys, "run", desk)
    assert re.search(place, err), err
    assert word in err


def test_a_roster_that_never_comes_is_refused(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(desk / "scenario.yaml", "days: daily", "days: sun")  # the two days start on a Monday
    assert re.search(r"scenario\.yaml:\d+:\d+: .*staffed", refused(capsys, "run", desk))


def test_every_fault_is_told_at_once(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(desk / "scenario.yaml", "horizon: 2d", "horizon: 2")
    change(desk / "scenario.yaml", "warm-up: 2h", "warmup: 2h")
    change(desk / "scenario.yaml", "success: 0.95", "success: 1.95")
    err = refused(capsys, "run", desk)
    assert len(re.findall(r"scenario\.yaml:\d+:\d+: ", err)) >= 3
    assert "did you mean `warm-up`?" in err


def test_cedar_syntax_error_is_cedars_own_with_its_line(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(desk / "policies" / "policies.cedar", "context.amount > 500", "context.amount >> 500")
    assert re.search(r"policies\.cedar:\d+:\d+: .*unexpected token", refused(capsys, "verify", desk))


def test_a_policy_that_fails_strict_validation(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(desk / "policies" / "policies.cedar", "context.amount", "context.amuont")
    err = refused(capsys, "run", desk)
    assert re.search(r"policies\.cedar:\d+:\d+: ", err)
    assert "amuont" in err


Breaking = Callable[[Path], None]


def truncate(run: Path) -> None:
    data = (run / "events.parquet").read_bytes()
    (run / "events.parquet").write_bytes(data[: len(data) // 2])


def renew(run: Path) -> None:
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(manifest | {"schema": "windtunnel.run/99"}))


def lose(run: Path) -> None:
    (run / "cases.parquet").unlink()


def garble(run: Path) -> None:
    (run / "run.json").write_text("{")


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flown") / "desk"
    new_scenario(folder)
    run = folder.parent / "run"
    assert exit_code(["simulate", str(folder), "--out", str(run), "--replications", "2", "--workers", "1"]) in {0, 3}
    return run


@pytest.mark.parametrize(
    ("breaking", "word"), [(truncate, "events"), (renew, "newer"), (lose, "cases"), (garble, "run.json")]
)
@pytest.mark.parametrize("command", [["report"], ["replay", "--case", "0"]])
def test_a_broken_run_folder_is_refused(
    command: list[str], breaking: Breaking, word: str, flown: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(flown, run)
    breaking(run)
    assert word in refused(capsys, command[0], run, *command[1:])


def test_an_output_folder_that_cannot_be_written(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert "file" in refused(capsys, "simulate", desk, "--out", tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_folder_that_is_not_a_run_is_never_replaced(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "thesis"
    precious.mkdir()
    (precious / "chapter-1.txt").write_text("In the beginning")
    refused(capsys, "simulate", desk, "--out", precious)
    assert (precious / "chapter-1.txt").read_text() == "In the beginning"


def test_a_run_that_holds_a_users_own_file_is_never_replaced(
    flown: Path, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(flown, run)
    (run / "notes.txt").write_text("mine")
    assert "notes.txt" in refused(capsys, "simulate", desk, "--out", run)
    assert (run / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("command", ["run", "verify", "simulate"])
@pytest.mark.parametrize("named", ["", "scenario.yaml"])
def test_a_folder_in_place_of_the_scenario_file(
    command: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scenario.yaml").mkdir()
    assert "scenario.yaml: is a folder, expected a file" in refused(capsys, command, tmp_path / named)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "run.json: is not JSON: "), ("[" * 100_000, "run.json: is nested too deeply"),
        ('{"schema": "windtunnel.run/2"}', "run.json: is not as it was written: `scenario`: field required"),
        ("\xff", "run.json: is not text in UTF-8"), ("[]", "run.json: is not the manifest of a run"),
    ],
)  # fmt: skip
def test_garbage_in_a_manifest_is_told_for_what_it_is(
    text: str, words: str, flown: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(flown, run)
    (run / "run.json").write_bytes(text.encode("latin-1"))
    for command in ("report", "audit"):
        err = refused(capsys, command, run)
        assert words in err
        assert "help: simulate again" in err or text == "[]"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "x", "--fail-on", "nothing"], "expected one of `error`, `warning`, got `nothing`"),
        (["run", "x", "--fail-on", "warnin"], "got `warnin`; did you mean `warning`?"),
        (
            ["verify", "x", "--effort", "hgh"],
            "expected one of `low`, `normal`, `high`, got `hgh`; did you mean `high`?",
        ),
        (["report", "x", "--format", "wav"], "expected one of `html`, `md`, `pdf`, "),
    ],
)
def test_a_wrong_choice_is_answered_with_the_choices(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refused(capsys, *words)


@pytest.mark.parametrize("place", ["file", "file/below", "file/below/it"])
def test_scripts_cannot_go_to_or_below_a_file(
    place: str, desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert place in refused(capsys, "verify", desk, "--scripts", tmp_path / place)
    assert (tmp_path / "file").read_text() == "not a folder"
