"""What is told of a sizing: the least value, what was seen at it and around it, and a chart."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

from models.units import HOUR, MINUTE, SECOND
from reports import words
from reports.charts import WIDTH, Chart
from reports.section import Figure, Row, Section
from reports.studies.size import Sizing, Visit, tests_of
from reports.svg import ACCENT, BAD, GOOD, INK, OPEN, drawing, inline

_COLOURS = {"met": GOOD, "not met": BAD, "undecided": OPEN}
_MARKERS = {"met": "o", "not met": "X", "undecided": "D"}


def title(found: Sizing) -> str:
    """What was asked."""
    return f"the least {found.find} so that {found.condition.told(found.currency)}"


def headlines(found: Sizing) -> tuple[str, ...]:
    """The answer, and what it rests on."""
    confidence = words.percent_of_confidence(found.confidence)
    if found.least is None:
        last = found.visits[-1].value if found.visits else found.low
        sentences = [f"No {found.find} from {found.low} to {last} was shown to meet the condition."]
    else:
        sentences = [
            f"{found.find} of {found.least} is the least that meets it with {confidence} confidence. {_below(found)}"
        ]
    sentences += [f"{visit.value} is undecided: {visit.why}." for visit in found.visits if visit.answer == "undecided"]
    if found.contradicted:
        sentences.append(
            "More did not always help: a greater value misses what a lesser one meets, so bisection may have passed "
            "over others. Look at the table, and sweep the field."
        )
    return tuple(sentences)


def _below(found: Sizing) -> str:
    below = found.below
    if below is None:
        return f"It is the least that was tried (from {found.low})."
    return f"{below.value} is {'not enough' if below.answer == 'not met' else 'undecided'}."


def sections(found: Sizing) -> tuple[Section, ...]:
    """The values that were tried."""
    return (
        Section(
            anchor="tried",
            label="What was tried",
            title=f"{found.find}: what was tried",
            caption=_caption(found),
            columns=(found.find, "Answer", found.condition.figure, "Replications"),
            rows=tuple(
                Row(
                    str(visit.value),
                    visit.why,
                    (visit.answer, Figure(visit.interval, found.condition.shown[1]), f"{visit.replications:,}"),
                )
                for visit in found.visits
            ),
            nothing="Nothing was tried.",
        ),
    )


def _caption(found: Sizing) -> str:
    condition = found.condition
    if condition.chance is None:
        return (
            f"{condition.words[:1].upper()}{condition.words[1:]}, with the interval that the answer rests on: its "
            "level leaves room for all looks at all values together. Replications are added until it is on one side "
            "of the limit."
        )
    tests = tests_of(condition.chance, found.confidence, 1)
    above, below = tests.above, tests.below
    return (
        f"The share of runs that meet the condition, each by itself: {condition.words}. Two of Wald's sequential tests "
        "look at every run and stop as soon as one tells; the error that they may make is shared by all values. At the "
        f"first value they take {above.exactly(above.high)[1]:.0f} runs on average to tell "
        f"{words.share(above.high)} from {words.share(above.low)}, and {below.exactly(below.low)[1]:.0f} to tell "
        f"{words.share(below.low)} from {words.share(below.high)}; what lies closer may stay undecided. The intervals "
        "are exact for a number of runs that is fixed, and no part of the tests."
    )


def charts(found: Sizing) -> tuple[Chart, ...]:
    """The measure against the value, with the limit."""
    shown = [visit for visit in found.visits if visit.interval.known]
    if not shown:
        return ()
    limit, _ = found.condition.shown
    scale, unit = _scale(found, shown)
    told = "none was shown to" if found.least is None else f"{found.least} is the least that does"
    headline = f"{found.condition.told(found.currency)}: {told}"
    with drawing(WIDTH, 2.9) as figure:
        axes = figure.subplots()
        axes.axhline(limit * scale, color=INK, linewidth=1.2)
        for visit in shown:
            ends = [min(max(end, 0.0), 1e18) * scale for end in (visit.interval.low, visit.interval.high)]
            colour = _COLOURS[visit.answer]
            axes.plot([visit.value] * 2, ends, color=colour, linewidth=4, alpha=0.45, solid_capstyle="butt")
            axes.plot([visit.value], [visit.interval.estimate * scale], marker=_MARKERS[visit.answer], color=colour,
                      markersize=8, linestyle="none", label=visit.answer)  # fmt: skip
        most = max(visit.interval.estimate for visit in shown)
        if most > 20 * limit > 0:
            axes.set_yscale("symlog", linthresh=limit * scale)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(found.find)
        axes.set_ylabel(f"{words.short(found.condition.figure, 40)}{f', {unit}' if unit else ''}")
        axes.annotate("limit", (1.0, limit * scale), xycoords=("axes fraction", "data"), color=ACCENT,
                      ha="right", va="bottom")  # fmt: skip
        handles, labels = axes.get_legend_handles_labels()
        each = dict(zip(labels, handles, strict=True))
        axes.legend(each.values(), each.keys(), frameon=False, fontsize="small")
        return (Chart("size", headline, inline(figure, "size", headline, " ".join(headlines(found)))),)


def _scale(found: Sizing, shown: list[Visit]) -> tuple[float, str]:
    """What figures are drawn times, and the name of that unit."""
    if found.condition.shown[1] == "share":
        return 100.0, "%"
    if found.condition.unit != "duration":
        return 1.0, found.currency if found.condition.unit == "money" else ""
    limit = max(found.condition.value, min(visit.interval.estimate for visit in shown))
    size, unit = next(((s, u) for s, u in ((HOUR, "h"), (MINUTE, "min")) if limit >= 2 * s), (SECOND, "s"))
    return 1.0 / size, unit
