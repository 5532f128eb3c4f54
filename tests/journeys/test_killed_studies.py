"""A comparison whose worker, scheduler or client is killed in mid-study comes to the bytes of the undisturbed one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import windtunnel as wt
from cluster import Cluster
from models.diagnostics import InputError
from models.load import LoadedScenario
from reports.studies.compare import Compare
from reports.studies.study import Settings, answer_question
from windtunnel.cli import exit_code

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "scenarios" / "refund-desk"
SHORT = {"horizon": "1d", "warm-up": "2h", "faults": []}
QUESTION = Compare({"base": {}, "few": {"desks.care.roster.0.staff": 1}}, 6)


@pytest.fixture(scope="module")
def scenario() -> LoadedScenario:
    return wt.load(SCENARIO, SHORT)


@pytest.fixture(scope="module")
def whole(scenario: LoadedScenario, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return answered(scenario, tmp_path_factory.mktemp("whole") / "study", workers=1)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "cluster").mkdir()
    own = Cluster(tmp_path / "cluster")
    yield own
    own.close()


def answered(
    scenario: LoadedScenario,
    out: Path,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    at: int = 0,
    then: Callable[[], object] = lambda: None,
) -> dict[str, bytes]:
    """The files of the study; once so many replications are measured, something is done."""

    def progress(done: int, _: int | None) -> None:
        if done == at:
            then()

    answer_question(scenario, QUESTION, Settings(7), out, workers=workers, cluster=cluster, progress=progress)
    return {file.name: file.read_bytes() for file in out.iterdir()}


def kill_workers() -> None:
    for worker in multiprocessing.active_children():
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)


def test_workers_of_the_pool(scenario: LoadedScenario, whole: dict[str, bytes], tmp_path: Path) -> None:
    assert answered(scenario, tmp_path / "study", workers=2, at=3, then=kill_workers) == whole


@pytest.mark.long
def test_a_worker_of_a_cluster(
    scenario: LoadedScenario, whole: dict[str, bytes], cluster: Cluster, tmp_path: Path
) -> None:
    first = cluster.worker("--no-nanny")

    def kill() -> None:
        first.kill()
        cluster.worker("--no-nanny")

    assert answered(scenario, tmp_path / "study", cluster=cluster.address, at=3, then=kill) == whole


@pytest.mark.long
def test_the_scheduler_of_a_cluster(
    scenario: LoadedScenario, whole: dict[str, bytes], cluster: Cluster, tmp_path: Path
) -> None:
    cluster.worker("--no-nanny")
    with pytest.raises(InputError, match=r"the Dask scheduler of .* is gone"):
        answered(scenario, tmp_path / "study", cluster=cluster.address, at=3, then=cluster.scheduler.kill)
    assert answered(scenario, tmp_path / "study", workers=1) == whole


KILLED = """
import os, signal, sys
import windtunnel as wt
from pathlib import Path
from reports.studies.compare import Compare
from reports.studies.study import Settings, answer_question
from windtunnel.cli import exit_code

def kill(done, total):
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    scenario = wt.load(sys.argv[1], {"horizon": "1d", "warm-up": "2h", "faults": []})
    question = Compare({"base": {}, "few": {"desks.care.roster.0.staff": 1}}, 6)
    where = {"cluster": sys.argv[3]} if len(sys.argv) > 3 else {"workers": 2}
    answer_question(scenario, question, Settings(7), Path(sys.argv[2]), progress=kill, **where)
"""


def killed(out: Path, *where: str) -> None:
    script = out.with_suffix(".py")
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(SCENARIO), str(out), *where]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.long
def test_the_client_with_workers_of_its_own(scenario: LoadedScenario, whole: dict[str, bytes], tmp_path: Path) -> None:
    killed(tmp_path / "study")
    again: list[int] = []
    assert answered(scenario, tmp_path / "study", workers=2, at=6, then=lambda: again.append(6)) == whole
    assert again == [6], "five were kept"


@pytest.mark.long
def test_the_client_of_a_cluster(
    scenario: LoadedScenario, whole: dict[str, bytes], cluster: Cluster, tmp_path: Path
) -> None:
    cluster.worker("--no-nanny")
    killed(tmp_path / "study", cluster.address)
    assert answered(scenario, tmp_path / "study", cluster=cluster.address) == whole


def test_the_command_that_goes_on_takes_a_cluster_too(
    scenario: LoadedScenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answered(scenario, tmp_path / "study", workers=1, at=1, then=stop)
    assert exit_code(["resume", str(tmp_path / "study"), "--cluster", "nowhere"]) == 2
    assert "expected `local` or the address of a Dask scheduler" in capsys.readouterr().err
