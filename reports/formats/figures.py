"""Every figure of a run as one tidy table, in CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.intervals import Interval, Sample
from reports.kept import NotKept

if TYPE_CHECKING:
    from reports.assess import Assessed

COLUMNS: Final = ("run", "part", "name", "figure", "value", "low", "high", "confidence", "replications")
_NAMES: Final = (
    "name",
    "work",
    "agent",
    "capability",
    "desk",
    "chain",
    "place",
    "lock",
    "monitor",
    "rollout",
    "subject",
)


def figures_csv(runs: Sequence[tuple[str, Assessed]]) -> str:
    """The figures of runs, each by what it is called: a row for every interval of the outcomes, in their own units
    (microseconds, shares of one, currency units, numbers), empty where nothing was measured."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run, outcomes in runs:
        for part in fields(outcomes):
            for name, figure, interval in _figures(getattr(outcomes, part.name), ""):
                ends = (interval.estimate, interval.low, interval.high)
                numbers = [repr(end) if math.isfinite(end) else "" for end in ends]
                row = (run, part.name, name, figure, *numbers, interval.confidence, interval.replications)
                writer.writerow([_inert(cell) for cell in row])
    return stream.getvalue()


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def _inert(cell: Any) -> Any:
    """A text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _figures(value: Any, name: str) -> Iterator[tuple[str, str, Interval]]:
    """The intervals within a value, by the names of what they are of."""
    if isinstance(value, NotKept | Sample):
        return
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from [(name, str(key), one)] if isinstance(one, Interval) else _figures(one, f"{name} {key}".strip())
        return
    if isinstance(value, tuple | list):
        for one in value:
            yield from _figures(one, name)
        return
    if not is_dataclass(value) or isinstance(value, type):
        return
    own = " ".join(dict.fromkeys(filter(None, (name, *(_text(value, key) for key in _NAMES)))))
    for field in fields(value):
        inner = getattr(value, field.name)
        if isinstance(inner, Interval):
            yield own, field.name, inner
        else:
            yield from _figures(inner, own)


def _text(value: Any, key: str) -> str:
    found = getattr(value, key, "")
    return found if isinstance(found, str) else ""
