"""The benchmark of executors prints what its bars are set for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_it_prints_the_speed_up_and_the_overhead() -> None:
    command = [sys.executable, "benchmarks/executors.py", "--replications", "2", "--rounds", "1", "--no-dask"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    figures = dict(re.findall(r"^(.+): (-?[\d.]+) ", done.stdout, re.MULTILINE))
    assert float(figures["two workers against one"]) > 0
    assert float(figures["overhead of the pool"]) < 20, "ten times the bar: the suite runs beside other things"
    assert "bar 1.7" in done.stdout
