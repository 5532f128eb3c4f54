"""`windtunnel report`: a run, several runs or a study told again, in any format."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windtunnel import api
from windtunnel.options import (
    FailOn,
    ReportFormat,
    Threshold,
    TodayOption,
    WaiversOption,
    for_waivers,
    one_of,
    print_json,
    print_text,
)
from windtunnel.telling import statements_json, tell
from windtunnel.told import told_run, waivers_in

if TYPE_CHECKING:
    from models.waivers import Waiver
    from reports.assess import Assessed
    from reports.board.page import Beside
    from reports.statements import Told
    from reports.verdict import Verdict
    from sim.run import Run
    from verify.findings import Findings

PAGES = (ReportFormat.html, ReportFormat.md, ReportFormat.pdf)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, or the folder of a study.")],
    fail_on: FailOn = Threshold.error,
    format: Annotated[ReportFormat, one_of(ReportFormat, "What to write.", "--format")] = ReportFormat.html,
    study: Annotated[
        Path | None, typer.Option(metavar="STUDY", help="A study of the same scenario, told in the report.")
    ] = None,
    gate: Annotated[
        Path | None,
        typer.Option(metavar="GATE.json", help="What `gate --format json` said of a change, told in the report."),
    ] = None,
    waivers: WaiversOption = None,
    scenario: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the scenario lies, for the scopes of waivers. [default: here]"),
    ] = None,
    today: TodayOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write. [default: report.html or report.pdf in the run folder; the rest is printed]"),
    ] = None,
) -> None:
    """Report a run again from its folder, or several side by side. Exits with the verdict, of several the worst."""
    if out is not None and format is ReportFormat.text:
        raise typer.BadParameter("text is printed; --out takes the other formats", param_hint="--out")
    from sim.study import is_study

    one = len(runs) == 1 and not is_study(runs[0])
    for option, given in (("--study", study), ("--gate", gate)):
        if given is not None and not (one and format in PAGES):
            raise typer.BadParameter("it goes into the page of one run: html, md or pdf", param_hint=option)
    if waivers is not None and not one:
        raise typer.BadParameter("it is for the report of one run", param_hint="--waivers")
    for_waivers(waivers, {"--scenario": scenario, "--today": today})
    if len(runs) > 1:
        _several(runs, fail_on, format, out)
    elif is_study(runs[0]):
        _study_again(runs[0], format, out)
    else:
        _one(runs[0], fail_on, format, out, _Asked(study, gate, waivers_in(waivers), scenario, today))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be told beside a run."""

    study: Path | None
    gate: Path | None
    waivers: tuple[Waiver, ...] | None
    scenario: Path | None
    today: date | None


def _assessed(folder: Path, fail_on: Threshold) -> tuple[Run, Findings | None, Assessed, Verdict]:
    from reports.json import read_findings
    from reports.verdict import judge

    run = api.open_run(folder)
    findings, outcomes = read_findings(run), api.assess(run)
    return run, findings, outcomes, judge(findings, outcomes, fail_on=fail_on.value)


def _one(folder: Path, fail_on: Threshold, format: ReportFormat, out: Path | None, asked: _Asked) -> None:
    from reports import html, json, terminal
    from reports.formats.figures import figures_csv
    from reports.statements import verdict_of

    run, findings, outcomes, verdict = _assessed(folder, fail_on)
    told = told_run(
        verdict,
        findings,
        outcomes,
        fail_on=fail_on.value,
        folder=asked.scenario,
        waivers=asked.waivers,
        today=asked.today,
    )
    match format:
        case _ if format in PAGES:
            page = html.page_of(run, findings, outcomes, verdict_of(told), _beside(run, told, asked))
            write_as(page, format, out, folder)
        case ReportFormat.json:
            judged = json.report_json(verdict_of(told), findings, outcomes)
            print_json(judged | {"statements": statements_json(told)}, out)
        case ReportFormat.csv:
            print_text(figures_csv([(outcomes.provenance.title, outcomes)]), out)
        case ReportFormat.text:
            terminal.print_run(told, findings, outcomes, None)
        case _:
            tell(told, format, out)
    raise typer.Exit(told.exit_code)


def _beside(run: Run, told: Told, asked: _Asked) -> Beside:
    """What is told beside a run. Raises InputError where a study or a change is of another scenario."""
    from reports.board.page import Beside
    from reports.board.what_if import what_if_of
    from reports.gate.chapter import change_of, read_gate
    from reports.section import NO_CHAPTER
    from reports.studies.kept import open_study

    study = NO_CHAPTER if asked.study is None else what_if_of(open_study(asked.study), run)
    scenario = run.scenario.name
    change = NO_CHAPTER if asked.gate is None else change_of(read_gate(asked.gate), scenario, str(asked.gate))
    return Beside(study, change, told.statements if asked.waivers is not None else ())


def write_report(run: Run, findings: Findings | None, outcomes: Assessed, told: Told, *, waivers: bool) -> Path:
    """Write the page of a run into its folder. `waivers`: whether a file of them was named."""
    from reports.board.page import RUN_ALONE, Beside
    from reports.html import page_of, write_page
    from reports.statements import verdict_of

    beside = Beside(statements=told.statements) if waivers else RUN_ALONE
    page = page_of(run, findings, outcomes, verdict_of(told), beside)
    return write_page(run.folder / "report.html", page)


def _study_again(folder: Path, format: ReportFormat, out: Path | None) -> None:
    from reports.studies.kept import as_json, open_study
    from reports.studies.page import print_study, render_study
    from reports.studies.registry import exit_code

    found = open_study(folder)
    match format:
        case _ if format in PAGES:
            write_as(render_study(found), format, out, folder)
        case ReportFormat.csv:
            print_text(found.measures().to_csv(index=False, lineterminator="\n"), out)
        case ReportFormat.json:
            print_json(as_json(found), out)
        case ReportFormat.text:
            print_study(found, None)
        case _:
            what = "a study is no verdict on statements: its formats are html, md, pdf, csv, text and json"
            raise typer.BadParameter(what, param_hint="--format")
    raise typer.Exit(exit_code(found))


def _several(folders: list[Path], fail_on: Threshold, format: ReportFormat, out: Path | None) -> None:
    from reports import several
    from reports.formats.figures import figures_csv
    from reports.json import report_json

    if len(folders) > several.RUNS_MAX:
        raise typer.BadParameter(f"{several.RUNS_MAX} runs side by side at most", param_hint="RUN...")
    found = [_assessed(folder, fail_on) for folder in folders]
    names = several.named([outcomes.provenance.title for _, _, outcomes, _ in found])
    runs = [several.Told(name, verdict, outcomes) for name, (_, _, outcomes, verdict) in zip(names, found, strict=True)]
    verdict = several.overall(runs)
    match format:
        case _ if format in PAGES:
            write_as(several.render_several(runs), format, out, None)
        case ReportFormat.json:
            each = [report_json(verdict, findings, outcomes) for _, findings, outcomes, verdict in found]
            told: dict[str, Any] = {"result": verdict.result, "exit_code": verdict.exit_code}
            print_json({"schema": several.SCHEMA, "verdict": told, "runs": each}, out)
        case ReportFormat.csv:
            print_text(figures_csv([(run.name, run.outcomes) for run in runs]), out)
        case _:
            known = "html, md, pdf, json or csv"
            raise typer.BadParameter(f"several runs are told as {known}", param_hint="--format")
    raise typer.Exit(verdict.exit_code)


def write_as(page: str, format: ReportFormat, out: Path | None, folder: Path | None) -> None:
    """Write a page as HTML or PDF to `out`, or into the folder of what it tells; or print its Markdown."""
    from reports.formats.page import page_markdown
    from reports.html import write_page
    from reports.pdf import write_pdf

    if format is ReportFormat.md:
        print_text(page_markdown(page), out)
        return
    if out is None and folder is None:
        raise typer.BadParameter("name the file: the page is of several runs", param_hint="--out")
    place = out if out is not None else folder / f"report.{format.value}"  # type: ignore[operator]
    if format is ReportFormat.html:
        typer.echo(write_page(place, page))
        return
    with tempfile.TemporaryDirectory() as scratch:
        typer.echo(write_pdf(place, write_page(Path(scratch) / "report.html", page)))
