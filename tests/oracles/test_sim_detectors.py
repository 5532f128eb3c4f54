"""Page-Hinkley against river, label by label."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import PageHinkley as Rivers

from sim.detectors import PageHinkley


def alarms(minimum: int, delta: float, threshold: float, alpha: float, labels: list[float]) -> list[int]:
    """When ours raises the alarm; it must do so with river's on the same label, each time."""
    ours = PageHinkley(minimum, delta, threshold, alpha)
    rivers = Rivers(min_instances=minimum, delta=delta, threshold=threshold, alpha=alpha, mode="up")
    found = []
    for position, label in enumerate(labels):
        rivers.update(label)
        alarm = ours.update(label)
        assert alarm == rivers.drift_detected, f"label {position}"
        if alarm:
            found.append(position)
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60),
    st.sampled_from([0.0, 0.005, 0.05, 0.2]),
    st.sampled_from([1.0, 5.0, 12.0, 50.0]),
    st.sampled_from([0.9, 0.99, 0.9999, 1.0]),
    st.lists(st.sampled_from([0.0, 1.0]), max_size=400),
)
def test_alarms_are_rivers(minimum: int, delta: float, threshold: float, alpha: float, labels: list[float]) -> None:
    alarms(minimum, delta, threshold, alpha, labels)


@pytest.mark.parametrize(("threshold", "delay", "tolerance"), [(50.0, 582.2, 40.0), (20.0, 183.8, 25.0)])
def test_delay_is_the_published_one(threshold: float, delay: float, tolerance: float) -> None:
    """Errors 0.05 -> 0.15 at 2000, streams random.Random(1000 + r): ../shared/reference/formal.md, section 6.1."""
    delays = []
    for run in range(60):
        chance = random.Random(1000 + run)
        labels = [float(chance.random() < (0.05 if step < 2000 else 0.15)) for step in range(4000)]
        found = [at for at in alarms(30, 0.005, threshold, 0.9999, labels) if at >= 2000]
        delays.append(found[0] - 2000)
    assert sum(delays) / len(delays) == pytest.approx(delay, abs=tolerance)


def test_it_is_silent_below_the_minimum_and_afresh_after_an_alarm() -> None:
    labels = [0.0] * 10 + [1.0] * 60
    found = alarms(30, 0.005, 5.0, 0.9999, labels)
    assert found[0] == 29
    assert all(later - earlier >= 30 for earlier, later in itertools.pairwise(found))
