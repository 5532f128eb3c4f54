"""The page of a run grows with what the scenario has, not with its cases."""

from __future__ import annotations

from pathlib import Path

import pytest

import windtunnel as wt
from reports.html import write_html

BYTES_MAX = 2_000_000

QUEUE = """\
windtunnel: 1
name: queue
start: 2026-01-05T00:00:00Z
horizon: {hours}h
policies: {{path: p.cedar}}
agents:
  clerk: {{principal: 'Agent::"clerk"', replicas: 12, capabilities: {{pay: {{service: exponential(mean=1s)}}}}}}
desks:
  finance: {{roster: [{{days: daily, hours: "00:00-24:00", staff: 4}}], service: exponential(mean=3s)}}
chains:
  finance: {{levels: [{{desk: finance}}]}}
workflows:
  refund:
    start: pay
    steps:
      pay: {{kind: task, agent: clerk, capability: pay, action: 'Action::"pay"', resource: 'Shop::"shop"'}}
work:
  refunds:
    workflow: refund
    arrivals: {{kind: poisson, rate: 9/s}}
    attributes: {{amount: "uniform(low=0, high=100)"}}
objectives:
  soon: {{kind: case-time, work: refunds, quantile: 0.95, at-most: 1h}}
"""
POLICIES = """\
@id("pay") permit (principal, action, resource);
@id("large") @escalate("finance") @timeout("1h") @severity("high")
forbid (principal, action, resource) when { context.amount > 90 };
"""


def page_of(folder: Path, hours: int) -> tuple[int, int]:
    """The cases of a run, and the bytes of its page."""
    folder.mkdir()
    (folder / "scenario.yaml").write_text(QUEUE.format(hours=hours))
    (folder / "p.cedar").write_text(POLICIES)
    run = wt.simulate(wt.load(folder), folder / "run", replications=1, workers=1)
    page = write_html(folder / "page.html", run, None)
    return sum(work.cases for work in wt.assess(run).work), page.stat().st_size  # type: ignore[union-attr]


@pytest.mark.long
def test_a_million_cases_are_a_small_page(tmp_path: Path) -> None:
    few, small = page_of(tmp_path / "few", 1)
    many, large = page_of(tmp_path / "many", 31)
    assert many > 1_000_000 > 25 * few
    assert large < small + 20_000 < BYTES_MAX
