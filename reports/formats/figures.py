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
from reports.words import Unit

if TYPE_CHECKING:
    from reports.assess import Assessed

COLUMNS: Final = ("run", "part", "name", "figure", "value", "low", "high", "unit", "confidence", "replications")
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


_DURATIONS: Final = {
    "work": "time_median time_p95",
    "people": "wait_median wait_p95",
    "desks": "wait_median wait_p95",
    "locks": "wait_mean wait_p95 hold_mean",
    "deadlock": "stuck",
    "drift": "delay",
    "resilience": "lasting recovery",
    "recovery": "recovery",
    "rollouts": "until",
    "policy_rollouts": "until",
    "workflow_rollouts": "until",
    "attacks": "until delay",
    "topics": "oldest took held",
    "compensation": "took",
    "sub_workflows": "took",
    "sites": "wait cut_off",
    "messages": "waited",
}
_SHARES: Final = {
    "work": "wrong handed_off needless_hand_off missed_hand_off approved",
    "people": "load",
    "desks": "load",
    "compliance": "as_policy_says",
    "locks": "waited",
    "resilience": "failed_share",
    "recovery": "before during at_the_end",
    "votes": "right majorities independent",
    "limits": "late withdrawn",
    "points": "kept_share stale_share",
    "breakers": "open",
    "arms": "completed wrong",
    "reviews": "glances accuracy stamped",
    "batches": "full",
    "workflows": "completed wrong",
    "places": "load",
    "validity": "correlated load",
}
_MONEY: Final = {
    "work": "cost",
    "deadlock": "cost",
    "arms": "cost",
    "costs": "total agents calls tokens people",
    "workflows": "cost",
    "places": "cost",
    "livelocks": "spent",
}
_BY_UNIT: Final[tuple[tuple[Unit, Mapping[str, str]], ...]] = (
    ("duration", _DURATIONS),
    ("share", _SHARES),
    ("money", _MONEY),
)
_UNITS: Final[Mapping[tuple[str, str], Unit]] = {
    (part, figure): unit for unit, parts in _BY_UNIT for part, figures in parts.items() for figure in figures.split()
}
"""What is not a number of things, by the part of the outcomes and the field."""


def unit_of(part: str, figure: str, name: str = "") -> Unit:
    """The unit of a figure of the outcomes."""
    if (part, figure) == ("retries", "wasted"):  # of endpoints nobody knows how long they were busy
        return "share" if name.startswith("agent:") else "duration"
    return _UNITS.get((part, figure), "count")


def _told(unit: Unit, currency: str) -> str:
    return {"duration": "us", "money": currency, "rate": "1/s"}.get(unit, unit)


def figures_csv(runs: Sequence[tuple[str, Assessed]]) -> str:
    """The figures of runs, each by what it is called: a row for every interval of the outcomes with its unit:
    `us` (microseconds), `share` (of one), the currency, `1/s`, `ratio` or `count`; empty where nothing was measured."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run, outcomes in runs:
        objectives = {one.name: one.unit for one in outcomes.objectives}
        for part in fields(outcomes):
            for name, figure, interval in _figures(getattr(outcomes, part.name), ""):
                ends = (interval.estimate, interval.low, interval.high)
                numbers = [repr(end) if math.isfinite(end) else "" for end in ends]
                unit = objectives[name] if part.name == "objectives" else unit_of(part.name, figure, name)
                told = _told(unit, outcomes.provenance.currency)
                row = (run, part.name, name, figure, *numbers, told, interval.confidence, interval.replications)
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
