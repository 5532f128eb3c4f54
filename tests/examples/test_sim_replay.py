"""One case's story, told from the tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models.diagnostics import InputError
from models.load import load
from sim.replay import moment, replay
from sim.run import Run, open_run
from sim.sentences import span
from sim.simulate import simulate

TEXT = """\
windtunnel: 1
name: told
start: 2026-03-28T23:00:00+01:00
horizon: 30h
replications: 2
policies: {path: policies.cedar}
agents:
  pool: {principal: 'Agent::"a"', capabilities: {work: {service: 90s, success: 0, detected: 0.0, cost: 0.5 USD}}}
desks: {clerk: {timezone: Europe/Berlin, roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 25m}}
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
        "  times are since the start of the run, then UTC+01:00 on the calendar",
        "0d 01:00:00.000  2026-03-29 00:00:00  arrives",
        "0d 01:00:00.000  2026-03-29 00:00:00  step flow.step",
        "0d 01:00:00.000  2026-03-29 00:00:00  takes lock:record[x]",
        '0d 01:00:00.000  2026-03-29 00:00:00  decision on Action::"act": escalate (ask)',
        "0d 01:00:00.000  2026-03-29 00:00:00  approval `board` asked of desk:clerk, `board` level 1 "
        "(Sun 00:00 Europe/Berlin)",
        "0d 01:00:00.000  2026-03-29 00:00:00  served by desk:clerk (Sun 00:00 Europe/Berlin)",
        "0d 01:25:00.000  2026-03-29 00:25:00  leaves desk:clerk after 25m 00s (Sun 00:25 Europe/Berlin)",
        "0d 01:25:00.000  2026-03-29 00:25:00  approval board: granted by desk:clerk (Sun 00:25 Europe/Berlin)",
        '0d 01:25:00.000  2026-03-29 00:25:00  decision on Action::"act": allow (may); approved by board',
        "0d 01:25:00.000  2026-03-29 00:25:00  served by agent:pool",
        "0d 01:26:30.000  2026-03-29 00:26:30  leaves agent:pool after 1m 30s",
        "0d 01:26:30.000  2026-03-29 00:26:30  attempt 1 by agent:pool is wrong, and nobody notices",
        "0d 01:26:30.000  2026-03-29 00:26:30  gives back lock:record[x]",
        "0d 01:26:30.000  2026-03-29 00:26:30  step flow.rest",
        "0d 21:26:30.000  2026-03-29 20:26:30  ends: completed",
    ]


def test_a_desk_has_its_own_clock(run: Run) -> None:
    """In the fourth hour Berlin's clocks have gone forward; those of the scenario's start have not."""
    (line,) = [line for line in replay(run, 3) if "approval board: granted" in line]
    assert "2026-03-29 03:25:00" in line
    assert line.endswith("(Sun 04:25 Europe/Berlin)")


def test_the_order_is_the_logs_own_not_the_files(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    for name in ("events", "decisions"):
        file = tmp_path / "run" / f"{name}.parquet"
        table = pq.read_table(file)
        pq.write_table(table.take(list(range(table.num_rows))[::-1]), file)
    assert replay(open_run(tmp_path / "run"), 0, 1) == replay(run, 0, 1)


TROUBLE = """\
windtunnel: 1
name: trouble
start: 2026-01-05T00:00:00Z
horizon: 119m
policies: {path: policies.cedar}
sites: {here: {}, there: {}}
decision-point: {site: there, on-unreachable: FAILS}
agents: {pool: {site: here, principal: 'Agent::"a"', capabilities: {work: {service: 1m}}}}
desks:
  clerk: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 25m}
  boss: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 25m}
chains: {board: {levels: [{desk: clerk}]}, risk: {levels: [{desk: boss}]}}
locks: {left: {}, right: {}}
deadlock: {resolution: abort}
workflows:
  flow:
    start: act
    steps:
      act: {kind: task, agent: pool, capability: work, action: 'Action::"act"', resource: 'Thing::"thing"', next: both}
      both: {kind: parallel, branches: [one, two], join: over}
      one: {kind: wait, duration: 1m, acquire: [left], next: one-more}
      one-more: {kind: wait, duration: 1m, acquire: [right], next: over}
      two: {kind: wait, duration: 1m, acquire: [right], next: two-more}
      two-more: {kind: wait, duration: 1m, acquire: [left], next: over}
      over: {kind: end}
work: {stream: {workflow: flow, arrivals: {kind: renewal, rate: 1/h, cv: 0}}}
"""
CUT = "faults: [{kind: partition, sites: [there], at: 30m, lasts: 1h}]\n"


def lines_of_trouble(folder: Path, fails: str = "deny", more: str = "") -> list[str]:
    """The story of the one case, without times."""
    (folder / "scenario.yaml").write_text(TROUBLE.replace("FAILS", fails) + more)
    (folder / "policies.cedar").write_text(
        '@id("may") permit (principal, action, resource);'
        '@id("one") @escalate("board") forbid (principal, action, resource);'
        '@id("two") @escalate("risk") forbid (principal, action, resource);'
    )
    return [line.split("  ", 2)[2] for line in replay(simulate(load(folder), folder / "run", workers=1), 0)[3:]]


def test_a_decision_comes_after_all_approvals_that_it_needs(tmp_path: Path) -> None:
    told = lines_of_trouble(tmp_path)
    (decided,) = [n for n, line in enumerate(told) if "approved by board,risk" in line]
    answers = [n for n, line in enumerate(told) if "granted by" in line]
    assert len(answers) == 2
    assert max(answers) < decided < told.index("served by agent:pool")


def test_a_deadlock_is_a_sentence(tmp_path: Path) -> None:
    assert (
        "deadlock of 1 case: case 0 at flow.two-more holds lock:right and waits for lock:left; "
        "case 0 at flow.one-more holds lock:left and waits for lock:right" in lines_of_trouble(tmp_path)
    )


def test_a_point_that_fails_open_and_the_violation_are_told(tmp_path: Path) -> None:
    told = lines_of_trouble(tmp_path, "allow", CUT)
    opened = told.index(
        'decision on Action::"act": no answer (unreachable: partition), so the decision point fails open: goes on, '
        "though policy says escalate; a violation if the step succeeds"
    )
    assert told.index("violation: step flow.act took effect, though policy says escalate") > opened


def test_a_point_that_fails_closed_is_told(tmp_path: Path) -> None:
    told = lines_of_trouble(tmp_path, "deny", CUT)
    assert told[-2:] == [
        'decision on Action::"act": no answer (unreachable: partition), so the decision point fails closed: denied, '
        "though policy says escalate",
        "ends: denied",
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
