"""When a fault is there, in one replication: on schedule, or by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sim.chance import Draws, Purpose
from sim.plan import FOREVER, LawPlan
from sim.values import durations, quantile

if TYPE_CHECKING:
    from sim.plans.platform import FaultPlan

WINDOWS_MAX = 1_000_000
"""Times that one fault may come in one replication: a guard against laws that leave no time between."""


class WindowLimitError(Exception):
    """A fault comes more often than it may."""


class Window(NamedTuple):
    """One time that a fault is there: from `begin` to `end`, the `number`-th from 0."""

    number: int
    begin: int
    end: int


def windows(fault: FaultPlan, draws: Draws, horizon: int) -> list[Window]:
    """The times of a fault that begin before the horizon, ascending and apart."""
    when = fault.when
    if when.between is None or when.repair is None:
        return [Window(0, when.begin, when.end)] if when.begin < horizon else []
    return alternating(draws, fault.key, when.between, when.repair, horizon)


def alternating(draws: Draws, place: str, between: LawPlan, repair: LawPlan, horizon: int) -> list[Window]:
    """By chance: `between` from the start of the run or the end of the one before, then `repair`, at least a
    microsecond apart. The n-th of both is drawn by its number. Raises WindowLimitError."""
    gap = draws.stream(Purpose.OUTAGE_BETWEEN, place, durations(between))
    length = draws.stream(Purpose.OUTAGE_REPAIR, place, durations(repair))
    found: list[Window] = []
    begin = gap.at(0, 0)
    while begin < horizon:
        number = len(found)
        if number >= WINDOWS_MAX:
            raise WindowLimitError
        end = min(begin + length.at(number, 0), FOREVER)
        found.append(Window(number, begin, end))
        begin = end + max(gap.at(number + 1, 0), 1)
    return found


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage, and the share of calls that it fails."""

    begin: int
    end: int
    severity: float


def random_outages(draws: Draws, name: str, laws: tuple[LawPlan, LawPlan, LawPlan], horizon: int) -> list[Outage]:
    """Outages that begin before the horizon, by the laws of the time between, the length and the severity."""
    severity, severity_of = draws.uniforms(Purpose.OUTAGE_SEVERITY, name), quantile(laws[2])
    return [
        Outage(window.begin, window.end, min(max(severity_of(severity.at(window.number, 0)), 0.0), 1.0))
        for window in alternating(draws, name, laws[0], laws[1], horizon)
    ]
