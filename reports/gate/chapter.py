"""What the gate says of a change, from its JSON: as a chapter of a run's report, and for a page of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.diagnostics import input_error, quoted
from models.reading import read_bytes
from reports import words
from reports.flow_charts import Move, moves_chart
from reports.gate.gate import SCHEMA
from reports.section import Chapter, Row, Section
from reports.statements import Kind, Level, Since
from reports.studies.compare import Comparison
from reports.studies.compare_sections import DIFFERS, charts, sections
from reports.studies.registry import read_answer

if TYPE_CHECKING:
    from reports.charts import Chart

BYTES_MAX: Final = 64 * 2**20
"""Bytes of a file that are read at most."""

ROWS_MAX: Final = 60
"""Statements told of a target; the rest is counted and stands in the JSON."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Commit(_Part):
    """A version; without a commit it is the working tree."""

    ref: str | None
    commit: str | None

    @property
    def told(self) -> str:
        return "the working tree" if self.ref is None else f"{self.ref} ({(self.commit or '')[:12]})"


class Verdict(_Part):
    """The verdict of the gate."""

    result: Literal["pass", "fail", "undecided", "invalid"]
    exit_code: int
    reasons: tuple[str, ...]


class Said(_Part):
    """A statement, with its target."""

    target: str | None
    fingerprint: str
    rule: str
    name: str
    kind: Kind
    level: Level
    message: str
    detail: str = ""
    since: Since | None
    waived: str
    stands: bool


class Effect(_Part):
    """What a change does to the simulated operation."""

    seed: int
    comparison: dict[str, Any]


class Target(_Part):
    """A scenario or a folder of policies that was judged. `scenario` is the scenario's name."""

    path: str
    scenario: str
    kind: Literal["scenario", "policies"]
    change: Literal["added", "removed", "changed", "unchanged"]
    files: tuple[str, ...]
    effect: Effect | None
    notes: tuple[str, ...]


class GateFile(_Part):
    """The JSON of the gate, as far as pages tell it."""

    schema_: Literal["windtunnel.gate/1"] = Field(alias="schema")
    base: Commit
    head: Commit
    verdict: Verdict
    targets: tuple[Target, ...]
    statements: tuple[Said, ...]
    notes: tuple[str, ...]


def read_gate(file: Path) -> GateFile:
    """What `gate --format json` wrote to a file. Raises InputError where it is none."""
    return parsed_gate(read_bytes(file, BYTES_MAX), str(file))


def parsed_gate(data: bytes, file: str) -> GateFile:
    """The JSON of a gate. Raises InputError where it is none."""
    help = f"expected what `windtunnel gate --format json` prints, of schema {quoted(SCHEMA)}"
    try:
        found = GateFile.model_validate_json(data)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise input_error(f"is not the JSON of a gate{f': {quoted(place)}' if place else ''}", file, help) from None
    for number, target in enumerate(found.targets):
        if target.effect is not None and _comparison(target.effect) is None:
            raise input_error(f"is not the JSON of a gate: {quoted(f'targets.{number}.effect.comparison')}", file, help)
    return found


def _comparison(effect: Effect) -> Comparison | None:
    """The comparison of both versions, or what a new one does; None where it is none. What they change is told by the
    statements."""
    found = read_answer(effect.comparison)
    if not isinstance(found, Comparison) or not found.variants or not _is_whole(found):
        return None
    return replace(found, variants=tuple(replace(one, changes={}) for one in found.variants))


def _is_whole(found: Comparison) -> bool:
    """Whether every figure that tables look up is there."""
    every = {one.name for one in found.measures}
    wanted = {one.name for one in found.measures if one.objective}
    measured = [{one.measure for one in of.figures} for of in found.variants]
    differing = [{one.measure for one in of.contrasts} for of in found.variants]
    return all(
        wanted <= figures and contrasts <= (figures & measured[0] & every)
        for figures, contrasts in zip(measured, differing, strict=True)
    )


def change_of(gate: GateFile, scenario: str, file: str) -> Chapter:
    """What the gate says of the change of one scenario, by its name. Raises InputError where it did not judge it."""
    found = [(number, one) for number, one in enumerate(gate.targets, 1) if one.scenario == scenario]
    if not found:
        judged = [one.scenario for one in gate.targets if one.scenario]
        help = f"it judged {quoted(*judged)}" if judged else "it judged no scenario"
        raise input_error(f"judges no change of the scenario {quoted(scenario)}", file, help)
    told = [chapter_of(gate, number, one) for number, one in found]
    return Chapter(
        tuple(chart for one in told for chart in one.charts), tuple(part for one in told for part in one.sections)
    )


def chapter_of(gate: GateFile, number: int, target: Target) -> Chapter:
    """What the gate says of one target: what was found, then what the change does to the operation."""
    key = f"change-{number}"
    several = len(gate.targets) > 1
    name = target.path or "the whole repository"
    found = None if target.effect is None else _comparison(target.effect)
    if found is None:
        return Chapter((), (_statements(gate, target, key),))
    told = tuple(
        replace(
            part,
            anchor=f"{key}-{part.anchor}",
            label=f"{name if several else 'Change'}: {part.label}",
            title=f"{part.title}, {name}" if several else part.title,
        )
        for part in sections(found)
    )
    return Chapter(tuple(_charts(found, key)), (_statements(gate, target, key), *told))


def currency_of(gate: GateFile) -> str:
    """The currency of the amounts; empty where there are none."""
    found = [_comparison(one.effect) for one in gate.targets if one.effect is not None]
    return next((one.currency for one in found if one is not None), "")


def _charts(found: Comparison, key: str) -> Iterator[Chart]:
    if len(found.variants) < 2:
        return
    base, head = found.variants[:2]
    after = {one.measure: one.interval for one in head.figures}
    sure = {one.measure for one in head.contrasts if one.word in DIFFERS}
    moves = [
        Move(_desk(one.measure), one.interval, after[one.measure], one.measure in sure)
        for one in base.figures
        if one.measure.startswith("desks.") and one.measure.endswith(".cases") and one.measure in after
    ]
    if (drawn := moves_chart(f"{key}-moves", moves)) is not None:
        yield drawn
    yield from charts(found, f"{key}-variants")


def _desk(measure: str) -> str:
    return measure.removeprefix("desks.").removesuffix(".cases")


def _statements(gate: GateFile, target: Target, key: str) -> Section:
    name = target.path or "the whole repository"
    said = [one for one in gate.statements if one.target == target.path and _is_told(one)]
    said.sort(key=lambda one: (not one.stands, one.rule != "effect"))
    old = Counter(one.since for one in gate.statements if one.target == target.path)["unchanged"]
    rows = [_row(one) for one in said[:ROWS_MAX]]
    if len(said) > ROWS_MAX:
        rows.append(Row(f"and {len(said) - ROWS_MAX} more", "", ("", "", "in the JSON of the gate")))
    return Section(
        prose=True,
        anchor=key,
        label=name if len(gate.targets) > 1 else "Change",
        title=f"The change of {name}",
        caption=" ".join(_caption(gate, target, old)),
        columns=("What", "State", "Said", "For instance"),
        rows=tuple(rows),
        nothing="Nothing is said of this change.",
    )


def _caption(gate: GateFile, target: Target, old: int) -> Iterator[str]:
    all_of_it = ", all that changes taken together" if len(gate.targets) > 1 else ""
    yield f"From {gate.base.told} to {gate.head.told}: {gate.verdict.result}{all_of_it}."
    yield f"{words.count(len(target.files), 'file')} changed."
    yield from target.notes
    if old:
        yield f"{words.count(old, 'statement')} of the base hold on as they were."


def _is_told(one: Said) -> bool:
    """Whether a statement is of the change: what was so before, and what merely holds, is left to the JSON."""
    return one.since != "unchanged" and (one.kind != "pass" or one.rule.startswith("D"))


def _row(one: Said) -> Row:
    small = "" if one.rule == "effect" else one.fingerprint
    return Row(f"{one.rule} {one.name}", small, (_state(one), _with_waiver(one), _instance(one.detail)))


def _with_waiver(one: Said) -> str:
    return f"{one.message} Waived: {one.waived}" if one.waived else one.message


def _instance(detail: str) -> str:
    """The witness of a statement, its lines joined."""
    return "; ".join(line.strip() for line in detail.splitlines())


def _state(one: Said) -> str:
    if one.waived:
        return "waived"
    if one.since == "absent":
        return "gone"
    words_of = {"fail": "fails", "open": "undecided"} if one.stands else {"fail": "warning", "open": "not known"}
    return {"pass": "holds", "review": "to be looked at", "informational": "told", **words_of}[one.kind]
