"""The tables of a run, prepared once for all measures: measured cases, events by kind, replications without any row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from models.diagnostics import input_error
from models.scenario import Scenario
from reports.intervals import Array, Interval, exact, student
from reports.kept import NotKept
from reports.poisoned import lacking, numbers, renumbered
from sim.tables import EVENTS, KEPT, TABLES

if TYPE_CHECKING:
    from sim.engine import Batches
    from sim.run import Run

REPLICATIONS_MAX: Final = 100_000
"""The most that a scenario may ask for."""

_DECISION_TEXTS: Final = ("step", "action", "decision", "enforced", "reason", "approvals")

OPEN: Final = ("in-flight", "stuck")
"""Outcomes of cases that had not ended at the horizon."""


@dataclass(frozen=True)
class RunTables:
    """Pandas frames by the schemas of `sim.tables`; `replications` is how many the run has.

    Nulls of `case` and `value` in events, and of `case` in decisions, are -1. A run that keeps no events has their
    `counts`; using its events raises `NotKeptError`.
    """

    scenario: Scenario
    replications: int
    cases: pd.DataFrame
    events: pd.DataFrame
    decisions: pd.DataFrame
    samples: pd.DataFrame
    counts: pd.DataFrame | None = None
    numbers: Sequence[int] | None = None
    """The numbers of the replications, where they are not 0, 1, 2 ... because some could not be run."""
    lacking: str = ""
    """Why no objective passes: replications that could not be run."""

    def number(self, replication: int) -> int:
        """The number by which a replication of these tables is run again."""
        return replication if self.numbers is None else self.numbers[replication]

    @cached_property
    def measured(self) -> pd.DataFrame:
        """Cases that arrived after the warm-up; `time` to the end (nan while open), `age` at the horizon, `open`."""
        cases = self.cases[self.cases["measured"]]
        time = (cases["ended"] - cases["arrived"]).astype("float64")
        age = self.scenario.horizon - cases["arrived"]
        return cases.assign(time=time, age=age, open=cases["outcome"].isin(OPEN))

    @cached_property
    def _by_kind(self) -> dict[str, pd.DataFrame]:
        return {str(kind): rows for kind, rows in self.events.groupby("kind", observed=True, sort=False)}

    def of_kind(self, *kinds: str) -> pd.DataFrame:
        """Events of these kinds, in order of replication and sequence. Where events are not kept it is known still that
        there were none; else raises `NotKeptError`."""
        if self.counts is not None and not self.occurrences(*kinds).any():
            return _events(EVENTS.empty_table().to_pandas())
        found = [self._by_kind[kind] for kind in kinds if kind in self._by_kind]
        if not found:
            return self.events.iloc[:0]
        return found[0] if len(found) == 1 else pd.concat(found).sort_values(["replication", "sequence"])

    def occurrences(self, *kinds: str) -> Array:
        """How many events of these kinds each replication has, whether they are kept or not."""
        if self.counts is None:
            return self.count(self.of_kind(*kinds))
        return self.total(self.counts[self.counts["kind"].isin(kinds)], "count").astype("int64")

    @property
    def happenings(self) -> int:
        """How many events there were in all replications, whether they are kept or not."""
        return len(self.events) if self.counts is None else int(self.counts["count"].sum())

    def once(self, key: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """What several measures ask for, made once."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @cached_property
    def _made(self) -> dict[str, pd.DataFrame]:
        return {}

    def count(self, rows: pd.DataFrame) -> Array:
        """Rows of each replication, 0 where there are none."""
        return np.bincount(rows["replication"].to_numpy(), minlength=self.replications)

    def total(self, rows: pd.DataFrame, column: str) -> Array:
        """Sum of a column for each replication, 0 where there are no rows."""
        weights = rows[column].to_numpy(dtype="float64")
        return np.bincount(rows["replication"].to_numpy(), weights=weights, minlength=self.replications)

    def at_work(self, rows: pd.DataFrame) -> Array:
        """How many were at work on average over each replication, by events `started` and `finished`: each start adds
        the rest of the run, each end takes its rest away again."""
        horizon = self.scenario.horizon
        sign = (rows["kind"] == "started").astype("int64") - (rows["kind"] == "finished").astype("int64")
        work: Array = self.total(rows.assign(work=sign * (horizon - rows["time"])), "work") / horizon
        return work

    def mean_count(self, rows: pd.DataFrame) -> Interval:
        """Mean number of rows in one replication."""
        return student(exact(self.count(rows)), floor=0.0)


def read_tables(run: Run) -> RunTables:
    """Read the tables of a run. Text columns with few values become categories, which makes grouping fast.

    Raises `InputError` where a table has rows of replications that the run has not: a run folder is not trusted.
    """
    manifest = run.manifest
    if not 1 <= manifest.replications <= REPLICATIONS_MAX:
        told = f"has {manifest.replications} replications, expected 1 to {REPLICATIONS_MAX}"
        raise input_error(told, str(run.folder))
    read = {name: renumbered(run, name, getattr(run, name)()) for name in KEPT[manifest.volume]}
    events = read.get("events")
    return RunTables(
        scenario=run.scenario,
        replications=manifest.replications - len(manifest.poisoned),
        cases=_categories(read["cases"], ("work", "outcome")),
        events=cast("pd.DataFrame", NotKept("the run keeps no events")) if events is None else _events(events),
        decisions=_whole(_categories(read["decisions"], _DECISION_TEXTS), ("case",)),
        samples=_categories(read["samples"], ("place",)),
        counts=read["counts"] if events is None else None,
        numbers=numbers(manifest).tolist() if manifest.poisoned else None,
        lacking=lacking(manifest),
    )


def tables_of(scenario: Scenario, batches: Batches) -> RunTables:
    """The tables of one replication in memory, as those of a run that has it alone."""
    kept = (batches.cases, batches.events, batches.decisions, batches.samples)
    return _alone(scenario, *(first_of(rows, schema) for rows, schema in zip(kept, TABLES.values(), strict=True)))


def nothing_happened(scenario: Scenario) -> RunTables:
    """The tables of one replication in which nothing happened."""
    return _alone(scenario, *(TABLES[name].empty_table().to_pandas() for name in TABLES))


def _alone(
    scenario: Scenario, cases: pd.DataFrame, events: pd.DataFrame, decisions: pd.DataFrame, samples: pd.DataFrame
) -> RunTables:
    return RunTables(
        scenario=scenario,
        replications=1,
        cases=_categories(cases, ("work", "outcome")),
        events=_events(events),
        decisions=_whole(_categories(decisions, _DECISION_TEXTS), ("case",)),
        samples=_categories(samples, ("place",)),
    )


def first_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pd.DataFrame:
    """The rows of one replication, whose number becomes 0; the columns of the schema where there are none."""
    rows = list(batches)
    table = pa.Table.from_batches(rows) if rows else schema.empty_table()
    frame: pd.DataFrame = table.to_pandas()
    return frame.assign(replication=0)


def _events(rows: pd.DataFrame) -> pd.DataFrame:
    return _whole(_categories(rows, ("kind", "place")), ("case", "value"))


def _categories(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    return frame.astype(dict.fromkeys(columns, "category"))


def _whole(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Columns of whole numbers with -1 for a null, which would make floats of them."""
    return frame.assign(**{column: frame[column].fillna(-1).astype("int64") for column in columns})


def quantiles(replication: Array, values: Array, q: float, replications: int) -> Array:
    """The `q` quantile of the values of each replication, nan where it has none. Values may be inf.

    The inverse of the empirical distribution (Hyndman and Fan's type 1): the least value that a share `q` does not
    exceed. It is one of the values, so it is defined with infinite ones too.
    """
    order = np.lexsort((values, replication))
    counts = np.bincount(replication, minlength=replications)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    ranks = np.ceil(q * counts - 1e-9).astype("int64").clip(1)  # 0.55 * 20 is 11.000000000000002
    found = np.full(replications, np.nan)
    some = counts > 0
    found[some] = values[order][(starts + ranks - 1)[some]]
    return found


def ratio(parts: Array, wholes: Array) -> Array:
    """`parts / wholes` for each replication, nan where the whole is nothing."""
    result: Array = np.full(len(wholes), np.nan)
    np.divide(parts, wholes, out=result, where=wholes > 0, dtype="float64")
    return result
