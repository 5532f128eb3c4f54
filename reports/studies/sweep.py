"""Sweeping fields over values: what each combination gives, which is best, which cannot be bettered in everything, and
which field matters most."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from models.diagnostics import Diagnostic, InputError, input_error, listed, near, quoted
from models.scenario import Scenario
from reports.intervals import CONFIDENCE, Array, Interval, Sample, exact, student
from reports.statistics.pairs import difference
from reports.statistics.selection import FIRST_STAGE, Selection, allocation, correct_selection, ocba
from reports.studies.compare import Contrast, Figure, Told, contrasts, figure, told
from reports.studies.designs import OPTION, Axis, Design, along, axis_faults, points_of
from reports.studies.size import set_to
from reports.studies.study import Lab, Unrun, Variant

BLOCK = 10
"""Replications asked for at once while variants are selected, whatever the number of workers."""

POINTS_PAIRED = 500
"""Points up to which each is compared with the scenario as it stands, and with those of the front."""


@dataclass(frozen=True, slots=True)
class Best:
    """Which point is looked for: the one with the best mean of a measure."""

    measure: str
    more: bool = False
    """Whether more is better."""
    indifference: float | None = None
    """A difference that does not matter; with it Kim and Nelson's procedure tells the best with confidence."""
    budget: int | None = None
    """Replications in all; with it they go where they tell most (OCBA)."""


@dataclass(frozen=True)
class Sweep:
    """The question what combinations of values give."""

    axes: tuple[Axis, ...]
    design: Design
    points: int
    replications: int
    seed: int
    best: Best | None = None
    pareto: tuple[str, ...] = ()
    """Measures none of which is to be had better without another one getting worse; none: cost and objectives."""
    tornado: str = ""
    """The measure that the fields' effects are told of; none: the best's, or the first objective's."""
    replications_max: int = 1000
    """Of one point while the best is looked for."""
    confidence: float = CONFIDENCE
    kind: Literal["sweep"] = "sweep"

    @property
    def planned(self) -> int | None:
        if self.best is not None and (self.best.indifference or self.best.budget):
            return None
        return (self.points + 1) * self.replications

    def answer(self, lab: Lab) -> Swept:
        self._check(lab)
        base = lab.variant("base", {})
        measures = self._measures(base)
        ids = list({name_of(one): one for one in points_of(self.axes, self.design, self.points, self.seed)}.values())
        numbers = range(self.replications)
        lab.ask([(base, numbers)])
        lab.ask((self._point(lab, values), numbers) for values in ids)
        variants = [self._point(lab, values) for values in ids]
        return Swept(
            axes=tuple(axis.path for axis in self.axes),
            design=self.design,
            measures=tuple(told(base, name) for name in measures),
            base=Point("base", {}, (), tuple(figure(lab, base, name, numbers) for name in measures), (), "off"),
            points=_points(lab, base, ids, variants, measures, numbers, self),
            replications=self.replications,
            selected=None if self.best is None else _selected(lab, variants, self.best, self),
            effects=_effects(lab, variants, ids, self._tornado(base), self),
            effects_of=self._tornado(base),
            pareto=self._front_measures(base),
            confidence=self.confidence,
            currency=base.currency,
            unrun=tuple(lab.poisoned()),
        )

    def _point(self, lab: Lab, values: Mapping[str, Any]) -> Variant:
        return lab.variant(name_of(values), changed(values, lab.base))

    def _check(self, lab: Lab) -> None:
        """Every value of every field alone, before anything is simulated. Raises InputError with every fault."""
        faults: list[Diagnostic] = []
        for axis in self.axes:
            faults += axis_faults(axis, lambda values: lab.check(changed(values, lab.base)), OPTION)
        if faults:
            raise InputError(*dict.fromkeys(faults))

    def _measures(self, base: Variant) -> list[str]:
        asked = [*base.objectives, *(name for name in base.infos if name.endswith(".cost")), *self.pareto]
        asked += [self.best.measure] if self.best else []
        asked += [self.tornado] if self.tornado else []
        for name in asked:
            if name not in base.infos:
                close = near(name, base.infos)
                help = f"did you mean {quoted(close)}?" if close else f"known: {listed(list(base.infos))}"
                raise input_error(f"there is no measure {quoted(name)}", "--measure", help)
        return list(dict.fromkeys(asked))

    def _tornado(self, base: Variant) -> str:
        return self.tornado or (self.best.measure if self.best else next(iter(base.objectives), next(iter(base.infos))))

    def _front_measures(self, base: Variant) -> tuple[str, ...]:
        costs = [name for name in base.infos if name.endswith(".cost")]
        judged = [name for name in base.objectives if base.infos[name].better is not None]
        return self.pareto or (*costs[:1], *judged)


def name_of(values: Mapping[str, Any]) -> str:
    """The name of a point: what varies, and its value."""
    return ", ".join(f"{path}={v if isinstance(v, str) else json.dumps(v)}" for path, v in values.items())


def changed(values: Mapping[str, Any], base: Scenario) -> dict[str, Any]:
    """The changes of a point; `desks.NAME.staff` is the staff of every shift."""
    return {path: v for field, value in values.items() for path, v in set_to(field, base, value, OPTION).items()}


Place = Literal["front", "perhaps", "off"]
"""Whether nothing betters a point in one measure without being worse in another: `perhaps` where something does by its
means, but not with confidence."""


@dataclass(frozen=True, slots=True)
class Point:
    """A combination of values, and what was measured."""

    name: str
    values: Mapping[str, Any]
    """By field."""
    misses: tuple[str, ...]
    """Objectives that it does not keep, or that stay undecided."""
    figures: tuple[Figure, ...]
    contrasts: tuple[Contrast, ...]
    """Against the scenario as it stands."""
    place: Place


@dataclass(frozen=True, slots=True)
class Selected:
    """The point with the best mean."""

    measure: str
    more: bool
    best: str
    left: tuple[str, ...]
    """Points that were not told apart from it."""
    by: Literal["KN", "OCBA", "pairs"]
    chance: float | None
    """Of having told the best rightly, at least: of KN by its promise, of OCBA by Bonferroni over the means."""
    indifference: float | None
    replications: Mapping[str, int]
    """Of each point."""
    capped: bool
    """Whether the most replications were reached before one was left."""


@dataclass(frozen=True, slots=True)
class Effect:
    """How much a measure moves with a field, over all the others: from its first to its last listed value, or from the
    low to the high end of its range by least squares."""

    path: str
    low: str
    high: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class Swept:
    """The answer of `Sweep`."""

    axes: tuple[str, ...]
    design: Design
    measures: tuple[Told, ...]
    base: Point
    points: tuple[Point, ...]
    replications: int
    selected: Selected | None
    effects: tuple[Effect, ...]
    """The greatest first."""
    effects_of: str
    pareto: tuple[str, ...]
    confidence: float
    currency: str
    unrun: tuple[Unrun, ...]
    kind: Literal["sweep"] = "sweep"


def _points(
    lab: Lab,
    base: Variant,
    ids: Sequence[Mapping[str, Any]],
    variants: Sequence[Variant],
    measures: Sequence[str],
    numbers: range,
    asked: Sweep,
) -> tuple[Point, ...]:
    paired = len(variants) <= POINTS_PAIRED
    against = contrasts(lab, [base, *variants], measures, numbers, asked.confidence) if paired else {}
    places = front(lab, variants, asked._front_measures(base), numbers, asked.confidence)
    points = []
    for values, variant, place in zip(ids, variants, places, strict=True):
        figures = tuple(figure(lab, variant, name, numbers) for name in measures)
        misses = tuple(one.measure for one in figures if one.verdict in ("fail", "undecided"))
        points.append(Point(variant.name, values, misses, figures, against.get(variant.name, ()), place))
    return tuple(points)


# --- the front --------------------------------------------------------------------------------------------------------


def front(
    lab: Lab, variants: Sequence[Variant], measures: Sequence[str], numbers: range, confidence: float
) -> list[Place]:
    """Which points nothing betters in every measure."""
    signs = [-1.0 if variants[0].infos[name].better == "more" else 1.0 for name in measures]
    samples = [[lab.sample(variant, name, numbers) for name in measures] for variant in variants]
    means = np.array([[_mean(one, sign) for sign, one in zip(signs, row, strict=True)] for row in samples])
    places: list[Place] = []
    for i in range(len(variants)):
        better = [j for j in range(len(variants)) if j != i and _dominates(means[j], means[i])]
        surely = any(_surely(samples[j], samples[i], signs, confidence) for j in better[:POINTS_PAIRED])
        places.append("front" if not better else "off" if surely else "perhaps")
    return places


def _mean(sample: Sample, sign: float) -> float:
    """The mean of what is known times a sign that makes less better; what nothing is known of is the worst."""
    values = np.asarray(sample.best or sample.high, dtype="float64")
    known = values[~np.isnan(values)]
    return sign * float(known.mean()) if len(known) else math.inf


def _dominates(one: Array, other: Array) -> bool:
    """Whether one is nowhere worse and somewhere better. Less is better."""
    return bool((one <= other).all() and (one < other).any())


def _surely(one: Sequence[Sample], other: Sequence[Sample], signs: Sequence[float], confidence: float) -> bool:
    """Whether paired differences say so too: nowhere worse by the far end of its interval, somewhere better."""
    ends = []
    for sign, first, second in zip(signs, one, other, strict=True):
        interval = difference(second, first, confidence).interval
        ends.append((interval.low, interval.high) if sign > 0 else (-interval.high, -interval.low))
    return all(high <= 0.0 for _, high in ends) and any(high < 0.0 for _, high in ends)


# --- the best ---------------------------------------------------------------------------------------------------------


def _selected(lab: Lab, variants: Sequence[Variant], best: Best, asked: Sweep) -> Selected:
    if best.indifference is not None:
        return _by_kn(lab, variants, best, best.indifference, asked)
    if best.budget is not None:
        return _by_ocba(lab, variants, best, best.budget, asked)
    numbers = range(asked.replications)
    samples = {variant.name: lab.sample(variant, best.measure, numbers) for variant in variants}
    sign = -1.0 if best.more else 1.0
    first = min(samples, key=lambda name: _mean(samples[name], sign))
    level = 1.0 - (1.0 - asked.confidence) / max(len(samples) - 1, 1)
    left = [name for name in samples if name != first and not _worse(samples[first], samples[name], sign, level)]
    counts = dict.fromkeys(samples, asked.replications)
    return Selected(best.measure, best.more, first, tuple(left), "pairs", None, None, counts, False)


def _worse(best: Sample, one: Sample, sign: float, level: float) -> bool:
    interval = difference(best, one, level).interval
    return interval.low > 0.0 if sign > 0 else interval.high < 0.0


class _Draws:
    """The figures of points, by replication, asked for in blocks of one size."""

    def __init__(self, lab: Lab, variants: Sequence[Variant], best: Best) -> None:
        self._lab = lab
        self._best = best
        self._variants = {variant.name: variant for variant in variants}

    def upto(self, counts: Mapping[str, int]) -> dict[str, list[float]]:
        """The figures of the first replications of each point; less is better. One that is not known, or not bounded,
        counts as the worst that was seen of any."""
        wanted = {name: -(-count // BLOCK) * BLOCK for name, count in counts.items()}
        self._lab.ask((self._variants[name], range(count)) for name, count in wanted.items())
        sign = -1.0 if self._best.more else 1.0
        found: dict[str, list[float]] = {}
        for name, count in counts.items():
            sample = self._lab.sample(self._variants[name], self._best.measure, range(count))
            found[name] = [sign * value for value in sample.best or sample.high]
        worst = max((v for values in found.values() for v in values if np.isfinite(v)), default=0.0)
        return {name: [v if np.isfinite(v) else worst for v in values] for name, values in found.items()}


def _by_kn(lab: Lab, variants: Sequence[Variant], best: Best, indifference: float, asked: Sweep) -> Selected:
    draws = _Draws(lab, variants, best)
    counts = {variant.name: FIRST_STAGE for variant in variants}
    if len(variants) == 1:
        return Selected(best.measure, best.more, variants[0].name, (), "KN", 1.0, indifference, counts, False)
    course = Selection(draws.upto(counts), indifference, 1.0 - asked.confidence, asked.replications_max)
    while not course.decided:
        ahead = min(course.seen + BLOCK, asked.replications_max)
        figures = draws.upto(dict.fromkeys(course.left, ahead))
        for number in range(course.seen, ahead):
            if course.decided:
                break
            course.add({name: figures[name][number] for name in course.left})
            counts |= dict.fromkeys(course.left, course.seen)
    capped = len(course.left) > 1
    left = tuple(name for name in course.left if name != course.best)
    chance = None if capped else asked.confidence
    return Selected(best.measure, best.more, course.best, left, "KN", chance, indifference, counts, capped)


def _by_ocba(lab: Lab, variants: Sequence[Variant], best: Best, budget: int, asked: Sweep) -> Selected:
    draws = _Draws(lab, variants, best)
    first = min(FIRST_STAGE, max(budget // len(variants), 2))
    counts = {variant.name: first for variant in variants}
    figures = draws.upto(counts)
    while (rest := budget - sum(counts.values())) > 0:
        means, spreads = _moments(figures)
        more = allocation(ocba(means, spreads), list(counts.values()), min(rest, max(BLOCK, len(variants))))
        counts = {
            name: min(count + new, asked.replications_max)
            for (name, count), new in zip(counts.items(), more, strict=True)
        }
        if counts == {name: len(values) for name, values in figures.items()}:
            break  # every point that is to get more has the most that it may have
        figures = draws.upto(counts)
    means, spreads = _moments(figures)
    errors = [spread / count**0.5 for spread, count in zip(spreads, counts.values(), strict=True)]
    chosen = list(counts)[int(np.argmin(means))]
    chance = correct_selection(means, errors)
    return Selected(best.measure, best.more, chosen, (), "OCBA", chance, None, counts, False)


def _moments(figures: Mapping[str, Sequence[float]]) -> tuple[list[float], list[float]]:
    means = [float(np.mean(values)) for values in figures.values()]
    return means, [float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for values in figures.values()]


# --- what matters most ------------------------------------------------------------------------------------------------


def _effects(
    lab: Lab, variants: Sequence[Variant], ids: Sequence[Mapping[str, Any]], measure: str, asked: Sweep
) -> tuple[Effect, ...]:
    figures = np.array([_bests(lab.sample(variant, measure, range(asked.replications))) for variant in variants])
    found = [_effect(axis, ids, figures, asked) for axis in asked.axes]
    return tuple(sorted(found, key=lambda e: -abs(e.interval.estimate) if e.interval.known else math.inf))


def _bests(sample: Sample) -> Array:
    values: Array = np.asarray(sample.best or sample.high, dtype="float64")
    return np.where(np.isfinite(values), values, np.nan)


def _effect(axis: Axis, ids: Sequence[Mapping[str, Any]], figures: Array, asked: Sweep) -> Effect:
    texts = [json.dumps(values[axis.path]) for values in ids]
    ends = [json.dumps(end) for end in (axis.ends[0], axis.ends[-1])]
    if asked.design == "grid" or not axis.is_range:
        low, high = (figures[[text == end for text in texts]] for end in ends)
        by_replication = _known_mean(high) - _known_mean(low)
    else:
        by_replication = slopes(axis, asked.axes, ids, figures)
    values = [float(value) for value in by_replication]
    return Effect(axis.path, ends[0], ends[1], student(exact(values), asked.confidence))


def _known_mean(figures: Array) -> Array:
    """The mean over points of each replication; nan where one is not known, since points must be the same in all."""
    mean: Array = figures.mean(axis=0) if len(figures) else np.array([np.nan])
    return mean


def slopes(axis: Axis, axes: Sequence[Axis], ids: Sequence[Mapping[str, Any]], figures: Array) -> Array:
    """How far a measure moves along a whole range, by least squares over all ranges together, in each replication; nan
    where too few points have a figure to tell the ranges apart."""
    ranges = [one for one in axes if one.is_range]
    columns = [np.ones(len(ids)), *(np.array([along(one, values[one.path]) for values in ids]) for one in ranges)]
    known = ~np.isnan(figures).any(axis=1)
    solved, _, rank, _ = np.linalg.lstsq(np.stack(columns, axis=1)[known], figures[known], rcond=None)
    if rank < len(columns):
        return np.full(figures.shape[1], np.nan)
    found: Array = solved[1 + ranges.index(axis)]
    return found
