"""One case's story, told from the tables."""

from __future__ import annotations

import pytest

from models.diagnostics import InputError
from models.load import load
from sim.replay import moment, replay, span
from sim.run import Run
from sim.simulate import simulate

TEXT = """\
windtunnel: 1
name: told
start: 2026-01-05T00:00:00Z
horizon: 30h
replications: 2
policies: {path: policies.cedar}
agents:
  pool: {principal: 'Agent::"a"', capabilities: {work: {service: 90s, success: 0, detected: 0.0, cost: 0.5 USD}}}
desks: {clerk: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 25m}}
chains: {board: {levels: [{desk: clerk}]}}
locks: {record: {key: part}}
workflows:
  flow:
    start: step
    steps:
      step:
        {kind: task, agent: pool, capability: work, acquire: [record], release: [record],
         action: 'Action::"act"', resource: 'Thing::"thing"', next: rest}
      rest: {kind: wait, duration: 20h}
work:
  stream: {workflow: flow, arrivals: {kind: renewal, rate: 1/h, cv: 0}, attributes: {part: choice(x=1), n: 7}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("told")
    (folder / "scenario.yaml").write_text(TEXT)
    (folder / "policies.cedar").write_text(
        '@id("may") permit (principal, action, resource);'
        '@id("ask") @escalate("board") forbid (principal, action, resource) when { context.n > 5 };'
    )
    return simulate(load(folder), folder / "run", workers=1)


def test_a_story_is_told_in_order_of_cause(run: Run) -> None:
    assert replay(run, 0, 1) == [
        "case 0 of stream, replication 1: completed after 20h 26m",
        "  part x, n 7",
        "  1 attempt, 0 hand-offs, 1 approval; cost 0.50; a wrong effect stands",
        "0d 01:00:00.000  arrives",
        "0d 01:00:00.000  step flow.step",
        "0d 01:00:00.000  takes lock:record[x]",
        '0d 01:00:00.000  decision on Action::"act": escalate (ask)',
        "0d 01:00:00.000  approval `board` asked of desk:clerk, `board` level 1",
        "0d 01:00:00.000  served by desk:clerk",
        "0d 01:25:00.000  leaves desk:clerk after 25m 00s",
        "0d 01:25:00.000  approval board: granted by desk:clerk",
        '0d 01:25:00.000  decision on Action::"act": allow (may); approved by board',
        "0d 01:25:00.000  served by agent:pool",
        "0d 01:26:30.000  leaves agent:pool after 1m 30s",
        "0d 01:26:30.000  attempt 1 by agent:pool is wrong, and nobody notices",
        "0d 01:26:30.000  gives back lock:record[x]",
        "0d 01:26:30.000  step flow.rest",
        "0d 21:26:30.000  ends: completed",
    ]


def test_a_case_that_has_not_ended_says_so(run: Run) -> None:
    assert replay(run, 20)[0] == "case 20 of stream, replication 0: in-flight"


def test_every_case_has_a_story(run: Run) -> None:
    for case in run.cases().query("replication == 0")["case"]:
        assert len(replay(run, int(case))) > 5


@pytest.mark.parametrize(("case", "replication", "word"), [(999, 0, "no case 999"), (0, 7, "no replication 7")])
def test_a_case_that_is_not_there(run: Run, case: int, replication: int, word: str) -> None:
    with pytest.raises(InputError, match=word):
        replay(run, case, replication)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0.000s"), (1_250_000, "1.250s"), (200_000_000, "3m 20s"), (7_500_000_000, "2h 05m"), (10**12, "11d 13h")],
)
def test_spans(micros: int, text: str) -> None:
    assert span(micros) == text


def test_moments() -> None:
    assert moment(3 * 86_400_000_000 + 36_000_250_000) == "3d 10:00:00.250"
