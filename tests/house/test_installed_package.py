"""What an installed package needs beside its modules is where they look for it: the wheel has no `docs`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRINT = "from verify.page import _BESIDE, section; assert _BESIDE.is_file(); print(section('P103'))"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The packages and the files that go with them, laid out as `pyproject.toml` has the wheel be."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    without = shutil.ignore_patterns("__pycache__")
    for package in wheel["packages"]:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=without)
    for source, target in wheel["force-include"].items():
        shutil.copy(ROOT / source, tmp_path / target)
    return tmp_path


def test_the_page_of_the_checks_is_found_where_it_is_installed(installed: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", PRINT],
        env={**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=installed.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Can evaluating the policy err" in ran.stdout
    assert not (installed / "docs").exists()
