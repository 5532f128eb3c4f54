"""Messages between cases: how many were sent, received, expired and waited for in vain."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from models.scenario import Send
from reports.intervals import Interval, exact, student
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class MessageOutcome:
    """The messages of one name, whatever their keys' values. Intervals are of means over replications."""

    message: str
    sent: Interval
    received: Interval
    expired: Interval
    """Kept for as long as they last, and never received."""
    in_vain: Interval
    """Waits for one that timed out; not those whose case ended elsewhere."""
    waited: Interval
    """Mean time that receivers of one had waited, us; 0 where it was there before."""


def assess_messages(tables: RunTables) -> tuple[MessageOutcome, ...]:
    """The messages that steps send, in the scenario's order."""
    steps = [step for workflow in tables.scenario.workflows.values() for step in workflow.steps.values()]
    names = dict.fromkeys(step.message for step in steps if isinstance(step, Send))
    return tuple(_message(tables, name) for name in names)


def _of(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a message, whatever its key."""
    place = rows["place"].astype("str")
    return rows[(place == f"message:{name}") | place.str.startswith(f"message:{name}[")]


def _message(tables: RunTables, name: str) -> MessageOutcome:
    kinds = ("sent", "received", "message-expired", "not-received")
    sent, received, expired, vain = (_of(name, tables.of_kind(kind)) for kind in kinds)
    waited = received.groupby("replication")["value"].mean().reindex(range(tables.replications))
    return MessageOutcome(
        name,
        tables.mean_count(sent),
        tables.mean_count(received),
        tables.mean_count(expired),
        tables.mean_count(vain[vain["detail"] == ""]),
        student(exact(waited.to_numpy(dtype="float64")), floor=0.0),
    )
