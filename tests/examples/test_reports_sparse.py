"""Runs with next to nothing in them are assessed and reported too."""

from __future__ import annotations

from pathlib import Path

import html5lib
import pytest

from reports import terminal
from reports.html import render_html
from reports.json import report_json
from reports.outcomes import assess
from reports.verdict import judge
from sim.run import Run
from verify.findings import Findings
from windtunnel import api

BARE = """\
windtunnel: 1
name: bare
start: 2026-01-05T00:00:00Z
horizon: 1h
workflows: {w: {start: s, steps: {s: {kind: end}}}}
work: {all: {workflow: w, arrivals: {kind: poisson, rate: RATE}}}
"""

IDLE = """\
windtunnel: 1
name: idle
start: 2026-01-05T00:00:00Z
horizon: 1h
desks: {d: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 1m}}
locks: {l: {}}
agents: {a: {capabilities: {c: {service: 1s}}}}
chains: {c: {levels: [{desk: d}]}}
workflows: {w: {start: s, steps: {s: {kind: task, agent: a, capability: c}}}}
work: {all: {workflow: w, arrivals: {kind: poisson, rate: RATE}}}
faults: [{kind: drift, agent: a, capability: c, at: 30m, success: 0.5}]
objectives:
  wait: {kind: desk-wait, desk: d, at-most: 5m}
  load: {kind: desk-load, desk: d, at-most: 0.5}
  time: {kind: case-time, at-most: 5m}
  share: {kind: case-share, at-least: 0.9}
  cost: {kind: case-cost, at-most: 1 USD}
  deadlocks: {kind: count, of: deadlocks, at-most: 0}
"""


@pytest.fixture(
    params=[(BARE, "1/h", 1), (BARE, "0.001/h", 2), (IDLE, "0.001/h", 6), (IDLE, "60/h", 1), (IDLE, "60/h", 6)],
    ids=["bare-one", "bare-empty", "idle-empty", "idle-one", "idle-some"],
)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    text, rate, replications = request.param
    file = tmp_path / "scenario.yaml"
    file.write_text(text.replace("RATE", rate))
    return api.simulate(api.load(file), tmp_path / "run", replications=replications, workers=1)


def test_it_is_reported_in_every_format(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = assess(run)
    verdict = judge(None, outcomes)
    page = render_html(run.scenario, None, outcomes, verdict)
    assert html5lib.HTMLParser(strict=True).parse(page) is not None
    assert report_json(verdict, None, outcomes)["verdict"]["result"] == verdict.result
    terminal.print_run(verdict, None, outcomes, None)
    assert verdict.result in capsys.readouterr().out
    assert "nan" not in page.replace("finance", "")


def test_what_was_not_measured_never_passes(run: Run) -> None:
    outcomes = assess(run)
    verdicts = {o.name: o.verdict for o in outcomes.objectives}
    cases = sum(work.cases for work in outcomes.work)
    if run.manifest.replications == 1:
        assert set(verdicts.values()) <= {"undecided"}
    elif verdicts and not cases:
        assert {name for name, verdict in verdicts.items() if verdict == "pass"} == {"load", "deadlocks"}
    elif verdicts:
        # The drift fails half of the later cases, and nobody comes to the desk.
        assert {name for name, verdict in verdicts.items() if verdict != "pass"} == {"share", "wait"}
        assert (verdicts["share"], verdicts["wait"]) == ("fail", "undecided")


def test_a_report_for_which_no_check_applied_does_not_say_that_all_hold(run: Run) -> None:
    outcomes, nothing = assess(run), Findings((), {"checks": {}}, {})
    page = render_html(run.scenario, nothing, outcomes, judge(nothing, outcomes))
    assert "No check applied" in page
    assert "Every check holds" not in page
