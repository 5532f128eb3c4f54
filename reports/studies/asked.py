"""What is asked of a sweep, from the command line or a program, made into a question; and what answering it takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from models.diagnostics import input_error
from models.units import SECOND
from reports import words
from reports.measures import definitions, infos, measure, measure_job
from reports.studies.conditions import parse_value
from reports.studies.designs import OPTION, Axis, Design, check_design, parse_axes
from reports.studies.sweep import Best, Sweep
from sim.executors.pool import cores

if TYPE_CHECKING:
    from models.load import LoadedScenario

ASKED_FROM: Final = 50_000
"""Replications from which a sweep is only begun when that is confirmed. An assumption: some hours of one machine."""

ROW_BYTES: Final = 6_000
"""What the measures of a replication take in memory: measured with 25 of them."""


def sweep_question(
    scenario: LoadedScenario,
    vary: Mapping[str, Sequence[Any]] | Sequence[str],
    design: Design,
    points: int | None,
    replications: int | None,
    *,
    wanted: Mapping[str, Any],
    pareto: Sequence[str],
    tornado: str,
    seed: int | None,
) -> Sweep:
    """The question of a sweep. Raises InputError where its parts do not go together."""
    axes = _axes(vary) if isinstance(vary, Mapping) else parse_axes(vary)
    count = check_design(axes, design, points)
    _check_front(scenario, pareto)
    definitions(scenario.scenario, [tornado] if tornado else [], "--tornado")
    chosen = scenario.scenario.seed if seed is None else seed
    each = scenario.scenario.replications if replications is None else replications
    if each < 2:
        help = "intervals and differences come from replications; run at least 2"
        raise input_error(f"expected 2 replications or more, got {each}", "--replications", help)
    best = _best(scenario, **wanted)
    if best is not None and best.budget is not None and best.budget < 2 * count:
        help = f"{count:,} points take two each: {2 * count:,} or more"
        raise input_error(f"{best.budget} replications are too few", "--budget", help)
    return Sweep(axes, design, count, each, chosen, best, tuple(pareto), tornado)


def _check_front(scenario: LoadedScenario, pareto: Sequence[str]) -> None:
    for name, info in infos(scenario.scenario, definitions(scenario.scenario, pareto, "--pareto")).items():
        if name in pareto and info.better is None:
            raise input_error(f"neither more nor less of {name} is better", "--pareto", "take another measure")


def _axes(vary: Mapping[str, Sequence[Any]]) -> tuple[Axis, ...]:
    for path, values in vary.items():
        if isinstance(values, str) or not len(values):
            raise input_error(f"{path} needs a list of values", OPTION)
    return tuple(Axis(path, tuple(json.loads(json.dumps(list(values))))) for path, values in vary.items())


def _best(
    scenario: LoadedScenario, best: str | None, more: bool | None, indifference: float | None, budget: int | None
) -> Best | None:
    if best is None:
        for name, given in (("--indifference", indifference), ("--budget", budget), ("--maximise", more)):
            if given is not None:
                raise input_error("says how the best is looked for, and no `--best` is", name)
        return None
    info = infos(scenario.scenario, definitions(scenario.scenario, [best], "--best"))[best]
    if more is None and info.better is None:
        raise input_error(f"neither more nor less of {best} is better", "--best", "add `--maximise` or `--minimise`")
    if indifference is not None and budget is not None:
        raise input_error("a budget and an indifference do not go together", "--budget", "keep one of the two")
    if indifference is not None and not indifference > 0:
        raise input_error("expected a difference above zero", "--indifference")
    return Best(best, info.better == "more" if more is None else more, indifference, budget)


def difference_of(scenario: LoadedScenario, best: str | None, text: str | None) -> float | None:
    """The indifference of a text, in the unit of the measure: `30s`, `0.01`, `0.05 USD`. Raises InputError."""
    if text is None:
        return None
    if best is None:
        raise input_error("says how the best is looked for, and no `--best` is", "--indifference")
    info = infos(scenario.scenario, definitions(scenario.scenario, [best], "--best"))[best]
    return parse_value(text, info.blank.unit, scenario.scenario.currency, "--indifference")


def check_size(
    scenario: LoadedScenario,
    vary: Sequence[str],
    design: Design,
    points: int | None,
    replications: int | None,
    workers: int | None,
    *,
    confirmed: bool,
) -> None:
    """Raises InputError, with what it would take, where a sweep is large and that is not confirmed."""
    count = check_design(parse_axes(vary), design, points)
    each = scenario.scenario.replications if replications is None else replications
    if count * each < ASKED_FROM or confirmed:
        return
    job = measure_job(scenario, scenario.scenario.seed, definitions(scenario.scenario), "events")
    begun = perf_counter()
    measure(job, [0])
    processes = cores() if workers is None else workers
    time = words.duration((perf_counter() - begun) * count * each / processes * SECOND)
    memory = f"{words.number(count * each * ROW_BYTES / 1e9)} GB"
    message = (
        f"{count:,} points of {words.count(each, 'replication')} are {count * each:,} replications: about {time} on "
        f"{words.count(processes, 'worker')}, and {memory} of memory for what they measure"
    )
    raise input_error(message, OPTION, "give `--yes` to begin it, or fewer points or `--replications`")
