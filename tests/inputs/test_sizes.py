"""What is asked of `size`: strictly read, each fault with what was meant; the answer is also the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.diagnostics import InputError
from models.load import load
from reports.studies.size import set_to
from windtunnel.cli import exit_code

DESK = """\
windtunnel: 1
name: desk
start: 2026-01-05T00:00:00Z
horizon: 3h
warm-up: 20m
desks:
  people:
    roster: [{days: daily, hours: "00:00-12:00", staff: 1}, {days: daily, hours: "12:00-24:00", staff: 9}]
    service: exponential(mean=1m)
    cost-per-hour: 30 USD
workflows: {call: {start: talk, steps: {talk: {kind: desk, desk: people}}}}
work: {calls: {workflow: call, arrivals: {kind: poisson, rate: 4/min}}}
objectives:
  soon: {kind: desk-wait, desk: people, at-most: 1m}
  most: {kind: case-share, outcomes: [completed], at-least: 0.5}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "scenario.yaml").write_text(DESK)
    return folder


def size(desk: Path, find: str, until: str, *more: str) -> int:
    out = ["--out", str(desk / "study"), "--workers", "1"]
    return exit_code(["size", str(desk), "--find", find, "--until", until, *out, *more])


def test_an_objective_has_its_own_limit_and_staff_is_that_of_every_shift(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert size(desk, "desks.people.staff", "soon", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "windtunnel.size/1"
    assert found["answer"]["least"] == 6  # p95 of the wait of M/M/6 at load 4 is 47 s, of M/M/5 2.4 min
    assert found["answer"]["changes"] == {f"desks.people.roster.{shift}.staff": 6 for shift in (0, 1)}


def test_nothing_in_the_range_exits_with_one_and_what_may_with_three(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert size(desk, "desks.people.staff", "soon", "--to", "2") == 1
    assert "No desks.people.staff from 1 to 2 was shown to meet the condition." in capsys.readouterr().out
    assert size(desk, "desks.people.staff", "desks.people.load <= 0.8", "--from", "5", "--to", "5",
                "--replications-max", "10") == 3  # fmt: skip


@pytest.mark.parametrize(
    ("find", "until", "told"),
    [
        (
            "desks.peopel.staff",
            "soon",
            "--find: there is no `desks.peopel`\n  help: did you mean `desks.people.staff`?",
        ),
        (
            "desks.people.staf",
            "soon",
            "--find: there is no `desks.people.staf`\n  help: did you mean `desks.people.staff`?",
        ),
        ("desks.people.hours", "soon", "--find desks.people.hours=1: there is no `desks.people.hours`"),
        ("horizon", "soon", "--find horizon=1: `1` is not a duration"),
        ("desks.people.staff", "son", "there is no measure `son`\n  help: did you mean `soon`?"),
        ("desks.people.staff", "soon < 3m", "`soon < 3m` is no condition"),
        ("desks.people.staff", "soon <= 3", "`3` is not a duration"),
        ("desks.people.staff", "most >= 120m", "`120m` is not a share"),
        ("desks.people.staff", "work.calls.cost <= 3 EUR", "`3 EUR` is not in USD"),
        ("desks.people.staff", "work.calls.cost", "`work.calls.cost` has no limit of its own"),
        ("desks.people.staff", "__import__('os')", "is no condition"),
    ],
)
def test_what_is_wrong_is_said(
    desk: Path, find: str, until: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert size(desk, find, until) == 2
    assert told in capsys.readouterr().err


def test_a_range_that_is_none_is_refused(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert size(desk, "desks.people.staff", "soon", "--from", "5", "--to", "2") == 2
    assert "expected a range from 0 on, got 5 to 2" in capsys.readouterr().err
    assert size(desk, "desks.people.staff", "soon", "--replications-max", "5") == 2


def test_staff_is_that_of_every_shift_or_of_the_one_that_is_named(desk: Path) -> None:
    scenario = load(desk).scenario
    name, shifts = next((name, len(one.roster)) for name, one in scenario.desks.items())
    every = set_to(f"desks.{name}.staff", scenario, 3)
    assert every == {f"desks.{name}.roster.{shift}.staff": 3 for shift in range(shifts)}
    one = f"desks.{name}.roster.0.staff"
    assert set_to(one, scenario, 3) == {one: 3}
    with pytest.raises(InputError, match="there is no"):
        set_to(f"desks.{name}x.staff", scenario, 3)
