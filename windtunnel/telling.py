"""What a command says, printed in the format that was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from models.diagnostics import InputError
from windtunnel.options import WRITTEN, ToldFormat, Written, write, written

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from reports.statements import Statement, Told
    from verify.findings import Location

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable in which a runner names the file that takes a step's summary."""


def tell(told: Told, format: str, out: Path | None = None) -> None:
    """Print what is told in a format for other tools, or write it to a file."""
    text = _format(format)(told)
    if out is not None:
        write(out, text)
        return
    _print(text)
    if format == ToldFormat.github:
        _append_summary(told)


def tell_also(told: Told, writes: Sequence[Written] | None) -> None:
    """Write what is told to files. Raises InputError where one cannot be written."""
    for one in writes or ():
        tell(told, one.format, one.path)


def _format(format: str) -> Callable[[Told], str]:
    from reports.formats.github import github
    from reports.formats.junit import junit
    from reports.formats.markdown import markdown
    from reports.formats.sarif import sarif
    from windtunnel import __version__

    formats: Mapping[str, Callable[[Told], str]] = {
        "sarif": lambda told: sarif(told, version=__version__),
        "code-scanning": lambda told: sarif(told, version=__version__, alerts=True),
        "junit": junit,
        "github": github,
        "markdown": markdown,
    }
    return formats[format]


def _print(text: str) -> None:
    """Print. A reader that goes early changes nothing about how the command ends."""
    from reports.console import silence

    try:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.flush()
    except BrokenPipeError:
        silence()


def _root() -> Path:
    """What files are named from: the git checkout about the working directory, else the working directory."""
    here = Path.cwd()
    return next((above for above in (here, *here.parents) if (above / ".git").exists()), here)


def named_from_root(file: str, folder: Path | None = None) -> str:
    """A file as all readers find it; `folder` is what its name is relative to, where not the working directory."""
    root = _root()
    full = Path(os.path.normpath(Path.cwd() / (folder or "") / file))
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else file


def from_root(told: Told, folder: Path | None = None) -> Told:
    """What is told, its files named from the root."""
    root = _root()

    def moved(place: Location) -> Location:
        return replace(place, file=named_from_root(place.file, folder)) if place.file else place

    def said(text: str) -> str:
        return text.replace(f"{root}{os.sep}", "")  # where the checkout lies is nobody's business

    statements = (
        replace(
            one,
            message=said(one.message),
            location=moved(one.location),
            related=tuple(replace(about, location=moved(about.location)) for about in one.related),
        )
        for one in told.statements
    )
    reasons = tuple(map(said, told.reasons))
    return replace(told, title=said(told.title), reasons=reasons, statements=tuple(statements))


def excepted(told: Told, waivers: Path | None, baseline: Path | None, today: date) -> Told:
    """What is told, against a baseline and with waivers. Raises InputError where a file of them cannot be used."""
    if waivers is None and baseline is None:
        return told
    from models.reading import FILE_BYTES_MAX, read_bytes
    from models.waivers import read_waivers
    from reports.baseline import BYTES_MAX, apply_baseline, read_baseline
    from reports.statements import judged_again
    from reports.waivers import CHECKS, apply_waivers

    said: tuple[Statement, ...] = told.statements
    about: tuple[Statement, ...] = ()
    if baseline is not None:
        said = apply_baseline(said, read_baseline(read_bytes(baseline, BYTES_MAX), str(baseline)))
    if waivers is not None:
        found = read_waivers(read_bytes(waivers, FILE_BYTES_MAX), str(waivers), CHECKS)
        placed = (replace(one, file=named_from_root(one.file)) for one in found)
        applied = apply_waivers(said, placed, today)
        said, about = applied.statements, (*applied.faults, *applied.unused)
    return judged_again(told, said, about)


def write_baseline(told: Told, out: Path) -> None:
    """Write the baseline of what is told. Raises InputError where that cannot be written."""
    from reports.baseline import baseline_text

    write(out, baseline_text(told.statements))


def _append_summary(told: Told) -> None:
    """Append to the summary of the step, where a runner has named its file. That cannot fail the command."""
    from reports.formats.github import SUMMARY_BYTES, summary

    if not (name := os.environ.get(STEP_SUMMARY)):
        return
    file = Path(name)
    try:
        there = file.stat().st_size if file.exists() else 0
        with file.open("a", encoding="utf-8") as sheet:
            sheet.write(summary(told, max(0, SUMMARY_BYTES - there)))
    except OSError as error:
        typer.echo(f"warning: the summary of the step cannot be written: {error.strerror}", err=True)


def objective_places(loaded: LoadedScenario) -> dict[str, Location]:
    """Where the objectives of a scenario stand, by name."""
    from verify.findings import Location

    spans = {name: loaded.locate("objectives", name) for name in loaded.scenario.objectives}
    return {name: Location(span.file, span.line) for name, span in spans.items()}


def statements_json(told: Told) -> list[dict[str, Any]]:
    """The statements as the JSON of a command has them."""
    from reports.statements import to_json

    return [to_json(one) for one in told.statements]


def tell_faults(error: InputError, arguments: Sequence[str]) -> None:
    """Tell the faults of an input in the formats that the command was asked for, where those are for other tools."""
    from reports.statements import told_of_faults

    asked = [format for format in _values("--format", arguments) if format in WRITTEN]
    files = [written(text) for text in _values("--write", arguments)]
    if not asked and not files:
        return
    told = from_root(told_of_faults(error.diagnostics))
    try:
        tell_also(told, files)
    except InputError:  # a file that cannot be written may be the fault that is told
        typer.echo("the faults are not in the files of `--write`: one cannot be written", err=True)
    if asked:
        tell(told, asked[-1])


def _values(option: str, arguments: Sequence[str]) -> list[str]:
    """What stands after an option. The command has read its arguments: they are well-formed."""
    joined = f"{option}="
    return [
        two if one == option else one.removeprefix(joined)
        for one, two in pairwise((*arguments, ""))
        if one == option or one.startswith(joined)
    ]
