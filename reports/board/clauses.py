"""Which clauses of frameworks and laws the sections of the report support, by a dated data file.

The mapping says what a reader may use a section for. It never says that anything is met: that takes more than a report.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any, Final

from reports import words
from reports.section import Row, Section

FILE: Final = Path(__file__).with_name("clauses.json")


@cache
def clauses() -> dict[str, Any]:
    """The data file: its `date`, `frameworks` with version, source and what was not checked, and `rows`."""
    value: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return value


def clause_map(anchors: Collection[str]) -> Section:
    """The clauses that sections support, of those sections that the report has."""
    data = clauses()
    frameworks = data["frameworks"]
    rows = [row for row in data["rows"] if any(anchor in anchors for anchor in row["sections"])]
    unchecked = [f"{one['name']}: {one['unchecked']}" for one in frameworks.values() if one["unchecked"]]
    versions = "; ".join(f"{one['name']} {one['version']}" for one in frameworks.values())
    return Section(
        prose=True,
        anchor="clauses",
        label="Clauses",
        title="Clauses that this report supports",
        caption=(
            f"What a section can be used for, as of {data['date']}: {versions}. To support a clause is to give "
            f"evidence for it; whether it is met is for the reader to judge. Not checked: {'; '.join(unchecked)}."
        ),
        columns=("Section", *(one["name"] for one in frameworks.values())),
        rows=tuple(
            Row(row["about"], "", tuple(words.listed(row[name], 12) if row[name] else "" for name in frameworks))
            for row in rows
        ),
        nothing="",
    )
