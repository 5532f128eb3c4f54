"""Comparing variants: each with the first, pair by pair under common random numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from models.diagnostics import input_error, listed, quoted
from reports.intervals import CONFIDENCE, Interval
from reports.measures import Better
from reports.statistics.pairs import Difference, bonferroni, difference, holm
from reports.studies.study import OF_THE_STUDY, Lab, Unrun, Variant
from reports.words import Unit
from verify.findings import Overall

Word = Literal["better", "worse", "more", "less", "no difference", "undecided"]
"""What a difference is: `more` and `less` where neither is better, `no difference` where every pair agrees exactly."""


@dataclass(frozen=True)
class Compare:
    """The question how variants differ from the first of them, and which of them keep their objectives."""

    variants: Mapping[str, Mapping[str, Any]]
    """What each changes, by path; the first is compared with."""
    replications: int
    confidence: float = CONFIDENCE
    """Of all intervals of differences of a measure together."""
    kind: Literal["compare"] = field(default="compare")

    @property
    def planned(self) -> int | None:
        return self.replications * len(self.variants)

    def answer(self, lab: Lab) -> Comparison:
        variants = [lab.variant(name, changes) for name, changes in self.variants.items()]
        numbers = range(self.replications)
        lab.ask((variant, numbers) for variant in variants)
        return compared(lab, variants, numbers, self.confidence)


def compare_question(variants: Mapping[str, Mapping[str, Any]], replications: int) -> Compare:
    """The question how variants differ. Raises InputError where there are no two, no two replications of each, or where
    one changes nothing that a study goes by."""
    if len(variants) < 2:
        what = f"there is nothing to compare {quoted(*variants)} with" if variants else "there is nothing to compare"
        raise input_error(what, "VARIANT", "name two variants or more; `base` is the scenario as it stands")
    if replications < 2:
        help = "intervals and differences come from replications; run at least 2"
        raise input_error(f"expected 2 replications or more, got {replications}", "--replications", help)
    for name, changes in variants.items():
        if changes and changes.keys() <= set(OF_THE_STUDY):
            help = f"{listed(changes)} is the same in every variant of a study: give the study its own"
            raise input_error(f"the variant {quoted(name)} changes nothing here", "VARIANT", help)
    return Compare(variants, replications)


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure of one variant, over its replications."""

    measure: str
    interval: Interval
    verdict: Overall | None
    """Of an objective of the variant; None where it is none."""
    open_because: str


@dataclass(frozen=True, slots=True)
class Contrast:
    """How a measure of a variant differs from the first one's."""

    measure: str
    interval: Interval
    p: float
    """As it may be held against one level beside all other contrasts of objectives, or of other measures, of the study:
    Holm's correction."""
    word: Word
    pairs: int
    gain: float


@dataclass(frozen=True, slots=True)
class VariantOutcome:
    """One variant: what it changes, what was measured, and how that differs from the first one."""

    name: str
    changes: Mapping[str, Any]
    digest: str
    figures: tuple[Figure, ...]
    contrasts: tuple[Contrast, ...]
    """None of the first one."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a measure is, for who tells of it."""

    name: str
    words: str
    unit: Unit
    better: Better | None
    at_most: float | None
    at_least: float | None
    objective: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer of `Compare`."""

    measures: tuple[Told, ...]
    variants: tuple[VariantOutcome, ...]
    replications: int
    confidence: float
    currency: str
    unrun: tuple[Unrun, ...]
    kind: Literal["compare"] = "compare"


def compared(lab: Lab, variants: list[Variant], numbers: range, confidence: float) -> Comparison:
    """Compare variants that were measured in the same replications."""
    first = variants[0]
    shared = [name for name in first.infos if all(name in variant.infos for variant in variants)]
    found = contrasts(lab, variants, shared, numbers, confidence)
    return Comparison(
        measures=tuple(told(first, name) for name in shared),
        variants=tuple(
            VariantOutcome(
                name=variant.name,
                changes=variant.changes,
                digest=variant.digest,
                figures=tuple(figure(lab, variant, name, numbers) for name in shared),
                contrasts=found.get(variant.name, ()),
            )
            for variant in variants
        ),
        replications=len(numbers),
        confidence=confidence,
        currency=first.currency,
        unrun=tuple(lab.poisoned()),
    )


def contrasts(
    lab: Lab, variants: Sequence[Variant], measures: Sequence[str], numbers: range, confidence: float
) -> dict[str, tuple[Contrast, ...]]:
    """How measures of variants differ from the first one's, by the variant's name."""
    first = variants[0]
    comparisons = max(len(variants) - 1, 1)
    found = {
        variant.name: {name: _differs(lab, first, variant, name, numbers, confidence, comparisons) for name in measures}
        for variant in variants[1:]
    }
    corrected = _corrected(found, first)
    return {
        variant: tuple(
            _contrast(first, name, one, corrected[variant, name], confidence) for name, one in differences.items()
        )
        for variant, differences in found.items()
    }


def told(variant: Variant, name: str) -> Told:
    """What a measure of a variant is."""
    info = variant.infos[name]
    blank = info.blank
    return Told(name, blank.measures, blank.unit, info.better, blank.at_most, blank.at_least, info.objective)


def figure(lab: Lab, variant: Variant, name: str, numbers: range) -> Figure:
    """A measure of a variant, judged where it is an objective."""
    judged = lab.judged(variant, name, numbers)
    is_objective = variant.infos[name].objective
    return Figure(name, judged.interval, judged.verdict if is_objective else None, judged.open_because)


def _differs(
    lab: Lab, first: Variant, variant: Variant, name: str, numbers: range, confidence: float, comparisons: int
) -> Difference:
    one, other = (lab.sample(of, name, numbers) for of in (first, variant))
    return difference(one, other, bonferroni(confidence, comparisons))


def _corrected(found: Mapping[str, Mapping[str, Difference]], first: Variant) -> dict[tuple[str, str], float]:
    """The p-values of all contrasts, corrected within two families: objectives, and all other measures."""
    corrected: dict[tuple[str, str], float] = {}
    for of_objectives in (True, False):
        family = [
            (variant, name)
            for variant, differences in found.items()
            for name in differences
            if first.infos[name].objective is of_objectives
        ]
        corrected |= zip(family, holm([found[variant][name].p for variant, name in family]), strict=True)
    return corrected


def _contrast(first: Variant, name: str, one: Difference, p: float, confidence: float) -> Contrast:
    word = _word(one, p, 1.0 - confidence, first.infos[name].better)
    return Contrast(name, one.interval, p, word, one.pairs, one.gain)


def _word(one: Difference, p: float, level: float, better: Better | None) -> Word:
    interval = one.interval
    if one.pairs and interval.low == interval.high == 0.0:
        return "no difference"
    if p > level or interval.low <= 0.0 <= interval.high:
        return "undecided"
    more = interval.low > 0.0
    if better is None:
        return "more" if more else "less"
    return "better" if more == (better == "more") else "worse"
