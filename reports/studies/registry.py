"""The kinds of studies: what each asks and answers, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from reports.charts import Chart
from reports.section import Section
from reports.studies import (
    compare,
    compare_sections,
    recovery_map,
    recovery_map_sections,
    size,
    size_sections,
    sweep,
    sweep_sections,
)
from reports.studies.study import Answered, adapter
from reports.verdict import EXIT_CODES
from verify.findings import Overall


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of study: its types, and what is told of its answer."""

    question: type[Any]
    answer: type[Any]
    title: Callable[[Any], str]
    headlines: Callable[[Any], tuple[str, ...]]
    sections: Callable[[Any], tuple[Section, ...]]
    charts: Callable[[Any], tuple[Chart, ...]]
    result: Callable[[Any], Overall] = lambda _: "pass"
    """What the exit code says: whether the question is answered."""


KINDS: Final[Mapping[str, Kind]] = {
    "sweep": Kind(
        sweep.Sweep,
        sweep.Swept,
        sweep_sections.title,
        sweep_sections.headlines,
        sweep_sections.sections,
        sweep_sections.charts,
    ),
    "compare": Kind(
        compare.Compare,
        compare.Comparison,
        compare_sections.title,
        compare_sections.headlines,
        compare_sections.sections,
        compare_sections.charts,
    ),
    "size": Kind(
        size.Size,
        size.Sizing,
        size_sections.title,
        size_sections.headlines,
        size_sections.sections,
        size_sections.charts,
        size.result,
    ),
    "recovery-map": Kind(
        recovery_map.RecoveryMap,
        recovery_map.Mapped,
        recovery_map_sections.title,
        recovery_map_sections.headlines,
        recovery_map_sections.sections,
        recovery_map_sections.charts,
        recovery_map.result,
    ),
}


def read_question(values: Any) -> Any:
    """The question of plain values; None where they are none."""
    return _read(values, lambda kind: kind.question)


def read_answer(values: Any) -> Any:
    """The answer of plain values; None where they are none."""
    return _read(values, lambda kind: kind.answer)


def _read(values: Any, of: Callable[[Kind], type[Any]]) -> Any:
    kind = KINDS.get(str(values.get("kind"))) if isinstance(values, dict) else None
    if kind is None:
        return None
    try:
        return adapter(of(kind)).validate_json(json.dumps([values]))[0]
    except ValidationError:
        return None


def exit_code(found: Answered) -> int:
    """0 where the question is answered, 1 where the answer is that nothing does, 3 where it is undecided."""
    return EXIT_CODES[KINDS[found.result.kind].result(found.result)]
