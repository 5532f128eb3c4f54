"""Several runs side by side: their verdicts, and what became of each objective in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports import words
from reports.html import environment
from reports.section import Cell, Judged, Row, Section
from reports.verdict import Verdict
from verify.findings import Overall

if TYPE_CHECKING:
    from reports.assess import Assessed
    from reports.objectives import ObjectiveOutcome

SCHEMA: Final = "windtunnel.reports/1"
RUNS_MAX: Final = 20
"""Runs side by side at most: more columns nobody reads."""

_WORST: Final[tuple[Overall, ...]] = ("fail", "undecided", "pass")


@dataclass(frozen=True, slots=True)
class Told:
    """A run under the name that tells it from the others."""

    name: str
    verdict: Verdict
    outcomes: Assessed


def overall(runs: Sequence[Told]) -> Verdict:
    """The verdict on all: the worst of them, with the runs that have it."""
    worst = next(result for result in _WORST if any(run.verdict.result == result for run in runs))
    names = [run.name for run in runs if run.verdict.result == worst]
    word = {"fail": "fails", "undecided": "is undecided", "pass": "passes"}[worst]
    return Verdict(worst, tuple(f"{name} {word}." for name in names))


def named(titles: Sequence[str]) -> list[str]:
    """Names that are each others' only where they must be: a title that comes again is numbered."""
    return [title if titles.count(title) == 1 else f"{title} ({number})" for number, title in enumerate(titles, 1)]


def sections(runs: Sequence[Told]) -> tuple[Section, ...]:
    """A table of the runs, and one of their objectives."""
    return (_runs(runs), _objectives(runs))


def _runs(runs: Sequence[Told]) -> Section:
    return Section(
        prose=True,
        anchor="runs",
        label="Runs",
        title="The runs",
        caption="Runs whose scenarios, seeds or lengths differ are not paired: `windtunnel compare` pairs variants.",
        columns=("Run", "Verdict", "Replications", "Of", "Seed", "Scenario", "Why"),
        rows=tuple(
            Row(
                run.name,
                "",
                (
                    run.verdict.result,
                    str(run.outcomes.provenance.replications),
                    words.duration(run.outcomes.provenance.horizon),
                    str(run.outcomes.provenance.seed),
                    run.outcomes.provenance.scenario_digest[:12],
                    " ".join(run.verdict.reasons),
                ),
            )
            for run in runs
        ),
        nothing="",
    )


def _objectives(runs: Sequence[Told]) -> Section:
    names = dict.fromkeys(one.name for run in runs for one in run.outcomes.objectives)
    return Section(
        anchor="objectives",
        label="Objectives",
        title="Which objectives each run keeps",
        caption="What each run measured, with the interval that it is judged by. Empty: the run has no such objective.",
        columns=("Objective", *(run.name for run in runs)),
        rows=tuple(Row(name, "", tuple(_cell(name, run) for run in runs)) for name in names),
        nothing="No run has an objective.",
    )


def _cell(name: str, run: Told) -> Cell:
    found: ObjectiveOutcome | None = next((one for one in run.outcomes.objectives if one.name == name), None)
    return "" if found is None else Judged(found.interval, found.unit, found.verdict)


def render_several(runs: Sequence[Told]) -> str:
    """The page of several runs."""
    verdict = overall(runs)
    values: dict[str, Any] = {
        "page_title": f"{verdict.result.capitalize()}: {words.count(len(runs), 'run')}",
        "verdict": verdict,
        "runs": runs,
        "sections": sections(runs),
        "made": runs[0].outcomes.provenance,
    }
    return environment(runs[0].outcomes.provenance.currency).get_template("several.html.jinja").render(**values)
