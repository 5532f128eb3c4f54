"""Pools and endpoints in a run: load, queue, who was turned away or gave up, failures by reason, cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from reports.intervals import Array, Interval, exact, student
from reports.tables import RunTables, ratio

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class PlaceOutcome:
    """One pool or endpoint. Counts are of one replication; intervals are of means over replications."""

    place: str
    """`agent:x` or `endpoint:x`."""
    load: Interval
    """Busy slots, or calls in flight, as a share of those there are; nan where there is no limit."""
    busy: Interval
    """Busy slots on average over the run; of an endpoint, calls in flight, in the mean over all samples."""
    queue: Interval
    """How many waited, in the mean over all samples."""
    served: Interval
    """Attempts that got a slot; of an endpoint, calls up to the last sample."""
    rejected: Interval
    """Attempts that were turned away; of an endpoint, calls of attempts that its limits failed."""
    shed: Interval
    """Attempts that a full queue gave up for another of a higher priority."""
    kept_out: Interval
    """Attempts that had to wait outside a full queue."""
    abandoned: Interval
    """Those who waited and were given up: by patience, a time-out, or the end of their case."""
    hedged: Interval
    """Calls that repeated a request without an answer."""
    told: Interval
    """Callers that were told how long to wait."""
    failures: Mapping[str, Interval]
    """Failed attempts by reason, the most frequent first; of an endpoint, those that a call of it failed."""
    cost: Interval
    """What was paid for work here up to the last sample, in units of the currency."""


def assess_places(tables: RunTables) -> tuple[PlaceOutcome, ...]:
    """Pools, then endpoints, in the scenario's order."""
    failed = tables.of_kind("attempt-failed")
    endpoint = failed["detail"].astype(str).str.extract(r"^([A-Za-z][A-Za-z0-9_-]*): (.+)$")
    called = endpoint[0].isin(tables.scenario.endpoints)
    by_call = failed.assign(place="endpoint:" + endpoint[0].astype(str), reason=endpoint[1])[called]
    own = failed.assign(reason=failed["detail"].astype(str))
    pools = [_place(f"agent:{name}", own, tables) for name in tables.scenario.agents]
    return (*pools, *(_place(f"endpoint:{name}", by_call, tables) for name in tables.scenario.endpoints))


def _place(place: str, failed: pd.DataFrame, tables: RunTables) -> PlaceOutcome:
    samples = tables.samples[tables.samples["place"] == place]
    mine = failed[failed["place"].astype(str) == place]
    last = samples[samples["time"] == samples["time"].max()]
    count = tables.count(samples)

    def seen(kind: str) -> Interval:
        rows = tables.of_kind(kind)
        return tables.mean_count(rows[rows["place"] == place])

    def mean(values: Array) -> Interval:
        return student(exact(values), floor=0.0)

    called = place.startswith("endpoint:")
    served = tables.of_kind("started", "finished")
    # Endpoints log no calls that did not wait: samples tell how many are under way.
    at_work = (
        ratio(tables.total(samples, "busy"), count) if called else tables.at_work(served[served["place"] == place])
    )
    limited = not samples["capacity"].isna().any()
    reasons = mine["reason"].value_counts().index
    limits = mine[mine["reason"] == "rate-limited"]
    return PlaceOutcome(
        place=place,
        load=_load(ratio(at_work, ratio(tables.total(samples, "capacity"), count)) if limited else at_work * math.nan),
        busy=mean(at_work),
        queue=mean(ratio(tables.total(samples, "queue"), count)),
        served=mean(tables.total(last, "calls")) if called else seen("started"),
        rejected=tables.mean_count(limits) if called else seen("rejected"),
        shed=seen("shed"),
        kept_out=seen("held-up"),
        abandoned=seen("abandoned"),
        hedged=seen("hedged"),
        told=seen("retry-after"),
        failures={reason: tables.mean_count(mine[mine["reason"] == reason]) for reason in reasons},
        cost=mean(tables.total(last, "spent") / _MILLION),
    )


def _load(shares: Array) -> Interval:
    """More than all there is only where those who were busy when servers went finished first."""
    most = 1.0 if not (shares > 1.0).any() else math.inf
    return student(exact(shares), floor=0.0, ceiling=most)
