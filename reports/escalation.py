"""How approvals flow through each chain: who is asked at which level, how they answer, where nobody does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from models.scenario import Scenario
from reports.intervals import Interval
from reports.tables import RunTables

_DETAIL: Final = r"(?s)^(?P<chain>.*?)(?:: (?:[^:]*, )?(?P<answer>granted|denied))?$"
"""`finance: granted`, `finance: last level, denied`, or the name alone."""

_ASKED: Final = r"(?s)^(?P<chain>[^:]*)(?:: (?P<at>.*))?$"
"""`finance`, or `finance: board` where finance's approval is sought at a level of the board."""


@dataclass(frozen=True, slots=True)
class LevelOutcome:
    """Asks that reached one level, in search of an approval. `desk` is empty where the chain names none that exists."""

    chain: str
    """Whose level it is: the chain whose approval is sought, or one that a `then` leads to."""
    level: int
    """Its number in that chain, from 1."""
    desk: str
    asked: Interval


@dataclass(frozen=True, slots=True)
class ChainOutcome:
    """Approvals sought from one chain. Intervals are of means in one replication."""

    chain: str
    levels: tuple[LevelOutcome, ...]
    """In the order in which they are tried."""
    granted: Interval
    denied: Interval
    bounced: Interval
    unanswered: Interval
    """Approvals that ran out of levels or of time."""
    granted_unanswered: Interval
    """Those of them that took effect as granted, though nobody had answered."""


def assess_escalation(tables: RunTables) -> tuple[ChainOutcome, ...]:
    """Every chain that was asked, in the order of names."""
    asked = _parsed(tables.of_kind("asked"), _ASKED)
    answered, bounced, exhausted = (
        _parsed(tables.of_kind(kind), _DETAIL) for kind in ("answered", "bounced", "exhausted")
    )
    chains = sorted(set(asked["chain"]) | set(exhausted["chain"]))
    return tuple(_chain(name, tables, asked, answered, bounced, exhausted) for name in chains)


def _parsed(events: pd.DataFrame, pattern: str) -> pd.DataFrame:
    """Events with what their detail names: the chain and, where there is one, its answer or whose level is asked."""
    parts = events["detail"].astype("str").str.extract(pattern)
    return events.assign(**{str(name): parts[name] for name in parts.columns})


def _chain(
    name: str,
    tables: RunTables,
    asked: pd.DataFrame,
    answered: pd.DataFrame,
    bounced: pd.DataFrame,
    exhausted: pd.DataFrame,
) -> ChainOutcome:
    answers = answered[answered["chain"] == name]
    vain = exhausted[exhausted["chain"] == name]
    return ChainOutcome(
        chain=name,
        levels=_levels(name, asked[asked["chain"] == name], tables),
        granted=tables.mean_count(answers[answers["answer"] == "granted"]),
        denied=tables.mean_count(answers[answers["answer"] == "denied"]),
        bounced=tables.mean_count(bounced[bounced["chain"] == name]),
        unanswered=tables.mean_count(vain),
        granted_unanswered=tables.mean_count(vain[vain["answer"] == "granted"]),
    )


def _levels(name: str, asked: pd.DataFrame, tables: RunTables) -> tuple[LevelOutcome, ...]:
    """The levels that were asked, chain by chain as each leads to the next."""
    order = {chain: number for number, chain in enumerate(_tried(name, tables.scenario))}
    stages = asked.assign(at=asked["at"].fillna(name)).groupby(["at", "value", "place"], observed=True)
    levels = [
        LevelOutcome(str(at), int(str(level)), str(place).removeprefix("desk:"), tables.mean_count(rows))
        for (at, level, place), rows in stages
    ]
    return tuple(sorted(levels, key=lambda level: (order.get(level.chain, len(order)), level.level, level.desk)))


def _tried(name: str, scenario: Scenario) -> list[str]:
    """A chain and those that its `then` leads to, each once."""
    tried: list[str] = []
    at: str | None = name
    while at is not None and at in scenario.chains and at not in tried:
        tried.append(at)
        at = scenario.chains[at].then
    return tried
