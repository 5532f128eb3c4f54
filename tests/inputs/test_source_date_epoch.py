"""SOURCE_DATE_EPOCH that is no number is told in a sentence, though libraries read it where they are imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("epoch", "code"), [("yesterday", 2), ("-1", 2), ("1_0", 2), ("", 0), ("1800000000", 0)])
def test_a_wrong_date_is_told_and_an_empty_one_is_none(epoch: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "p.cedar").write_text("permit(principal, action, resource);")
    command = [sys.executable, "-m", "windtunnel", "verify", str(tmp_path / "p.cedar"), "--format", "github"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": epoch}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert ("is no number of seconds" in done.stderr) == (code == 2)
