"""A reader that goes early (`| head`) changes neither the verdict nor the exit code, and leaves no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BAD = '@id("never") permit(principal, action, resource) when { context.n > 1 && context.n < 1 };'
FINE = '@id("all") permit(principal, action, resource);'


@pytest.mark.parametrize(("policy", "code"), [(BAD, 1), (FINE, 0)])
@pytest.mark.parametrize("format", ["text", "json"])
def test_the_exit_code_is_the_verdicts(tmp_path: Path, policy: str, code: int, format: str) -> None:
    (tmp_path / "p.cedar").write_text(policy)
    reading, writing = os.pipe()
    os.close(reading)  # nobody reads
    command = [sys.executable, "-m", "windtunnel", "verify", str(tmp_path / "p.cedar"), "--format", format]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, cwd=ROOT, check=False, timeout=120)
    os.close(writing)
    assert ended.stderr.decode() == ""
    assert ended.returncode == code
