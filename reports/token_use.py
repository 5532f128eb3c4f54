"""Tokens that cases use."""

from __future__ import annotations

from dataclasses import dataclass

from reports.intervals import Interval, exact, student
from reports.tables import RunTables, ratio


@dataclass(frozen=True, slots=True)
class TokenOutcome:
    """Tokens of one stream of cases, measured cases only. Intervals are of means over replications."""

    work: str
    tokens_in: Interval
    """Tokens into models for each case."""
    tokens_out: Interval
    """Tokens out of models for each case."""


def assess_tokens(tables: RunTables) -> tuple[TokenOutcome, ...]:
    """Streams whose capabilities tell their tokens, in the scenario's order; none where no capability does."""
    pools = tables.scenario.agents.values()
    used = any(what.tokens is not None for pool in pools for what in pool.capabilities.values())
    return tuple(_tokens(name, tables) for name in tables.scenario.work) if used else ()


def _tokens(work: str, tables: RunTables) -> TokenOutcome:
    cases = tables.measured[tables.measured["work"] == work]
    count = tables.count(cases)

    def mean(column: str) -> Interval:
        return student(exact(ratio(tables.total(cases, column), count)), floor=0.0)

    return TokenOutcome(work, mean("tokens_in"), mean("tokens_out"))
