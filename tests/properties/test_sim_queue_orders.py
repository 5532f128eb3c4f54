"""Orders of waiting lines and who is given up: a plain list beside them, and what theory says of LIFO."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.diagnostics import InputError
from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.logs import Log
from sim.plan import StationPlan
from sim.plans.supply import LinePlan, Order
from sim.rules import compile_rules
from sim.stations import Job, Station

LEVELS = 3
MOVES = st.lists(st.tuples(st.sampled_from(["join", "join", "leave", "withdraw"]), st.integers(0, 99)), max_size=60)
LINES = st.builds(LinePlan, st.sampled_from(list(Order)), st.integers(0, 4), st.booleans())


class Model:
    """The same place as a plain list of (level, number) in order of joining, searched anew each time."""

    def __init__(self, line: LinePlan, room: int) -> None:
        self.line, self.room = line, room
        self.busy: list[int] = []
        self.waiting: list[tuple[int, int]] = []
        self.rejected: list[int] = []
        self.shed: list[int] = []

    def join(self, level: int, number: int) -> None:
        if not self.busy:
            self.busy.append(number)
            return
        self.waiting.append((level, number))
        if len(self.waiting) > self.room:
            worst = max(self.waiting) if self.line.sheds else self.waiting[-1]
            self.waiting.remove(worst)
            (self.rejected if worst[1] == number else self.shed).append(worst[1])

    def leave(self) -> None:
        self.busy.clear()
        if self.waiting:
            newest = self.line.order == Order.LIFO or (
                self.line.order == Order.ADAPTIVE_LIFO and len(self.waiting) > self.line.above
            )
            taken = min(self.waiting) if self.line.order == Order.PRIORITY else self.waiting[-1 if newest else 0]
            self.waiting.remove(taken)
            self.busy.append(taken[1])


@given(LINES, st.integers(0, 4), MOVES)
def test_a_line_does_what_a_plain_list_does(line: LinePlan, room: int, moves: list[tuple[str, int]]) -> None:
    plan = StationPlan(1, room, line.order == Order.PRIORITY, 0, line)
    station = Station(plan, "agent:a", Log(), array("q", bytes(8 * 100)), LEVELS, quiet=False)
    serving = station.follow()
    model = Model(line, room)
    jobs: list[Job] = []
    rejected: list[int] = []
    shed: list[int] = []

    def give_up(job: Job, now: int) -> None:
        shed.append(job.case)
        station.withdraw(job, now)

    station.shed = give_up
    for now, (move, choice) in enumerate(moves):
        if move == "join":
            job = Job(len(jobs), choice % LEVELS)
            job.begin = lambda _, __: None
            jobs.append(job)
            model.join(job.level, job.case)
            if not station.join(job, now):
                rejected.append(job.case)
        elif move == "leave" and serving:
            model.leave()
            station.leave(next(iter(serving)), now)
        elif move == "withdraw" and model.waiting:
            gone = model.waiting.pop(choice % len(model.waiting))
            station.withdraw(jobs[gone[1]], now)
        assert [job.case for job in serving] == model.busy
        assert station.waiting == len(model.waiting)
        assert (rejected, shed) == (model.rejected, model.shed)
        waiting = {job.case for job in jobs if job.waiting}
        assert waiting == {number for _, number in model.waiting}


# --- whole runs -------------------------------------------------------------------------------------------------------

TEXT = """\
windtunnel: 1
name: orders
start: 2026-01-05T00:00:00Z
horizon: {horizon}s
agents:
  pool: {{queue: {queue}, capabilities: {{serve: {{service: "{service}"}}}}}}
workflows:
  visit: {{start: s, steps: {{s: {{kind: task, agent: pool, capability: serve{step}}}}}}}
work:
  high: {{workflow: visit, priority: 1, arrivals: {{kind: {high}}}}}
  low: {{workflow: visit, priority: 5, arrivals: {{kind: {low}}}}}
"""
POISSON = "poisson, rate: 0.4/s"


def tables(folder: Path, number: int = 0, **keys: object) -> Tables:
    given: dict[str, object] = {"horizon": 100, "queue": "{}", "service": "10s", "step": "", "high": POISSON}
    (folder / "scenario.yaml").write_text(TEXT.format(**{**given, "low": POISSON, **keys}))
    loaded = load(folder)
    replication = Replication(compile_plan(loaded), compile_rules(loaded), 6, number)
    replication.run()
    return replication.tables("", 0)


def waits(folder: Path, order: str) -> np.ndarray:
    """Mean wait and mean square of the wait of each replication of M/M/1 at .8, seconds."""
    found = []
    for number in range(24):
        keys = {"horizon": 12_000, "service": "exponential(mean=1s)", "queue": f"{{order: {order}}}"}
        events = tables(folder, number, **keys).events.to_pandas()
        started = events[(events["kind"] == "started") & (events["time"] > 500_000_000)]
        wait = started["value"].to_numpy() / 1e6
        found.append((wait.mean(), (wait**2).mean()))
    return np.array(found)


def test_lifo_has_the_wait_of_fifo_and_five_times_its_square(tmp_path: Path) -> None:
    """M/M/1, rho .8: Wq 4 in any order that does not look at service times; E[Wq^2] is 2 rho / (1 - rho)^2 = 40 in
    order of arrival, and that over (1 - rho) = 200 the other way round."""
    last, first = waits(tmp_path, "lifo"), waits(tmp_path, "fifo")
    assert stats.ttest_1samp(last[:, 0], 4.0).pvalue > 1e-3
    assert stats.ttest_1samp(last[:, 1], 200.0).pvalue > 1e-3
    assert stats.ttest_1samp(first[:, 1], 40.0).pvalue > 1e-3
    assert stats.ttest_rel(last[:, 1], first[:, 1]).pvalue < 1e-3


def rows(of: Tables, *kinds: str) -> list[tuple[float, str, int]]:
    events = of.events.to_pandas()
    events = events[events["kind"].isin(kinds)]
    return [
        (time / 1e6, kind, case)
        for time, kind, case in zip(events["time"], events["kind"], events["case"], strict=True)
    ]


EVENLY = {"low": "renewal, rate: 1/s, cv: 0", "high": "renewal, rate: 0.25/s, cv: 0", "horizon": 9}


def test_a_full_queue_gives_up_the_lowest_priority(tmp_path: Path) -> None:
    """Low at 1, 2, 3 ... s, high at 4 and 8 s; one slot for 10 s, two places. Of one instant, high comes first."""
    queue = "{capacity: 2, order: priority, when-full: shed-lowest}"
    found = rows(tables(tmp_path, queue=queue, **EVENLY), "started", "queued", "rejected", "shed", "attempt-failed")
    assert found == [
        (1, "started", 0),
        (2, "queued", 1),
        (3, "queued", 2),
        (4, "shed", 2),
        (4, "queued", 3),  # high
        (4, "attempt-failed", 2),
        (4, "rejected", 4),
        (4, "attempt-failed", 4),
        (5, "rejected", 5),
        (5, "attempt-failed", 5),
        (6, "rejected", 6),
        (6, "attempt-failed", 6),
        (7, "rejected", 7),
        (7, "attempt-failed", 7),
        (8, "shed", 1),
        (8, "queued", 8),  # high
        (8, "attempt-failed", 1),
        (8, "rejected", 9),
        (8, "attempt-failed", 9),
    ]


def test_an_attempt_that_was_given_up_may_be_retried(tmp_path: Path) -> None:
    queue, step = "{capacity: 2, when-full: shed-lowest}", ", retry: {attempts: 2, backoff: 20s}"
    of = tables(tmp_path, queue=queue, step=step, **{**EVENLY, "horizon": 31})
    events = of.events.to_pandas()
    failed = events[(events["kind"] == "attempt-failed") & (events["case"] == 2)]
    assert failed["detail"].tolist()[0] == "shed"
    again = events[(events["case"] == 2) & events["kind"].isin(["queued", "rejected"])]
    assert (again["time"].to_numpy() / 1e6).tolist() == [3, 24]


def test_adaptive_lifo_takes_the_newest_only_from_a_long_line(tmp_path: Path) -> None:
    """Low at 1 .. 8 s, nothing of high; one slot for 2.5 s. At 3.5 s two wait, at 6 s four (the arrival of 6 s comes
    after the departure of that instant: three)."""
    keys = {"low": "renewal, rate: 1/s, cv: 0", "high": "renewal, rate: 1/h, cv: 0", "horizon": 12, "service": "2.5s"}
    adaptive = tables(tmp_path, queue="{order: adaptive-lifo, lifo-above: 2}", **keys)
    started = [(at, case) for at, _, case in rows(adaptive, "started")]
    assert started == [(1, 0), (3.5, 1), (6, 4), (8.5, 7), (11, 9)]


@pytest.mark.parametrize(
    ("queue", "message"),
    [
        ("{order: adaptive-lifo}", "without `lifo-above`"),
        ("{order: lifo, lifo-above: 3}", "without `order: adaptive-lifo`"),
        ("{when-full: shed-lowest}", "is never full"),
    ],
)
def test_keys_that_do_not_fit_are_told(tmp_path: Path, queue: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        tables(tmp_path, queue=queue)
    assert any(message in diagnostic.message for diagnostic in caught.value.diagnostics)
