"""A run that is simulated until it is precise is the run of so many replications, stopped or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import windtunnel as wt
from models.load import LoadedScenario
from reports.outcomes import Outcomes
from reports.precision import too_wide
from sim import simulate as simulating
from sim.executors.base import Executor
from sim.executors.pool import InProcess
from windtunnel.cli import exit_code
from windtunnel.new import new_scenario


@pytest.fixture
def desk(tmp_path: Path) -> LoadedScenario:
    new_scenario(tmp_path / "desk")
    changes = {
        "horizon": "5h",
        "warm-up": "1h",
        "objectives": {"cheap": {"kind": "case-cost", "at-most": "9 USD"}},
        "desks.supervisors.cost-per-hour": "30 USD",
    }
    return wt.load(tmp_path / "desk", changes)


def _files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_run_is_that_of_so_many_replications(desk: LoadedScenario, tmp_path: Path) -> None:
    found = wt.simulate(desk, tmp_path / "precise", replications=4, precision=0.1, workers=1)
    count = found.manifest.replications
    assert 4 < count < 1000
    wt.simulate(desk, tmp_path / "fixed", replications=count, workers=2)
    assert _files(tmp_path / "precise") == _files(tmp_path / "fixed")
    outcomes = wt.assess(found)
    assert isinstance(outcomes, Outcomes)
    assert too_wide(outcomes.objectives, 0.1) == []
    for one in outcomes.objectives:
        half = (one.interval.high - one.interval.low) / 2
        assert half <= 0.1 * one.interval.estimate


def test_a_stopped_one_goes_on_until_it_is_precise(
    desk: LoadedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wt.simulate(desk, tmp_path / "whole", replications=4, precision=0.1, workers=1)
    left = iter(range(7))

    class _Stopping(InProcess):
        def run(self, asked):  # type: ignore[no-untyped-def]
            for answer in super().run(asked):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                yield answer

    @contextmanager
    def stopping(*_: object) -> Iterator[Executor]:
        yield _Stopping()

    with monkeypatch.context() as patched:
        patched.setattr(simulating, "executor", stopping)
        with pytest.raises(KeyboardInterrupt):
            wt.simulate(desk, tmp_path / "stopped", replications=4, precision=0.1, workers=1)
    wt.resume(tmp_path / "stopped", workers=1)
    assert _files(tmp_path / "stopped") == _files(tmp_path / "whole")


def test_the_cap_is_kept_and_what_is_not_precise_is_told(
    desk: LoadedScenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [word for path, value in desk.changes.items() for word in ("--set", f"{path}={json.dumps(value)}")]
    out = ["--out", str(tmp_path / "run"), "--workers", "1", "--replications", "4", "--replications-max", "6"]
    exit_code(["simulate", str(desk.path), *sets, *out, "--precision", "0.1%"])
    told = capsys.readouterr()
    assert "6 replications" in told.out
    assert "warning: cheap is not as precise as wanted" in told.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--precision", "5"], "is not a share between 0 and 1"),
        (["--precision", "5%", "--replications", "1"], "one replication gives no interval"),
        (["--precision", "5%", "--replications", "9", "--replications-max", "5"], "expected 9 or more"),
        (["--replications-max", "5"], "it is for `--precision`"),
    ],
)
def test_what_makes_no_sense_is_refused(
    desk: LoadedScenario, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["simulate", str(desk.path), *arguments]) == 2
    assert told in capsys.readouterr().err
