"""What is told of a run's length, on queues whose course is known."""

from __future__ import annotations

from pathlib import Path

import pytest

import windtunnel as wt
from reports.outcomes import Outcomes
from reports.validity import Validity, warnings

DESK = """\
windtunnel: 1
name: desk
start: 2026-01-05T00:00:00Z
horizon: {horizon}
warm-up: {warm_up}
seed: 11
desks:
  people:
    roster: [{{days: daily, hours: "00:00-24:00", staff: {staff}}}]
    service: exponential(mean=1m)
workflows: {{call: {{start: talk, steps: {{talk: {{kind: desk, desk: people}}}}}}}}
work: {{calls: {{workflow: call, arrivals: {{kind: poisson, rate: {rate}/min}}}}}}
"""


def _validity(folder: Path, **given: object) -> Validity:
    text = DESK.format(**{"horizon": "12h", "warm_up": "1h", "staff": 1, "rate": 0.5} | given)
    (folder / "scenario.yaml").write_text(text)
    told = wt.assess(wt.simulate(wt.load(folder), folder / "run", replications=20, workers=1))
    assert isinstance(told, Outcomes)
    return told.validity


def test_an_easy_queue_has_nothing_to_warn_of(tmp_path: Path) -> None:
    assert warnings(_validity(tmp_path, horizon="6d")) == ()


def test_a_run_that_is_short_for_its_own_interval_is_told(tmp_path: Path) -> None:
    told = warnings(_validity(tmp_path, rate=0.8))
    assert any("depend on each other" in sentence for sentence in told)


def test_a_warm_up_that_is_too_short_is_told(tmp_path: Path) -> None:
    """At load .9 an empty M/M/1 queue takes some hundred service times to fill."""
    found = _validity(tmp_path, rate=0.9, warm_up="0s", horizon="24h")
    [course] = found.courses
    assert course.settled
    assert 10 * 60e6 < course.begins_until < 12 * 3600e6
    assert "a longer one keeps the beginning out" in warnings(found)[0]


def test_a_load_near_one_is_told(tmp_path: Path) -> None:
    told = warnings(_validity(tmp_path, rate=0.95, warm_up="4h"))
    assert any("desk:people is at a load of 9" in sentence for sentence in told)


def test_a_queue_that_only_grows_does_not_settle(tmp_path: Path) -> None:
    told = warnings(_validity(tmp_path, rate=1.3))
    assert any("do not settle" in sentence for sentence in told)


def test_a_stream_with_few_cases_is_not_judged(tmp_path: Path) -> None:
    assert _validity(tmp_path, horizon="3h").courses == ()


@pytest.mark.parametrize("rate", [0.3, 0.6])
def test_the_course_counts_the_cases_that_every_replication_has(tmp_path: Path, rate: float) -> None:
    [course] = _validity(tmp_path, rate=rate).courses
    assert course.cases < 12 * 60 * rate
