"""How approvals flow through each chain: who is asked at which level, how they answer, where nobody does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import pandas as pd

from reports.intervals import Interval
from reports.tables import RunTables

_DETAIL: Final = r"(?s)^(?P<chain>.*?)(?:: (?:[^:]*, )?(?P<answer>granted|denied))?$"
"""`finance`, `finance: granted` or `finance: last level, denied`."""


@dataclass(frozen=True, slots=True)
class LevelOutcome:
    """Asks that reached one level of a chain. `desk` is empty where the chain names none that exists."""

    level: int
    desk: str
    asked: Interval


@dataclass(frozen=True, slots=True)
class ChainOutcome:
    """Approvals sought from one chain. Intervals are of means in one replication."""

    chain: str
    levels: tuple[LevelOutcome, ...]
    granted: Interval
    denied: Interval
    bounced: Interval
    unanswered: Interval
    """Approvals that ran out of levels or of time."""
    granted_unanswered: Interval
    """Those of them that took effect as granted, though nobody had answered."""


def assess_escalation(tables: RunTables) -> tuple[ChainOutcome, ...]:
    """Every chain that was asked, in the order of names."""
    asked, answered, bounced, exhausted = (
        _by_chain(tables.of_kind(kind)) for kind in ("asked", "answered", "bounced", "exhausted")
    )
    chains = sorted(set(asked["chain"]) | set(exhausted["chain"]))
    return tuple(_chain(name, tables, asked, answered, bounced, exhausted) for name in chains)


def _by_chain(events: pd.DataFrame) -> pd.DataFrame:
    """Events with the chain and, where there is one, the answer that their detail names."""
    parts = events["detail"].astype("str").str.extract(_DETAIL)
    return events.assign(chain=parts["chain"], answer=parts["answer"])


def _chain(
    name: str,
    tables: RunTables,
    asked: pd.DataFrame,
    answered: pd.DataFrame,
    bounced: pd.DataFrame,
    exhausted: pd.DataFrame,
) -> ChainOutcome:
    here = asked[asked["chain"] == name]
    answers = answered[answered["chain"] == name]
    vain = exhausted[exhausted["chain"] == name]
    stages = here.groupby(["value", "place"], observed=True, sort=True)
    return ChainOutcome(
        chain=name,
        levels=tuple(
            LevelOutcome(int(cast(int, level)), str(place).removeprefix("desk:"), tables.mean_count(rows))
            for (level, place), rows in stages
        ),
        granted=tables.mean_count(answers[answers["answer"] == "granted"]),
        denied=tables.mean_count(answers[answers["answer"] == "denied"]),
        bounced=tables.mean_count(bounced[bounced["chain"] == name]),
        unanswered=tables.mean_count(vain),
        granted_unanswered=tables.mean_count(vain[vain["answer"] == "granted"]),
    )
