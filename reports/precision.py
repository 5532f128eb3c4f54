"""Whether the intervals of a run are as narrow as wanted, and how many replications they are guessed to need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports import words
from reports.assess import assess_run
from reports.statistics.sequential import replications_for

if TYPE_CHECKING:
    from reports.objectives import ObjectiveOutcome
    from sim.run import Run


def replications_needed(run: Run, relative: float, most: int) -> int | None:
    """How many replications make the interval of every objective as narrow, relative to its mean; None where all are,
    or where the run has as many as it may."""
    count = run.manifest.replications
    guesses = [replications_for(one.interval, relative, most) for one in _told(assess_run(run).objectives)]
    wanted = max((guess for guess in guesses if guess is not None), default=0)
    return wanted if wanted > count else None


def too_wide(objectives: Sequence[ObjectiveOutcome], relative: float) -> list[str]:
    """Sentences on the objectives whose interval is wider than wanted."""
    return [
        f"{one.name} is not as precise as wanted: {words.share(_half(one) / abs(one.interval.estimate))} of its mean "
        f"after {words.count(one.interval.replications, 'replication')}"
        for one in _told(objectives)
        if replications_for(one.interval, relative, 2 * one.interval.replications + 1) is not None
    ]


def _half(one: ObjectiveOutcome) -> float:
    return (one.interval.high - one.interval.low) / 2.0


def _told(objectives: Sequence[ObjectiveOutcome]) -> list[ObjectiveOutcome]:
    """Those with a mean that an interval can be narrow beside: nothing is a part of zero."""
    return [one for one in objectives if one.interval.known and one.interval.estimate and not one.interval.at_least]
