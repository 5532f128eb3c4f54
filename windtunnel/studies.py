"""Commands that ask questions about variants of a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.diagnostics import input_error
from models.variants import BASE, chosen
from windtunnel import api
from windtunnel.options import (
    Behaviours,
    Changes,
    Cluster,
    DesignName,
    Format,
    MeasureNames,
    OutFolder,
    OutputFormat,
    Replications,
    ScenarioPath,
    Seed,
    StudyVolume,
    StudyVolumeName,
    VariantName,
    Workers,
    changed,
    one_of,
    print_json,
)

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from reports.studies.study import Answered


def compare(
    scenario: ScenarioPath,
    variants: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VARIANT",
            help="Variants of the scenario, the first is compared with; `base` is the scenario as it stands. "
            "[default: base and all]",
        ),
    ] = None,
    out: OutFolder = None,
    changes: Changes = None,
    replications: Replications = None,
    seed: Seed = None,
    measures: MeasureNames = None,
    volume: StudyVolume = StudyVolumeName.events,
    workers: Workers = None,
    cluster: Cluster = None,
    behaviours: Behaviours = None,
    format: OutputFormat = Format.text,
) -> None:
    """Compare variants pair by pair under common random numbers: what differs, and which objectives each keeps."""
    loaded = api.load(scenario, changed(changes))
    asked = named(loaded, variants)
    from reports import progress

    with progress.bar("comparing") as advance:
        found = api.compare(
            loaded,
            asked,
            out,
            replications=replications,
            seed=seed,
            measures=measures or (),
            volume=volume.value,
            workers=workers,
            cluster=cluster,
            behaviours=behaviours,
            progress=advance,
        )
    tell(found, format)


def size(
    scenario: ScenarioPath,
    find: Annotated[
        str, typer.Option(metavar="PATH", help="The field, such as desks.finance.staff or agents.helper.replicas.")
    ],
    until: Annotated[
        str,
        typer.Option(
            metavar="CONDITION",
            help='A measure with a limit, as "answered.p95 <= 15m" or "P(answered) >= 95%", or an objective by name.',
        ),
    ],
    low: Annotated[int, typer.Option("--from", min=0, help="The least value that is tried.")] = 1,
    high: Annotated[
        int | None, typer.Option("--to", min=0, help="The greatest value. [default: doubled until it is met]")
    ] = None,
    replications_max: Annotated[int, typer.Option(min=2, max=100_000, help="Replications of one value at most.")] = 640,
    out: OutFolder = None,
    variant: VariantName = BASE,
    changes: Changes = None,
    seed: Seed = None,
    volume: StudyVolume = StudyVolumeName.events,
    workers: Workers = None,
    cluster: Cluster = None,
    behaviours: Behaviours = None,
    format: OutputFormat = Format.text,
) -> None:
    """Find the least value of a field that meets an objective with confidence. Exits 1 where none does."""
    loaded = api.load(scenario, changed(changes), variant=variant)
    from reports import progress

    with progress.bar("sizing") as advance:
        found = api.size(
            loaded,
            find,
            until,
            out,
            low=low,
            high=high,
            replications_max=replications_max,
            seed=seed,
            volume=volume.value,
            workers=workers,
            cluster=cluster,
            behaviours=behaviours,
            progress=advance,
        )
    tell(found, format)


def sweep(
    scenario: ScenarioPath,
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="PATH=VALUES",
            help="A field and its values `a,b,c`, or a range `lo..hi`, for a grid with a number of them `lo..hi:5`; "
            "repeatable.",
        ),
    ],
    design: Annotated[DesignName, one_of(DesignName, "All combinations, or points that fill the ranges.")] = (
        DesignName.grid
    ),
    points: Annotated[int | None, typer.Option(min=2, help="Points of a design that is no grid.")] = None,
    out: OutFolder = None,
    variant: VariantName = BASE,
    changes: Changes = None,
    replications: Replications = None,
    best: Annotated[
        str | None, typer.Option(metavar="MEASURE", help="Find the point with the best mean of it.")
    ] = None,
    maximise: Annotated[
        bool | None, typer.Option("--maximise/--minimise", help="What best means, where the measure does not say.")
    ] = None,
    indifference: Annotated[
        str | None,
        typer.Option(metavar="DIFFERENCE", help="A difference that does not matter: Kim and Nelson's procedure."),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=4, help="Replications in all, spent where they tell most: OCBA.")
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(metavar="MEASURES", help="Measures of the front, with commas. [default: cost, objectives]"),
    ] = None,
    tornado: Annotated[str, typer.Option(metavar="MEASURE", help="The measure that effects are told of.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Begin a large sweep without asking.")] = False,
    seed: Seed = None,
    measures: MeasureNames = None,
    volume: StudyVolume = StudyVolumeName.events,
    workers: Workers = None,
    cluster: Cluster = None,
    behaviours: Behaviours = None,
    format: OutputFormat = Format.text,
) -> None:
    """Sweep fields over values: every combination with intervals, the best, the front, and what matters most."""
    loaded = api.load(scenario, changed(changes), variant=variant)
    from reports import progress
    from reports.studies.asked import check_size, difference_of

    front = [name.strip() for name in (pareto or "").split(",") if name.strip()]
    least = difference_of(loaded, best, indifference)
    check_size(loaded, vary, design.value, points, replications, workers, confirmed=yes)
    with progress.bar("sweeping") as advance:
        found = api.sweep(
            loaded,
            vary,
            out,
            design=design.value,
            points=points,
            replications=replications,
            best=best,
            more=maximise,
            indifference=least,
            budget=budget,
            pareto=front,
            tornado=tornado,
            seed=seed,
            measures=measures or (),
            volume=volume.value,
            workers=workers,
            cluster=cluster,
            behaviours=behaviours,
            progress=advance,
        )
    tell(found, format)


def recovery_map(
    scenario: ScenarioPath,
    load: Annotated[
        str, typer.Option(metavar="PATH=A,B", help="Loads, such as work.questions.arrivals.rate=0.5/s,1/s,2/s.")
    ],
    retry: Annotated[
        str,
        typer.Option(metavar="PATH=A,B", help="Retry settings, such as workflows.X.steps.Y.retry.attempts=1,2,3."),
    ],
    objective: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The objective of recovery, which names the fault. [default: the only one]"),
    ] = None,
    replications_max: Annotated[int, typer.Option(min=2, max=100_000, help="Replications of one cell at most.")] = 40,
    out: OutFolder = None,
    variant: VariantName = BASE,
    changes: Changes = None,
    seed: Seed = None,
    volume: StudyVolume = StudyVolumeName.events,
    workers: Workers = None,
    cluster: Cluster = None,
    behaviours: Behaviours = None,
    format: OutputFormat = Format.text,
) -> None:
    """Map with which loads and retry settings goodput comes back after a fault, and with which it stays down."""
    loaded = api.load(scenario, changed(changes), variant=variant)
    from reports import progress

    with progress.bar("mapping") as advance:
        found = api.recovery_map(
            loaded,
            load,
            retry,
            out,
            objective=objective,
            replications_max=replications_max,
            seed=seed,
            volume=volume.value,
            workers=workers,
            cluster=cluster,
            behaviours=behaviours,
            progress=advance,
        )
    tell(found, format)


def named(loaded: LoadedScenario, names: list[str] | None) -> dict[str, Mapping[str, Any]]:
    """The variants of some names, all without any. Raises InputError with the near name of one that is not there."""
    known = [BASE, *loaded.scenario.variants]
    if not names and len(known) == 1:
        help = "add `variants:` to it, with what each one sets by path"
        raise input_error("the scenario has no variants to compare", str(loaded.path), help)
    return {name: chosen(loaded.document, name) for name in names or known}


def resume(out: Path, format: Format, *, workers: int | None, cluster: str | None, behaviours: str | None) -> None:
    """Go on with a study that was stopped, and tell it."""
    from reports import progress
    from reports.studies.kept import resume_study

    with progress.bar("going on") as advance:
        found = resume_study(out, workers=workers, cluster=cluster, behaviours=behaviours, progress=advance)
    tell(found, format)


def tell(found: Answered, format: Format) -> None:
    """Write the page of a study, and print what it shows. Exits with 0 where the question is answered."""
    from reports.studies.kept import as_json
    from reports.studies.page import print_study, write_study
    from reports.studies.registry import exit_code

    page = write_study(found.folder / "report.html", found)
    if format is Format.json:
        print_json(as_json(found))
    else:
        print_study(found, page)
    raise typer.Exit(exit_code(found))
