"""Charts of what flows where: approvals up their chains, and cases to desks before and after a change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from reports import words
from reports.charts import NAME_SHOWN, WIDTH, Chart
from reports.svg import ACCENT, BAD, GOOD, INK, MUTED, OPEN, PAPER, RULE, drawing, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reports.escalation import ChainOutcome
    from reports.intervals import Interval

CHAINS_SHOWN: Final = 4
"""Chains drawn, those that are asked most; the table beside them has all."""

LEVELS_SHOWN: Final = 6
"""Levels of a chain drawn; the table beside it has all."""

MOVES_SHOWN: Final = 12
"""Desks drawn, the first ones; the table beside the chart has all."""

_BAR: Final = 0.62
"""Height of a bar, of a row."""


# --- approvals --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    count: float
    colour: str
    level: bool


def escalation_chart(chains: Sequence[ChainOutcome]) -> Chart | None:
    """How many approvals each level of a chain is asked for, and how they end. None where nobody was asked."""
    shown = sorted((one for one in chains if one.levels), key=lambda one: -one.levels[0].asked.estimate)[:CHAINS_SHOWN]
    if not shown:
        return None
    bars = [_bars(one) for one in shown]
    with drawing(WIDTH, 0.5 + sum(0.34 * len(rows) + 0.42 for rows in bars)) as figure:
        panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=[len(rows) + 0.6 for rows in bars])[:, 0]
        for axes, chain, rows in zip(panels, shown, bars, strict=True):
            _funnel(axes, chain.chain, rows)
        panels[-1].set_xlabel("approvals in one replication, mean; each chain to its own scale")
        description = " ".join(_told(one) for one in shown)
        return Chart("escalation", _title(shown), inline(figure, "escalation", _title(shown), description))


def _bars(chain: ChainOutcome) -> list[_Bar]:
    levels = [
        _Bar(
            f"{'level' if one.chain == chain.chain else one.chain} {one.level}, {one.desk or 'nobody'}",
            one.asked.estimate,
            ACCENT,
            level=True,
        )
        for one in chain.levels[:LEVELS_SHOWN]
    ]
    ends = [("granted", chain.granted, GOOD), ("denied", chain.denied, OPEN), ("unanswered", chain.unanswered, BAD)]
    ends += [("left open", chain.left, MUTED)] if chain.left.estimate > 0 else []
    return levels + [_Bar(label, of.estimate, colour, level=False) for label, of, colour in ends]


def _funnel(axes: Axes, name: str, rows: Sequence[_Bar]) -> None:
    most = max([row.count for row in rows] + [1e-9])
    for place, row in enumerate(rows):
        axes.barh(place, row.count, height=_BAR, color=row.colour, alpha=0.55 if row.level else 0.85, linewidth=0)
        axes.text(row.count + most * 0.012, place, words.number(row.count), va="center", fontsize=8.5)
    for place, (above, below) in enumerate(pairwise(rows)):
        if below.level:  # what goes on to the next level
            edges = [place + _BAR / 2, place + 1 - _BAR / 2]
            axes.fill_betweenx(edges, 0, [above.count, below.count], color=ACCENT, alpha=0.14, linewidth=0)
    axes.set_yticks(range(len(rows)), [words.short(words.printable(row.label), NAME_SHOWN) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, most * 1.12)
    axes.set_title(words.short(words.printable(name), 60), loc="left", fontsize=9.5, fontweight="bold")
    axes.tick_params(left=False)
    axes.spines["left"].set_color(RULE)
    axes.locator_params(axis="x", nbins=5)


def _title(shown: Sequence[ChainOutcome]) -> str:
    worst = max(shown, key=lambda one: one.unanswered.estimate)
    first = worst if worst.unanswered.estimate > 0 else shown[0]
    sought = words.number(first.sought.estimate)
    if first.unanswered.estimate > 0:
        end = f"{words.number(first.unanswered.estimate)} end unanswered"
    else:
        left = words.number(first.left.estimate)
        verb = "is" if left == "1" else "are"
        end = f"{left} {verb} left open" if first.left.estimate > 0 else "every one is answered"
        if len(first.levels) > 1:
            end = f"{words.number(first.levels[-1].asked.estimate)} come to the last level, and {end}"
    return f"Of {sought} approval{'s' * (sought != '1')} sought from {first.chain} in one replication, {end}"


def _told(chain: ChainOutcome) -> str:
    return f"{chain.chain}: " + ", ".join(f"{row.label} {words.number(row.count)}" for row in _bars(chain)) + "."


# --- a change ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move:
    """A share before and after a change. `sure`: the paired interval of the difference leaves no doubt of its sign."""

    name: str
    before: Interval
    after: Interval
    sure: bool


def moves_chart(key: str, moves: Sequence[Move]) -> Chart | None:
    """Which share of the cases comes to each desk, before and after a change. None where nothing was measured."""
    shown = [one for one in moves if one.before.known and one.after.known][:MOVES_SHOWN]
    if not shown:
        return None
    title = _moved(shown)
    with drawing(WIDTH, 0.9 + 0.42 * len(shown)) as figure:
        axes = figure.subplots()
        for row, one in enumerate(shown):
            _move(axes, row, one)
        axes.set_yticks(range(len(shown)), [words.short(words.printable(one.name), NAME_SHOWN) for one in shown])
        axes.set_ylim(len(shown) - 0.4, -0.8)
        axes.set_xlim(
            -0.02, max(0.1, *(end for one in shown for end in (one.before.estimate, one.after.estimate))) * 1.1
        )
        axes.xaxis.set_major_formatter(lambda value, _: f"{value * 100:g}%")
        axes.set_xlabel("share of all cases that comes to the desk; ring: before, dot: after")
        axes.tick_params(left=False)
        axes.spines["left"].set_visible(False)
        description = " ".join(f"{one.name}: {_ends(one)}." for one in shown)
        return Chart(key, title, inline(figure, key, title, description))


def _move(axes: Axes, row: int, one: Move) -> None:
    colour = ACCENT if one.sure else MUTED
    before, after = one.before.estimate, one.after.estimate
    axes.plot([before, after], [row, row], color=colour, linewidth=2.4 if one.sure else 1, zorder=1)
    axes.plot([before], [row], "o", color=PAPER, markeredgecolor=INK, markersize=8, zorder=2)
    axes.plot([after], [row], "o", color=colour, markeredgecolor=PAPER, markersize=8, zorder=3)
    axes.annotate(_ends(one), (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)


def _ends(one: Move) -> str:
    before, after = words.share(one.before.estimate), words.share(one.after.estimate)
    return f"{before} to {after}" if one.sure or before != after else f"{before}, as before"


def _moved(shown: Sequence[Move]) -> str:
    sure = [one for one in shown if one.sure]
    if not sure:
        return "No desk is known to get another share of the cases"
    most = max(sure, key=lambda one: abs(one.after.estimate - one.before.estimate))
    before, after = words.share(most.before.estimate), words.share(most.after.estimate)
    return f"{most.name} gets {after} of the cases, before the change {before}"
