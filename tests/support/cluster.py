"""A Dask cluster by hand: a scheduler and workers in processes of their own, to be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0
_GRACE = 5.0


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something that is sure to come, but not for ever."""
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, f"waited {DEADLINE} seconds: {what}"
        time.sleep(0.01)


class Cluster:
    """Processes of one cluster, whose files lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self.nowhere = folder / "nowhere"
        """Where there is no Windtunnel, whatever is installed. The scheduler is there: it needs none."""
        (self.nowhere / "sim").mkdir(parents=True)
        (self.nowhere / "sim" / "__init__.py").touch()
        place = ("--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(file))
        self.scheduler = self._start("scheduler", *place, path=self.nowhere)
        try:
            until(lambda: file.exists() and file.read_text().endswith("}"), "the scheduler")
        except AssertionError:
            self.close()
            raise
        self.address: str = json.loads(file.read_text())["address"]

    def worker(self, *options: str, path: Path = ROOT) -> subprocess.Popen[bytes]:
        """A worker with its supervisor, which starts it anew when it dies. It finds modules in a folder."""
        place = ("--local-directory", str(self._folder), "--memory-limit", "0", "--nthreads", "1")
        return self._start("worker", self.address, *place, *options, path=path)

    def _start(self, *words: str, path: Path = ROOT) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(filter(None, (str(path), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        with (self._folder / f"{words[0]}-{len(self._processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *words, "--no-dashboard"],
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self._folder,
            )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End all, workers first: without a scheduler they take their time."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(DEADLINE)
