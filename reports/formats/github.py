"""GitHub Actions: annotations, which a runner reads from standard output, and the summary of a step.

A runner shows ten errors and ten warnings of a step and drops the rest without a word. So the worst are printed, and
where there are more the last line says how many; the summary has all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from reports.formats.common import exit_meaning, group_of, heading, path_of, worst_first
from reports.formats.markdown import document
from reports.statements import Statement, Told
from reports.words import count, printable

MOST: Final = 10
"""Annotations of one level that a runner shows of a step."""

SUMMARY_BYTES: Final = 2**20 - 1
"""A runner takes a summary of less than 1 MiB from each step, and none of one that is longer."""

MESSAGE_MAX: Final = 2_000
"""Characters of one annotation. An assumption: what is read beside a line; the summary has the rest."""

Command = Literal["error", "warning", "notice"]


def github(told: Told) -> str:
    """The annotations, worst first, and a last line with the verdict."""
    ranked = worst_first(told.statements)
    errors = [s for s in ranked if group_of(s) in ("failing", "undecided")]
    lines = [
        *_annotations("error", errors, _title),
        *_annotations("warning", [s for s in ranked if group_of(s) in ("warnings", "review")], _title),
        *_annotations("notice", [s for s in ranked if group_of(s) == "waived"], lambda s: f"waived: {_title(s)}"),
    ]
    if told.exit_code and not errors:  # the job fails: what it fails of must be seen
        lines.insert(0, f"::error title=windtunnel::{_data(exit_meaning(told))}")
    verdict = printable(f"windtunnel: {exit_meaning(told)}")
    return "\n".join([*lines, f"{verdict} (exit code {told.exit_code})"]) + "\n"


def summary(told: Told, most_bytes: int = SUMMARY_BYTES) -> str:
    """The summary of a step in Markdown, of at most so many bytes."""
    return document(told, most_bytes)


def _annotations(command: Command, statements: Sequence[Statement], title: object) -> list[str]:
    assert callable(title)
    shown = statements if len(statements) <= MOST else statements[: MOST - 1]
    lines = [_annotation(command, one, title(one)) for one in shown]
    rest = len(statements) - len(shown)
    return lines + [f"::{command} title=windtunnel::{count(rest, f'more {command}')} in the summary"] * (rest > 0)


def _title(statement: Statement) -> str:
    return heading(statement) if group_of(statement) != "undecided" else f"undecided: {heading(statement)}"


def _annotation(command: Command, statement: Statement, title: str) -> str:
    path, line = path_of(statement.location.file), statement.location.line
    properties = [f"file={_property(path)}"] if path else []
    properties += [f"line={line}"] if path and line > 0 else []
    properties.append(f"title={_property(title)}")
    message = statement.message if not statement.waived else f"{statement.message} Waived: {statement.waived}"
    text = message if len(message) <= MESSAGE_MAX else message[: MESSAGE_MAX - 1] + "…"
    return f"::{command} {','.join(properties)}::{_data(text)}"


def _data(text: str) -> str:
    """Text after the second `::`. Line breaks and controls are spelt out before, so that none ends the command."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The value of a property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
