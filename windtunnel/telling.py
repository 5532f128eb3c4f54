"""What a command says, printed in the format that was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from models.diagnostics import InputError
from windtunnel.options import WRITTEN, ToldFormat, Written, write, written
from windtunnel.told import from_root as from_root  # the gate takes it from here
from windtunnel.told import in_format

if TYPE_CHECKING:
    from reports.statements import Told

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable in which a runner names the file that takes a step's summary."""


def tell(told: Told, format: str, out: Path | None = None) -> None:
    """Print what is told in a format for other tools, or write it to a file."""
    text = in_format(told, format)
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


def _print(text: str) -> None:
    """Print. A reader that goes early changes nothing about how the command ends."""
    from reports.console import silence

    try:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.flush()
    except BrokenPipeError:
        silence()


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
