"""Rosters against the plainest reading of a wall clock: look at it every minute."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.laws import parse_duration_law
from models.rosters import holidays_over, is_staffed, offsets, staffing, weekly_staffing
from models.scenario import Desk, Shift
from models.units import DAY, HOUR, MINUTE, Days, Hours, parse_days, parse_hours


def desk(*shifts: tuple[str, str, int], timezone: str = "UTC") -> Desk:
    roster = tuple(Shift.model_construct(days=parse_days(d), hours=parse_hours(h), staff=s) for d, h, s in shifts)
    return Desk.model_construct(timezone=timezone, roster=roster, service=parse_duration_law("5m"))


def looked_up(steps: tuple[tuple[int, int], ...], moment: int) -> int:
    return steps[bisect_right(steps, (moment, 1 << 60)) - 1][1]


def on_the_clock(desk: Desk, start: datetime, moment: int) -> int:
    local = (start.astimezone(UTC) + timedelta(microseconds=moment)).astimezone(ZoneInfo(desk.timezone))
    minute = local.hour * 60 + local.minute
    return sum(
        shift.staff
        for shift in desk.roster
        if local.weekday() in shift.days.days
        and shift.hours.start <= minute < shift.hours.end
        and local.date() not in desk.holidays
    )


ZONES = ["UTC", "Europe/Stockholm", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca"]
STARTS = [
    datetime(2026, 3, 28, 20, 30, tzinfo=UTC),
    datetime(2026, 10, 24, 22, tzinfo=UTC),
    datetime(2026, 4, 4, 9, 15, 30, tzinfo=UTC),
]
windows = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda w: w[0] < w[1])
shifts = st.builds(
    lambda days, window, staff: Shift.model_construct(
        days=Days(tuple(sorted(days))), hours=Hours(*window), staff=staff
    ),
    st.sets(st.integers(0, 6), min_size=1),
    windows,
    st.integers(1, 5),
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(shifts, min_size=1, max_size=4),
    st.sampled_from(ZONES),
    st.sampled_from(STARTS),
    st.integers(1, 3 * 1440),
    st.sets(st.integers(-1, 3), max_size=3),
)
def test_staffing_is_what_the_wall_clock_says_every_minute(roster, timezone, start, minutes, off) -> None:
    holidays = tuple(start.date() + timedelta(days=days) for days in off)
    place = Desk.model_construct(
        timezone=timezone, roster=tuple(roster), holidays=holidays, service=parse_duration_law("5m")
    )
    steps = staffing(place, start, minutes * MINUTE)
    for minute in range(minutes):
        # Between whole minutes too: a start of 15:30:30 puts changes there.
        for moment in (minute * MINUTE, minute * MINUTE + MINUTE // 2):
            assert looked_up(steps, moment) == on_the_clock(place, start, moment)


@given(st.lists(shifts, min_size=1, max_size=5), st.sampled_from(ZONES), st.sampled_from(STARTS))
def test_steps_begin_at_zero_rise_in_time_and_change_each_time(roster, timezone, start) -> None:
    place = Desk.model_construct(timezone=timezone, roster=tuple(roster), service=parse_duration_law("5m"))
    steps = staffing(place, start, 9 * DAY)
    assert steps[0][0] == 0
    assert all(a[0] < b[0] and a[1] != b[1] for a, b in pairwise(steps))
    assert all(moment < 9 * DAY and staff >= 0 for moment, staff in steps)


def test_the_hour_that_spring_skips_is_not_worked() -> None:
    start = datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Stockholm"))
    night = desk(("sun", "00:00-06:00", 2), timezone="Europe/Stockholm")
    assert staffing(night, start, DAY) == ((0, 2), (5 * HOUR, 0))
    skipped = desk(("sun", "02:00-03:00", 2), timezone="Europe/Stockholm")
    assert staffing(skipped, start, DAY) == ((0, 0),)
    assert not is_staffed(skipped, start, DAY)


def test_the_hour_that_autumn_repeats_is_worked_twice() -> None:
    start = datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/Stockholm"))
    night = desk(("sun", "00:00-06:00", 2), timezone="Europe/Stockholm")
    assert staffing(night, start, DAY) == ((0, 2), (7 * HOUR, 0))
    half = desk(("sun", "02:00-02:30", 1), timezone="Europe/Stockholm")
    assert staffing(half, start, DAY) == (
        (0, 0),
        (2 * HOUR, 1),
        (2 * HOUR + 30 * MINUTE, 0),
        (3 * HOUR, 1),
        (3 * HOUR + 30 * MINUTE, 0),
    )


def test_a_half_hour_zone_keeps_its_half_hours() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    assert staffing(desk(("mon", "09:00-17:00", 1), timezone="Asia/Kolkata"), start, DAY) == (
        (0, 0),
        (3 * HOUR + 30 * MINUTE, 1),
        (11 * HOUR + 30 * MINUTE, 0),
    )


def test_a_half_hour_summer_time_shifts_by_half_an_hour() -> None:
    start = datetime(2026, 4, 4, tzinfo=ZoneInfo("Australia/Lord_Howe"))
    night = desk(("sun", "00:00-04:00", 1), timezone="Australia/Lord_Howe")
    assert staffing(night, start, 2 * DAY) == ((0, 0), (DAY, 1), (DAY + 4 * HOUR + 30 * MINUTE, 0))


def test_a_night_shift_in_two_windows_has_no_gap_at_midnight() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    night = desk(("mon", "22:00-24:00", 3), ("tue", "00:00-06:00", 3))
    assert staffing(night, start, 3 * DAY) == ((0, 0), (22 * HOUR, 3), (30 * HOUR, 0))


def test_overlapping_shifts_add_up() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    both = desk(("daily", "08:00-16:00", 2), ("mon-fri", "12:00-20:00", 1))
    assert staffing(both, start, DAY) == ((0, 0), (8 * HOUR, 2), (12 * HOUR, 3), (16 * HOUR, 1), (20 * HOUR, 0))


def test_a_holiday_is_a_local_date() -> None:
    """The days on which the clocks change have 23 and 25 hours, and in the far east it is another day."""
    always = desk(("daily", "00:00-24:00", 1), timezone="Europe/Stockholm")
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 12, 25), 24)):
        off = always.model_copy(update={"holidays": (day,)})
        before = datetime.combine(day - timedelta(days=1), time(), ZoneInfo("Europe/Stockholm"))
        assert staffing(off, before, 5 * DAY) == ((0, 1), (DAY, 0), (DAY + hours * HOUR, 1))
        assert holidays_over(off, before) == DAY + hours * HOUR
    east = desk(("daily", "00:00-24:00", 1), timezone="Pacific/Auckland")
    christmas = east.model_copy(update={"holidays": (date(2026, 12, 25),)})
    start = datetime(2026, 12, 24, tzinfo=UTC)
    assert staffing(christmas, start, 3 * DAY) == ((0, 1), (11 * HOUR, 0), (35 * HOUR, 1))


def test_a_night_in_two_windows_loses_the_part_on_the_holiday() -> None:
    night = desk(("mon", "22:00-24:00", 3), ("tue", "00:00-06:00", 3))
    start = datetime(2026, 1, 5, tzinfo=UTC)
    off = night.model_copy(update={"holidays": (date(2026, 1, 6),)})
    assert staffing(off, start, 3 * DAY) == ((0, 0), (22 * HOUR, 3), (24 * HOUR, 0))


def test_a_desk_that_is_on_holiday_all_the_time_is_never_staffed() -> None:
    off = desk(("mon", "08:00-16:00", 2)).model_copy(update={"holidays": (date(2026, 1, 5), date(2026, 1, 12))})
    assert not is_staffed(off, datetime(2026, 1, 5, tzinfo=UTC), 14 * DAY)
    assert is_staffed(off, datetime(2026, 1, 5, tzinfo=UTC), 15 * DAY)
    assert holidays_over(off, datetime(2026, 2, 5, tzinfo=UTC)) == 0


def test_a_weekend_roster_is_not_staffed_on_working_days() -> None:
    weekend = desk(("sat,sun", "08:00-16:00", 2))
    monday = datetime(2026, 1, 5, tzinfo=UTC)
    assert not is_staffed(weekend, monday, 5 * DAY)
    assert is_staffed(weekend, monday, 6 * DAY)


def test_offsets_change_at_the_published_moments() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    changes = [o.begin for o in offsets(ZoneInfo("Europe/Stockholm"), start, 365 * DAY)][1:]
    expected = [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
    assert [start + timedelta(microseconds=change) for change in changes] == expected


def test_a_week_repeats_in_minutes() -> None:
    both = desk(("mon", "08:00-16:00", 2), ("sun", "20:00-24:00", 1))
    assert weekly_staffing(both) == ((0, 0), (480, 2), (960, 0), (6 * 1440 + 1200, 1))


@pytest.mark.parametrize("timezone", ZONES)
def test_round_the_clock_is_always_staffed(timezone: str) -> None:
    always = desk(("daily", "00:00-24:00", 1), timezone=timezone)
    assert staffing(always, STARTS[0], 400 * DAY) == ((0, 1),)
