"""The main job as its users do it: the command line on the shipped scenarios, the run folder, the report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
AWS_SAMPLES = ROOT.parent / "shared" / "data" / "cedar" / "agents" / "aws-samples" / "policies"


def windtunnel(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "windtunnel", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)


@pytest.fixture(scope="module")
def incident_desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("runs") / "incident-desk"
    return out, windtunnel("run", SCENARIOS / "incident-desk", "--out", out)


def test_incident_desk_is_a_no_go(incident_desk: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = incident_desk
    assert done.returncode == 1, done.stderr
    assert "fail" in done.stdout.lower()


def test_the_report_names_what_was_planted(incident_desk: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = incident_desk
    page = (out / "report.html").read_text(encoding="utf-8")
    for word in (
        "P201", "unreachable-escalation", "database-change", "database-freeze",
        "P106", "conflict", "restart-at-once", "platinum-hands-off",
        "lock:service", "lock:record",
    ):  # fmt: skip
        assert word in page, word


def test_a_run_folder_holds_what_it_should(incident_desk: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = incident_desk
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        "run.json", "scenario.json", "findings.json", "report.html",
        "cases.parquet", "events.parquet", "decisions.parquet", "samples.parquet",
    }  # fmt: skip
    text = (out / "run.json").read_text() + (out / "report.html").read_text()
    assert str(ROOT) not in text
    assert str(out) not in text


def test_the_fixed_desk_passes(tmp_path: Path) -> None:
    done = windtunnel("run", SCENARIOS / "incident-desk-fixed", "--out", tmp_path / "run", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["verdict"]["result"] == "pass"


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, workers in (("a", "1"), ("b", "2")):
        windtunnel(
            "run",
            SCENARIOS / "incident-desk",
            "--out",
            tmp_path / name / "run",
            "--replications",
            "3",
            "--workers",
            workers,
        )
    for path in sorted((tmp_path / "a" / "run").iterdir()):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / "run" / path.name).read_bytes(), path.name


def test_another_seed_gives_other_cases(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        done = windtunnel(
            "simulate",
            SCENARIOS / "refund-desk",
            "--out",
            tmp_path / seed,
            "--replications",
            "1",
            "--workers",
            "1",
            "--seed",
            seed,
        )
        assert done.returncode in {0, 1, 3}, done.stderr
    assert (tmp_path / "1" / "cases.parquet").read_bytes() != (tmp_path / "2" / "cases.parquet").read_bytes()


def test_audit_passes_then_names_the_changed_row(
    incident_desk: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    out, _ = incident_desk
    assert windtunnel("audit", out).returncode == 0
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    log = copy / "decisions.parquet"
    data = bytearray(log.read_bytes())
    spot = data.index(b"agents-triage", len(data) // 3)
    data[spot] ^= 1
    log.write_bytes(data)
    done = windtunnel("audit", copy)
    assert done.returncode == 1
    assert "row" in done.stdout


def test_replay_tells_a_case(incident_desk: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = incident_desk
    done = windtunnel("replay", out, "--case", "3")
    assert done.returncode == 0, done.stderr
    assert "arrives" in done.stdout
    assert "ends: " in done.stdout
    assert windtunnel("replay", out, "--case", "999999999").returncode == 2


def test_report_agrees_with_the_run(
    incident_desk: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    out, _ = incident_desk
    done = windtunnel("report", out, "--out", tmp_path / "again.html")
    assert done.returncode == 1
    assert (tmp_path / "again.html").read_bytes() == (out / "report.html").read_bytes()


def test_verify_finds_the_dead_timeout_in_the_public_set() -> None:
    if not AWS_SAMPLES.is_dir():
        pytest.skip("public policy sets are not beside the project")
    done = windtunnel("verify", AWS_SAMPLES, "--profile", "tiered", "--format", "json")
    said = json.loads(done.stdout)
    assert said["schema"] == "windtunnel.findings/1"
    ambiguous = {
        frozenset(policy["name"] for policy in finding["policies"]): finding
        for finding in said["findings"]
        if finding["check"] == "P204" and finding["verdict"] == "violated"
    }
    dead = ambiguous[frozenset({"force_push_main", "force_push_any"})]
    assert "600" in dead["message"] or "10m" in dead["message"]
    overlap = ambiguous[frozenset({"write_env_files", "write_credentials"})]
    path = overlap["witness"]["context"]["file_path"]
    assert path.endswith(".env")
    assert "credentials" in path
    assert not [finding for finding in said["findings"] if finding["verdict"] == "undecided"]


def test_new_makes_a_scenario_that_passes(tmp_path: Path) -> None:
    assert windtunnel("new", "my-desk", cwd=tmp_path).returncode == 0
    done = windtunnel("run", "my-desk", "--workers", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "runs" / "my-desk" / "report.html").is_file()
    again = windtunnel("new", "my-desk", cwd=tmp_path)
    assert again.returncode == 2
    assert "exists" in again.stderr


def test_help_answers_and_usage_errors_exit_2() -> None:
    assert windtunnel("--help").returncode == 0
    assert windtunnel("run").returncode == 2
    assert windtunnel("fly").returncode == 2
    assert windtunnel("verify", "nowhere").returncode == 2


INTERRUPTED = """
import contextlib, os, signal, sys
from windtunnel import entry

def interrupt(*_):
    os.killpg(0, signal.SIGINT)  # what a terminal sends on Ctrl-C, to the workers too

class AtImport:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            sys.meta_path.remove(self)
            interrupt()

def at_progress():
    from reports import progress
    progress.bar = lambda what: contextlib.nullcontext(interrupt)

def at_deletion():  # Python drops what is raised there
    class Deleted:
        def __del__(self):
            self.half_made = HalfMade()
            interrupt()
    class HalfMade:
        def __del__(self):
            raise AttributeError("owner")
    from reports import progress
    def bar(what):
        Deleted()
        return contextlib.nullcontext(lambda done, total: None)
    progress.bar = bar

def at_swap():
    from sim import run
    swap = run._swap
    def swapped(*arguments):
        interrupt()
        swap(*arguments)
        interrupt()
    run._swap = swapped

moment = os.environ["MOMENT"]
if __name__ == "__mp_main__" and moment == "start of workers":
    interrupt()  # a worker as it starts: it reads this file
if __name__ == "__main__":
    moments = {"progress": at_progress, "swap": at_swap, "deletion": at_deletion}
    moments.get(moment, lambda: sys.meta_path.insert(0, AtImport()))()
    entry.main()
"""


@pytest.fixture
def interrupted(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)

    def run(moment: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, script, *map(str, words)],
            capture_output=True,
            text=True,
            timeout=120,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "MOMENT": moment},
        )

    return run


def test_an_interrupted_run_is_gone_on_with(
    interrupted: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    desk = tmp_path / "desk"
    options = ["--replications", "3", "--workers", "1"]
    done = interrupted("progress", "simulate", SCENARIOS / "incident-desk", "--out", desk, *options)
    kept = f"interrupted: 1 of 3 replications are kept; `windtunnel resume {desk}` goes on\n"
    assert (done.returncode, done.stderr) == (130, kept)
    resumed = windtunnel("resume", desk)
    whole = windtunnel("simulate", SCENARIOS / "incident-desk", "--out", tmp_path / "whole", *options)
    assert resumed.returncode == whole.returncode
    assert (desk / "run.json").read_bytes() == (tmp_path / "whole" / "run.json").read_bytes()
    assert windtunnel("resume", desk).returncode == 2


@pytest.mark.parametrize(
    "moment", ["typer", "reports.json", "numpy", "pandas", "sim.engine", "start of workers", "deletion"]
)
def test_an_interrupt_says_so_in_one_line_and_leaves_nothing(
    moment: str, interrupted: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    options = ["--replications", "40", "--workers", "2"]
    done = interrupted(moment, "simulate", SCENARIOS / "incident-desk", "--out", runs / "desk", *options)
    assert (done.returncode, done.stderr) == (130, "interrupted: nothing half-written was left\n")
    assert list(runs.iterdir()) == []


def test_an_interrupt_as_the_run_takes_its_place_leaves_a_whole_one(
    interrupted: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "desk"
    words = ["simulate", SCENARIOS / "incident-desk", "--out", run, "--replications", "2", "--workers", "1"]
    for _ in range(2):  # into an empty place, then over the run that stands there
        done = interrupted("swap", *words)
        assert (done.returncode, done.stderr) == (130, "interrupted: nothing half-written was left\n")
        assert [path.name for path in run.parent.iterdir()] == ["desk"]
        assert windtunnel("audit", run).returncode == 0


Z3_AT_WORK = """
import os, signal, sys, threading
from verify.z3_backend import check

holes = range(9)  # one pigeon more than holes: hard for resolution
clauses = ["(or " + " ".join(f"p{p}h{h}" for h in holes) + ")" for p in range(10)]
clauses += [f"(or (not p{a}h{h}) (not p{b}h{h}))" for h in holes for b in range(10) for a in range(b)]
script = "".join(f"(declare-const p{p}h{h} Bool)" for p in range(10) for h in holes)
script += "".join(f"(assert {clause})" for clause in clauses)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    print(check(script, 10_000_000).status)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_solver_at_work_does_not_keep_an_interrupt_to_itself() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", Z3_AT_WORK], capture_output=True, text=True, env=environment)
    assert done.stdout == "interrupted\n", done.stderr
