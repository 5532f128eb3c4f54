"""`size` finds the staffing that queueing theory finds: the least c of an M/M/c desk whose mean wait, or 95th
percentile of waits, keeps a limit (Erlang C)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import windtunnel as wt
from models.units import MINUTE
from reports.measures import Limit
from reports.studies import size as sizing
from reports.studies.conditions import Condition
from reports.studies.size import Sizing

CASES = 1500
"""Cases of one replication that are measured; a tenth as many come before, to fill the queue."""

SCENARIO = """\
windtunnel: 1
name: erlang
start: 2026-01-05T00:00:00Z
horizon: {horizon}
warm-up: {warm_up}
seed: 7
desks:
  people:
    roster: [{{days: daily, hours: "00:00-24:00", staff: 1}}]
    service: exponential(mean=1m)
workflows:
  call: {{start: talk, steps: {{talk: {{kind: desk, desk: people}}}}}}
work:
  calls: {{workflow: call, arrivals: {{kind: poisson, rate: {rate}/min}}}}
"""


def _p_wait(servers: int, load: float) -> float:
    """Erlang C, by the recursion of Erlang B; the load is in servers."""
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked / (1.0 - load / servers * (1.0 - blocked))


def mean_wait(servers: int, load: float) -> float:
    """In mean service times."""
    return _p_wait(servers, load) / (servers - load) if servers > load else math.inf


def p95_wait(servers: int, load: float) -> float:
    if servers <= load:
        return math.inf
    return max(0.0, math.log(_p_wait(servers, load) / 0.05) / (servers - load))


FORMULAS = {"mean": mean_wait, "p95": p95_wait}
SETTINGS = [
    *(("mean", load, load + over) for load in (1, 3, 8, 20) for over in (2, 3, 4)),
    *(("p95", load, load + over) for load in (2, 5, 12, 16) for over in (2, 3)),
]
"""What is limited, the load, and the staff that the limit asks for: it lies between what they and one less give."""


def test_the_formula_is_the_published_one() -> None:
    assert _p_wait(10, 9.0) == pytest.approx(0.668732, abs=5e-7)
    assert p95_wait(10, 9.0) == pytest.approx(2.593360, abs=5e-7)
    assert len(SETTINGS) == 20


def _limit(what: str, load: int, servers: int) -> float:
    """Halfway on a logarithmic scale between what the staff and one less give; of a wait of nothing, half of that."""
    enough, short = (FORMULAS[what](count, load) for count in (servers, servers - 1))
    return math.sqrt(enough * short) if math.isfinite(short) and enough > 0 else max(2 * enough, short / 2)


def _found(folder: Path, what: str, load: int, servers: int, warm_up: str = "") -> Sizing:
    minutes = CASES / load
    text = SCENARIO.format(
        horizon=f"{round(minutes * 1.1 * 60)}s", warm_up=warm_up or f"{round(minutes * 0.1 * 60)}s", rate=load
    )
    (folder / "scenario.yaml").write_text(text)
    limit = round(_limit(what, load, servers) * 60_000)
    until = f"desks.people.wait.{what} <= {limit}ms"
    found = wt.size(wt.load(folder), "desks.people.staff", until, folder / "study", workers=1, replications_max=320)
    assert isinstance(found.result, Sizing)
    return found.result


@pytest.mark.long
@pytest.mark.parametrize(("what", "load", "servers"), SETTINGS)
def test_the_staff_of_erlang_c_is_found(what: str, load: int, servers: int, tmp_path: Path) -> None:
    found = _found(tmp_path, what, load, servers)
    assert found.least == servers
    below = found.below
    assert below is not None
    assert below.answer == "not met" or load > 0.9 * below.value  # near one, short runs may leave it open
    at = found.at(servers)
    assert at is not None
    truth = FORMULAS[what](servers, load) * MINUTE
    assert at.interval.low * 0.95 <= truth <= at.interval.high * 1.05  # the p95 of a short run is a little low
    assert not found.contradicted


@pytest.mark.long
def test_deciding_at_once_by_two_replications_finds_another_staff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above can say no: without the sequential test the noise decides."""
    monkeypatch.setattr(sizing, "looks_up_to", lambda _: [2])
    monkeypatch.setattr(Condition, "limit", lambda self, _: Limit(0.01, *self.ends))
    wrong = 0
    for place, (what, load, servers) in enumerate(SETTINGS[:6] + SETTINGS[-8:-4]):
        (tmp_path / str(place)).mkdir()
        wrong += _found(tmp_path / str(place), what, load, servers).least != servers
    assert wrong >= 2
