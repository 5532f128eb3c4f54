"""People: reviews and batches: from the scenario into the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plans.people import BatchPlan, PeoplePlan, ReviewPlan

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from models.people import Review
    from sim.plan import Names


def compile_people(loaded: LoadedScenario, _: Names) -> PeoplePlan:
    """This part of the plan."""
    desks = loaded.scenario.desks.values()
    return PeoplePlan(
        reviews=tuple(None if desk.review is None else _review(desk.review) for desk in desks),
        batches=tuple(None if desk.batch is None else BatchPlan(desk.batch.size, desk.batch.wait) for desk in desks),
    )


def _review(review: Review) -> ReviewPlan:
    fatigue, load, stamp = review.fatigue, review.load, review.rubber_stamp
    return ReviewPlan(
        ought=-1.0 if review.ought == "unless-wrong" else review.ought,
        sensitivity=review.sensitivity,
        specificity=review.specificity,
        floor=review.floor,
        fatigue_after=fatigue.after if fatigue else 0,
        fatigue_loss=fatigue.loss if fatigue else 0.0,
        rest=fatigue.rest if fatigue else 0,
        load_queue=load.queue if load else 0,
        load_loss=load.loss if load else 0.0,
        stamp_queue=stamp.queue if stamp else 0,
        stamp_slope=stamp.slope if stamp else 0.0,
        stamp_most=stamp.most if stamp else 0.0,
        stamp_takes=stamp.takes if stamp else 0,
    )
