"""What is told of a run, whatever it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.digest import Digest, assess_counted
from reports.outcomes import Outcomes, assess

if TYPE_CHECKING:
    from sim.run import Run

Assessed = Outcomes | Digest
"""The outcomes of a run that keeps its cases, the digest of a summary."""


def assess_run(run: Run) -> Assessed:
    """Assess a run by what it keeps."""
    return assess_counted(run) if run.manifest.volume == "summary" else assess(run)
