"""A run that is stopped at any moment and gone on with is the run that was never stopped, to the byte."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import until
from models.diagnostics import InputError
from models.load import LoadedScenario, load
from sim import journal, simulate
from sim.lines import line, said
from sim.run import unfinished
from sim.simulate import resume
from sim.simulate import simulate as fly
from sim.tables import TABLES

ROOT = Path(__file__).parents[2]
COUNT = 4


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def undisturbed(small: LoadedScenario, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    fly(small, folder, workers=1, replications=COUNT, findings="{}\n")
    return contents(folder)


def stopped(small: LoadedScenario, out: Path, after: int, workers: int = 1) -> None:
    """A run that is stopped once so many replications are finished."""

    def stop(done: int, total: int) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fly(small, out, workers=workers, replications=COUNT, findings="{}\n", progress=stop)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("after", range(1, COUNT + 1))
def test_a_run_is_the_same_wherever_it_was_stopped(
    small: LoadedScenario, undisturbed: dict[str, bytes], tmp_path: Path, after: int, workers: int
) -> None:
    stopped(small, tmp_path / "run", after, workers)
    assert not (tmp_path / "run").exists(), "what is half-written does not look whole"
    told: list[tuple[int, int]] = []
    resume(tmp_path / "run", workers=workers, progress=lambda done, total: told.append((done, total)))
    assert contents(tmp_path / "run") == undisturbed
    assert told == [(done, COUNT) for done in range(after + 1, COUNT + 1)], "only what is missing is run"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_run_may_be_stopped_again_and_again(
    small: LoadedScenario, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    stopped(small, tmp_path / "run", 1)
    for _ in range(COUNT - 2):
        with pytest.raises(KeyboardInterrupt):
            resume(tmp_path / "run", workers=1, progress=stop)
    resume(tmp_path / "run", workers=1)
    assert contents(tmp_path / "run") == undisturbed


def test_the_same_call_goes_on_and_another_begins_anew(
    small: LoadedScenario, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    stopped(small, tmp_path / "run", 3)
    told: list[int] = []
    fly(small, tmp_path / "run", workers=1, replications=COUNT, findings="{}\n", progress=lambda n, _: told.append(n))
    assert (told, contents(tmp_path / "run")) == ([4], undisturbed)
    stopped(small, tmp_path / "run", 3)
    fly(small, tmp_path / "run", workers=1, replications=COUNT, seed=77, progress=lambda n, _: told.append(n))
    assert told == [4, 1, 2, 3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


KILLED = """
import os, signal, sys
from pathlib import Path
from models.load import load
from sim.simulate import simulate

def kill(done, total):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    scenario, out = map(Path, sys.argv[1:])
    simulate(load(scenario), out, workers=1, replications=4, findings="{}\\n", progress=kill)
"""


def test_a_killed_process_is_gone_on_with(small: LoadedScenario, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(small.path), str(tmp_path / "run")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    resume(tmp_path / "run", workers=1)
    assert contents(tmp_path / "run") == undisturbed


DAMAGE = {
    "a line cut off": lambda folder: _cut(folder / "journal.jsonl", 20),
    "a part cut off": lambda folder: _cut(folder / "parts" / "1.events.arrow", 20),
    "a part changed": lambda folder: _change(folder / "parts" / "0.decisions.arrow"),
    "a part missing": lambda folder: (folder / "parts" / "2.cases.arrow").unlink(),
    "a line that is none": lambda folder: _append(folder / "journal.jsonl", b"[]\n{\n7\n"),
    "lines that say something else": lambda folder: _append(
        folder / "journal.jsonl",
        line({}) + line({"replication": 3}) + line({"replication": "3", "seal": 1, "parts": 2}),
    ),
    "a line of a replication that was never asked for": lambda folder: _append(
        folder / "journal.jsonl",
        line({"replication": 99, "seal": {"rows": 0, "head": "", "root": ""}, "parts": ["", "", "", ""]}),
    ),
    "a line that stands there twice": lambda folder: _append(
        folder / "journal.jsonl", (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)[2]
    ),
    "a line changed": lambda folder: _change(folder / "journal.jsonl"),
    "the remains of a process that was killed as it wrote": lambda folder: (
        folder / "parts" / "3.events.4711"
    ).write_bytes(b"half"),
}


def _cut(file: Path, bytes: int) -> None:
    file.write_bytes(file.read_bytes()[:-bytes])


def _change(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def _append(file: Path, data: bytes) -> None:
    file.write_bytes(file.read_bytes() + data)


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_damaged_is_run_again(
    small: LoadedScenario, undisturbed: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    stopped(small, tmp_path / "run", 3)
    DAMAGE[kind](unfinished(tmp_path / "run"))
    resume(tmp_path / "run", workers=1)
    assert contents(tmp_path / "run") == undisturbed


def refusal(out: Path) -> str:
    with pytest.raises(InputError) as refused:
        resume(out, workers=1)
    return str(refused.value)


def test_what_has_changed_is_not_gone_on_with(
    small: LoadedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scenario"
    folder.mkdir()
    for name in ("scenario.yaml", "policies.cedar"):
        (folder / name).write_bytes((small.path.parent / name).read_bytes())
    stopped(load(folder), tmp_path / "run", 2)
    (folder / "policies.cedar").write_text("permit (principal, action, resource);")
    assert "has changed since the run was stopped" in refusal(tmp_path / "run")
    (folder / "policies.cedar").write_bytes((small.path.parent / "policies.cedar").read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr(simulate, "versions", lambda: {**journal_versions(tmp_path / "run"), "numpy": "0.1"})
        assert "the version of numpy has changed" in refusal(tmp_path / "run")
    resume(tmp_path / "run", workers=1)
    assert "the run there is whole" in refusal(tmp_path / "run")


def journal_versions(out: Path) -> dict[str, str]:
    header = journal.read_header(unfinished(out))
    assert header is not None
    return dict(header.versions)


@pytest.mark.parametrize(
    "text", [b"\n", b"{\n", b"[]\n", line({"schema": "windtunnel.journal/2"}), line({}), b"[" * 100_000]
)
def test_a_journal_that_is_none(tmp_path: Path, text: bytes) -> None:
    folder = unfinished(tmp_path / "run")
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes(text)
    assert "there is no unfinished run of this name" in refusal(tmp_path / "run")
    assert "there is no unfinished run of this name" in refusal(tmp_path / "another")


def test_one_process_writes_a_run(small: LoadedScenario, tmp_path: Path) -> None:
    def meanwhile(done: int, total: int) -> None:
        with pytest.raises(InputError, match="another process is writing this run"):
            fly(small, tmp_path / "run", workers=1)

    fly(small, tmp_path / "run", workers=1, progress=meanwhile)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_disk_that_fills_up_loses_nothing(
    small: LoadedScenario, undisturbed: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: journal.Journal, number: int, done: journal.Finished) -> None:
        if number == 2:
            raise OSError(28, "No space left on device")
        add(self, number, done)

    add = journal.Journal.add
    monkeypatch.setattr(journal.Journal, "add", full)
    with pytest.raises(InputError, match="No space left on device"):
        fly(small, tmp_path / "run", workers=1, replications=COUNT, findings="{}\n")
    monkeypatch.undo()
    kept = (unfinished(tmp_path / "run") / "journal.jsonl").read_bytes().splitlines(keepends=True)
    assert [(said(one) or {}).get("replication") for one in kept[1:]] == [0, 1]
    resume(tmp_path / "run", workers=1)
    assert contents(tmp_path / "run") == undisturbed
    assert set(undisturbed) == {"run.json", "scenario.json", "findings.json"} | {f"{name}.parquet" for name in TABLES}


# --- kills ------------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_costs_nothing(
    small: LoadedScenario, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    def kill(done: int, total: int) -> None:
        if done in (1, 2):
            for worker in multiprocessing.active_children():
                assert worker.pid is not None
                os.kill(worker.pid, signal.SIGKILL)

    fly(small, tmp_path / "run", workers=2, replications=COUNT, findings="{}\n", progress=kill)
    assert contents(tmp_path / "run") == undisturbed


def test_whoever_is_killed_in_mid_run_leaves_no_worker_and_loses_nothing_kept(tmp_path: Path) -> None:
    desk = ROOT / "scenarios" / "incident-desk"
    words = ["simulate", str(desk), "--workers", "2", "--replications", "6"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "windtunnel", *words, "--out", str(tmp_path / "run")],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    journaled = unfinished(tmp_path / "run") / "journal.jsonl"
    until(lambda: journaled.exists() and journaled.read_bytes().count(b"\n") > 2, "two replications")
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    until(lambda: not any(map(_alive, workers)), "the end of the workers")
    kept = journaled.read_bytes().count(b"\n") - 1
    told: list[int] = []
    resume(tmp_path / "run", workers=1, progress=lambda done, total: told.append(done))
    assert told[0] == kept + 1, "what was kept is not run again"
    fly(load(desk), tmp_path / "whole", workers=2, replications=6)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def _alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- disks ------------------------------------------------------------------------------------------------------------

LIMITED = """
import resource, sys
from pathlib import Path
from models.diagnostics import InputError
from models.load import load
from sim.simulate import simulate

def limit(done, total):
    if done == 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))

if __name__ == "__main__":
    scenario, out = map(Path, sys.argv[1:3])
    try:
        simulate(load(scenario), out, workers=1, replications=4, findings="{}\\n", progress=limit)
    except InputError as error:
        print(error)
"""


@pytest.mark.parametrize("room", [0, 1200, 6000])
def test_a_disk_without_room_is_told_and_loses_nothing(
    small: LoadedScenario, undisturbed: dict[str, bytes], tmp_path: Path, room: int
) -> None:
    """Files may grow to so many bytes: nothing fits, the parts do not, or the tables do not."""
    script = tmp_path / "limited.py"
    script.write_text(LIMITED)
    command = [sys.executable, str(script), str(small.path), str(tmp_path / "run"), str(room)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, check=True, timeout=120, capture_output=True, text=True)
    assert "cannot be written: " in done.stdout
    assert "2 of 4 replications are kept; `windtunnel resume " in done.stdout
    told: list[int] = []
    resume(tmp_path / "run", workers=1, progress=lambda done, total: told.append(done))
    assert told == [3, 4]
    assert contents(tmp_path / "run") == undisturbed


def test_a_journal_that_cannot_be_written_is_told_before_anything_runs(small: LoadedScenario, tmp_path: Path) -> None:
    (unfinished(tmp_path / "run") / "journal.jsonl").mkdir(parents=True)
    with pytest.raises(InputError, match="its journal cannot be written: Is a directory"):
        fly(small, tmp_path / "run", workers=1, progress=lambda done, total: pytest.fail("it runs"))
