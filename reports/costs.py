"""What cases cost, by what it is paid for: agents, endpoint calls, tokens, people."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.intervals import Interval, exact, student
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class CostOutcome:
    """One stream of cases, measured cases only. Intervals are of the mean for an ended case, in the scenario's
    currency; the parts add up to the whole."""

    work: str
    total: Interval
    agents: Interval
    """Attempts, and guardrails that look at their answers."""
    calls: Interval
    """Endpoint calls, without their tokens."""
    tokens: Interval
    people: Interval
    spent: tuple[tuple[str, int], ...]
    """What all cases of the stream cost together, ended or not, in the warm-up too, in millionths of the currency, by
    part, over all replications."""


_PARTS = ("agents", "calls", "tokens", "people")


def assess_costs(tables: RunTables) -> tuple[CostOutcome, ...]:
    """Costs of every stream of cases in the scenario's order; none where nothing costs anything."""
    if not tables.cases["cost"].any():
        return ()
    return tuple(_work(name, tables) for name in tables.scenario.work)


def _work(name: str, tables: RunTables) -> CostOutcome:
    every = _with_agents(tables.cases[tables.cases["work"] == name])
    measured = tables.measured
    ended = _with_agents(measured[(measured["work"] == name) & ~measured["open"]])
    count = tables.count(ended)

    def mean(column: str) -> Interval:
        return student(exact(ratio(tables.total(ended, column) / 1e6, count)), floor=0.0)

    return CostOutcome(
        name,
        mean("cost"),
        mean("cost_agents"),
        mean("cost_calls"),
        mean("cost_tokens"),
        mean("cost_people"),
        tuple((part, int(every[f"cost_{part}"].sum())) for part in _PARTS),
    )


def _with_agents(cases: pd.DataFrame) -> pd.DataFrame:
    rest = cases["cost"] - cases["cost_calls"] - cases["cost_tokens"] - cases["cost_people"]
    return cases.assign(cost_agents=rest)
