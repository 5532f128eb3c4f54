"""Desks that cannot be used: what is wrong, at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.diagnostics import InputError
from models.load import load

GOOD = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 2d
policies: {path: policies.cedar}
agents: {pool: {principal: 'Agent::"a"', capabilities: {work: {service: 1s}}}}
desks:
  care:
    service: 3m
    roster: [{days: daily, hours: "00:00-24:00", staff: 5}]
    holidays: [2026-01-06, 2026-12-25]
    queue: {capacity: 50}
    batch: {size: 50, wait: 1h}
    review:
      ought: 0.9
      sensitivity: 0.95
      specificity: 0.8
      fatigue: {loss: 0.01, rest: 20m}
      load: {queue: 3, loss: 0.01}
      rubber-stamp: {queue: 9, slope: 0.1}
chains: {board: {levels: [{desk: care}]}}
workflows:
  flow:
    start: job
    steps: {job: {kind: task, agent: pool, capability: work, action: 'Action::"do"', resource: 'Thing::"it"'}}
work: {stream: {workflow: flow, arrivals: {kind: poisson, rate: 1/h}}}
objectives: {glances: {kind: review-share, desk: care, under: 30s, at-most: 0.1}}
"""
POLICIES = '@id("ask") @escalate("board") forbid (principal, action, resource);\n'


def faults(folder: Path, text: str) -> list[tuple[int, str, str]]:
    (folder / "scenario.yaml").write_text(text)
    (folder / "policies.cedar").write_text(POLICIES)
    with pytest.raises(InputError) as caught:
        load(folder)
    return [(found.line, found.message, found.help) for found in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("good", "bad", "line", "message", "help"),
    [
        (
            "    service: 3m",
            "    service: 3m\n    approves: 0.9",
            10,
            "`approves` and `review` both",
            "drop `approves`",
        ),
        ("rest: 20m", "rest: 0s", 18, "`rest` is zero", "above zero"),
        ("loss: 0.01, rest", "loss: 0, rest", 18, "0", "above 0"),
        ("rest: 20m}", "rest: 20m}\n      floor: 0.95", 18, "`fatigue` takes nothing", "expected a `floor` below"),
        ("rest: 20m}", "rest: 20m}\n      floor: 0.95", 20, "`load` takes nothing", "expected a `floor` below"),
        ("ought: 0.9", "ought: unless-wrnog", 15, "unless-wrnog", "unless-wrong"),
        ("ought: 0.9", "ought: 1.9", 15, "1.9", "from 0 to 1"),
        ("slope: 0.1", "slop: 0.1", 20, "slop", "slope"),
        ("{desk: care}", "{desk: other}", 15, "no chain asks desk `care`", "a level of a chain"),
        ("{desk: care}", "{desk: other}", 27, "no chain asks desk `care`", "a level of a chain"),
        ("2026-12-25", "2026-13-25", 11, "`2026-13-25` is not a date", "a day such as `2026-12-25`"),
        ("2026-12-25", "20261225", 11, "is not a date", "a day such as `2026-12-25`"),
        ("2026-12-25", "2026-01-06", 11, "holiday 2026-01-06 is named twice", "name it once"),
        ("2026-12-25", "2037-01-01", 11, "holiday 2037-01-01 is too far ahead", "until the end of 2036"),
        ("size: 50", "size: 51", 13, "a batch of 51 never gathers in a queue of 50", "at most the `capacity`"),
        ("size: 50", "size: 1", 13, "1", "2"),
        ("wait: 1h", "wait: 0s", 13, "`wait` is zero", "above zero"),
        ("desk: care, under", "desk: cara, under", 27, "unknown desk `cara`", "did you mean `care`"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, good: str, bad: str, line: int, message: str, help: str) -> None:
    assert GOOD.count(good) == 1
    found = faults(tmp_path, GOOD.replace(good, bad))
    assert any(line == at and message in told and help in advice + told for at, told, advice in found), found


def test_the_good_one_is_good(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(GOOD)
    (tmp_path / "policies.cedar").write_text(POLICIES)
    review = load(tmp_path).scenario.desks["care"].review
    assert review is not None
    assert review.floor == 0.5
