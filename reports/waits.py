"""Waits and service at a place, and for a lock, with those that had not ended when the item left or the run stopped."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

import pandas as pd

from reports.intervals import Array
from reports.tables import RunTables

_ITEM: Final = ["replication", "case", "since"]
"""What tells an item at a place: its case and the moment it joined (or was begun). Equal ones are counted."""


def waits(tables: RunTables, place: str) -> pd.DataFrame:
    """Every wait at a place of items that joined it after the warm-up.

    Columns: `replication`, `since` (when the wait began, us), `low` and `high` (bounds of the wait, us), `end`
    (`started | abandoned | waiting`). A wait that ended in service is known exactly. One that the item gave up, or that
    still lasts at the horizon, would have been at least as long: its `high` is inf.
    """
    return tables.once(f"waits {place}", lambda: _waits(tables, [place], "queued", "started"))


def lock_waits(tables: RunTables, places: Collection[str]) -> pd.DataFrame:
    """`waits` for a lock of these places; a wait that is `started` has ended in taking the lock."""
    return _waits(tables, places, "blocked", "locked")


def lock_holds(tables: RunTables, places: Collection[str]) -> pd.DataFrame:
    """How long a lock was held each time it was taken after the warm-up.

    Columns: `replication`, `since` (when it was taken, us), `low` and `high` (bounds of the time held, us). One that is
    held at the horizon has a `high` of inf.
    """
    keys = ["replication", "place", "case"]
    taken, given = (_at(tables, kind, places, "place").astype({"place": "str"}) for kind in ("locked", "unlocked"))
    # Branches of a case may hold a unit each; which of them gives one back first does not change the mean.
    taken, given = (rows.assign(nth=rows.groupby(keys).cumcount()) for rows in (taken, given))
    both = taken.merge(given[[*keys, "nth", "time"]], on=[*keys, "nth"], how="left", suffixes=("", "_over"))
    low = both["time_over"].fillna(tables.scenario.horizon) - both["time"]
    held = both.assign(since=both["time"], low=low, high=low.where(both["time_over"].notna(), math.inf))
    return held.loc[held["since"] >= tables.scenario.warm_up, ["replication", "since", "low", "high"]]


def _waits(tables: RunTables, places: Collection[str], joining: str, served: str) -> pd.DataFrame:
    started, abandoned = (_ended(tables, kind, places) for kind in (served, "abandoned"))
    queued = _at(tables, joining, places).rename(columns={"time": "since"})
    waiting = _without(queued, pd.concat([_from_queue(started, queued), abandoned]))
    parts = [
        started.assign(low=started["value"], high=started["value"], end="started"),
        abandoned.assign(low=abandoned["value"], high=math.inf, end="abandoned"),
        waiting.assign(low=tables.scenario.horizon - waiting["since"], high=math.inf, end="waiting"),
    ]
    columns = {"replication": "int64", "since": "int64", "low": "float64", "high": "float64", "end": "str"}
    every = pd.concat([part[list(columns)].astype(columns) for part in parts], ignore_index=True)
    return every[every["since"] >= tables.scenario.warm_up].reset_index(drop=True)


def busy_time(tables: RunTables, place: str) -> Array:
    """Time that servers of a place were at work after the warm-up, in each replication, us."""
    begun = _at(tables, "started", [place]).rename(columns={"time": "since"})
    finished = _ended(tables, "finished", [place])
    horizon = tables.scenario.horizon
    lasting = _without(begun, finished).assign(until=horizon)
    both = pd.concat([finished.assign(until=finished["since"] + finished["value"]), lasting])
    inside = (both["until"] - both["since"].clip(lower=tables.scenario.warm_up)).clip(lower=0)
    return tables.total(both.assign(inside=inside), "inside")


def _at(tables: RunTables, kind: str, places: Collection[str], *more: str) -> pd.DataFrame:
    events = tables.of_kind(kind)
    return events.loc[events["place"].isin(places), ["replication", "sequence", "time", "case", "value", *more]]


def _ended(tables: RunTables, kind: str, places: Collection[str]) -> pd.DataFrame:
    """Events that end something that lasted `value`, with `since` as the moment it began."""
    events = _at(tables, kind, places)
    return events.assign(since=events["time"] - events["value"])


def _from_queue(started: pd.DataFrame, queued: pd.DataFrame) -> pd.DataFrame:
    """Starts of items that had queued: an item that finds a free server starts at once and never queues."""
    first = queued.groupby(_ITEM)["sequence"].min().rename("joined").reset_index()
    joined = started.merge(first, on=_ITEM, how="left")["joined"].to_numpy()
    return started[joined < started["sequence"].to_numpy()]


def _without(items: pd.DataFrame, gone: pd.DataFrame) -> pd.DataFrame:
    """The items that have no partner in `gone`."""
    left, right = (rows.assign(nth=rows.groupby(_ITEM).cumcount())[[*_ITEM, "nth"]] for rows in (items, gone))
    found = left.merge(right, on=[*_ITEM, "nth"], how="left", indicator=True)["_merge"] == "both"
    return items[~found.to_numpy()]
