"""The charts of the report. Each has a title that says what it shows, units on its axes, and a table beside it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from models.units import DAY
from reports import words
from reports.intervals import Interval
from reports.svg import ACCENT, BAD, BAND, GOOD, INK, MUTED, OPEN, PAPER, RULE, drawing, inline
from reports.words import Unit
from verify.findings import Overall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from reports.deadlock import Ring
    from reports.drift import DriftOutcome
    from reports.locks import LockOutcome
    from reports.objectives import ObjectiveOutcome
    from reports.series import FaultBand, HarmCourse, QueueCourse

WIDTH: Final = 7.6
"""Inches: the text column of the page."""

NAME_SHOWN: Final = 36
"""Characters of a name in a drawing; the table beside it has the whole name."""

RING_SHOWN: Final = 10
"""Members of a ring that is drawn, at most; a larger one is told by its table."""

DESKS_SHOWN: Final = 6
"""Queues drawn at most; the table beside them has all."""

_MARKERS: Final[dict[Overall, str]] = {"pass": "o", "fail": "X", "undecided": "D"}
_COLOURS: Final[dict[Overall, str]] = {"pass": GOOD, "fail": BAD, "undecided": OPEN}
_EDGE: Final = 2.0
"""Where the axis of allowances ends: twice what was promised."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with the sentence it shows."""

    key: str
    title: str
    svg: str


def objectives_chart(objectives: Sequence[ObjectiveOutcome], currency: str) -> Chart | None:
    """How much of what each objective allows is used, with intervals: left of `all` it is met, right of it missed."""
    if not objectives:
        return None
    counts = Counter(o.verdict for o in objectives)
    words_of: tuple[tuple[Overall, str], ...] = (("fail", "missed"), ("undecided", "undecided"), ("pass", "met"))
    told = ", ".join(f"{counts[verdict]} {word}" for verdict, word in words_of if counts[verdict])
    title = f"Of {words.count(len(objectives), 'objective')}: {told}"
    description = " ".join(o.sentence for o in objectives)
    rows = [Promise(o.name, o.interval, o.unit, o.verdict, o.at_most, o.at_least) for o in objectives]
    return promises_chart("objectives", title, description, rows, currency)


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of a chart of promises: what was found beside what is allowed."""

    name: str
    """On one line or two."""
    interval: Interval
    unit: Unit
    verdict: Overall
    at_most: float | None
    at_least: float | None


def promises_chart(key: str, title: str, description: str, rows: Sequence[Promise], currency: str) -> Chart:
    """How much is used of what each promise allows, one below the other."""
    with drawing(WIDTH, 0.9 + 0.36 * len(rows)) as figure:
        axes = figure.subplots()
        axes.axvspan(1, _EDGE * 1.08, facecolor="none", edgecolor=BAND, hatch="////", linewidth=0)
        axes.axvline(1, color=INK, linewidth=1.2)
        for row, promise in enumerate(rows):
            _dumbbell(axes, row, promise, currency)
        names = ["\n".join(words.short(line, NAME_SHOWN) for line in row.name.split("\n")) for row in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.4, -0.9)
        axes.set_xlim(-0.04, _EDGE * 1.08)
        axes.set_xticks([0, 0.5, 1, 1.5, 2], ["0", "half", "all", "1.5 times", "twice or more"])
        axes.set_xlabel("share of what the objective allows")
        axes.tick_params(left=False)
        axes.spines["left"].set_visible(False)
        axes.text(0.98, -0.62, "met", ha="right", color=MUTED)
        axes.text(1.02, -0.62, "missed", ha="left", color=MUTED)
        return Chart(key, title, inline(figure, key, title, description))


def _dumbbell(axes: Axes, row: int, objective: Promise, currency: str) -> None:
    interval = objective.interval
    if not interval.known:
        axes.text(0, row, "not measured", va="center", color=MUTED)
        return
    at, low, high = (_used(objective, value) for value in (interval.estimate, interval.low, interval.high))
    low, high = min(low, high), max(low, high)
    colour = _COLOURS[objective.verdict]
    axes.plot([1, at], [row, row], color=RULE, linewidth=1)
    axes.plot([low, high], [row, row], color=colour, linewidth=4, alpha=0.45, solid_capstyle="butt")
    beyond = interval.at_least or _allowance(objective, interval.estimate) > _EDGE
    axes.plot([at], [row], marker=">" if beyond else _MARKERS[objective.verdict], color=colour, markersize=8,
              markeredgecolor=PAPER, linestyle="none")  # fmt: skip
    label = words.estimate(interval, objective.unit, currency)
    axes.annotate(label, (1.01, row), xycoords=("axes fraction", "data"), va="center")


def _used(objective: Promise, value: float) -> float:
    return min(max(_allowance(objective, value), 0.0), _EDGE)


def _allowance(objective: Promise, value: float) -> float:
    """Value over limit; for a least share, its complement over the limit's. 1 is exactly the promise."""
    if objective.at_most is not None:
        part, whole = value, objective.at_most
    else:
        assert objective.at_least is not None
        part, whole = 1.0 - value, 1.0 - objective.at_least
    if math.isinf(part):
        return math.copysign(math.inf, part)
    if whole > 0:
        return part / whole
    return math.inf if part > 0 else 0.0


def queues_chart(
    queues: Sequence[QueueCourse], faults: Sequence[FaultBand], replications: int, lock: LockOutcome | None = None
) -> Chart | None:
    """The queue of each desk over time, mean and range over replications, with the faults.

    `lock` is one with a longer queue than any desk's, which the title must then name.
    """
    busiest = sorted(queues, key=lambda q: -max(q.mean))[:DESKS_SHOWN]
    shown = [q for q in busiest if max(q.most) > 0] or busiest[:1]
    if not shown:
        return None
    worst = shown[0]
    peak = int(np.argmax(worst.mean))
    longest = "The longest queue is"
    if lock is not None:
        longest += f" for the lock {lock.name}, {words.number(lock.longest_queue.estimate)} waiting; of the desks it is"
    title = (
        f"{longest} at {worst.desk}: {words.number(worst.mean[peak])} waiting on day "
        f"{worst.time[peak] // DAY + 1}, mean of {words.count(replications, 'replication')}"
    )
    with drawing(WIDTH, 0.8 + 1.5 * len(shown)) as figure:
        every = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for axes, queue in zip(every, shown, strict=True):
            _queue(axes, queue, faults)
        figure.suptitle(_bands_text(faults), x=0.01, ha="left", fontsize=9, color=MUTED)
        every[-1].set_xlabel("days from the start of the run")
        description = " ".join(
            f"{q.desk}: up to {words.number(max(q.mean))} waiting on average, {words.number(max(q.most))} in the worst."
            for q in shown
        )
        return Chart("queues", title, inline(figure, "queues", title, description))


def _queue(axes: Axes, queue: QueueCourse, faults: Sequence[FaultBand]) -> None:
    days = [time / DAY for time in queue.time]
    for number, band in enumerate(faults, start=1):
        if band.end < 0:
            axes.axvline(band.begin / DAY, color=MUTED, linewidth=1)
        else:
            axes.axvspan(band.begin / DAY, band.end / DAY, facecolor=BAND, linewidth=0)
        axes.annotate(str(number), (band.begin / DAY, 1), xycoords=("data", "axes fraction"), fontsize=8, color=MUTED,
                      xytext=(2, -9), textcoords="offset points")  # fmt: skip
    axes.fill_between(days, queue.least, queue.most, color=ACCENT, alpha=0.18, linewidth=0, step="mid")
    axes.step(days, queue.mean, where="mid", color=ACCENT)
    axes.step(days, queue.on_duty, where="mid", color=MUTED, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, max(days[-1], 1e-9))
    axes.set_title(words.short(queue.desk, 60), loc="left", fontsize=9.5, fontweight="bold")
    axes.set_ylabel("waiting", fontsize=9)
    axes.locator_params(axis="y", nbins=4, integer=True)
    axes.locator_params(axis="x", integer=True)


def _bands_text(faults: Sequence[FaultBand]) -> str:
    legend = "line: mean, area: all replications, dashes: people on duty"
    bands = "; ".join(f"{number} {band.label}" for number, band in enumerate(faults, start=1))
    return f"{legend}\n{bands}" if bands else legend


def drift_chart(course: HarmCourse, drifts: Sequence[DriftOutcome], key: str) -> Chart:
    """Wrong effects over time around a drift: onset, alarms, harm before detection."""
    drift = drifts[0]
    alarms = [a for a in drift.alarms if not math.isnan(a)]
    title = _drift_title(drift)
    days = [edge / DAY for edge in course.edges]
    with drawing(WIDTH, 2.6) as figure:
        axes = figure.subplots()
        axes.stairs(course.mean, days, color=BAD, fill=True, alpha=0.3)
        axes.stairs(course.mean, days, color=BAD, linewidth=1.2)
        axes.axvline(drift.onset / DAY, color=INK, linewidth=1.2)
        top = max(*course.mean, 1e-9) * 1.3
        axes.plot([a / DAY for a in alarms], [top * 0.92] * len(alarms), "v", color=ACCENT, markersize=6, alpha=0.7)
        axes.set_title(
            "line: the drift begins; triangles: first alarm of each replication", loc="left", fontsize=9, color=MUTED
        )
        axes.set_ylim(0, top)
        axes.set_xlim(0, days[-1])
        axes.set_xlabel("days from the start of the run")
        axes.set_ylabel(f"wrong effects\nin {words.duration(course.width)}")
        return Chart(key, title, inline(figure, key, title, title))


def _drift_title(drift: DriftOutcome) -> str:
    who = f"The drift of {drift.agent} {drift.capability}"
    if not drift.monitor:
        return f"{who} has no monitor: it does {words.number(drift.harm.estimate)} wrong effects until the run ends"
    if drift.missed == drift.replications:
        return f"{who} is never noticed: it does {words.number(drift.harm.estimate)} wrong effects until the run ends"
    missed = f", missed in {drift.missed} of {drift.replications} replications" if drift.missed else ""
    return (
        f"{who} is noticed after {words.estimate(drift.delay, 'duration')} on average{missed}, "
        f"after {words.number(drift.harm.estimate)} wrong effects"
    )


def ring_chart(ring: Ring, key: str) -> Chart:
    """Who waits for whom: cases hold locks (solid), and wait for locks that the next case holds (dashed)."""
    members = ring.members
    title = f"{len(members)} cases wait for each other in a ring"
    count = 2 * len(members)
    with drawing(WIDTH, 1.6 + 0.45 * count, axes_fill=True) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(-3.2, 3.2)
        axes.set_ylim(-1.35, 1.35)
        angles = [math.pi / 2 - 2 * math.pi * i / count for i in range(count)]
        spots = [(2.1 * math.cos(a), math.sin(a)) for a in angles]
        nodes = []
        for i, member in enumerate(members):
            nodes.append(
                _node(axes, spots[2 * i], f"case {member.case}\n{words.short(member.step, NAME_SHOWN)}", PAPER)
            )
            nodes.append(_node(axes, spots[2 * i + 1], words.short(member.waits, NAME_SHOWN), BAND))
        figure.draw_without_rendering()  # boxes get their size, which arrows end at
        for i in range(count):
            _arrow(axes, spots, nodes, i)
        return Chart(key, title, inline(figure, key, title, _ring_description(members)))


def _ring_description(members: Sequence[Any]) -> str:
    return " ".join(f"Case {m.case} at {m.step} waits for {m.waits}, held by the next." for m in members)


def _node(axes: Axes, spot: tuple[float, float], text: str, fill: str) -> Text:
    box = {"boxstyle": "round,pad=0.45", "facecolor": fill, "edgecolor": INK, "linewidth": 1}
    return axes.text(*spot, words.printable(text, keep="\n"), ha="center", va="center", zorder=3, fontsize=9, bbox=box)


def _arrow(axes: Axes, spots: Sequence[tuple[float, float]], nodes: Sequence[Text], i: int) -> None:
    following = (i + 1) % len(spots)
    a, b = spots[i], spots[following]
    waits = i % 2 == 0
    colour = BAD if waits else MUTED
    style: dict[str, Any] = {
        "arrowstyle": "-|>",
        "connectionstyle": "arc3,rad=-0.12",
        "color": colour,
        "linewidth": 1.4,
        "linestyle": (0, (4, 2)) if waits else "solid",
        "patchA": nodes[i].get_bbox_patch(),
        "patchB": nodes[following].get_bbox_patch(),
    }
    axes.annotate("", xy=b, xytext=a, arrowprops=style, zorder=2)
    outward = ((a[0] + b[0]) / 2 * 1.5, (a[1] + b[1]) / 2 * 1.5)
    axes.text(*outward, "waits for" if waits else "held by", ha="center", va="center", fontsize=8.5, color=colour)
