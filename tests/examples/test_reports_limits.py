"""What the report says it leaves out is what the scenario leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import pytest

from models.faults import TimedFault
from models.load import load
from reports.limits import _FAULTS, not_measured

if TYPE_CHECKING:
    from reports.outcomes import Outcomes

TEXT = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 1h
agents: {pool: {capabilities: {work: {service: 3s}}}}
desks:
  plain: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 1m}
  checked:
    roster: [{days: daily, hours: "00:00-24:00", staff: 1}]
    service: 1m
    review: {ought: 0.9, sensitivity: 0.9, specificity: 0.9REVIEW}
workflows: {flow: {start: a, steps: {a: {kind: task, agent: pool, capability: work, next: b},
                                    b: {kind: desk, desk: plain}}}}
work: {w: {workflow: flow, arrivals: {kind: poisson, rate: 1/h}, attributes: {size: "uniform(low=0, high=9)"}}}
chains: {c: {levels: [{desk: checked}]}}
faults: [FAULT]
"""
INPUT = '{kind: drift, of: input, work: w, attribute: size, to: "uniform(low=5, high=9)", at: 1m}'
QUALITY = "{kind: drift, agent: pool, capability: work, success: 0.5, at: 1m}"


class _NoCases:
    """Outcomes of a run without work."""

    work = ()


def said(home: Path, review: str = "", fault: str = QUALITY) -> str:
    (home / "scenario.yaml").write_text(TEXT.replace("REVIEW", review).replace("FAULT", fault))
    return " ".join(not_measured(load(home).scenario, None, cast("Outcomes", _NoCases())))


@pytest.mark.parametrize(
    "strain", ["fatigue: {loss: 0.1}", "load: {loss: 0.1}", "rubber-stamp: {slope: 0.1}"], ids=lambda text: text[:4]
)
def test_fatigue_is_said_to_be_missing_only_of_desks_without_it(tmp_path: Path, strain: str) -> None:
    assert "People at plain and checked are as quick" in said(tmp_path)
    assert "People at plain are as quick" in said(tmp_path, f", {strain}")


def test_a_drift_of_input_tries_no_drift_of_capabilities(tmp_path: Path) -> None:
    assert "drift of capabilities" in said(tmp_path, fault=INPUT)
    assert "drift of capabilities" not in said(tmp_path)


def test_every_kind_of_fault_that_is_not_tried_is_named(tmp_path: Path) -> None:
    """A list that leaves kinds out would say that they were tried."""
    kinds = {kind for fault in get_args(TimedFault) for kind in get_args(fault.model_fields["kind"].annotation)}
    assert set(_FAULTS) == kinds | {"drift", "input"}
    told = said(tmp_path)
    assert "crashes of agents" in told
    assert "rushes of work" in told
    assert "agents that somebody has taken over" in told
    assert "crashes of agents" not in said(tmp_path, fault="{kind: crash, agent: pool, at: 1m, lasts: 2m}")
