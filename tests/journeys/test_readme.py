"""What the README shows works as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_and_prints_a_table_of_objectives(tmp_path: Path) -> None:
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "example.py").write_text(example)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "example.py"], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (heading,) = (n for n, line in enumerate(lines) if line.split() and line.split()[0] == "name")
    assert {line.split()[2] for line in lines[heading + 1 :] if line} == {"pass"}
    assert "Traceback" not in done.stderr
    assert (tmp_path / "report.html").is_file()


def test_the_environment_is_activated_before_the_first_bare_command() -> None:
    tour = README[README.index("## The tour") :]
    assert 0 < tour.index("source .venv/bin/activate") < tour.index("\nwindtunnel ")


def test_the_table_names_every_scenario() -> None:
    shipped = {path.parent.name for path in (ROOT / "scenarios").glob("*/scenario.yaml")}
    named = re.findall(r"^\| \[([a-z-]+)\]\(scenarios/\1/README\.md\) \|", README, re.MULTILINE)
    assert set(named) == shipped
    assert named == sorted(named), "in order, each once"
