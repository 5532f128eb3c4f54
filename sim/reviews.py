"""How right reviews are: what ought to be granted, what reviewers see of it, and what they stamp without a look."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.chance import Purpose
from sim.logs import Kind, Log
from sim.plans.people import ReviewPlan
from sim.seats import Seats
from sim.stations import Station
from sim.tokens import Cases

if TYPE_CHECKING:
    from sim.approvals import Approval

Draw = Callable[[Purpose, "Approval"], float]
"""A draw of the ask that is under way."""


class Look:
    """One review under way: who is at it, and how."""

    __slots__ = ("loss", "ought", "seat", "stamped")

    def __init__(self, seat: int, ought: bool, loss: float, stamped: bool) -> None:
        self.seat = seat
        self.ought = ought
        self.loss = loss
        self.stamped = stamped


class Reviews:
    """The reviews of one desk. How they are done is settled when they start, by the queue and the seat as they are."""

    def __init__(self, plan: ReviewPlan, station: Station, log: Log, cases: Cases, draw: Draw, draw_once: Draw) -> None:
        self._plan = plan
        self._station = station
        self._log = log
        self._cases = cases
        self._draw = draw
        self._draw_once = draw_once
        station.follow()
        self._seats = station.seats = Seats(plan.rest)

    def start(self, approval: Approval) -> int:
        """Begin a review. Gives the time of a stamp, -1 where the reviewer looks."""
        plan, queue = self._plan, self._station.waiting
        chance = min(plan.stamp_most, plan.stamp_slope * max(queue - plan.stamp_queue, 0))
        stamped = chance > 0 and self._draw(Purpose.STAMP, approval) < chance
        tired = plan.fatigue_loss * max(self._seats.begun(approval) - plan.fatigue_after, 0)
        pressed = plan.load_loss * max(queue - plan.load_queue, 0)
        approval.look = Look(self._seats.seat(approval), self._ought(approval), tired + pressed, stamped)
        return plan.stamp_takes if stamped else -1

    def _ought(self, approval: Approval) -> bool:
        if self._plan.ought < 0:
            return not self._cases.wrong[approval.case]
        return self._draw_once(Purpose.OUGHT, approval) < self._plan.ought

    def grants(self, approval: Approval, now: int) -> bool:
        """What a review that was not sent back ends in, told in the log."""
        look = approval.look
        granted = look.stamped or self._draw(Purpose.APPROVAL, approval) < self._chance(look)
        right = granted == look.ought
        place = self._station.place
        detail = f"{'stamped, ' if look.stamped else ''}{'right' if right else 'wrong'}, seat {look.seat + 1}"
        self._log.event(now, Kind.REVIEWED, place, approval.case, now - approval.since, detail)
        if granted and not right:
            self._log.event(now, Kind.WRONG_APPROVAL, place, approval.case, detail=approval.chain)
        return granted

    def _chance(self, look: Look) -> float:
        """The chance that a reviewer who looks grants."""
        plan = self._plan
        accuracy = plan.sensitivity if look.ought else plan.specificity
        accuracy = max(accuracy - look.loss, min(accuracy, plan.floor))
        return accuracy if look.ought else 1.0 - accuracy
