"""The speed benchmark measures what it says: both sides are the same queue, and it prints a ratio."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_prints_the_ratio_of_two_runs_of_one_queue() -> None:
    command = [sys.executable, "benchmarks/engine.py", "--customers", "20000", "--rounds", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert re.search(r"^ratio \d\.\d\d \[\d\.\d\d-\d\.\d\d\], 2 rounds$", done.stdout, re.MULTILINE)
    waits = [float(wait) for wait in re.findall(r"(\d\.\d{3}) s", done.stdout)]
    assert len(waits) == 4
    assert all(0.2 < wait < 2 for wait in waits), "0.669 s in theory; 20 000 customers are few at 90 % load"
