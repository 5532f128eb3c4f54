"""Drifts and monitors that cannot be used: what is wrong, at its place."""

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
agents: {pool: {capabilities: {work: {service: 1s}}}}
desks: {care: {timezone: UTC, service: 3s, roster: [{days: daily, hours: "00:00-24:00", staff: 5}]}}
workflows: {flow: {start: job, steps: {job: {kind: task, agent: pool, capability: work}}}}
work: {stream: {workflow: flow, arrivals: {kind: poisson, rate: 1/s}}}
faults: [{kind: drift, agent: pool, capability: work, at: 1h, of: latency, factor: 2}]
monitors:
  eye: {agent: pool, capability: work, detector: {kind: cusum, p0: 0.1, p1: 0.2, threshold: 5}, action: route, to: care}
"""


def faults(folder: Path, text: str) -> list[tuple[str, str]]:
    (folder / "scenario.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load(folder)
    return [(found.message, found.help) for found in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("good", "bad", "message", "help"),
    [
        (", factor: 2", "", "a drift of latency needs `factor`", "add `factor`"),
        ("factor: 2", "factor: 2, share: 0.5", "a drift of latency has no use for `share`", "drop it"),
        ("of: latency, ", "", "a drift of quality needs `success`", "add `success`"),
        (", to: care", "", "action `route` needs a desk", "add `to`"),
        ("action: route", "action: stop", "action `stop` has no use for it", "set `action: route`"),
        ("to: care", "to: cara", "unknown desk `cara`", "did you mean `care`"),
        ("p1: 0.2", "p1: 0.1", "`p1` is not above `p0`", "expected more than 0.1"),
        ("detector:", "watches: latency, detector:", "a `cusum` reads labels of 0 and 1", "expected adwin"),
        ("kind: cusum, p0: 0.1, p1: 0.2, threshold: 5", "kind: ks, reference: 50, window: 1", "", "2"),
        ("kind: cusum, p0: 0.1, p1: 0.2, threshold: 5", "kind: adwin, delta: 1.0", "", "1"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, good: str, bad: str, message: str, help: str) -> None:
    assert GOOD.count(good) == 1
    found = faults(tmp_path, GOOD.replace(good, bad))
    assert any(message in told and help in (advice or "") + told for told, advice in found), found


def test_the_good_one_is_good(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(GOOD)
    assert load(tmp_path).scenario.monitors["eye"].to == "care"
