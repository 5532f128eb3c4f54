"""Where every number of the scenario is from: as its `sources` say, or that nobody said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from reports import words
from reports.section import Row, Section

if TYPE_CHECKING:
    from models.scenario import Scenario

ROWS_MAX: Final = 120
"""Numbers told one by one; the rest is counted and stands in scenario.json."""

_NO_NUMBERS: Final = frozenset({"windtunnel", "name", "description", "policies", "sources", "seed", "currency"})
"""Parts of a scenario that say nothing of the world."""

UNSAID: Final = "not said: take it as an assumption"
CHOSEN: Final = "chosen for the run, or as a limit"

_CHOSEN: Final = frozenset({"start", "horizon", "warm-up", "replications", "objectives"})
"""Parts that nobody measures."""


def sources(scenario: Scenario) -> Section:
    """Every number that goes into the run, with its source."""
    numbers = list(_numbers(scenario.dump()))
    told = [(path, value, source_of(path, scenario.sources) or _otherwise(path)) for path, value in numbers]
    unsaid = sum(source == UNSAID for _, _, source in told)
    rows = [Row(path, "", (words.short(value, 80), source)) for path, value, source in told[:ROWS_MAX]]
    if len(told) > ROWS_MAX:
        rows.append(Row(f"and {len(told) - ROWS_MAX} more", "", ("", "in scenario.json")))
    return Section(
        prose=True,
        anchor="sources",
        label="Sources",
        title="Where every number is from",
        caption=(
            f"{words.count(len(told), 'value')} of the scenario; of {unsaid} nobody has said where they are from. "
            "Figures of this report come from the run's tables, by the definitions beside them."
        ),
        columns=("Number", "Value", "Source"),
        rows=tuple(rows),
        nothing="",
    )


def _otherwise(path: str) -> str:
    return CHOSEN if path.partition(".")[0] in _CHOSEN else UNSAID


def source_of(path: str, given: Mapping[str, str]) -> str | None:
    """The source of the longest path that a value lies at or below."""
    holds = [one for one in given if path == one or path.startswith(f"{one}.")]
    return given[max(holds, key=len)] if holds else None


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The values with a digit in them, by path."""
    if isinstance(value, dict):
        for key, below in value.items():
            if path or key not in _NO_NUMBERS:
                yield from _numbers(below, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(below, dict | list) for below in value):
        for number, below in enumerate(value):
            yield from _numbers(below, f"{path}.{number}")
    elif isinstance(value, list):
        yield from _numbers(", ".join(map(str, value)), path)
    elif not isinstance(value, bool) and any(c.isdigit() for c in str(value)) and not _is_name(path, value):
        yield path, str(value)


def _is_name(path: str, value: Any) -> bool:
    """Whether a text names or asks something instead of measuring it."""
    last = path.rpartition(".")[2]
    return isinstance(value, str) and (last in _NAMES or ".context." in path)


_NAMES: Final = frozenset(
    {
        *("when", "people", "action", "resource", "principal", "description", "timezone", "next", "by-asker", "again"),
        *("agent", "capability", "desk", "endpoint", "site", "workflow", "kind", "path", "start", "work"),
    }
)
