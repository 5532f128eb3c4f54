"""Batches of people's work: a timeline by hand, laws of batches of Poisson arrivals, and a plain second simulation."""

from __future__ import annotations

import heapq
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.load import load
from reports.outcomes import assess
from reports.sections import sections
from sim.batches import BatchStation
from sim.clock import Clock, Rank
from sim.compile import compile_plan
from sim.engine import Replication
from sim.logs import Log
from sim.plan import StationPlan
from sim.plans.people import BatchPlan
from sim.rules import compile_rules
from sim.simulate import simulate
from sim.stations import Job

LEVEL = 1e-3
MINUTE = 60_000_000
TEXT = """\
windtunnel: 1
name: batches
start: 2026-01-05T00:00:00Z
horizon: {horizon}
replications: 2
desks:
  clerk:
    roster: [{{days: daily, hours: "{hours}", staff: {staff}}}]
    service: {service}
    batch: {batch}
    queue: {queue}
workflows: {{flow: {{start: s, steps: {{s: {{kind: desk, desk: clerk{step}}}}}}}}}
work: {{a: {{workflow: flow, arrivals: {{{arrivals}}}}}}}
"""
DEFAULTS = {
    "horizon": "400h",
    "hours": "00:00-24:00",
    "staff": "1",
    "service": "10m",
    "queue": "{}",
    "step": "",
    "arrivals": "kind: renewal, rate: 1/h, cv: 0",
}


def events(folder: Path, batch: str, **keys: str) -> pd.DataFrame:
    (folder / "scenario.yaml").write_text(TEXT.format(**(DEFAULTS | keys), batch=batch))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 3, 0)
    replication.run()
    return replication.tables("", 3).events.to_pandas()


def moments(rows: pd.DataFrame, kind: str) -> list[float]:
    """Minutes at which such events are."""
    return [time / MINUTE for time in rows.loc[rows["kind"] == kind, "time"]]


def test_a_full_batch_is_begun_at_once_and_a_part_of_one_after_its_time(tmp_path: Path) -> None:
    """One item an hour, from 1:00 on. Three make a batch at 3:00; with 90 minutes, the first has waited that long at
    2:30, with one other, and so has the third at 4:30."""
    full = events(tmp_path, "{size: 3, wait: 9h}", horizon="7h")
    assert moments(full, "queued") == [60, 120, 180, 240, 300, 360]
    assert moments(full, "gathered") == [180, 360]
    assert moments(full, "started") == [180, 190, 200, 360, 370, 380]
    assert list(full.loc[full["kind"] == "started", "value"] / MINUTE) == [120, 70, 20, 120, 70, 20]
    gathered = full[full["kind"] == "gathered"]
    assert (
        list(zip(gathered["value"], gathered["detail"], gathered["place"], strict=True))
        == [(3, "size", "desk:clerk")] * 2
    )
    part = events(tmp_path, "{size: 3, wait: 90m}", horizon="7h")
    assert moments(part, "gathered") == [150, 270, 390]
    assert moments(part, "started") == [150, 160, 270, 280, 390, 400]
    assert list(part.loc[part["kind"] == "gathered", "detail"]) == ["wait"] * 3


def test_what_leaves_early_is_not_of_the_batch(tmp_path: Path) -> None:
    """Whoever waits 100 minutes gives up. So two are there at a time, never three, and at most one where 50 are."""
    rows = events(tmp_path, "{size: 3, wait: 9h}", horizon="12h", step=", patience: 100m")
    assert moments(rows, "gathered") == []
    assert moments(rows, "abandoned") == [60 * n + 100 for n in range(1, 11)]
    two = events(tmp_path, "{size: 2, wait: 9h}", horizon="12h", step=", patience: 100m")
    assert moments(two, "gathered") == [120 * n for n in range(1, 6)]
    assert moments(two, "abandoned") == []


def test_a_batch_that_gathers_at_night_is_begun_by_the_next_shift(tmp_path: Path) -> None:
    rows = events(tmp_path, "{size: 3, wait: 9h}", horizon="10h", hours="08:00-16:00", staff="2")
    assert moments(rows, "gathered") == [180, 360, 540]
    assert moments(rows, "started") == [480, 480, 490, 490, 500, 500, 540, 540, 550]


def test_sizes_and_waits_are_those_of_poisson_arrivals(tmp_path: Path) -> None:
    """Two an hour; five, or two hours after the first. Then n - 1 further ones within the two hours, n of 5 at most."""
    rows = events(
        tmp_path,
        "{size: 5, wait: 2h}",
        arrivals="kind: poisson, rate: 2/h",
        horizon="4000h",
        service="1us",
        staff="9",
    )
    sizes = rows.loc[rows["kind"] == "gathered", "value"].value_counts().sort_index()
    law = [*stats.poisson(4).pmf(range(4)), stats.poisson(4).sf(3)]
    assert stats.chisquare(sizes, np.array(law) * sizes.sum()).pvalue > LEVEL
    assert (
        stats.chisquare(
            sizes, np.array([*stats.poisson(4.6).pmf(range(4)), stats.poisson(4.6).sf(3)]) * sizes.sum()
        ).pvalue
        < LEVEL
    )
    full = int((rows.loc[rows["kind"] == "gathered", "detail"] == "size").sum())
    assert full == sizes[5]
    started = rows[rows["kind"] == "started"]
    # The first waits for the fourth after it, an Erlang time, or two hours.
    first = started.groupby("time")["value"].max() / 3.6e9
    below = first[first < 1.999]
    assert (
        stats.kstest(below, lambda t: stats.gamma(4, scale=0.5).cdf(t) / stats.gamma(4, scale=0.5).cdf(2)).pvalue
        > LEVEL
    )


# --- a plain second simulation ----------------------------------------------------------------------------------------


def starts(arrivals: list[int], size: int, wait: int, staff: int, service: int) -> list[int]:
    """When each item is begun: batches first, then the plainest queue with several servers."""
    released: list[int] = []
    batch: list[int] = []
    for arrival in [*arrivals, 1 << 60]:
        if batch and batch[0] + wait <= arrival:
            released += [batch[0] + wait] * len(batch)
            batch = []
        batch.append(arrival)
        if len(batch) == size:
            released += [arrival] * size
            batch = []
    free = [0] * staff
    begun = []
    for moment in released[: len(arrivals)]:
        begin = max(moment, heapq.heappop(free))
        begun.append(begin)
        heapq.heappush(free, begin + service)
    return begun


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 9).map(lambda n: 10 * n), min_size=1, max_size=40),
    st.integers(2, 6),
    st.integers(1, 60),
    st.integers(1, 3),
    st.integers(1, 80),
)
def test_every_start_is_that_of_a_plain_simulation(
    gaps: list[int], size: int, wait: int, staff: int, service: int
) -> None:
    arrivals = [int(time) for time in np.cumsum(gaps)]
    log, clock = Log(), Clock(100_000)
    plan = StationPlan(staff, 10**6, False, 0)
    desk = BatchStation(plan, BatchPlan(size, wait), clock, "desk:d", log, [0] * len(arrivals), 1)
    begun: dict[int, int] = {}

    def begin(job: Job, now: int) -> None:
        begun[job.case] = now
        clock.at(now + service, Rank.FINISH, desk.leave, job)

    for number, arrival in enumerate(arrivals):
        job = Job(number, 0)
        job.begin = begin
        clock.at(arrival, Rank.ARRIVE, desk.join, job)
    clock.run(1 << 40)
    assert list(begun.values()) == sorted(begun.values())
    assert [begun[number] for number in range(len(arrivals))] == starts(arrivals, size, wait, staff, service)
    assert (desk.waiting, desk.busy) == (0, 0)


# --- told -------------------------------------------------------------------------------------------------------------


def test_the_report_tells_of_batches(tmp_path: Path) -> None:
    rows = events(tmp_path, "{size: 5, wait: 2h}", arrivals="kind: poisson, rate: 2/h")
    outcomes = assess(simulate(load(tmp_path), tmp_path / "run", workers=1))
    (desk,) = outcomes.batches
    assert len(rows) > 100
    assert desk.batches.estimate * desk.items.estimate == pytest.approx(400 * 2, rel=0.1)
    assert desk.full.estimate == pytest.approx(stats.poisson(4).sf(3), abs=0.15)
    assert "batches" in {section.anchor for section in sections(outcomes)}
    (people,) = outcomes.people
    assert people.wait_p95.estimate > 110 * MINUTE, "what gathers waits"
