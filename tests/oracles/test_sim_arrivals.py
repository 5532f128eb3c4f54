"""Arrivals: counts and gaps against their laws, the weekly profile against an hour-by-hour sum with zoneinfo."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy import stats

from models.load import load
from models.scenario import Weekly
from models.units import DAY, HOUR
from sim.chance import Draws
from sim.compile import compile_plan
from sim.profiles import weekly_pieces
from sim.rules import compile_rules
from sim.workload import Workload, materialise

TEXT = """\
windtunnel: 1
name: arrivals
start: {start}
horizon: {horizon}
workflows: {{flow: {{start: s, steps: {{s: {{kind: wait, duration: 0s}}}}}}}}
work: {{stream: {{workflow: flow, arrivals: {{{arrivals}}}, attributes: {{{attributes}}}}}}}
"""
HOURS = [0.75, 0.4, 0.25, 0.18, 0.08, 0.4, 0.94, 2.07, 4.66, 6.5, 7.17, 7.01, 7.64, 7.68, 7.07, 7.25, 5.76, 6.24]
HOURS += [6.69, 6.82, 6.07, 4.3, 2.58, 1.47]
DAYS = [18.1, 16.0, 18.3, 16.7, 13.2, 8.9, 8.8]


def draw(
    folder: Path, arrivals: str, horizon: str = "2000s", start: str = "2026-01-05T00:00:00Z", attributes: str = ""
) -> Workload:
    text = TEXT.format(arrivals=arrivals, horizon=horizon, start=start, attributes=attributes)
    (folder / "scenario.yaml").write_text(text)
    loaded = load(folder)
    return materialise(compile_plan(loaded), compile_rules(loaded), Draws(8, 0))


def test_poisson_gaps_are_exponential(tmp_path: Path) -> None:
    times = draw(tmp_path, "kind: poisson, rate: 10/s").arrived
    gaps = np.diff(times) / 1e6
    assert abs(len(times) - 20_000) < 4 * math.sqrt(20_000)
    assert stats.kstest(gaps, "expon", args=(0, 0.1)).pvalue > 1e-3
    assert (np.diff(times) >= 0).all()


@pytest.mark.parametrize("cv", [0.3, 1.0, 2.5])
def test_renewal_gaps_have_the_mean_and_variation(tmp_path: Path, cv: float) -> None:
    times = draw(tmp_path, f"kind: renewal, rate: 20/s, cv: {cv}").arrived
    gaps = np.diff(times) / 1e6
    variance = math.log(1 + cv**2)
    law = stats.lognorm(math.sqrt(variance), scale=0.05 / math.exp(variance / 2))
    assert stats.kstest(gaps, law.cdf).pvalue > 1e-3
    assert gaps.mean() == pytest.approx(0.05, abs=4 * cv * 0.05 / math.sqrt(len(gaps)))


def test_a_renewal_without_variation_is_even(tmp_path: Path) -> None:
    times = draw(tmp_path, "kind: renewal, rate: 1/s, cv: 0", horizon="10s").arrived
    assert times.tolist() == [n * 1_000_000 for n in range(1, 10)]


def hour_by_hour(zone: str, start: datetime, days: int) -> np.ndarray:
    """Expected arrivals of each quarter hour: rate x by_hour x by_weekday, both scaled to mean 1."""
    local = [(start.astimezone(UTC) + timedelta(minutes=15 * n)).astimezone(ZoneInfo(zone)) for n in range(96 * days)]
    hour_mean, day_mean = sum(HOURS) / 24, sum(DAYS) / 7
    return np.array([100 / 96 * HOURS[t.hour] / hour_mean * DAYS[t.weekday()] / day_mean for t in local])


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Europe/Stockholm", "2026-03-27T09:30:00+00:00"),  # the clocks go forward on the 29th
        ("Europe/Stockholm", "2026-10-23T00:00:00+00:00"),  # and back on the 25th
        ("Asia/Kathmandu", "2026-01-01T00:00:00+00:00"),  # 5:45 from UTC
        ("America/New_York", "2026-11-01T04:00:00+00:00"),
    ],
)
def test_the_weekly_rate_follows_local_time(zone: str, start: str) -> None:
    begin = datetime.fromisoformat(start)
    keys = {"kind": "weekly", "rate": "100/d", "timezone": zone, "by-hour": tuple(HOURS), "by-weekday": tuple(DAYS)}
    weekly = Weekly.model_validate(keys)
    pieces = weekly_pieces(weekly, begin, 6 * DAY)
    times = np.array([*pieces.times, 6 * DAY], float)
    reached = np.concatenate(([0.0], np.cumsum(np.diff(times) * np.array(pieces.rates))))
    quarters = np.arange(6 * 96 + 1) * (HOUR // 4)
    found = np.diff(np.interp(quarters, times, reached))
    assert np.allclose(found, hour_by_hour(zone, begin, 6), rtol=1e-9)


def test_weekly_counts_are_poisson_around_the_profile(tmp_path: Path) -> None:
    arrivals = f"kind: weekly, rate: 4000/d, timezone: Europe/Stockholm, by-hour: {HOURS}, by-weekday: {DAYS}"
    times = draw(tmp_path, arrivals, horizon="14d").arrived
    expected = hour_by_hour("Europe/Stockholm", datetime(2026, 1, 5, tzinfo=UTC), 14).reshape(-1, 4).sum(axis=1) * 40
    counts = np.histogram(times, bins=np.arange(14 * 24 + 1) * HOUR)[0]
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-3
    assert abs(counts.sum() - expected.sum()) < 4 * math.sqrt(expected.sum())


def test_hours_of_weight_nothing_have_no_arrivals(tmp_path: Path) -> None:
    by_hour = [0.0] * 9 + [1.0] * 8 + [0.0] * 7
    times = draw(tmp_path, f"kind: weekly, rate: 900/d, by-hour: {by_hour}", horizon="7d").arrived
    hours = set((times // HOUR % 24).tolist())
    assert hours == set(range(9, 17))


def test_a_trace_is_replayed_to_the_horizon(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("at\n100\n101.5\n103\n120\n")
    times = draw(tmp_path, "kind: trace, file: t.csv, column: at, speed: 2", horizon="10s").arrived
    assert times.tolist() == [0, 750_000, 1_500_000]


def test_attributes_follow_their_laws(tmp_path: Path) -> None:
    attributes = 'c: "choice(a=0.2, b=0.5, d=0.3)", t: chance(p=0.1), n: "uniform(low=-0.5, high=9.5)"'
    drawn = draw(tmp_path, "kind: poisson, rate: 10/s", attributes=attributes)
    choice, chance, number = drawn.attributes[0]
    count = len(choice)
    for text, share in (("a", 0.2), ("b", 0.5), ("d", 0.3)):
        assert np.mean(choice == text) == pytest.approx(share, abs=4 * math.sqrt(share / count))
    assert chance.mean() == pytest.approx(0.1, abs=4 * math.sqrt(0.1 / count))
    assert stats.chisquare(np.bincount(number, minlength=10)).pvalue > 1e-3
    assert sorted(set(number.tolist())) == list(range(10))
