"""`size` with `P(...) >= p` finds what a Poisson distribution says, and its tests keep their errors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, binom, poisson

import windtunnel as wt
from reports.measures import Value
from reports.studies.chances import ShareTests, meets
from reports.studies.size import Sizing, error_at
from windtunnel.cli import exit_code

SCENARIO = """\
windtunnel: 1
name: rush
start: 2026-01-05T00:00:00Z
horizon: 1h
seed: 5
desks:
  people:
    roster: [{{days: daily, hours: "00:00-24:00", staff: 1}}]
    service: constant(value=9h)
workflows:
  call: {{start: talk, steps: {{talk: {{kind: desk, desk: people}}}}}}
work:
  calls: {{workflow: call, arrivals: {{kind: poisson, rate: {mean}/h}}}}
"""
"""Nobody is free again within the run: all are served where no more come than there are people."""


@pytest.mark.long
@pytest.mark.parametrize(("mean", "wanted"), [(6, 0.6), (4, 0.7), (12, 0.7)])
def test_the_staff_of_the_poisson_distribution_is_found(mean: int, wanted: float, tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(SCENARIO.format(mean=mean))
    until = f"P(desks.people.unserved <= 0%) >= {wanted}"
    answered = wt.size(wt.load(tmp_path), "desks.people.staff", until, tmp_path / "study", workers=1)
    found = answered.result
    assert isinstance(found, Sizing)
    tests = ShareTests(wanted, 0.01)
    enough = [staff for staff in range(40) if poisson.cdf(staff, mean) >= tests.above.high]
    assert found.least is not None
    assert poisson.cdf(found.least, mean) >= wanted
    assert found.least <= enough[0]
    for visit in found.visits:
        share = poisson.cdf(visit.value, mean)
        if share <= tests.below.low:
            assert visit.answer == "not met"
        elif share >= tests.above.high:
            assert visit.answer == "met"
        elif share < wanted:
            assert visit.answer != "met"
        else:
            assert visit.answer != "not met"


@pytest.mark.parametrize("wanted", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("error", [0.05, 0.015, 0.001])
def test_each_test_keeps_its_error(wanted: float, error: float) -> None:
    tests = ShareTests(wanted, error)
    assert tests.above.exactly(wanted)[0] <= error
    assert 1.0 - tests.below.exactly(wanted)[0] <= error
    assert tests.say([True] * tests.fewest, [True] * tests.fewest) == ("met", tests.fewest)
    assert tests.say([True] * (tests.fewest - 1), [True] * (tests.fewest - 1))[0] == "open"


def test_an_interval_that_is_looked_at_after_every_run_does_not_keep_it() -> None:
    """The check above can say no: by exact counts, of a share that is just what is wanted."""
    alive, wrong = np.array([1.0]), 0.0
    for count in range(1, 200):
        moved = np.append(alive, 0.0) * 0.2 + np.append(0.0, alive) * 0.8
        told = beta.ppf(0.05, np.arange(count + 1), count - np.arange(count + 1) + 1) > 0.8
        wrong += float(moved[told].sum())
        alive = np.where(told, 0.0, moved)
    assert wrong > 0.10
    assert binom.sf(89, 100, 0.8) < 0.05  # at one fixed number it would


def test_all_values_together_have_the_error() -> None:
    assert sum(error_at(nth, 0.95) for nth in range(1, 100_000)) == pytest.approx(0.05, abs=1e-6)


def test_what_is_not_known_speaks_for_neither() -> None:
    nan = math.nan
    values = [Value(1, 1, 1), Value(1, 3, 2), Value(3, 3, 3), None, Value(nan, nan, nan), Value(1, 1, 1, 0, "unsure")]
    assert meets(values, 2.0, None) == (
        [True, False, False, False, False, False],
        [True, True, False, True, True, True],
    )
    assert meets(values[:3], None, 2.0) == ([False, False, True], [False, True, True])
    tests = ShareTests(0.8, 0.05)
    assert tests.say([False] * 1000, [True] * 1000) == ("about", tests.say([False] * 1000, [True] * 1000)[1])


def test_it_is_told_with_how_many_runs_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scenario.yaml").write_text(SCENARIO.format(mean=6))
    asked = ["--find", "desks.people.staff", "--out", str(tmp_path / "study"), "--workers", "1"]
    assert exit_code(["size", str(tmp_path), *asked, "--until", "P(desks.people.unserved <= 0) >= 60%"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    tests = ShareTests(0.6, error_at(1, 0.95) / 2)
    assert f"they take {tests.above.exactly(0.8)[1]:.0f} runs on average to tell 80% from 60%" in text
    assert "in 60% of runs or more" in text


@pytest.mark.parametrize(
    ("until", "told"),
    [
        ("P(desks.people.unserved <= 0) >= 1", "asks for 100% of runs"),
        ("P(desks.people.unserved <= 0) >= 15m", "`15m` is not a share"),
        ("P(desks.people.unserved) >= 0.9", "`desks.people.unserved` has no limit of its own"),
        ("P(desks.peple.unserved <= 0) >= 0.9", "did you mean `desks.people.unserved`?"),
        ("P(desks.people.unserved <= 0) <= 0.9", "is no condition"),
        ("P(desks.people.unserved <= 0) >= 0.999", "expected 8"),
    ],
)
def test_what_is_wrong_is_said(until: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scenario.yaml").write_text(SCENARIO.format(mean=6))
    asked = ["--find", "desks.people.staff", "--out", str(tmp_path / "study"), "--workers", "1"]
    assert exit_code(["size", str(tmp_path), *asked, "--until", until]) == 2
    assert told in capsys.readouterr().err


def test_all_faults_are_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scenario.yaml").write_text(SCENARIO.format(mean=6))
    asked = ["--find", "desks.poeple.staff", "--until", "desk.people.load <= 1", "--from", "4", "--to", "2"]
    assert exit_code(["size", str(tmp_path), *asked]) == 2
    said = capsys.readouterr().err
    for part in (
        "did you mean `desks.people.staff`?",
        "there is no measure `desk.people.load`",
        "from 0 on, got 4 to 2",
    ):
        assert part in said
