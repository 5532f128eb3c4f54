"""The gate as one HTML page, from its JSON: the verdict, then what is said of each target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from reports.gate.chapter import GateFile, chapter_of, currency_of, parsed_gate
from reports.gate.json import to_json
from reports.html import environment, write_page

if TYPE_CHECKING:
    from reports.gate.gate import Gate


def write_gate(path: Path, gate: Gate) -> Path:
    """Write the page of a change and return its path. Raises InputError where it cannot be written."""
    text = json.dumps(to_json(gate), ensure_ascii=False, allow_nan=False)
    return write_page(path, render_gate(parsed_gate(text.encode(), "the gate")))


def render_gate(gate: GateFile) -> str:
    """The HTML of a change: no script, nothing fetched, the same bytes every time."""
    title = f"{gate.base.ref} to {gate.head.ref or 'the working tree'}"
    told = [(chapter_of(gate, number, one), one) for number, one in enumerate(gate.targets, 1)]
    return environment(currency_of(gate)).get_template("gate.html.jinja").render(
        page_title=f"{gate.verdict.result.capitalize()}: {title}",
        title=title,
        gate=gate,
        verdict=gate.verdict,
        chapters=[chapter for chapter, _ in told],
        contents=told[0][0].sections if len(told) == 1 else [chapter.sections[0] for chapter, _ in told],
        about=[one for one in gate.statements if one.target is None],
    )  # fmt: skip
