"""Replications on a Dask cluster: the bytes of a run on one machine, whoever is killed meanwhile; clear refusals."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dask
import pytest

from cluster import Cluster
from models.diagnostics import InputError
from models.load import LoadedScenario, load
from sim.executors import dask as on_dask
from sim.executors.base import pack
from sim.executors.pool import executor
from sim.run import Run, unfinished, versions
from sim.simulate import resume, simulate

ROOT = Path(__file__).parents[2]
COUNT = 12
SEED = 11


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def undisturbed(small: LoadedScenario, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    simulate(small, folder, workers=1, replications=COUNT, seed=SEED)
    return contents(folder)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "cluster").mkdir()
    own = Cluster(tmp_path / "cluster")
    yield own
    own.close()


def flown(small: LoadedScenario, out: Path, cluster: str, **options: object) -> Run:
    return simulate(small, out, cluster=cluster, replications=COUNT, seed=SEED, **options)  # type: ignore[arg-type]


@pytest.mark.long
def test_a_worker_that_is_killed_costs_nothing(
    small: LoadedScenario, undisturbed: dict[str, bytes], cluster: Cluster, tmp_path: Path
) -> None:
    first = cluster.worker("--no-nanny")

    def kill(done: int, total: int) -> None:
        if done == 3:
            first.kill()
            cluster.worker("--no-nanny")

    flown(small, tmp_path / "run", cluster.address, progress=kill)
    assert contents(tmp_path / "run") == undisturbed


def test_a_scheduler_that_is_killed_is_told_and_the_run_is_gone_on_with(
    small: LoadedScenario, undisturbed: dict[str, bytes], cluster: Cluster, tmp_path: Path
) -> None:
    cluster.worker("--no-nanny")

    def kill(done: int, total: int) -> None:
        if done == 3:
            cluster.scheduler.kill()

    with pytest.raises(InputError, match=r"the Dask scheduler of `tcp://127.0.0.1:\d+` is gone"):
        flown(small, tmp_path / "run", cluster.address, progress=kill)
    kept = (unfinished(tmp_path / "run") / "journal.jsonl").read_text().splitlines()
    assert 4 <= len(kept) < COUNT + 1
    resume(tmp_path / "run", workers=1)
    assert contents(tmp_path / "run") == undisturbed


KILLED = """
import os, signal, sys
from pathlib import Path
from models.load import load
from sim.simulate import simulate

def kill(done, total):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    scenario, out = map(Path, sys.argv[1:3])
    simulate(load(scenario), out, cluster=sys.argv[3], replications=12, seed=11, progress=kill)
"""


@pytest.mark.long
def test_a_client_that_is_killed_is_gone_on_with_on_the_same_cluster(
    small: LoadedScenario, undisturbed: dict[str, bytes], cluster: Cluster, tmp_path: Path
) -> None:
    cluster.worker("--no-nanny")
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(small.path), str(tmp_path / "run"), cluster.address]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    told: list[int] = []
    resume(tmp_path / "run", cluster=cluster.address, progress=lambda done, total: told.append(done))
    assert contents(tmp_path / "run") == undisturbed
    assert told[0] == 4, "what was finished is not run again"


def sizes(_: None, numbers: Sequence[int]) -> list[int]:
    return [len(numbers)] * len(numbers)


def refused(why: str, numbers: Sequence[int]) -> list[int]:
    raise OSError(28, why) if why else InputError()


def test_short_replications_go_fifty_or_more_to_a_task_and_what_is_wrong_comes_through() -> None:
    with executor(2, "local") as running:
        found = [size for _, _, size in running.run([(pack(sizes, None), range(3000))])]
        with pytest.raises(OSError, match="No space"):
            list(running.run([(pack(refused, "No space"), range(3))]))
        with pytest.raises(InputError):
            list(running.run([(pack(refused, ""), range(3))]))
    assert len(found) == 3000
    assert statistics.median(found) >= 50


@pytest.mark.long
def test_workers_without_windtunnel_are_refused(small: LoadedScenario, cluster: Cluster, tmp_path: Path) -> None:
    cluster.worker("--no-nanny", path=cluster.nowhere)
    assert "a worker cannot run windtunnel" in refusal(small, tmp_path / "run", cluster.address)


def test_a_local_cluster_gives_the_same_bytes_and_goes(
    small: LoadedScenario, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    flown(small, tmp_path / "run", "local", workers=2)
    assert contents(tmp_path / "run") == undisturbed


BEHAVIOURS = """\
import os
from windtunnel import behaviour

@behaviour("own")
def own(env, attempt):
    if attempt.attributes["n"] == {size}:
        os._exit(3)
    yield env.timeout(attempt.service())
"""


@pytest.mark.long
def test_one_that_ends_its_process_is_poisoned_and_workers_need_no_disk_of_ours(
    small: LoadedScenario, cluster: Cluster, tmp_path: Path
) -> None:
    for name in ("scenario.yaml", "policies.cedar"):
        text = (small.path.parent / name).read_text()
        text = text.replace("{work: {service", "{work: {behaviour: own, service").replace("high=9)", "high=1000000)")
        (tmp_path / name).write_text(text.replace("context.n > 7", "context.n > 900000"))
    file = tmp_path / "own.py"
    file.write_text(BEHAVIOURS.format(size=-1))
    sound = simulate(load(tmp_path), tmp_path / "sound", workers=1, replications=COUNT, behaviours=file)
    arrived = sound.cases().query("replication == 5 and outcome == 'completed'")["attr.n"]
    file.write_text(BEHAVIOURS.format(size=int(arrived.iloc[2])))

    def gone(done: int, total: int) -> None:
        file.unlink(missing_ok=True)

    cluster.worker("--nworkers", "2")
    run = simulate(
        load(tmp_path), tmp_path / "run", cluster=cluster.address, replications=COUNT, behaviours=file, progress=gone
    )
    (poisoned,) = run.manifest.poisoned
    assert (poisoned.replication, "worker process died" in poisoned.why) == (5, True)
    rows = sound.events().query("replication != 5").reset_index(drop=True)
    assert run.events().equals(rows)


def test_workers_that_do_not_come_are_not_waited_for_without_end(
    small: LoadedScenario, undisturbed: dict[str, bytes], cluster: Cluster, tmp_path: Path
) -> None:
    first = cluster.worker("--no-nanny")

    def kill(done: int, total: int) -> None:
        if done == 3:
            first.kill()

    with (
        dask.config.set({"windtunnel.patience": 1.5}),
        pytest.raises(InputError, match="no worker has been seen at the Dask cluster"),
    ):
        flown(small, tmp_path / "run", cluster.address, progress=kill)
    resume(tmp_path / "run", workers=1)
    assert contents(tmp_path / "run") == undisturbed


class _Lost:
    """A future whose first result went with its worker, after it was told to be there."""

    def __init__(self, value: object) -> None:
        self.value, self.asked = value, 0

    def add_done_callback(self, call: Callable[[object], None]) -> None:
        call(self)

    def result(self, timeout: float) -> object:
        assert timeout == on_dask.FETCH_SECONDS, "nothing is waited for without end"
        self.asked += 1
        if self.asked == 1:
            raise TimeoutError
        return self.value

    def release(self) -> None:
        assert self.asked == 2


class _Losing:
    """A client of a cluster that loses every result once."""

    scheduler = types.SimpleNamespace(ncores=None)

    def sync(self, *_: object, **__: object) -> dict[str, int]:
        return {"worker": 1}

    def submit(self, function: Callable[[bytes], object], call: bytes, **_: object) -> _Lost:
        return _Lost(function(call))


def test_a_result_that_goes_with_its_worker_once_it_is_told_comes_again() -> None:
    """Seen once in many runs: a fetch without an end waited for workers that nobody started."""
    on = on_dask.DaskExecutor(_Losing(), "tcp://losing")
    found = sorted(number for _, number, _ in on.run([(pack(_same, None), range(40))]))
    assert found == list(range(40))


def _same(_: object, numbers: Sequence[int]) -> Sequence[int]:
    return numbers


def test_workers_with_other_versions_are_refused_by_both_names(
    small: LoadedScenario, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.worker("--no-nanny")
    there = versions()
    monkeypatch.setattr(on_dask, "versions", lambda: {**there, "python": "2.7.18", "numpy": "1.0"})
    with pytest.raises(InputError) as refused:
        flown(small, tmp_path / "run", cluster.address)
    assert f"a worker has other versions: numpy {there['numpy']} there, 1.0 here, " in str(refused.value)
    assert f"python {there['python']} there, 2.7.18 here" in str(refused.value)


def refusal(small: LoadedScenario, out: Path, cluster: str, **options: object) -> str:
    with pytest.raises(InputError) as refused:
        flown(small, out, cluster, **options)
    return str(refused.value)


def test_a_cluster_that_nobody_answers_for_is_refused_within_seconds(
    small: LoadedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert on_dask.CONNECT_SECONDS <= 5
    monkeypatch.setattr(on_dask, "CONNECT_SECONDS", 1.0)
    began = time.monotonic()
    told = refusal(small, tmp_path / "run", "tcp://127.0.0.1:1")
    assert "no Dask scheduler answers at `tcp://127.0.0.1:1`" in told
    assert "dask scheduler" in told
    assert time.monotonic() - began < 10
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:8786", "http://127.0.0.1:8786", "", "Local", "tcp://"])
def test_an_address_that_is_none(small: LoadedScenario, tmp_path: Path, address: str) -> None:
    assert "--cluster" in refusal(small, tmp_path / "run", address)
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_has_its_own_workers(small: LoadedScenario, tmp_path: Path) -> None:
    assert "its own number of workers" in refusal(small, tmp_path / "run", "tcp://127.0.0.1:1", workers=3)


def test_without_dask_the_extra_is_named(
    small: LoadedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'windtunnel[cluster]'" in refusal(small, tmp_path / "run", "local")
