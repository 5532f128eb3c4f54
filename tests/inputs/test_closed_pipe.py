"""Output to a pipe: one line a sentence; a reader that goes early (`| head`) changes neither verdict nor exit code."""

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


def test_off_a_terminal_no_sentence_and_no_path_is_broken(tmp_path: Path) -> None:
    folder = tmp_path / "a-folder-with-a-name-that-is-long" / "and-another-one-that-is-longer-still-than-that"
    folder.mkdir(parents=True)
    (folder / "p.cedar").write_text(BAD)
    command = [sys.executable, "-m", "windtunnel", "verify", str(folder / "p.cedar")]
    without = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=without, check=False, timeout=120)
    assert f"`never` ({folder / 'p.cedar'}:1) never matches: its conditions are true of no request" in told.stdout
    assert all(line == line.rstrip() for line in told.stdout.splitlines())
