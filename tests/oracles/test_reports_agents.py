"""What the report tells of pools and endpoints: worked by hand, and money that adds up over places."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.load import load
from reports.json import plain
from reports.outcomes import Outcomes, assess
from reports.sections import sections
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules
from sim.simulate import simulate

TEXT = """\
windtunnel: 1
name: places
start: 2026-01-05T00:00:00Z
horizon: 1000s
replications: 2
endpoints:
  api: {{latency: 4s, price: 0.5 USD, concurrency: 2, price-per-million: {{input: 1000000 USD}}{endpoint}}}
  unused: {{latency: 1s}}
agents:
  pool:
    replicas: 1
    queue: {{capacity: {room}{full}}}
    capabilities:
      ask: {{service: 6s, endpoint: api, cost: 2 USD, tokens: {{input: "3", output: "0"}}, success: {success}}}
desks: {{care: {{service: 36s, cost-per-hour: 100 USD, roster: [{{days: daily, hours: "00:00-24:00", staff: 9}}]}}}}
workflows:
  flow:
    start: s
    steps:
      s: {{kind: task, agent: pool, capability: ask, on-failure: people{keys}}}
      people: {{kind: desk, desk: care}}
work: {{main: {{workflow: flow, arrivals: {{kind: renewal, rate: {rate}, cv: 0}}}}}}
{more}
"""


def outcomes(folder: Path, **keys: str) -> Outcomes:
    given = {"endpoint": "", "room": "1", "full": "", "keys": "", "rate": "4/min", "more": "", "success": "1"}
    (folder / "scenario.yaml").write_text(TEXT.format(**(given | keys)))
    return assess(simulate(load(folder), folder / "run", workers=1))


def test_load_calls_and_cost_of_a_pool_that_keeps_up(tmp_path: Path) -> None:
    """A case every 60/3.7 s works 6 s and calls for 4 s. Of the 61 cases that have come by 995 s, the last sample, each
    costs 2 USD; the last of them has not called by then, so there are 60 calls of .5 + 3 USD."""
    pool, api, unused = outcomes(tmp_path, rate="3.7/min").places
    assert pool.load.estimate == pool.busy.estimate == pytest.approx(61 * 10 / 1000, abs=0.01)
    assert api.busy.estimate == pytest.approx(4 * 3.7 / 60, abs=0.02)
    assert api.load.estimate == api.busy.estimate / 2
    assert (pool.served.estimate, api.served.estimate, unused.served.estimate) == (61, 60, 0)
    assert (pool.cost.estimate, api.cost.estimate, unused.cost.estimate) == (122, 210, 0)
    assert pool.queue.estimate == pool.rejected.estimate == 0
    assert unused.load.estimate != unused.load.estimate, "without a limit there is no load"


def test_who_is_turned_away_and_who_gives_up_is_told(tmp_path: Path) -> None:
    """A case every 5 s, one at work for 10 s and one waiting: at 5 s the first, at 10 s the second, and from then on of
    two one is served and one finds the queue full. With patience of 3 s, who waits is gone when the slot is free."""
    crowd, *_ = outcomes(tmp_path, rate="12/min").places
    assert crowd.rejected.estimate == 98
    assert list(crowd.failures) == ["rejected"]
    assert crowd.failures["rejected"].estimate == 98
    assert crowd.load.estimate == pytest.approx(1, abs=0.01)
    assert crowd.queue.estimate == pytest.approx(1, abs=0.02)
    (tmp_path / "impatient").mkdir()
    impatient, *_ = outcomes(tmp_path / "impatient", rate="12/min", keys=", patience: 3s").places
    assert impatient.abandoned.estimate == 99
    assert impatient.rejected.estimate == 0


@pytest.mark.parametrize(
    ("keys", "figure"),
    [
        ({"full": ", when-full: block"}, "kept_out"),
        ({"endpoint": ", rate: 2/min, retry-after: 1s", "room": "99"}, "told"),
        ({"rate": "4/min", "more": "", "endpoint": ", rate: 2/min"}, "rejected"),
    ],
)
def test_each_figure_is_that_of_its_events(tmp_path: Path, keys: dict[str, str], figure: str) -> None:
    rate = "12/min" if figure == "kept_out" else "4/min"
    found = outcomes(tmp_path, **({"rate": rate} | keys))
    pool, api, _ = found.places
    place = pool if figure == "kept_out" else api
    assert getattr(place, figure).estimate > 10
    if figure != "kept_out":
        assert list(api.failures) == ["rate-limited"]
        assert list(pool.failures) == ["api: rate-limited"]
        assert api.failures["rate-limited"].estimate == pool.failures["api: rate-limited"].estimate


def test_report_and_json_tell_it(tmp_path: Path) -> None:
    found = outcomes(tmp_path, rate="12/min")
    section = next(section for section in sections(found) if section.anchor == "places")
    assert [row.head for row in section.rows] == ["agent:pool", "endpoint:api", "endpoint:unused"]
    assert section.rows[0].cells[-1] == "rejected 98"
    assert section.rows[2].cells[0] == "no limit"
    told = json.loads(json.dumps(plain(found)))["places"]
    assert told[0]["failures"]["rejected"]["estimate"] == 98


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"rate": "12/min", "keys": ", retry: {attempts: 2, backoff: 1s}", "success": "0.5"},
        {"more": "faults: [{kind: drift, agent: pool, capability: ask, at: 200s, of: cost, factor: 3}]"},
        {"more": "rollouts: {new: {of: model, agent: pool, capability: ask, at: 100s, to: {cost: 3}}}"},
    ],
)
def test_what_places_were_paid_is_what_cases_cost(tmp_path: Path, keys: dict[str, str]) -> None:
    given = {"endpoint": "", "room": "1", "full": "", "keys": "", "rate": "4/min", "more": "", "success": "1"}
    text = TEXT.format(**(given | keys)).replace(
        "cost: 2 USD", "cost: 2 USD, guardrail: {sensitivity: 0.5, cost: 7 USD}"
    )
    (tmp_path / "scenario.yaml").write_text(text)
    loaded = load(tmp_path)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 3, 0)
    flight.run()
    places = [*flight.pools, *flight.endpoints.stations, *flight.desks]
    assert sum(place.spent for place in places) == sum(flight.cases.cost) > 100
    assert sum(station.spent for station in flight.endpoints.stations) == sum(flight.cases.cost_calls) + sum(
        flight.cases.cost_tokens
    )


def test_the_interval_of_a_load_stays_within_what_there_is(tmp_path: Path) -> None:
    pool = outcomes(tmp_path, rate="6.1/min", success="0.5", keys=", retry: {attempts: 3}").places[0]
    assert pool.load.estimate > 0.95
    assert pool.load.high <= 1
