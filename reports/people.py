"""What the fleet asks of people: load, waits, queues and answers of every desk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.rosters import staffing
from models.scenario import Scenario
from reports.intervals import Array, Interval, bounded, exact, student
from reports.tables import RunTables, quantiles, ratio
from reports.waits import busy_time, waits


@dataclass(frozen=True, slots=True)
class DeskOutcome:
    """One desk. Counts are means in one replication; times are microseconds; waits begin after the warm-up."""

    name: str
    load: Interval
    """Busy over staffed time."""
    wait_median: Interval
    wait_p95: Interval
    longest_queue: Interval
    """Mean over replications of the longest queue seen at a sample moment."""
    served: Interval
    """Items that people worked on: reviews and steps of workflows."""
    unserved: Interval
    """Items that left the queue unserved or still waited at the horizon."""
    asked: Interval
    """Approvals that reached the desk."""
    answered: Interval
    bounced: Interval
    """Reviews that sent the approval back to the level below."""

    @property
    def bounce_share(self) -> float:
        """Bounces over approvals that reached the desk; nan where none did."""
        return self.bounced.estimate / self.asked.estimate if self.asked.estimate else float("nan")


def assess_people(tables: RunTables) -> tuple[DeskOutcome, ...]:
    """Outcomes of every desk, in the scenario's order."""
    return tuple(_desk(name, tables) for name in tables.scenario.desks)


def _desk(name: str, tables: RunTables) -> DeskOutcome:
    place = f"desk:{name}"
    every = waits(tables, place)

    def wait(q: float) -> Interval:
        replication = every["replication"].to_numpy()
        ends = (quantiles(replication, every[end].to_numpy(), q, tables.replications) for end in ("low", "high"))
        return student(bounded(*ends), floor=0.0)

    def happened(kind: str) -> Interval:
        events = tables.of_kind(kind)
        return tables.mean_count(events[events["place"] == place])

    return DeskOutcome(
        name=name,
        load=student(exact(desk_load(tables, name)), floor=0.0),
        wait_median=wait(0.5),
        wait_p95=wait(0.95),
        longest_queue=student(exact(_longest_queue(tables, place)), floor=0.0),
        served=happened("started"),
        unserved=tables.mean_count(every[every["end"] != "started"]),
        asked=happened("asked"),
        answered=happened("answered"),
        bounced=happened("bounced"),
    )


def desk_load(tables: RunTables, desk: str) -> Array:
    """Busy over staffed time of a desk after the warm-up, for each replication; nan where nobody is ever on duty.

    Someone who finishes an item after the shift is busy without being staffed, so the load of an overworked desk can
    exceed 1.
    """
    staffed = staffed_time(tables.scenario, desk)
    return ratio(busy_time(tables, f"desk:{desk}"), np.full(tables.replications, staffed))


def staffed_time(scenario: Scenario, desk: str) -> float:
    """Time on duty of all people of a desk together after the warm-up, us."""
    steps = staffing(scenario.desks[desk], scenario.start, scenario.horizon)
    ends = [*(begin for begin, _ in steps[1:]), scenario.horizon]
    spans = ((max(begin, scenario.warm_up), end, staff) for (begin, staff), end in zip(steps, ends, strict=True))
    return float(sum((end - begin) * staff for begin, end, staff in spans if end > begin))


def _longest_queue(tables: RunTables, place: str) -> Array:
    here = tables.samples[tables.samples["place"] == place]
    longest = here.groupby("replication")["queue"].max()
    return longest.reindex(range(tables.replications)).to_numpy(dtype="float64")
