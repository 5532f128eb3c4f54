"""What is told of a comparison: sentences, and a table of each variant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from reports import words
from reports.charts import Chart, Promise, promises_chart
from reports.section import Change, Figure, Judged, Row, Section
from reports.studies.compare import Comparison, Contrast, Told, VariantOutcome

DIFFERS = ("better", "worse", "more", "less")

VARIANTS_DRAWN: Final = 5
OBJECTIVES_DRAWN: Final = 8
"""Drawn at most, the first ones; the table beside the chart has all."""


def title(found: Comparison) -> str:
    """What is compared with what."""
    first, *others = (variant.name for variant in found.variants)
    return f"{others[0] if len(others) == 1 else f'{len(others)} variants'} against {first}"


def headlines(found: Comparison) -> tuple[str, ...]:
    """What the comparison says, a sentence or two for each variant."""
    return tuple(sentence for variant in found.variants for sentence in _of(variant, found))


def _of(variant: VariantOutcome, found: Comparison) -> list[str]:
    judged = [figure for figure in variant.figures if figure.verdict is not None]
    sentences = []
    if judged:
        told = [
            f"{label} {words.listed(names)}"
            for verdict, label in (("fail", "misses"), ("undecided", "leaves undecided"))
            if (names := [figure.measure for figure in judged if figure.verdict == verdict])
        ]
        met = sum(figure.verdict == "pass" for figure in judged)
        sentences.append(f"{variant.name} keeps {met} of {words.count(len(judged), 'objective')}" + _also(told) + ".")
    kinds = {one.name: one for one in found.measures}
    changed = [one for one in variant.contrasts if one.word in DIFFERS and kinds[one.measure].objective]
    sentences += [_changed(variant.name, one, kinds[one.measure], found) for one in changed]
    return sentences


def _also(told: list[str]) -> str:
    return f", {' and '.join(told)}" if told else ""


def _changed(name: str, one: Contrast, kind: Told, found: Comparison) -> str:
    amount = words.change(one.interval.estimate, kind.unit, found.currency)
    ends = words.change_span(one.interval, kind.unit, found.currency)
    return f"{name}: {kind.name} is {one.word} than in {found.variants[0].name}, {amount} ({ends})."


def sections(found: Comparison) -> tuple[Section, ...]:
    """The tables: what each variant keeps, and how each differs from the first."""
    return (_objectives(found), *(_differences(variant, found) for variant in found.variants[1:]))


def charts(found: Comparison, key: str = "variants") -> tuple[Chart, ...]:
    """What variants use of what an objective allows, for those objectives in which they differ. `key` is the drawing's
    own in its page."""
    drawn = found.variants[:VARIANTS_DRAWN]
    figures = {(of.name, one.measure): one for of in drawn for one in of.figures}
    changed = {one.measure for of in drawn for one in of.contrasts if one.word in DIFFERS}
    kinds = [kind for kind in found.measures if kind.objective and kind.name in changed][:OBJECTIVES_DRAWN]
    if not kinds:
        return ()
    rows = [
        Promise(
            f"{kind.name}\n{of.name}" if of is drawn[0] else of.name,
            figures[of.name, kind.name].interval,
            kind.unit,
            figures[of.name, kind.name].verdict or "undecided",
            kind.at_most,
            kind.at_least,
        )
        for kind in kinds
        for of in drawn
    ]
    number = words.count(len(changed & {kind.name for kind in found.measures if kind.objective}), "objective")
    title = f"Variants differ in {number}"
    return (promises_chart(key, title, " ".join(headlines(found)), rows, found.currency),)


def _objectives(found: Comparison) -> Section:
    return Section(
        anchor="objectives",
        label="Objectives",
        title="Which objectives each variant keeps",
        caption=f"Means of {words.count(found.replications, 'replication')} with the interval that each is judged by.",
        columns=("Objective", "Limit", *(variant.name for variant in found.variants)),
        rows=tuple(
            Row(
                kind.name,
                kind.words,
                (
                    words.limit(kind.at_most, kind.at_least, kind.unit, found.currency),
                    *(_judged(variant, kind) for variant in found.variants),
                ),
            )
            for kind in found.measures
            if kind.objective
        ),
        nothing="The scenario has no objective.",
    )


def _judged(variant: VariantOutcome, kind: Told) -> Judged:
    figure = next(one for one in variant.figures if one.measure == kind.name)
    return Judged(figure.interval, kind.unit, figure.verdict or "undecided")


def _differences(variant: VariantOutcome, found: Comparison) -> Section:
    first = found.variants[0]
    kinds = {one.name: one for one in found.measures}
    before, after = ({one.measure: one.interval for one in of.figures} for of in (first, variant))
    confidence = words.percent_of_confidence(found.confidence)
    lead = f"{variant.name} changes {changes_told(variant.changes)}. " if variant.changes else ""
    return Section(
        anchor=f"variant-{found.variants.index(variant)}",
        label=variant.name,
        title=f"{variant.name} against {first.name}",
        caption=(
            f"{lead}Differences are over pairs of replications with the same random numbers; the intervals of a "
            f"measure hold together at {confidence}, and `better` or `worse` holds beside all other comparisons "
            "(Holm). What differs comes first."
        ),
        columns=("Measure", first.name, variant.name, "Difference"),
        rows=tuple(
            Row(
                one.measure,
                kinds[one.measure].words,
                (
                    Figure(before[one.measure], kinds[one.measure].unit),
                    Figure(after[one.measure], kinds[one.measure].unit),
                    Change(one.interval, kinds[one.measure].unit, one.word),
                ),
            )
            for one in sorted(variant.contrasts, key=lambda one: one.word not in DIFFERS)
        ),
        nothing="There is nothing to compare.",
    )


def changes_told(changes: Mapping[str, Any]) -> str:
    """What a variant changes, in words."""
    return (
        words.listed([f"`{path}` to `{value_told(value)}`" for path, value in changes.items()])
        if changes
        else "nothing"
    )


def value_told(value: Any) -> str:
    """A changed value, as it would stand in a file."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
