"""What a study measures of a replication is what a run's report says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import windtunnel as wt
from models.diagnostics import InputError
from reports.measures import MeasureJob, definitions, infos, judge, measure, measure_job
from reports.outcomes import Outcomes

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SHORT = {
    "incident-desk": {"horizon": "7d", "warm-up": "12h"},
    "refund-desk": {"horizon": "3d", "warm-up": "6h", "faults": []},
}


def _job(name: str, volume: Literal["events", "summary"] = "events") -> MeasureJob:
    scenario = wt.load(SCENARIOS / name, SHORT[name])
    return measure_job(scenario, scenario.scenario.seed, definitions(scenario.scenario), volume)


@pytest.mark.parametrize("name", SHORT)
def test_objectives_are_judged_as_those_of_a_run(name: str, tmp_path: Path) -> None:
    scenario = wt.load(SCENARIOS / name, SHORT[name])
    told = wt.assess(wt.simulate(scenario, tmp_path / "run", replications=3, workers=1))
    assert isinstance(told, Outcomes)
    job = _job(name)
    rows = [row for row in measure(job, range(3)) if isinstance(row, tuple)]
    known = infos(scenario.scenario, definitions(scenario.scenario))
    for number, objective in enumerate(told.objectives):
        same = judge(known[objective.name], [row[number] for row in rows], scenario.scenario.currency)
        np.testing.assert_array_equal(same.sample.low, objective.sample.low)
        np.testing.assert_array_equal(same.sample.high, objective.sample.high)
        assert (same.verdict, str(same.interval), same.unit) == (
            objective.verdict,
            str(objective.interval),
            objective.unit,
        )


@pytest.mark.parametrize("name", SHORT)
def test_desks_and_cases_are_measured_as_the_report_tells_them(name: str, tmp_path: Path) -> None:
    scenario = wt.load(SCENARIOS / name, SHORT[name])
    run = wt.simulate(scenario, tmp_path / "run", replications=1, workers=1)
    told = wt.assess(run)
    assert isinstance(told, Outcomes)
    job = _job(name)
    [row] = measure(job, [0])
    assert isinstance(row, tuple)
    found = dict(zip(job.definitions, row, strict=True))
    events = run.events()
    for desk in told.people:
        assert found[f"desks.{desk.name}.load"].best == desk.load.estimate
        here = events[events["place"] == f"desk:{desk.name}"]
        ended = here[here["kind"].isin(["started", "abandoned"]) & (here["time"] - here["value"] >= job.plan.warm_up)]
        wait = found[f"desks.{desk.name}.wait.mean"]
        if found[f"desks.{desk.name}.unserved"].best == 0 and len(ended):
            assert wait.best == pytest.approx(ended["value"].mean(), rel=1e-12)
    for work in told.work:
        cost = found[f"work.{work.name}.cost"]
        assert cost.low - 1e-12 <= work.cost.estimate <= cost.high + 1e-12 or np.isnan(work.cost.estimate)


@pytest.mark.parametrize("name", SHORT)
def test_a_summary_bounds_what_all_events_tell(name: str) -> None:
    exactly, counted = (measure(_job(name, volume), range(2)) for volume in ("events", "summary"))
    for row, bounds in zip(exactly, counted, strict=True):
        assert isinstance(row, tuple)
        assert isinstance(bounds, tuple)
        for value, bound in zip(row, bounds, strict=True):
            if not np.isnan(bound.low):
                assert bound.low <= value.low <= value.high <= bound.high or value.high == bound.high == np.inf
                assert bound.low >= value.low * (1 - 1 / 128) - 1


def test_results_do_not_depend_on_which_replications_are_asked_together() -> None:
    job = _job("refund-desk")
    assert measure(job, [2, 0]) == measure(job, [2]) + measure(job, [0])


def test_other_quantiles_and_counts_are_asked_by_name() -> None:
    scenario = wt.load(SCENARIOS / "incident-desk").scenario
    asked = ["duty-answers-within-half-an-hour.p50", "work.incidents.time.p99.9", "work.changes.time.mean"]
    asked += ["desks.third-line.wait.p75", "events.duplicate-effects"]
    found = infos(scenario, definitions(scenario, asked))
    assert [found[name].blank.measures for name in asked] == [
        "the 50th percentile of the wait at duty-managers",
        "the 99.9th percentile of the time to completion of incidents",
        "the mean time to completion of changes",
        "the 75th percentile of the time in the queue of third-line",
        "the number of duplicate effects in one replication",
    ]


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("desks.third-lines.load", "desks.third-line.load"),
        ("work.incidents.tme.p95", "work.incidents.time.p95"),
        ("no-deadlok", "no-deadlock"),
        ("no-deadlock.p95", "no-deadlock"),
        ("events.deadlock", "events.deadlocks"),
        ("desks.third-line.wait.p0", "desks.third-line.wait.p95"),
    ],
)
def test_a_name_that_means_nothing_is_answered_with_the_near_one(name: str, help: str) -> None:
    scenario = wt.load(SCENARIOS / "incident-desk").scenario
    with pytest.raises(InputError, match="there is no measure") as error:
        definitions(scenario, [name])
    assert f"did you mean `{help}`?" in str(error.value)
