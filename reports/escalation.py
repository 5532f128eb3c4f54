"""How approvals flow through each chain: who is asked at which level, how they answer, where nobody does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from models.scenario import Scenario
from reports.intervals import Interval, exact, student
from reports.tables import RunTables

_DETAIL: Final = r"(?s)^(?P<chain>.*?)(?:: (?:[^:]*, )?(?P<answer>granted|denied))?$"
"""`finance: granted`, `finance: last level, denied`, or the name alone."""

_ASKED: Final = r"(?s)^(?P<chain>[^:]*)(?:: (?P<at>.*))?$"
"""`finance`, or `finance: board` where finance's approval is sought at a level of the board."""


_NOBODY: Final = ": unknown chain, "
"""Of an approval that no level was asked for: the chain is not there."""


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
    sought: Interval
    """Approvals, each once, however often its levels were asked."""
    granted: Interval
    denied: Interval
    bounced: Interval
    unanswered: Interval
    """Approvals that ran out of levels or of time."""
    granted_unanswered: Interval
    """Those of them that took effect as granted, though nobody had answered."""
    left: Interval
    """Approvals that came to no end: open when the run ended, or withdrawn, as their case had ended or another chain
    had denied."""


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
    asks = asked[asked["chain"] == name]
    sought = tables.count(_first(asks, bounced)) + tables.count(vain[vain["detail"].str.contains(_NOBODY, regex=False)])
    return ChainOutcome(
        chain=name,
        levels=_levels(name, asks, tables),
        sought=student(exact(sought), floor=0.0),
        granted=tables.mean_count(answers[answers["answer"] == "granted"]),
        denied=tables.mean_count(answers[answers["answer"] == "denied"]),
        bounced=tables.mean_count(bounced[bounced["chain"] == name]),
        unanswered=tables.mean_count(vain),
        granted_unanswered=tables.mean_count(vain[vain["answer"] == "granted"]),
        left=student(exact(sought - tables.count(answers) - tables.count(vain)), floor=0.0),
    )


def _first(asks: pd.DataFrame, bounced: pd.DataFrame) -> pd.DataFrame:
    """The first ask of each approval: at the first level of its own chain, and not sent back there, which is told just
    before."""
    first = asks[asks["at"].isna() & (asks["value"] == 1)]
    sent_back = pd.MultiIndex.from_arrays([bounced["replication"], bounced["sequence"] + 1])
    return first[~pd.MultiIndex.from_frame(first[["replication", "sequence"]]).isin(sent_back)]


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
