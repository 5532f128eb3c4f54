"""Goodput and the time until it is back: courses made by hand, where the answer is known."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest

from reports import recovery
from reports.recovery import WINDOWS, Goodput, baselines, time_back
from reports.tables import RunTables

WIDTH = 10.0
"""Windows of 10 us: the run ends at 2,000."""
BEFORE = (1.0, 1.0)


def course(good: dict[int, float], arrived: float = 10.0, maybe: dict[int, float] | None = None) -> Goodput:
    """All cases end well, but in the windows given, where that share does; `maybe` is the share that may."""
    low = np.full((1, WINDOWS), arrived)
    for window, share in good.items():
        low[0, window] = share * arrived
    high = low.copy()
    for window, share in (maybe or {}).items():
        high[0, window] = share * arrived
    return Goodput(np.full((1, WINDOWS), arrived), low, high, WIDTH)


def down(first: int, last: int, share: float = 0.0) -> dict[int, float]:
    return dict.fromkeys(range(first, last + 1), share)


@pytest.mark.parametrize(
    ("of", "end", "expected"),
    [
        # A fault that ends at 1,000, the edge of window 100. The lower bound is a window less: when in the last bad
        # window it came back is not known.
        (course({}), 1000.0, (0.0, 0.0)),
        (course(down(90, 99)), 1000.0, (0.0, 0.0)),
        (course(down(90, 119)), 1000.0, (190.0, 200.0)),
        (course(down(90, 119, 0.9)), 1000.0, (0.0, 0.0)),
        (course(down(90, 119, 0.89)), 1000.0, (190.0, 200.0)),
        # Two good windows among bad ones are not enough, three are.
        (course(down(90, 104) | down(107, 119)), 1000.0, (190.0, 200.0)),
        (course(down(90, 104) | down(108, 119)), 1000.0, (40.0, 50.0)),
        # Within a window: it counts from the first whole one.
        (course({}), 1003.0, (0.0, 7.0)),
        # Never back; and too late to tell.
        (course(down(90, 199)), 1000.0, (990.0, math.inf)),
        (course({}), 1985.0, (0.0, math.inf)),
        (course(down(90, 197)), 1000.0, (970.0, math.inf)),
        # Cases that are open may end well or not.
        (course(down(90, 119), maybe=down(90, 119, 1.0)), 1000.0, (0.0, 200.0)),
    ],
)
def test_the_time_until_goodput_is_back(of: Goodput, end: float, expected: tuple[float, float]) -> None:
    assert time_back(of, 0, end, BEFORE, 0.9) == pytest.approx(expected)


def test_windows_without_arrivals_say_nothing() -> None:
    quiet = course(down(90, 119))
    quiet.arrived[0, 100:110] = quiet.low[0, 100:110] = quiet.high[0, 100:110] = 0
    assert time_back(quiet, 0, 1000.0, BEFORE, 0.9) == pytest.approx((0.0, 0.0))


def test_without_a_time_before_there_is_nothing_to_compare_with() -> None:
    low, high = time_back(course({}), 0, 1000.0, (math.nan, math.nan), 0.9)
    assert math.isnan(low)
    assert math.isnan(high)


FAULTS = pd.DataFrame({"replication": [0, 0], "begin": [200.0, 900.0], "end": [300.0, 1000.0]})


def test_the_baseline_is_of_windows_that_no_fault_touches() -> None:
    """After the warm-up of 105, so from window 11 on; the fault of windows 20 to 29 is left out."""
    of = course(down(0, 10) | down(20, 29) | down(11, 19, 0.5))
    [(low, high)] = baselines(of, np.array([900.0]), FAULTS, 105)
    assert low == high == pytest.approx((9 * 0.5 + 60) / 69)


def test_too_few_windows_before_a_fault_make_no_baseline() -> None:
    [(low, _)] = baselines(course({}), np.array([200.0]), FAULTS, 160)
    assert math.isnan(low)
    [(low, _)] = baselines(course({}), np.array([200.0]), FAULTS, 150)
    assert low == 1.0
    [(low, _)] = baselines(course({}), np.array([math.nan]), FAULTS, 0)
    assert math.isnan(low)


@pytest.mark.parametrize(
    ("of", "down_at_the_end"),
    [
        # Two faults, over at 1,000 and at 1,800. Goodput was away for 400 after the first, longer than there is time
        # after the second: only what comes after that tells whether it is away at the end.
        (course(down(90, 139) | down(179, 180)), 0),
        (course(down(90, 139) | down(179, 199)), 1),
        (course(down(179, 199)), 1),
        (course(down(90, 199)), 1),
        (course({}), 0),
    ],
)
def test_goodput_is_down_at_the_end_only_if_it_is_not_back_after_the_last_fault(
    of: Goodput, down_at_the_end: int
) -> None:
    faults = pd.DataFrame({"replication": [0, 0], "begin": [900.0, 1790.0], "end": [1000.0, 1800.0]})
    tables = SimpleNamespace(scenario=SimpleNamespace(horizon=2000, warm_up=0), replications=1)
    told = recovery._recovery("crash", "agent:a", faults, faults, of, cast("RunTables", tables))
    assert (told.down, told.replications, told.rest) == (down_at_the_end, 1, 200.0)
