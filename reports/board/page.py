"""The board's sections of a report, in the order that they are read in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.board.clauses import clause_map
from reports.board.oversight import oversight
from reports.board.plan import plan
from reports.board.residual import residual
from reports.board.scope import scope
from reports.board.sources import sources
from reports.board.waived import waived
from reports.section import NO_CHAPTER, Chapter

if TYPE_CHECKING:
    from models.scenario import Scenario
    from reports.assess import Assessed
    from reports.section import Section
    from reports.statements import Statement
    from verify.findings import Findings

FIXED: Final = (
    *("verdict", "objectives", "policies", "deadlock", "people", "drift", "work", "compliance", "method"),
    *("sign-off", "appendix"),
)
"""Anchors of the sections that have templates of their own."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is told beside a run: a study of its scenario, a change of its policies, waivers."""

    study: Chapter = NO_CHAPTER
    change: Chapter = NO_CHAPTER
    statements: tuple[Statement, ...] = ()
    """What the run says with waivers, and what is said of them. Empty where none were named."""


RUN_ALONE: Final = Beside()


@dataclass(frozen=True, slots=True)
class Board:
    """Sections before the objectives, after people, after the method, and after the appendix."""

    front: tuple[Section, ...]
    oversight: tuple[Section, ...]
    closing: tuple[Section, ...]
    appendix: tuple[Section, ...]

    @property
    def all(self) -> tuple[Section, ...]:
        return (*self.front, *self.oversight, *self.closing, *self.appendix)


def board(
    scenario: Scenario,
    findings: Findings | None,
    outcomes: Assessed,
    not_measured: tuple[str, ...],
    statements: Sequence[Statement] = (),
) -> Board:
    """What a board asks of the report of a run."""
    front = (scope(scenario, outcomes.provenance),)
    who = (oversight(scenario),)
    closing = (waived(statements), residual(scenario, findings, outcomes, not_measured, statements), plan(scenario))
    numbers = (sources(scenario),)
    anchors = {*FIXED, *(one.anchor for one in (*front, *who, *closing, *numbers))}
    return Board(front, who, (*closing, clause_map(anchors)), numbers)
