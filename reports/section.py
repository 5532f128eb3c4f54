"""A section of the report that is one table: its title, what it shows, rows, and what the terminal says of it."""

from __future__ import annotations

from dataclasses import dataclass

from reports.intervals import Interval
from reports.words import Unit


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured cell: its estimate, and its interval in small print."""

    interval: Interval
    unit: Unit


Cell = str | Figure


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
