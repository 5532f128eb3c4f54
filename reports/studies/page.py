"""A study as one HTML page, and in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from reports import words
from reports.console import indented, mark, open_console
from reports.html import environment, write_page
from reports.section import Cell, Judged, Section, cell_texts
from reports.studies.compare_sections import value_told
from reports.studies.registry import KINDS
from reports.studies.study import Answered

ROWS_SHOWN = 40
"""Rows of a table in the terminal; the page and the JSON have all."""


def write_study(path: Path, found: Answered) -> Path:
    """Write the page of a study and return its path. Raises `InputError` where it cannot be written."""
    return write_page(path, render_study(found))


def render_study(found: Answered) -> str:
    """The study's HTML: no script, nothing fetched, the same bytes every time."""
    kind = KINDS[found.result.kind]
    template = environment(found.manifest.currency)
    template.filters["value_told"] = value_told
    title = f"{found.manifest.scenario}: {kind.title(found.result)}"
    return template.get_template("study.html.jinja").render(
        made=found.manifest,
        page_title=title,
        title=title,
        headlines=kind.headlines(found.result),
        sections=kind.sections(found.result),
        charts=kind.charts(found.result),
    )


def print_study(found: Answered, page: Path | None) -> None:
    """Print what a study shows: sentences, then its tables."""
    kind, made = KINDS[found.result.kind], found.manifest
    console = open_console()
    console.print(Text(words.printable(f"{made.scenario}: {kind.title(found.result)}"), style="bold"))
    for sentence in kind.headlines(found.result):
        indented(console, sentence.replace("`", ""), 2)
    for section in kind.sections(found.result):
        console.print()
        console.print(Text(words.printable(section.title), style="bold"))
        indented(console, section.caption.replace("`", ""), 0, style="dim")
        if section.rows:
            console.print(_table(section, made.currency))
        else:
            console.print(section.nothing)
        if len(section.rows) > ROWS_SHOWN:
            console.print(f"and {len(section.rows) - ROWS_SHOWN} more rows", style="dim")
    for one in made.unrun:
        indented(console, f"{one.variant}, replication {one.replication}, could not be run: {one.why}", 2)
    measured = f"{words.count(made.replications, 'replication')} of {words.count(made.variants, 'variant')}"
    console.print(f"\n{measured}, seed {made.seed}")
    console.print(f"study: {escape(str(found.folder))}", soft_wrap=True)
    if page is not None:
        console.print(f"report: {escape(str(page))}", soft_wrap=True)


def _table(section: Section, currency: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for place, column in enumerate(section.columns):
        table.add_column(Text(words.printable(column)), overflow="fold", justify="right" if place else "left")
    for row in section.rows[:ROWS_SHOWN]:
        table.add_row(Text(words.printable(row.head)), *(_cell(cell, currency) for cell in row.cells))
    return table


def _cell(cell: Cell, currency: str) -> Text:
    text, small = cell_texts(cell, currency)
    line = Text(words.printable(text))
    if isinstance(cell, Judged):
        line = Text.assemble(mark(open_console(), cell.verdict), " ", line)
    return Text.assemble(line, (f"\n{words.printable(small)}", "dim")) if small else line
