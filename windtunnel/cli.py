"""The command line. Each command reads its input, calls one step of the main job, prints, and exits with the verdict.

Exit codes: 0 pass, 1 an objective or check failed, 2 the input or usage is wrong, 3 undecided, 4 a waiver is not in
force, 70 internal error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.diagnostics import InputError, input_error
from windtunnel import __version__, api, gating, governance, policies, reporting, studies, tables, telling
from windtunnel.entry import EXIT_INTERRUPTED, interrupted
from windtunnel.options import (
    BaselineOption,
    Behaviours,
    Changes,
    Cluster,
    EffortName,
    EffortOption,
    ExplainOption,
    FailOn,
    Format,
    Only,
    OutFolder,
    OutputFormat,
    PrecisionOption,
    ProfileName,
    ProfileOption,
    Replications,
    ReplicationsMax,
    RunPath,
    ScenarioPath,
    Seed,
    Threshold,
    TodayOption,
    ToldFormat,
    ToldFormatOption,
    VariantName,
    VolumeName,
    VolumeOption,
    WaiversOption,
    Workers,
    WriteBaseline,
    WriteOption,
    changed,
    for_waivers,
    print_json,
    tell_precision,
    the_current_day,
    wanted_precision,
    write,
)
from windtunnel.telling import statements_json, tell, tell_also, tell_faults
from windtunnel.told import excepted, from_root, objective_places, told_run, waivers_in

if TYPE_CHECKING:
    from models.cedar.policies import PolicySet
    from models.load import LoadedScenario

EXIT_FAILED = 1
EXIT_INPUT = 2
EXIT_INTERNAL = 70

app = typer.Typer(
    name="windtunnel",
    help="Verify the policies of an agent fleet, simulate the fleet, report both.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def run(
    scenario: ScenarioPath,
    out: OutFolder = None,
    variant: VariantName = "base",
    changes: Changes = None,
    replications: Replications = None,
    precision: PrecisionOption = None,
    replications_max: ReplicationsMax = None,
    seed: Seed = None,
    workers: Workers = None,
    cluster: Cluster = None,
    volume: VolumeOption = VolumeName.events,
    behaviours: Behaviours = None,
    effort: EffortOption = EffortName.normal,
    fail_on: FailOn = Threshold.error,
    waivers: WaiversOption = None,
    today: TodayOption = None,
    format: ToldFormatOption = ToldFormat.text,
    writes: WriteOption = None,
) -> None:
    """Verify, simulate and report a scenario: the main job."""
    loaded = api.load(
        scenario, changed(changes), variant=variant
    )  # before the heavy libraries: a fault in the file answers at once
    from reports import json, progress, terminal
    from reports.statements import verdict_of
    from reports.verdict import judge

    for_waivers(waivers, {"--today": today})
    exceptions = waivers_in(waivers)
    with progress.status("verifying policies and escalation chains"):
        findings = api.verify(loaded, effort=effort.value)
    with progress.bar("simulating") as advance:
        finished = api.simulate(
            loaded,
            out,
            replications=replications,
            seed=seed,
            workers=workers,
            cluster=cluster,
            progress=advance,
            findings=findings,
            volume=volume.value,
            behaviours=behaviours,
            **wanted_precision(precision, replications_max),
        )
    with progress.status("assessing"):
        outcomes = api.assess(finished)
        tell_precision(outcomes.objectives, precision)
        verdict = judge(findings, outcomes, fail_on=fail_on.value)
        told = told_run(
            verdict, findings, outcomes, fail_on=fail_on.value, loaded=loaded, waivers=exceptions, today=today
        )
        report = reporting.write_report(finished, findings, outcomes, told, waivers=exceptions is not None)
    tell_also(told, writes)
    if format is ToldFormat.json:
        judged = json.report_json(verdict_of(told), findings, outcomes)
        print_json(judged | {"statements": statements_json(told)})
    elif format is ToldFormat.text:
        terminal.print_run(told, findings, outcomes, report)
    else:
        tell(told, format)
    raise typer.Exit(told.exit_code)


@app.command()
def verify(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A scenario, a .cedar file, or a folder of them.")],
    schema: Annotated[
        Path | None, typer.Option(help="Cedar or JSON schema. [default: the folder's, else inferred]")
    ] = None,
    entities: Annotated[Path | None, typer.Option(help="Entities in JSON. [default: the folder's, else none]")] = None,
    invariants: Annotated[
        Path | None, typer.Option(help="Assertions in Cedar. [default: the folder's, else none]")
    ] = None,
    profile: ProfileOption = ProfileName.windtunnel,
    variant: VariantName = "base",
    changes: Changes = None,
    effort: EffortOption = EffortName.normal,
    fail_on: FailOn = Threshold.error,
    format: ToldFormatOption = ToldFormat.text,
    writes: WriteOption = None,
    scripts: Annotated[Path | None, typer.Option(help="Folder to write the SMT-LIB scripts to.")] = None,
    explain: ExplainOption = None,
    waivers: WaiversOption = None,
    baseline: BaselineOption = None,
    write_baseline: WriteBaseline = None,
    today: TodayOption = None,
) -> None:
    """Check what always holds of policies and escalation chains, with a witness for what does not."""
    if explain is not None and (waivers or baseline or write_baseline):
        raise typer.BadParameter("it tells all of one check: drop the waivers and baselines", param_hint="--explain")
    policies, loaded = _policies(target, schema, entities, invariants, profile, variant, changes)
    for_waivers(waivers, {"--today": today})
    exceptions = waivers_in(waivers)
    from reports import progress, terminal
    from reports.statements import told_of_findings
    from reports.verdict import judge
    from verify.json import to_json, write_scripts
    from verify.verify import verify as verify_policies

    with progress.status("verifying"):
        findings = verify_policies(policies, loaded, effort=effort.value, checks=[explain] if explain else None)
    if scripts is not None:
        write_scripts(findings.scripts, scripts)
    verdict = judge(findings, None, fail_on=fail_on.value)
    told = told_of_findings(verdict, findings, fail_on=fail_on.value, title="" if loaded else str(target))
    told = from_root(told, loaded.path.parent if loaded else None)
    told = excepted(told, exceptions, baseline, today or the_current_day())
    tell_also(told, writes)
    if write_baseline is not None:
        telling.write_baseline(told, write_baseline)
    if format is ToldFormat.json:
        judged = {"verdict": told.verdict, "statements": statements_json(told)}
        print_json(to_json(findings) | judged)
    elif format is not ToldFormat.text:
        tell(told, format)
    elif explain is not None:
        from reports.explanation import print_explanation

        print_explanation(explain, verdict, findings, policies)
    else:
        terminal.print_findings(told, findings)
    raise typer.Exit(told.exit_code)


app.command()(studies.compare)
app.command()(studies.size)
app.command()(studies.sweep)
app.command()(studies.recovery_map)
app.command()(tables.sql)
app.command()(policies.diff)
app.command()(policies.query)
app.command()(policies.backtest)
app.command()(gating.gate)


@app.command()
def simulate(
    scenario: ScenarioPath,
    out: OutFolder = None,
    variant: VariantName = "base",
    changes: Changes = None,
    replications: Replications = None,
    precision: PrecisionOption = None,
    replications_max: ReplicationsMax = None,
    seed: Seed = None,
    workers: Workers = None,
    cluster: Cluster = None,
    volume: VolumeOption = VolumeName.events,
    behaviours: Behaviours = None,
    only: Only = None,
    format: ToldFormatOption = ToldFormat.text,
    writes: WriteOption = None,
) -> None:
    """Simulate a scenario and judge its objectives, without verification or report."""
    loaded = api.load(scenario, changed(changes), variant=variant)
    if only is not None:
        unused: dict[str, object] = {
            "--out": out,
            "--replications": replications,
            "--workers": workers,
            "--cluster": cluster,
        }
        unused |= {"--precision": precision, "--replications-max": replications_max}
        if given := [name for name, value in unused.items() if value is not None]:
            raise typer.BadParameter(f"it writes no run: drop {', '.join(given)}", param_hint="--only")
        api.run_alone(loaded, only, seed=seed, volume=volume.value, behaviours=behaviours)
        typer.echo(f"replication {only} runs to its end")
        return
    from reports import json, progress, terminal
    from reports.statements import told_of_run
    from reports.verdict import judge

    with progress.bar("simulating") as advance:
        finished = api.simulate(
            loaded,
            out,
            replications=replications,
            seed=seed,
            workers=workers,
            cluster=cluster,
            progress=advance,
            volume=volume.value,
            behaviours=behaviours,
            **wanted_precision(precision, replications_max),
        )
    outcomes = api.assess(finished)
    tell_precision(outcomes.objectives, precision)
    verdict = judge(None, outcomes)
    told = from_root(told_of_run(verdict, None, outcomes, places=objective_places(loaded)), loaded.path.parent)
    tell_also(told, writes)
    if format is ToldFormat.json:
        print_json(json.report_json(verdict, None, outcomes) | {"statements": statements_json(told)})
    elif format is ToldFormat.text:
        terminal.print_outcomes(verdict, outcomes, finished.folder)
    else:
        tell(told, format)
    raise typer.Exit(verdict.exit_code)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that the run was to be written to.")],
    workers: Workers = None,
    cluster: Cluster = None,
    behaviours: Behaviours = None,
    fail_on: FailOn = Threshold.error,
    format: OutputFormat = Format.text,
) -> None:
    """Go on with a run or a study that was stopped: only what is missing is simulated. Ends as the command that was."""
    from sim.study import is_stopped

    if is_stopped(run):
        studies.resume(run, format, workers=workers, cluster=cluster, behaviours=behaviours)
        return
    from reports import json, progress, terminal
    from reports.statements import verdict_of
    from reports.verdict import judge

    with progress.bar("simulating") as advance:
        finished = api.resume(run, workers=workers, cluster=cluster, progress=advance, behaviours=behaviours)
    findings = json.read_findings(finished)
    outcomes = api.assess(finished)
    verdict = judge(findings, outcomes, fail_on=fail_on.value)
    told = told_run(verdict, findings, outcomes, fail_on=fail_on.value)
    if format is Format.json:
        print_json(json.report_json(verdict_of(told), findings, outcomes))
    elif findings is None:
        terminal.print_outcomes(verdict_of(told), outcomes, finished.folder)
    else:
        report = reporting.write_report(finished, findings, outcomes, told, waivers=False)
        terminal.print_run(told, findings, outcomes, report)
    raise typer.Exit(told.exit_code)


app.command()(reporting.report)


@app.command()
def audit(run: RunPath) -> None:
    """Check that a run's decision log and tables are as they were written. Exits 1 and names the row where not."""
    from sim.audit import audit as audit_run

    result = audit_run(run)
    for line in result.lines():
        typer.echo(line)
    raise typer.Exit(0 if result.intact else EXIT_FAILED)


@app.command()
def replay(
    run: RunPath,
    case: Annotated[int, typer.Option("--case", min=0, help="Number of the case.")],
    replication: Annotated[int, typer.Option(min=0, help="Number of the replication.")] = 0,
) -> None:
    """Tell the story of one case."""
    from sim.replay import replay as replay_case

    for line in replay_case(api.open_run(run), case, replication):
        typer.echo(line)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to make; its name becomes the scenario's.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="SCENARIO", help="A scenario to copy, name and all, with the files it names."),
    ] = None,
    variant: VariantName = "base",
    changes: Changes = None,
) -> None:
    """Start a scenario: a small one that runs and passes, to change from there, or one with changes already made."""
    if source is not None:
        written = api.export(api.load(source, changed(changes), variant=variant), folder)
    elif variant != "base" or changes:
        raise typer.BadParameter("name the scenario to change", param_hint="--from")
    else:
        from windtunnel.new import new_scenario

        written = new_scenario(folder)
    for path in written:
        typer.echo(path)


app.add_typer(governance.evidence)


schemas = typer.Typer(
    name="schema", help="The JSON Schema of scenario files; with `infer`, a Cedar schema for policies without one."
)


@schemas.callback(invoke_without_command=True)
def schema(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(help="File to write. [default: standard output]")] = None,
) -> None:
    """Print the JSON Schema of scenario files, for editors; or run a command below."""
    if context.invoked_subcommand is not None:
        return
    from models.json_schema import schema_text

    if out is None:
        typer.echo(schema_text(), nl=False)
    else:
        write(out, schema_text())


schemas.command()(policies.infer)
app.add_typer(schemas)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"windtunnel {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback for internal errors.")] = False,
) -> None:
    """Options before the command. `exit_code` reads `--debug` itself: it must hold when a command has failed."""


def _is_scenario(target: Path) -> bool:
    return target.suffix in {".yaml", ".yml"} or (target / "scenario.yaml").exists()


def _policies(
    target: Path,
    schema: Path | None,
    entities: Path | None,
    invariants: Path | None,
    profile: ProfileName,
    variant: str,
    changes: list[str] | None,
) -> tuple[PolicySet | None, LoadedScenario | None]:
    """The policies of a scenario, with the scenario, or of a file or folder."""
    if _is_scenario(target):
        named = (("--schema", schema), ("--entities", entities), ("--invariants", invariants))
        given = [name for name, path in named if path is not None]
        if given:
            message = f"{', '.join(given)} cannot be given with a scenario"
            raise input_error(message, str(target), "the scenario names its own")
        loaded = api.load(target, changed(changes), variant=variant)
        return loaded.policies, loaded
    if variant != "base" or changes:
        raise input_error("--variant and --set are of a scenario", str(target), "policies alone have no fields to set")
    from models.cedar.load import load_policies

    policies = load_policies(target, schema=schema, entities=entities, invariants=invariants, profile=profile.value)
    return policies, None


def exit_code(arguments: Sequence[str]) -> int:
    """Run the command line on `arguments` and turn its end into an exit code. No traceback without `--debug`."""
    try:
        app(list(arguments))
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:  # typer turns an interrupt into this, without a word
            return interrupted(end)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except InputError as error:
        typer.echo(str(error), err=True)
        tell_faults(error, arguments)
        return EXIT_INPUT
    except KeyboardInterrupt as stop:
        return interrupted(stop)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; there is nobody left to tell
        return 0
    except Exception as error:
        if "--debug" in arguments:
            raise
        typer.echo(f"internal error: {type(error).__name__}: {error}", err=True)
        typer.echo("This is a fault in Windtunnel, not in your input. `windtunnel --debug ...` shows where.", err=True)
        return EXIT_INTERNAL
    return 0
