"""An estimate of what is left is right where the pace is even, whatever came before and in whatever batches."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.progress import Pace, _span


@settings(deadline=None)
@given(
    start=st.floats(0, 60),
    kept=st.integers(0, 500),
    each=st.floats(0.02, 20),
    batch=st.integers(5, 50),
    batches=st.integers(5, 40),
    left=st.integers(0, 5000),
)
def test_an_even_pace_is_found_whatever_the_start_took(
    start: float, kept: int, each: float, batch: int, batches: int, left: int
) -> None:
    """Workers start for a while; then each batch takes its time, and its replications are told at once."""
    pace = Pace()
    for number in range(1, batches + 1):
        for one in range(batch):
            pace.note(kept + (number - 1) * batch + one + 1, start + number * batch * each)
    rate = pace.rate
    assert rate is not None
    assert rate == pytest.approx(1 / each)
    now = start + batches * batch * each
    assert pace.told(kept + batches * batch + left, now) == f"about {_span(left * each)} left"


def test_there_is_no_estimate_before_there_is_a_pace() -> None:
    pace = Pace()
    assert pace.told(100, 0.0) == ""
    for done, now in ((1, 10.0), (2, 10.0), (3, 11.0), (4, 12.0)):
        pace.note(done, now)
        assert pace.told(100, now) == ""
    pace.note(5, 13.0)
    assert pace.told(100, 13.0) == "about 2 min left", "95 at one a second; with the ten seconds of the start it were 4"
    assert pace.told(None, 13.0) == "60 a minute", "where nobody knows how many there will be"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-3, "5 s"),
        (0, "5 s"),
        (12, "10 s"),
        (54, "55 s"),
        (56, "1 min"),
        (3500, "58 min"),
        (3569, "59 min"),
        (3571, "1 h"),
        (8000, "2 h 10 min"),
    ],
)
def test_a_time_is_told_no_finer_than_it_is_known(seconds: float, told: str) -> None:
    assert _span(seconds) == told
