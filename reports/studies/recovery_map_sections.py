"""What is told of a recovery map: sentences, the map as a table, every cell, and the map as a drawing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from matplotlib.patches import Rectangle

from reports import words
from reports.charts import WIDTH, Chart
from reports.section import Figure, Row, Section
from reports.studies.compare_sections import value_told
from reports.studies.designs import Axis
from reports.studies.recovery_map import Cell, Mapped
from reports.svg import BAD, GOOD, INK, OPEN, PAPER, drawing, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ANSWERS: Final = ("comes back", "stays down", "undecided")
_COLOURS: Final = {"comes back": GOOD, "stays down": BAD, "undecided": OPEN}
_HATCHES: Final = {"comes back": "", "stays down": "////", "undecided": ".."}
_COLUMNS_WITH_WORDS: Final = 7
"""Columns of the drawing that have room for words; in more, a letter stands for each answer."""


def title(found: Mapped) -> str:
    """What was asked."""
    return f"where goodput comes back after {found.fault}"


def headlines(found: Mapped) -> tuple[str, ...]:
    """How much of the map is which, and where the border runs for each retry setting."""
    counts = {answer: sum(cell.answer == answer for cell in found.cells) for answer in ANSWERS}
    told = ", ".join(f"{answer} in {counts[answer]}" for answer in ANSWERS[:2])
    left = f", {counts['undecided']} undecided" if counts["undecided"] else ""
    return (
        f"Goodput {told} of {words.count(len(found.cells), 'cell')}{left}.",
        *(_border(found, row) for row in found.rows()),
    )


def _border(found: Mapped, row: tuple[Cell, ...]) -> str:
    parts = [
        f"{answer if answer != 'undecided' else 'is undecided'} at {words.listed(loads, len(loads))}"
        for answer in ANSWERS
        if (loads := [value_told(cell.load) for cell in row if cell.answer == answer])
    ]
    return f"With {_named(found.retry)} of {value_told(row[0].retry)} it {', '.join(parts)}."


def _named(axis: Axis) -> str:
    """A field by the end of its path."""
    return words.short(".".join(axis.path.split(".")[-2:]), 40)


def sections(found: Mapped) -> tuple[Section, ...]:
    """The map, and every cell of it."""
    return _map(found), _cells(found)


def _map(found: Mapped) -> Section:
    confidence = words.percent_of_confidence(found.confidence)
    return Section(
        anchor="map",
        label="Map",
        title=f"By {_named(found.load)} (across) and {_named(found.retry)} (down)",
        caption=(
            f"Load is {found.load.path}, the retry setting {found.retry.path}. Goodput comes back, or stays down to "
            f"the end of the run, after {found.fault} is over: what is more likely than not, with {confidence} "
            "confidence in all cells together. The time is the mean of the runs that came back."
        ),
        columns=("Retry setting, load", *(value_told(value) for value in found.load.values)),
        rows=tuple(Row(value_told(row[0].retry), "", tuple(_brief(cell) for cell in row)) for row in found.rows()),
        nothing="The map is empty.",
    )


def _brief(cell: Cell) -> str:
    return f"{cell.answer}, {_small(cell)}"


def _small(cell: Cell) -> str:
    if cell.answer == "comes back":
        return words.duration(cell.time.estimate)
    return f"{cell.back} of {cell.replications} back"


def _cells(found: Mapped) -> Section:
    return Section(
        anchor="cells",
        label="Cells",
        title="Every cell",
        caption=(
            "Replications are added until a cell is told. One that ended before it was known whether goodput is back "
            "counts as neither. The interval of the chance is exact (Clopper and Pearson). The objective "
            f"{found.objective} allows {words.duration(found.within)}."
        ),
        columns=("Load, retry setting", "Answer", "Back, down, of", "Chance to come back", "Time", found.objective),
        rows=tuple(
            Row(
                f"{value_told(cell.load)}, {value_told(cell.retry)}",
                "",
                (
                    cell.answer,
                    f"{cell.back}, {cell.down}, {cell.replications}",
                    Figure(cell.share, "share"),
                    Figure(cell.time, "duration"),
                    {"pass": "met", "fail": "missed", "undecided": "undecided"}[cell.verdict],
                ),
            )
            for cell in found.cells
        ),
        nothing="The map is empty.",
    )


def charts(found: Mapped) -> tuple[Chart, ...]:
    """The map: the words stand in the cells, and stripes say again what colours do."""
    rows, columns = len(found.retry.values), len(found.load.values)
    headline = headlines(found)[0].removesuffix(".")
    with drawing(WIDTH, 1.1 + 0.55 * rows) as figure:
        axes = figure.subplots()
        for y, row in enumerate(found.rows()):
            for x, cell in enumerate(row):
                _draw(axes, x, y, cell, columns)
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(-0.5, rows - 0.5)
        axes.set_xticks(range(columns), _names(found.load.values, 90 // columns))
        axes.set_yticks(range(rows), _names(found.retry.values, 24))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(f"load: {words.short(found.load.path, 60)}")
        axes.set_ylabel(f"retry: {words.short(found.retry.path.rpartition('.')[2], 24)}")
        return (Chart("recovery", headline, inline(figure, "recovery", headline, " ".join(headlines(found)))),)


def _names(values: Iterable[object], most: int) -> list[str]:
    return [words.short(value_told(value), max(most, 4)) for value in values]


def _draw(axes: Axes, x: int, y: int, cell: Cell, columns: int) -> None:
    colour = _COLOURS[cell.answer]
    box = (x - 0.47, y - 0.45), 0.94, 0.9
    axes.add_patch(Rectangle(*box, facecolor=colour, alpha=0.16, linewidth=0))
    axes.add_patch(Rectangle(*box, facecolor="none", edgecolor=colour, linewidth=1.2, hatch=_HATCHES[cell.answer]))
    roomy = columns <= _COLUMNS_WITH_WORDS
    text = f"{cell.answer}\n{_small(cell)}" if roomy else cell.answer[0].upper()
    back = {"boxstyle": "round,pad=0.15", "facecolor": PAPER, "edgecolor": "none"}
    axes.text(x, y, text, ha="center", va="center", fontsize=8.5, color=INK, bbox=back)
