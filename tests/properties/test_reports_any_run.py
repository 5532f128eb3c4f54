"""Whatever happens in a run, and whatever never happens, it is assessed and told."""

from __future__ import annotations

import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
from hypothesis import Phase, given, settings

from reports.formats.figures import figures_csv
from reports.formats.page import page_markdown
from reports.html import render_html
from reports.json import report_json
from reports.objectives import judge_objective
from reports.outcomes import _MEASURES, assess
from reports.tables import RunTables, read_tables
from reports.verdict import judge
from sim.approvals import Approvals
from sim.simulate import simulate
from worlds import laid, scenarios


@settings(max_examples=25, deadline=None)
@given(scenarios())
def test_every_run_is_told_in_every_format_and_no_approval_is_lost(text: str) -> None:
    sought = 0
    ask = Approvals.ask

    def counted(self: Approvals, token: Any, chains: tuple[str, ...], timeout: int, now: int) -> None:
        nonlocal sought
        sought += len(chains)
        ask(self, token, chains, timeout, now)

    with tempfile.TemporaryDirectory() as folder, patch.object(Approvals, "ask", counted):
        run = simulate(laid(Path(folder), text), Path(folder) / "run", replications=2, workers=1)
        outcomes = assess(run)
        verdict = judge(None, outcomes)
        page_markdown(render_html(run.scenario, None, outcomes, verdict))
        figures_csv([("run", outcomes)])
        report_json(verdict, None, outcomes)
    assert sum(2 * chain.sought.estimate for chain in outcomes.escalation) == pytest.approx(sought)
    assert all(chain.left.estimate >= 0 for chain in outcomes.escalation)


@pytest.mark.long
@settings(max_examples=2, deadline=None, phases=[Phase.generate])  # to shrink what is slow takes minutes
@given(scenarios())
def test_nothing_need_have_happened(text: str) -> None:
    """Each kind of event is taken out, then whole tables: what never happened is measured as that."""
    if "no-progress" not in text:  # every part is measured
        text = text.replace("deadlock: {resolution: ", "deadlock: {no-progress: 4m, resolution: ")
    with tempfile.TemporaryDirectory() as folder:
        tables = read_tables(simulate(laid(Path(folder), text), Path(folder) / "run", replications=2, workers=1))
    events, cases = tables.events, tables.cases
    for kind in events["kind"].unique():
        measured(tables, events=events[events["kind"] != kind])
    for name in ("events", "cases", "decisions", "samples"):
        measured(tables, **{name: getattr(tables, name).iloc[:0]})
    measured(tables, cases=cases[cases["outcome"] == "completed"])
    measured(tables, cases=cases[cases["outcome"] != "completed"])
    measured(tables, cases=cases.assign(measured=False))


def measured(tables: RunTables, **others: pd.DataFrame) -> None:
    """Measure everything in tables of which some are others."""
    told = RunTables(**{**{one.name: getattr(tables, one.name) for one in fields(tables)}, **others})
    for measure in _MEASURES.values():
        measure(told)
    for name, objective in told.scenario.objectives.items():
        judge_objective(name, objective, told)
