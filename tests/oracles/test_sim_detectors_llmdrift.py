"""Detectors on the answers of a model before and after its update (LLMDrift): the delays that were measured with river.

The figures are in ../shared/reference/formal.md, section 6.3: each version's answers shuffled, 200 times; the order of
the shuffles is not told, so that means of 200 are compared with means of 200.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

import pytest

from sim.detectors import DDM, Adwin, Cusum, Detector, PageHinkley

FILE = Path(__file__).parents[2] / ".." / "shared" / "data" / "drift" / "llmdrift_prime.csv"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the answers of LLMDrift are not beside the repository")
RUNS = 200
ERRORS, FORMAT = "correct", "format_ok"


@cache
def answers(column: str) -> tuple[list[float], list[float]]:
    """1 for each wrong, or unreadable, answer of the version before and after."""
    with FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    before, after = (
        [1.0 - float(row[column]) for row in rows if row["model"] == model] for model in ("gpt-4-0314", "gpt-4-0613")
    )
    return before, after


class Found(NamedTuple):
    delays: list[int]
    missed: int
    false: int
    """Runs with an alarm before the update."""


def watch(make: Callable[[], Detector], column: str) -> Found:
    before, after = answers(column)
    delays, false = [], 0
    for run in range(RUNS):
        chance = random.Random(1000 + run)
        labels = [*chance.sample(before, len(before)), *chance.sample(after, len(after))]
        detector = make()
        alarms = [number for number, label in enumerate(labels, 1) if detector.update(label)]
        false += bool(alarms and alarms[0] <= len(before))
        delays += [number - len(before) for number in alarms if number > len(before)][:1]
    return Found(delays, RUNS - len(delays), false)


def adwin() -> Detector:
    return Adwin(0.002, 32)


def page_hinkley() -> Detector:
    return PageHinkley(30, 0.005, 50.0, 0.9999)


def ddm() -> Detector:
    return DDM(30, 3.0)


def agrees(found: Found, delay: float) -> bool:
    """Whether two means of 200 differ by no more than four of their standard errors."""
    return abs(mean(found.delays) - delay) <= 4 * stdev(found.delays) * (2 / RUNS) ** 0.5


def alike(count: int, other: int) -> bool:
    """The same of two counts among 200."""
    share = (count + other) / (2 * RUNS)
    return abs(count - other) <= 4 * (2 * RUNS * share * (1 - share)) ** 0.5


def test_the_answers_are_those_of_the_figures() -> None:
    assert [mean(labels) for labels in answers(ERRORS)] == pytest.approx([0.160, 0.498], abs=5e-4)
    assert [mean(labels) for labels in answers(FORMAT)] == pytest.approx([0.004, 0.053], abs=5e-4)


@pytest.mark.parametrize(
    ("make", "column", "delay", "missed", "false"),
    [
        (adwin, ERRORS, 75.7, 0, 0),
        (page_hinkley, ERRORS, 142.3, 0, 0),
        (ddm, ERRORS, 89.9, 0, 65),
        (lambda: Cusum(0.160, 0.498, 6.0), ERRORS, 16.6, 0, 42),
        (adwin, FORMAT, 580.0, 3, 0),
        (lambda: Cusum(0.004, 0.053, 6.0), FORMAT, 58.9, 0, 1),
    ],
)
def test_delay_misses_and_false_alarms_are_the_measured_ones(
    make: Callable[[], Detector], column: str, delay: float, missed: int, false: int
) -> None:
    found = watch(make, column)
    assert agrees(found, delay)
    assert alike(found.missed, missed)
    assert alike(found.false, false)


def test_page_hinkley_misses_the_drift_of_format_in_all_runs() -> None:
    assert watch(page_hinkley, FORMAT) == Found([], RUNS, 0)


def test_another_parameter_is_told_apart() -> None:
    assert not agrees(watch(lambda: Adwin(0.05, 32), ERRORS), 75.7)
    assert not agrees(watch(lambda: PageHinkley(30, 0.005, 40.0, 0.9999), ERRORS), 142.3)
