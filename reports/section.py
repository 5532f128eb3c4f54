"""A section of the report that is one table: its title, what it shows, rows, and what the terminal says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports import words
from reports.intervals import Interval
from reports.words import Unit
from verify.findings import Overall

if TYPE_CHECKING:
    from reports.charts import Chart


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured cell: its estimate, and its interval in small print."""

    interval: Interval
    unit: Unit


@dataclass(frozen=True, slots=True)
class Judged:
    """A measured cell with its verdict."""

    interval: Interval
    unit: Unit
    verdict: Overall


@dataclass(frozen=True, slots=True)
class Change:
    """A cell that tells a difference: with its sign, whether it is one for better or worse, and its interval."""

    interval: Interval
    unit: Unit
    word: str


Cell = str | Figure | Judged | Change


def cell_texts(cell: Cell, currency: str) -> tuple[str, str]:
    """A cell's words, and its small print."""
    match cell:
        case str():
            return cell, ""
        case Change(interval, unit, word):
            if not interval.known:
                return word, ""
            return f"{words.change(interval.estimate, unit, currency)}, {word}", words.change_span(
                interval, unit, currency
            )
    interval, unit = cell.interval, cell.unit
    return words.estimate(interval, unit, currency), words.below(interval, unit, currency)


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its head, what stands below that in small print, and a cell for each further column."""

    head: str
    small: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the report. Without rows the section is its sentence `nothing`."""

    anchor: str
    label: str
    """Its name in the contents."""
    title: str
    caption: str
    """What the table shows, and how to read it."""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    nothing: str
    headlines: tuple[str, ...] = ()
    """Sentences for the terminal."""
    prose: bool = False
    """Whether its cells are texts to read rather than figures to compare."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """Charts, and the sections beside them."""

    charts: tuple[Chart, ...]
    sections: tuple[Section, ...]


NO_CHAPTER: Final = Chapter((), ())
