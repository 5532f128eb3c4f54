"""What a summary counts for objectives: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.scenario import CaseShare, CaseTime, DeskWait, ReviewShare
from sim.plan import Outcome
from sim.plans.summary import CaseSharePlan, CaseTimePlan, DeskWaitPlan, ReviewPlan, SummaryPlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.plan import Names


def compile_summary(loaded: LoadedScenario, names: Names) -> SummaryPlan:
    """This part of the plan."""
    times, shares, waits, reviews = [], [], [], []
    for name, objective in loaded.scenario.objectives.items():
        match objective:
            case CaseTime():
                times.append(CaseTimePlan(name, _work(names, objective.work), objective.at_most))
            case CaseShare():
                shares.append(
                    CaseSharePlan(
                        name,
                        _work(names, objective.work),
                        frozenset(int(Outcome[outcome.upper()]) for outcome in objective.outcomes),
                        -1 if objective.within is None else objective.within,
                        -1 if objective.wrong is None else int(objective.wrong),
                        objective.at_most is not None,
                    )
                )
            case DeskWait():
                waits.append(DeskWaitPlan(name, f"desk:{objective.desk}", objective.at_most))
            case ReviewShare():
                reviews.append(ReviewPlan(name, f"desk:{objective.desk}", objective.under))
    return SummaryPlan(tuple(times), tuple(shares), tuple(waits), tuple(reviews))


def _work(names: Names, work: str | None) -> int:
    return -1 if work is None else names.works.index(work)
