"""Times of the week at which a request that waits for people finds none on duty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from models.rosters import holidays_over, staffing
from models.scenario import Desk
from models.units import DAY, WEEK

SPAN = 2 * WEEK
"""Requests of two weeks from the scenario's start are looked at, and of two weeks after the last holiday: whole
windows, whatever weekday it starts on."""

LONG_ENOUGH = 2 * WEEK + DAY
"""Who waits this long meets every shift of a weekly roster, even one that the clocks skip once. Each holiday may take
a week more."""


class Wait(NamedTuple):
    """From when to when a request is at a desk, in microseconds after it came; `end` is None where it stays."""

    start: int
    end: int | None


Window = tuple[int, int]
"""Begin and end, in microseconds since the start of the scenario."""


def unstaffed(waits: Sequence[tuple[Desk, Wait]], start: datetime) -> list[Window]:
    """The times at which a request comes that finds nobody at any desk while it is there, in order."""
    span = looked_at([desk for desk, _ in waits], start)
    covered = sorted(window for desk, wait in waits for window in _answered(desk, wait, start, span))
    gaps: list[Window] = []
    clear = 0
    for begin, end in covered:
        if begin > clear:
            gaps.append((clear, min(begin, span)))
        clear = max(clear, end)
        if clear >= span:
            return gaps
    return [*gaps, (clear, span)]


def looked_at(desks: Sequence[Desk], start: datetime) -> int:
    """How long from the start requests are looked at, in microseconds."""
    return SPAN + max((holidays_over(desk, start) for desk in desks), default=0)


def _answered(desk: Desk, wait: Wait, start: datetime, span: int) -> Iterator[Window]:
    """When a request must come to find someone at a desk."""
    if wait.end is None or wait.end - wait.start >= LONG_ENOUGH + len(desk.holidays) * WEEK:
        yield 0, span  # every desk has a shift in its week, and no holiday comes twice
        return
    for begin, end in _on_duty(desk, start, span + wait.end):
        # It is there from `came + start` to `came + end`; a shift that begins at that very moment still takes it, for
        # shifts rank before time-outs. People are there from `begin` until before `end`.
        first, last = max(begin - wait.end, 0), min(end - wait.start, span)
        if first < last:
            yield first, last


def _on_duty(desk: Desk, start: datetime, horizon: int) -> Iterator[Window]:
    steps = staffing(desk, start, horizon)
    for (begin, staff), (end, _) in zip(steps, (*steps[1:], (horizon, 0)), strict=True):
        if staff:
            yield begin, end


def longest(windows: Sequence[Window]) -> Window:
    """The longest window, the first of equal ones."""
    return max(windows, key=lambda window: window[1] - window[0])


def moment_text(start: datetime, moment: int, zone: str) -> str:
    """A moment in local time and, where that is another, in UTC; to the minute, seconds where there are any."""
    utc = start.astimezone(UTC) + timedelta(microseconds=moment)
    local = utc.astimezone(ZoneInfo(zone))
    exact = "%H:%M:%S" if utc.second else "%H:%M"
    told = f"{local.strftime(f'%a %Y-%m-%d {exact}')} {zone}"
    return told if zone == "UTC" else f"{told} ({utc.strftime(f'%a {exact}')} UTC)"
