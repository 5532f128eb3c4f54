"""How approvals flow: where they are asked for, how they are answered, where they run out."""

from __future__ import annotations

from dataclasses import dataclass

from reports.intervals import Interval
from reports.tables import RunTables


@dataclass(frozen=True, slots=True)
class EscalationOutcome:
    """Approvals at one place of the log (a desk; a chain where the log names one). Means are in one replication."""

    place: str
    asked: Interval
    answers: tuple[tuple[str, float], ...]
    """Mean number of each kind of answer."""
    bounced: Interval
    unanswered: Interval


def assess_escalation(tables: RunTables) -> tuple[EscalationOutcome, ...]:
    """Approvals by place, in the order of their names."""
    every = tables.of_kind("asked", "answered", "bounced", "exhausted")
    return tuple(_place(place, tables) for place in sorted(set(every["place"].astype(str))))


def _place(place: str, tables: RunTables) -> EscalationOutcome:
    def mean_of(kind: str) -> Interval:
        events = tables.of_kind(kind)
        return tables.mean_count(events[events["place"] == place])

    answered = tables.of_kind("answered")
    counts = answered[answered["place"] == place]["detail"].value_counts().sort_index()
    return EscalationOutcome(
        place=place,
        asked=mean_of("asked"),
        answers=tuple((str(answer), int(number) / tables.replications) for answer, number in counts.items()),
        bounced=mean_of("bounced"),
        unanswered=mean_of("exhausted"),
    )
