"""`windtunnel report`: a run, several runs or a study told again, in any format."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windtunnel import api
from windtunnel.options import FailOn, ReportFormat, Threshold, one_of, print_json, print_text
from windtunnel.telling import statements_json, tell

if TYPE_CHECKING:
    from reports.assess import Assessed
    from reports.studies.study import Answered
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
    out: Annotated[
        Path | None,
        typer.Option(help="File to write. [default: report.html or report.pdf in the run folder; the rest is printed]"),
    ] = None,
) -> None:
    """Report a run again from its folder, or several side by side. Exits with the verdict, of several the worst."""
    if out is not None and format is ReportFormat.text:
        raise typer.BadParameter("text is printed; --out takes the other formats", param_hint="--out")
    if study is not None and (len(runs) > 1 or format not in PAGES):
        raise typer.BadParameter("it goes into the page of one run: html, md or pdf", param_hint="--study")
    from reports.studies.kept import is_study

    if len(runs) > 1:
        _several(runs, fail_on, format, out)
    elif is_study(runs[0]):
        _study_again(runs[0], format, out)
    else:
        _one(runs[0], fail_on, format, out, study)


def _assessed(folder: Path, fail_on: Threshold) -> tuple[Run, Findings | None, Assessed, Verdict]:
    from reports.json import read_findings
    from reports.verdict import judge

    run = api.open_run(folder)
    findings, outcomes = read_findings(run), api.assess(run)
    return run, findings, outcomes, judge(findings, outcomes, fail_on=fail_on.value)


def _one(folder: Path, fail_on: Threshold, format: ReportFormat, out: Path | None, study: Path | None) -> None:
    from reports import html, json, terminal
    from reports.formats.figures import figures_csv
    from reports.statements import told_of_run

    run, findings, outcomes, verdict = _assessed(folder, fail_on)
    match format:
        case _ if format in PAGES:
            page = html.page_of(run, findings, outcomes, verdict, _study(study))
            write_as(page, format, out, folder)
        case ReportFormat.json:
            told = told_of_run(verdict, findings, outcomes, fail_on=fail_on.value)
            print_json(json.report_json(verdict, findings, outcomes) | {"statements": statements_json(told)}, out)
        case ReportFormat.csv:
            print_text(figures_csv([(outcomes.provenance.title, outcomes)]), out)
        case ReportFormat.text:
            terminal.print_run(verdict, findings, outcomes, None)
        case _:
            tell(told_of_run(verdict, findings, outcomes, fail_on=fail_on.value), format, out)
    raise typer.Exit(verdict.exit_code)


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


def _study(folder: Path | None) -> Answered | None:
    from reports.studies.kept import open_study

    return None if folder is None else open_study(folder)


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
