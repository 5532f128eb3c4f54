"""What is told of a sweep: the best point, the front, what matters most, and a table of all points."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports import words
from reports.charts import WIDTH, Chart
from reports.section import Cell, Figure, Judged, Row, Section
from reports.studies.sweep import Effect, Place, Point, Selected, Swept
from reports.svg import ACCENT, INK, MUTED, OPEN, drawing, inline
from reports.words import Unit

POINTS_SHOWN = 200
"""Points of the table; the JSON and the Parquet have all."""

_PLACES: dict[Place, str] = {"front": "on the front", "perhaps": "perhaps", "off": "bettered"}


def title(found: Swept) -> str:
    """What was varied."""
    return f"{words.count(len(found.points), 'point')} over {words.listed(found.axes)}"


def headlines(found: Swept) -> tuple[str, ...]:
    """What the sweep shows."""
    keep = [point for point in found.points if not point.misses]
    objectives = [one for one in found.measures if one.objective]
    sentences = []
    if objectives:
        total = words.count(len(found.points), "point")
        all_of_them = f"all {len(objectives)} objectives" if len(objectives) > 1 else "the one objective"
        told = f"{len(keep)} of {total} keep {all_of_them}"
        unsure = sum(bool(one.misses) and all(f.verdict != "fail" for f in one.figures) for one in found.points)
        sentences.append(f"{told}; of {unsure} it is not known yet." if unsure else f"{told}.")
    if found.selected is not None:
        sentences += _selected(found.selected)
    if found.effects and found.effects[0].interval.known:
        sentences.append(_matters(found.effects[0], found))
    front = [point.name for point in found.points if point.place == "front"]
    if front and len(found.pareto) > 1:
        told = _listed(front)
        sentences.append(f"Nothing betters {told} in all of {words.listed(found.pareto, 4)} by their means.")
    return tuple(sentences)


def _listed(points: Sequence[str]) -> str:
    """Points by name. A name of several fields has commas of its own."""
    return words.listed([f"({name})" if ", " in name else name for name in points], 3)


def _selected(found: Selected) -> list[str]:
    what = f"{'greatest' if found.more else 'least'} {found.measure}"
    used = words.count(sum(found.replications.values()), "replication")
    match found.by:
        case "KN" if not found.capped:
            chance = words.percent_of_confidence(found.chance or 0.0)
            how = f", or one that differs by less than what does not matter, at {chance} ({used})"
        case "KN":
            how = f" of those seen; {_listed(found.left)} could not be told apart from it in {used}"
        case "OCBA":
            how = f": rightly told with a chance of about {words.share(found.chance or 0.0)} or more ({used})"
        case _:
            how = f"; {_listed(found.left)} cannot be told apart from it" if found.left else ", apart from all others"
    return [f"{found.best} has the {what}{how}."]


def _matters(effect: Effect, found: Swept) -> str:
    unit = next(one.unit for one in found.measures if one.name == found.effects_of)
    by = words.change(effect.interval.estimate, unit, found.currency)
    ends = words.change_span(effect.interval, unit, found.currency)
    return (
        f"{effect.path} matters most: {found.effects_of} changes by {by} ({ends}) from {effect.low} to {effect.high}."
    )


def sections(found: Swept) -> tuple[Section, ...]:
    """The tables: points, and effects."""
    return (_points(found), _effects(found))


def _points(found: Swept) -> Section:
    more = len(found.points) - POINTS_SHOWN
    rest = f" The first {POINTS_SHOWN} of {len(found.points):,} points; the Parquet table has all." if more > 0 else ""
    return Section(
        anchor="points",
        label="Points",
        title="What each combination gives",
        caption=(
            f"Means of {words.count(found.replications, 'replication')} with their intervals; objectives are judged. "
            f"`On the front`: nothing is better in one of {words.listed(found.pareto, 6)} without being worse in "
            f"another, by the means; `perhaps`: something is, but not with confidence.{rest}"
        ),
        columns=("Point", *(one.name for one in found.measures), "Front"),
        rows=tuple(_row(point, found) for point in (found.base, *found.points[:POINTS_SHOWN])),
        nothing="There is no point.",
    )


def _row(point: Point, found: Swept) -> Row:
    cells: list[Cell] = [
        Figure(one.interval, kind.unit) if one.verdict is None else Judged(one.interval, kind.unit, one.verdict)
        for one, kind in zip(point.figures, found.measures, strict=True)
    ]
    return Row(point.name, "", (*cells, "" if point is found.base else _PLACES[point.place]))


def _effects(found: Swept) -> Section:
    unit = next(one.unit for one in found.measures if one.name == found.effects_of)
    return Section(
        anchor="effects",
        label="What matters",
        title=f"What moves {found.effects_of} most",
        caption=(
            "The change of the mean between the ends of each field, over all values of the others"
            + (", by least squares over the points." if found.design != "grid" else ".")
            + " Intervals are over replications with the same random numbers."
        ),
        columns=("Field", "From", "To", "Change"),
        rows=tuple(
            Row(effect.path, "", (effect.low, effect.high, Figure(effect.interval, unit))) for effect in found.effects
        ),
        nothing="Nothing varies.",
    )


def charts(found: Swept) -> tuple[Chart, ...]:
    """A tornado, and the front where there is one."""
    return tuple(chart for chart in (_tornado(found), _front(found)) if chart is not None)


def _tornado(found: Swept) -> Chart | None:
    effects = [effect for effect in found.effects if effect.interval.known][:20]
    if not effects:
        return None
    unit = next(one.unit for one in found.measures if one.name == found.effects_of)
    headline = f"{effects[0].path} moves {found.effects_of} most"
    with drawing(WIDTH, 0.9 + 0.4 * len(effects)) as figure:
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=1.0)
        for row, effect in enumerate(effects):
            interval = effect.interval
            axes.barh(row, interval.estimate, height=0.55, color=ACCENT)
            axes.plot([max(interval.low, -1e300), min(interval.high, 1e300)], [row, row], color=OPEN, linewidth=2)
            label = words.change(interval.estimate, unit, found.currency)
            axes.annotate(label, (1.01, row), xycoords=("axes fraction", "data"), va="center")
        names = [f"{words.short(effect.path, 40)}\n{effect.low} to {effect.high}" for effect in effects]
        axes.set_yticks(range(len(effects)), names)
        axes.set_ylim(len(effects) - 0.4, -0.6)
        axes.set_xticks([0], ["no change"])
        axes.tick_params(left=False)
        described = " ".join(_matters(effect, found) for effect in effects)
        return Chart("tornado", headline, inline(figure, "tornado", headline, described))


def _front(found: Swept) -> Chart | None:
    """The first measure of the front, and the next that varies: what one costs in terms of the other."""
    if len(found.pareto) < 2:
        return None
    kinds = {one.name: place for place, one in enumerate(found.measures)}
    across = kinds[found.pareto[0]]
    up = next((kinds[name] for name in found.pareto[1:] if _varies(found, kinds[name])), kinds[found.pareto[1]])
    shown = [p for p in found.points if p.figures[across].interval.known and p.figures[up].interval.known]
    if len(shown) < 2 or not (_varies(found, across) and _varies(found, up)):
        return None
    on = [point.name for point in shown if point.place == "front"]
    headline = f"{words.count(len(on), 'point')} of {len(shown)} on the front of {words.listed(found.pareto, 4)}"
    with drawing(WIDTH, 3.4) as figure:
        axes = figure.subplots()
        styles: tuple[tuple[Place, str, str], ...] = (
            ("off", "x", MUTED),
            ("perhaps", "D", OPEN),
            ("front", "o", ACCENT),
        )
        for place, marker, colour in styles:
            here = [point for point in shown if point.place == place]
            xs = [point.figures[across].interval.estimate for point in here]
            ys = [point.figures[up].interval.estimate for point in here]
            axes.plot(xs, ys, marker=marker, color=colour, linestyle="none", label=_PLACES[place], clip_on=False)
        for axis, nth in ((axes.xaxis, across), (axes.yaxis, up)):
            axis.set_major_locator(MaxNLocator(5))
            axis.set_major_formatter(FuncFormatter(partial(_tick, found, found.measures[nth].unit)))
        axes.set_xlabel(found.measures[across].name)
        axes.set_ylabel(found.measures[up].name)
        axes.legend(frameon=False, fontsize="small")
        described = f"On the front: {words.listed(on, 12)}."
        return Chart("front", headline, inline(figure, "front", headline, described))


def _varies(found: Swept, measure: int) -> bool:
    return len({point.figures[measure].interval.estimate for point in found.points}) > 1


def _tick(found: Swept, unit: Unit, value: float, _: object) -> str:
    return words.figure(value, unit, found.currency)
