"""The house as the design draws it: one direction of dependency, light starts, no hidden corners."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "models": {"models"},
    "sim": {"models", "sim"},
    "verify": {"models", "verify"},
    "reports": {"models", "sim", "verify", "reports"},
    "windtunnel": {"models", "sim", "verify", "reports", "windtunnel"},
}
HEAVY = {"z3", "cvc5", "pandas", "matplotlib", "scipy", "simpy", "networkx", "pyarrow", "numpy"}


def _imports(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction of dependency"
            found.add((node.module or "").split(".")[0])
    return found


def _upward(room: str, source: str) -> set[str]:
    return (_imports(source) & MAY_IMPORT.keys()) - MAY_IMPORT[room]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_dependencies_run_one_way(room: str) -> None:
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / room).rglob("*.py"))
        if (names := _upward(room, path.read_text()))
    }
    assert wrong == {}


def test_the_direction_check_can_say_no() -> None:
    assert _upward("sim", "from verify.findings import Finding") == {"verify"}
    assert _upward("models", "def f():\n    import windtunnel.api") == {"windtunnel"}


@pytest.mark.parametrize("module", ["windtunnel.cli", "models.load", "models.scenario"])
def test_starting_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


def test_only_the_backends_touch_a_solver() -> None:
    touching = {path.name for path in (ROOT / "verify").rglob("*.py") if _imports(path.read_text()) & {"z3", "cvc5"}}
    assert touching == {"z3_backend.py", "cvc5_backend.py"}


def test_public_names_are_the_promised_ones() -> None:
    import windtunnel

    promised = (
        "assess backtest behaviour compare diff evidence export frame gate load open_run query recovery_map report "
    )
    promised += "resume run_alone simulate size sql sweep tell verify verify_evidence"
    assert sorted(windtunnel.__all__) == promised.split()
    assert all(callable(getattr(windtunnel, name)) for name in windtunnel.__all__)


def test_nothing_names_a_machine_or_an_index() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    words = ("--index" + "-url", "--find" + "-links", "/ho" + "me/", "/ro" + "ot/")
    named = [
        f"{name}: {word}"
        for name in listed
        if name.endswith((".py", ".toml", ".txt", ".md", ".yaml", "Makefile", "run"))
        for word in words
        if word in (ROOT / name).read_text(encoding="utf-8")
    ]
    assert named == []
