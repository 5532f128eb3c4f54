"""Outcomes as tidy pandas frames: one row each, one column for each figure, intervals as three columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from reports.intervals import Interval, Sample


def frame(rows: Iterable[Any]) -> pd.DataFrame:
    """Any part of the outcomes (`outcomes.objectives`, `.people`, `.locks`, `.compliance.by_rule` ...) as a frame.

    An interval `x` becomes the columns `x`, `x_low` and `x_high`. Figures keep their units: microseconds, shares of
    one, currency units. Nested parts (samples, levels of a chain) are left out.
    """
    return pd.DataFrame([_row(row) for row in rows])


def _row(row: Any) -> Mapping[str, Any]:
    columns: dict[str, Any] = {}
    for field in fields(row):
        value = getattr(row, field.name)
        if isinstance(value, Interval):
            columns |= {field.name: value.estimate, f"{field.name}_low": value.low, f"{field.name}_high": value.high}
        elif not isinstance(value, (tuple, Sample)):
            columns[field.name] = value
    return columns


def by_replication(objectives: Iterable[Any]) -> pd.DataFrame:
    """What each objective measured: `objective`, `replication`, and the bounds `low` and `high`, equal where exact."""
    return pd.DataFrame(
        [
            {"objective": o.name, "replication": number, "low": low, "high": high}
            for o in objectives
            for number, (low, high) in enumerate(zip(o.sample.low, o.sample.high, strict=True))
        ],
        columns=["objective", "replication", "low", "high"],
    )
