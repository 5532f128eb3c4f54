"""What common random numbers buy: the variance of a difference of two variants, against that of independent runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import windtunnel as wt
from models.load import LoadedScenario
from reports.measures import Value, definitions, measure, measure_job

DESK = """\
windtunnel: 1
name: desk
start: 2026-01-05T00:00:00Z
horizon: 10h
warm-up: 1h
desks:
  people:
    roster: [{days: daily, hours: "00:00-24:00", staff: 10}]
    service: exponential(mean=60s)
workflows: {call: {start: talk, steps: {talk: {kind: desk, desk: people}}}}
work: {calls: {workflow: call, arrivals: {kind: poisson, rate: 9/min}}}
"""
PAIRS = 24


def _waits(scenario: LoadedScenario, seed: int) -> np.ndarray:
    chosen = {name: one for name, one in definitions(scenario.scenario).items() if name == "desks.people.wait.mean"}
    rows = measure(measure_job(scenario, seed, chosen, "summary"), range(PAIRS))
    return np.array([row[0].best for row in rows if isinstance(row, tuple) and isinstance(row[0], Value)])


@pytest.mark.long
def test_a_difference_takes_a_tenth_of_the_replications(tmp_path: Path) -> None:
    """M/M/10 at load .9, service rates 1.00 and 1.02: published gain 22.7 (20 pairs); independent ones gain nothing."""
    (tmp_path / "scenario.yaml").write_text(DESK)
    slow, fast = wt.load(tmp_path), wt.load(tmp_path, {"desks.people.service": "exponential(mean=58.8235s)"})
    one, other, apart = _waits(slow, 1), _waits(fast, 1), _waits(fast, 2)
    together, independent = (other - one).var(ddof=1), (apart - one).var(ddof=1)
    assert len(one) == PAIRS
    assert independent / together > 10
    assert 0.2 < independent / (one.var(ddof=1) + other.var(ddof=1)) < 5  # the yardstick is what theory says
    assert (one - other).mean() > 0
