"""Evidence as a file beside the tables of its run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reports.evidence.dsse import signed
from reports.evidence.statement import canonical, statement
from reports.html import write_page

if TYPE_CHECKING:
    from reports.verdict import FailOn
    from sim.run import Run

UNSIGNED: Final = "evidence.intoto.json"
"""The statement itself."""
SIGNED: Final = "evidence.intoto.jsonl"
"""An envelope on a line, as bundles of in-toto have it."""


def write_evidence(run: Run, key: Path | None, fail_on: FailOn = "error") -> Path:
    """Write the evidence of a run, signed where there is a key, in place of what stood there. Raises InputError."""
    payload = canonical(statement(run, fail_on))
    name, other = (UNSIGNED, SIGNED) if key is None else (SIGNED, UNSIGNED)
    text = payload.decode() if key is None else signed(payload, key)
    path = write_page(run.folder / name, text + "\n")
    with suppress(FileNotFoundError):
        (run.folder / other).unlink()
    return path
