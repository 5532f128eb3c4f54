"""The operational effect of a change: both versions simulated under common random numbers, told as sentences.

Replication n of both versions draws the same numbers, so a difference between them is the change's own. Objectives are
those of the base: a change does not set anew what it is judged by. Where policies change together with the rest of the
scenario, a third version has the policies alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from models.diagnostics import Diagnostic, InputError, quoted
from models.gate_rules import Amount, GateRules, Limit
from models.objectives import DeskWait
from reports import words
from reports.intervals import Interval, Sample, bounded
from reports.queue_times import QueueTime, Unserved
from reports.statistics.pairs import bonferroni, difference
from reports.studies.compare import Comparison, Contrast, Told, VariantOutcome, compared
from reports.studies.study import Lab, Settings, Variant, packed
from sim.behaviours import with_behaviours
from sim.executors.pool import executor
from sim.study import Study
from verify.findings import Overall

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from models.scenario import Scenario

BASE: Final = "base"
HEAD: Final = "head"
POLICIES: Final = "policies-alone"
"""The base with the policies of the head."""

_TOLD: Final = (("work.", ".completed"), ("work.", ".wrong"), ("work.", ".cost"), ("events.", ""))
"""What is told beside desks, by how measures begin and end: what becomes of cases and what they cost; then oversight,
such as escalations that nobody answers and what slips past policy."""

_DESK: Final = ("cases", "load", "wait.p95", "unserved")
"""What is told of each desk, in this order."""


@dataclass(frozen=True, slots=True)
class ObjectiveChange:
    """An objective in both versions, by the limit of the base where it has one."""

    name: str
    base: Overall | None
    head: Overall | None
    """None where a version cannot have it: what it is about is not there."""
    sentence: str
    """What came of it in the head."""
    head_because: str
    """Why it is undecided in the head."""
    line: int
    """Where the head's scenario has it; 0 where it has not."""
    same: bool
    """Whether every pair of replications agrees exactly."""
    contrast: Contrast | None
    set_by: Literal["base", "head", "both"]
    """Whose scenario has it; `base` alone: the change drops it."""
    reset: bool
    """Whether the change sets it anew. Its limit here is the base's."""
    alone: Overall | None = None
    """With the policies of the head and all else as in the base; None where that is not simulated."""
    alone_sentence: str = ""
    """What came of it then, or why it is undecided."""


class PlacedLimit(NamedTuple):
    """A limit, and how to tell what is wrong with it."""

    limit: Limit
    fault: Callable[[str, str], InputError]
    """Of a message and a help."""


@dataclass(frozen=True, slots=True)
class LimitOutcome:
    """How a measure stands to a limit on its worsening."""

    limit: Limit
    verdict: Overall
    sentence: str
    alone: Overall | None = None
    """With the policies of the head and all else as in the base; None where that is not simulated."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a change does to one thing."""

    subject: str
    """A desk, a measure or an objective by its path, or `all`."""
    text: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to the simulated operation."""

    comparison: Comparison
    objectives: tuple[ObjectiveChange, ...]
    limits: tuple[LimitOutcome, ...]
    desks: tuple[str, ...]
    seed: int
    alone: bool
    """Whether the policies are all that changes."""
    same: frozenset[str]
    """Measures that every pair of replications agrees on exactly."""
    sentences: tuple[Sentence, ...]
    """What differs, the weightiest first."""

    @property
    def kinds(self) -> Mapping[str, Told]:
        """What the measures are, by name."""
        return {one.name: one for one in self.comparison.measures}

    @property
    def different(self) -> bool:
        """Whether any measure is not the same in every pair of replications."""
        return len(self.same) < len(self.comparison.measures)


def measure_effect(
    base: LoadedScenario | None,
    head: LoadedScenario,
    rules: GateRules,
    *,
    limits: Sequence[PlacedLimit] = (),
    workers: int | None = None,
    behaviours: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Effect:
    """Simulate both versions of a scenario and compare them; without a base the head alone, for its objectives.

    Raises InputError where a limit names no measure. Without a base there is nothing that limits are on.
    """
    scenario = (base or head).scenario
    replications = rules.replications or scenario.replications
    seed = scenario.seed if rules.seed is None else rules.seed
    alone = base is not None and _without_policies(base) == _without_policies(head)
    versions = {HEAD: head} if base is None else _versions(base, head, alone)
    limits = () if base is None else limits
    loaded: dict[str, LoadedScenario] = {}
    programs = None
    for name, version in versions.items():
        loaded[name], programs = with_behaviours(version, behaviours)
    asked = _asked(limits, list(loaded.values()))
    settings = Settings(seed, "events", asked)
    planned = replications * len(loaded)

    def load(changes: Mapping[str, Any]) -> LoadedScenario:
        return loaded[str(changes["version"])]

    def advance(done: int) -> None:
        if progress is not None:
            progress(done, planned)

    with executor(workers) as running:
        lab = Lab(Study(partial(packed, settings, programs, load), running, advance), settings, load)
        variants = [lab.variant(name, {"version": name}) for name in loaded]
        numbers = range(replications)
        lab.ask((variant, numbers) for variant in variants)
        found = compared(lab, variants, numbers, 0.95)
        places = {name: head.locate("objectives", name).line for name in head.scenario.objectives}
        desks = tuple(dict.fromkeys((*scenario.desks, *head.scenario.desks)))
        if base is None:
            objectives = tuple(_of_new(lab, head.scenario, variants[0], numbers, places))
            return Effect(found, objectives, (), desks, seed, alone, frozenset(), ())
        judged = tuple(_limits(lab, variants, numbers, limits, found))
        same = frozenset(one.name for one in found.measures if _agree(lab, variants, one.name, numbers))
        objectives = tuple(_objectives(lab, (scenario, head.scenario), variants, numbers, found, same, places))
    effect = Effect(found, objectives, judged, desks, seed, alone, same, ())
    return replace(effect, sentences=tuple(_sentences(effect)))


def _versions(base: LoadedScenario, head: LoadedScenario, alone: bool) -> dict[str, LoadedScenario]:
    """The versions to simulate, by name, each with the objectives of both, those of the base first."""
    found = {BASE: _with_objectives(base, base, head), HEAD: _with_objectives(head, base, head)}
    if not alone and base.policies and head.policies and _policies(base) != _policies(head):
        digest = hashlib.sha256(f"{base.digest} {head.digest}".encode()).hexdigest()
        rollouts = {name: head.rollouts.get(name, old) for name, old in base.rollouts.items()}
        mixed = replace(
            base, policies=head.policies, rollouts=rollouts, digest=digest, scenario=_with_chains(base, head)
        )
        found[POLICIES] = _with_objectives(mixed, base, head)
    return found


def _with_chains(base: LoadedScenario, head: LoadedScenario) -> Scenario:
    """The scenario of the base, with chains and desks that the head adds: its policies may ask them."""
    old, new = base.scenario, head.scenario
    return old.model_copy(update={"chains": {**new.chains, **old.chains}, "desks": {**new.desks, **old.desks}})


def _with_objectives(loaded: LoadedScenario, base: LoadedScenario, head: LoadedScenario) -> LoadedScenario:
    """A version with the objectives of the base, and those that the head adds, as far as it has what they are about."""
    wanted = {**head.scenario.objectives, **base.scenario.objectives}
    own = loaded.scenario
    kept = {name: wanted[name] for name in _in_order(base, head) if _can_have(own, wanted[name])}
    if kept == own.objectives and list(kept) == list(own.objectives):
        return loaded
    digest = hashlib.sha256(f"{loaded.digest} {sorted(kept)}".encode()).hexdigest()
    return replace(loaded, scenario=own.model_copy(update={"objectives": kept}), digest=digest)


def _in_order(base: LoadedScenario, head: LoadedScenario) -> list[str]:
    return list(dict.fromkeys((*base.scenario.objectives, *head.scenario.objectives)))


def _can_have(scenario: Scenario, objective: Any) -> bool:
    """Whether a scenario has the desk, the work, the fault ... that an objective is about."""
    owners: Mapping[str, Collection[Any]] = {
        "desk": scenario.desks,
        "work": scenario.work,
        "monitor": scenario.monitors,
        "fault": {getattr(fault, "name", None) for fault in scenario.faults},
    }
    named = ((kind, getattr(objective, kind, None)) for kind in owners)
    return all(name is None or name in owners[kind] for kind, name in named)


def _policies(loaded: LoadedScenario) -> tuple[Any, ...]:
    """What the policies of a scenario say, whatever the files are called."""
    texts = {
        name: digest for name, digest in loaded.inputs.items() if name.endswith((".cedar", ".cedarschema", ".json"))
    }
    return loaded.scenario.policies, tuple(sorted(texts.items()))


def _without_policies(loaded: LoadedScenario) -> Any:
    values = loaded.scenario.dump()
    values.pop("policies", None)
    return values


def _asked(limits: Sequence[PlacedLimit], versions: Sequence[LoadedScenario]) -> tuple[str, ...]:
    """The measures asked for: how many cases come to each desk, and what limits are on that every version has.

    Raises InputError where a limit is on no measure of the base.
    """
    desks = [desk for desk in versions[0].scenario.desks if all(desk in one.scenario.desks for one in versions)]
    asked = dict.fromkeys(f"desks.{desk}.cases" for desk in desks)
    for one in limits:
        if unknown := _unknown(versions[0].scenario, one.limit.measure):
            raise one.fault(unknown.message, unknown.help)
        if not any(_unknown(version.scenario, one.limit.measure) for version in versions):
            asked[one.limit.measure] = None
    return tuple(asked)


def _unknown(scenario: Scenario, measure: str) -> Diagnostic | None:
    """What is wrong with a name of a measure."""
    from reports.measures import definitions

    try:
        definitions(scenario, [measure])
    except InputError as error:
        return error.diagnostics[0]
    return None


# --- objectives and limits --------------------------------------------------------------------------------------------


def _objectives(
    lab: Lab,
    scenarios: tuple[Scenario, Scenario],
    variants: Sequence[Variant],
    numbers: range,
    found: Comparison,
    same: Collection[str],
    places: Mapping[str, int],
) -> Iterator[ObjectiveChange]:
    base, head = scenarios
    contrasts = {one.measure: one for one in found.variants[1].contrasts}
    for name in dict.fromkeys((*base.objectives, *head.objectives)):
        judged = [lab.judged(one, name, numbers) if name in one.objectives else None for one in variants[:2]]
        one = contrasts.get(name)
        old, new = judged
        apart = lab.judged(variants[2], name, numbers) if len(variants) > 2 and name in base.objectives else None
        yield ObjectiveChange(
            name=name,
            base=old.verdict if old else None,
            head=new.verdict if new else None,
            sentence=new.sentence if new else "",
            line=places.get(name, 0),
            head_because=new.open_because if new else "the change takes out what it is about",
            same=name in same,
            contrast=one,
            set_by="both"
            if name in base.objectives and name in head.objectives
            else BASE
            if name in base.objectives
            else HEAD,
            reset=name in base.objectives
            and name in head.objectives
            and base.objectives[name] != head.objectives[name],
            alone=apart.verdict if apart else None,
            alone_sentence=(apart.open_because or apart.sentence) if apart else "",
        )


def _of_new(
    lab: Lab, scenario: Scenario, variant: Variant, numbers: range, places: Mapping[str, int]
) -> Iterator[ObjectiveChange]:
    """The objectives of a scenario that is new."""
    for name in scenario.objectives:
        one = lab.judged(variant, name, numbers)
        yield ObjectiveChange(
            name=name,
            base=None,
            head=one.verdict,
            sentence=one.sentence,
            line=places.get(name, 0),
            head_because=one.open_because,
            same=False,
            contrast=None,
            set_by=HEAD,
            reset=False,
        )


def _agree(lab: Lab, variants: Sequence[Variant], measure: str, numbers: range) -> bool:
    """Whether a measure is the same in both versions, replication by replication; nan is the same as nan."""
    one, other = (lab.values(of, measure, numbers) for of in variants[:2])
    return repr(one) == repr(other)


def _limits(
    lab: Lab, variants: Sequence[Variant], numbers: range, limits: Sequence[PlacedLimit], found: Comparison
) -> Iterator[LimitOutcome]:
    """How each limit is kept. The intervals hold together."""
    kinds = {one.name: one for one in found.measures}
    level = bonferroni(found.confidence, len(limits))
    for one in limits:
        if (kind := kinds.get(one.limit.measure)) is None:
            yield LimitOutcome(one.limit, "undecided", f"{one.limit.measure} is not there after the change")
            continue
        old, new, *apart = (_sample(lab, of, one.limit.measure, numbers) for of in variants)
        outcome = _kept(one, kind, difference(old, new, level).interval, old, new, found.currency)
        for other in apart:
            told = _kept(one, kind, difference(old, other, level).interval, old, other, found.currency)
            outcome = replace(outcome, alone=told.verdict)
        yield outcome


def _kept(one: PlacedLimit, kind: Told, more: Interval, old: Sample, new: Sample, currency: str) -> LimitOutcome:
    limit = one.limit
    amount, sign = (limit.rise_at_most, 1.0) if limit.rise_at_most else (limit.fall_at_most, -1.0)
    assert amount is not None
    _check_unit(amount, kind, currency, one)
    side = "rise" if sign > 0 else "fall"
    told = f"{limit.measure} changes by {words.change(more.estimate, kind.unit, currency)}"
    told += f" ({words.change_span(more, kind.unit, currency)}); it may {side} by {amount.text} at most"
    if amount.unit == "relative":
        beyond = difference(_scaled(old, 1.0 + sign * amount.value), new, more.confidence).interval
        return LimitOutcome(limit, _stands(beyond, 0.0, sign), told)
    return LimitOutcome(limit, _stands(more, amount.value, sign), told)


def _sample(lab: Lab, variant: Variant, measure: str, numbers: range) -> Sample:
    """The figures of a measure. Where nothing came to a desk nobody waited there, and nothing was left unserved."""
    sample = lab.sample(variant, measure, numbers)
    if not isinstance(variant.infos[measure].definition, QueueTime | Unserved | DeskWait):
        return sample
    return bounded(*([0.0 if math.isnan(value) else value for value in ends] for ends in _ends(sample)))


def _ends(sample: Sample) -> tuple[tuple[float, ...], ...]:
    return sample.low, sample.high, sample.best


def _scaled(sample: Sample, by: float) -> Sample:
    return bounded(*(tuple(value * by for value in ends) for ends in _ends(sample)))


def _stands(more: Interval, most: float, sign: float) -> Overall:
    """Whether a rise (or with -1 a fall) is at most so much: the whole interval has to say so."""
    if not more.known or math.isnan(more.low):
        return "undecided"
    low, high = (more.low, more.high) if sign > 0 else (-more.high, -more.low)
    return "fail" if low > most else "pass" if high <= most else "undecided"


def _check_unit(amount: Amount, kind: Told, currency: str, one: PlacedLimit) -> None:
    """Raises InputError where an amount is in another unit than the measure."""
    fits = {"duration": "duration", "money": "money"}.get(kind.unit, "plain")
    if amount.unit == "relative" or (amount.unit == fits and amount.currency in ("", currency)):
        return
    examples = {"duration": "a time as `30m`", "money": f"an amount as `0.50 {currency}`"}
    expected = f"expected {examples.get(kind.unit, 'a number as `0.05`')}, or a share of before as `10%`"
    raise one.fault(f"{quoted(amount.text)} is no change of {quoted(kind.name)}", expected)


# --- sentences --------------------------------------------------------------------------------------------------------


def _sentences(effect: Effect) -> Iterator[Sentence]:
    """What differs: cases of each desk with its wait, other differences that are sure, then what fails."""
    found = effect.comparison
    head = found.variants[1]
    if not effect.different:
        number = words.count(found.replications, "replication")
        yield Sentence("all", f"Every measure is the same in all {number} of both versions.")
        return
    for desk in effect.desks:
        yield from _of_desk(desk, head, effect)
    yield from _lost(effect)
    sure = [one for one in head.contrasts if one.word in ("better", "worse")]
    for begin, end in _TOLD:
        for one in sure:
            if one.measure.startswith(begin) and one.measure.endswith(end):
                yield Sentence(one.measure, f"{_moves(one, effect)}.")


def _of_desk(desk: str, head: VariantOutcome, effect: Effect) -> Iterator[Sentence]:
    """`This change sends 14 points +- 1 more of the cases to finance; its p95 wait goes from 12 min to 3.4 h.`"""
    contrasts = {one.measure: one for one in head.contrasts}
    parts = []
    cases = contrasts.get(f"desks.{desk}.cases")
    if cases is not None and cases.word in ("more", "less"):
        amount, ends = _share_told(cases, effect)
        parts.append(f"This change sends {amount} to {desk} ({ends})")
    parts += [
        _moves(one, effect, subject)
        for what, subject in (("load", "load"), ("wait.p95", "p95 wait"), ("unserved", "unserved share"))
        if (one := contrasts.get(f"desks.{desk}.{what}")) is not None and _is_sure(one, beside=bool(parts))
    ]
    if not parts:
        return
    first, *rest = parts
    begin = first if first.startswith("This change") else f"At {desk} the {first}"
    yield Sentence(f"desks.{desk}", "; ".join([begin, *(f"its {part}" for part in rest)]) + ".")


def _is_sure(one: Contrast, *, beside: bool) -> bool:
    """Whether a difference is told: beside a sure one of the same desk, where its own interval leaves no other sign."""
    return one.word not in ("no difference", "undecided") or (
        beside and math.isfinite(one.interval.low) and one.interval.low * one.interval.high > 0
    )


def _share_told(one: Contrast, effect: Effect) -> tuple[str, str]:
    """`14% +- 1% more of the cases (7.1% to 21%)`: the half width to one digit, the difference as far as that goes."""
    half = (one.interval.high - one.interval.low) / 2 * 100
    digits = max(0, -math.floor(math.log10(half))) if half > 0 else 1
    amount = f"{abs(one.interval.estimate) * 100:.{digits}f}% +- {half:.{digits}f}%"
    word = "more" if one.interval.estimate > 0 else "fewer"
    before, after = (words.share(of.estimate) for of in _both(one.measure, effect))
    return f"{amount} {word} of the cases", f"{before} to {after}"


def _both(measure: str, effect: Effect) -> list[Interval]:
    """A measure of the base and of the head."""
    figures = (of.figures for of in effect.comparison.variants[:2])
    return [next(figure.interval for figure in own if figure.measure == measure) for own in figures]


def _moves(one: Contrast, effect: Effect, subject: str = "") -> str:
    kind = effect.kinds[one.measure]
    base, head = _both(one.measure, effect)
    currency = effect.comparison.currency
    before, after = (words.figure(of.estimate, kind.unit, currency) for of in (base, head))
    ends = words.change_span(one.interval, kind.unit, currency)
    return f"{subject or one.measure} goes from {before} to {after} ({ends})"


def _lost(effect: Effect) -> Iterator[Sentence]:
    """What becomes of the objectives, where that is not as it was."""
    for one in effect.objectives:
        if one.base != one.head and one.head is not None and one.base is not None:
            verb = {"fail": "fails", "pass": "is met", "undecided": "is undecided"}
            text = f"Objective `{one.name}` {verb[one.head]}; before the change it {verb[one.base]}."
            yield Sentence(f"objectives.{one.name}", text)
