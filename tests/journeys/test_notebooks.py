"""Every notebook runs from top to bottom, opens with the question it answers, and is kept without output.

What a notebook claims it asserts in its own last cells: a finding that is gone fails it.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SLOW = {"03-what-if", "05-drift-and-oversight"}
"""Those that take more than ten seconds."""


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=pytest.mark.long) if p.stem in SLOW else p for p in NOTEBOOKS],
    ids=lambda path: path.stem,
)
@pytest.mark.filterwarnings("default")  # the kernel's own libraries warn
def test_notebook_runs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert "**Question:" in notebook.cells[0].source
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert any(output.get("data", {}).get("image/png") for cell in notebook.cells for output in cell.get("outputs", []))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_without_output(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_has_a_finding_for_a_title_and_every_text_no_number_of_its_own(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert code.count("plt.show()") <= len(re.findall(r"set_title\(|title=", code))
    if path.stem != "01-first-flight":
        assert "assert " in code, "what it claims is checked"


def test_there_are_five_and_each_is_named_where_a_reader_looks() -> None:
    assert len(NOTEBOOKS) == 5
    told = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in told for path in NOTEBOOKS)
    assert "notebooks/README.md" in (ROOT / "README.md").read_text(encoding="utf-8")
