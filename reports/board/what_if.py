"""A study within the report of a run: what was tried out instead, and how it differs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from models.diagnostics import input_error
from reports.section import Chapter

if TYPE_CHECKING:
    from reports.studies.study import Answered
    from sim.run import Run


def what_if_of(study: Answered, run: Run) -> Chapter:
    """The charts and sections of a study of the run's scenario. Raises InputError where it is of another."""
    from reports.studies.registry import KINDS

    if study.manifest.scenario_digest != run.manifest.scenario_digest:
        message = f"is a study of another scenario than the run: sha256 {study.manifest.scenario_digest[:12]}"
        raise input_error(message, str(study.folder), f"the run is of {run.manifest.scenario_digest[:12]}")
    kind = KINDS[study.manifest.question["kind"]]
    told = kind.sections(study.result)
    lead = f"What if: {kind.title(study.result)}. " + " ".join(kind.headlines(study.result))
    sections = tuple(
        replace(
            section,
            anchor=f"what-if-{section.anchor}",
            label=f"What if: {section.label}",
            caption=f"{lead} {section.caption}" if number == 0 else section.caption,
        )
        for number, section in enumerate(told)
    )
    return Chapter(kind.charts(study.result), sections)
