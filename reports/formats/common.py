"""What all formats do: the order of statements, their marks in words, the paths they may name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import Final, Literal

from reports.statements import Statement, Told

Group = Literal["failing", "undecided", "warnings", "review", "informational", "waived", "unchanged", "absent", "pass"]
"""What becomes of a statement, the gravest first."""

GROUPS: Final[tuple[Group, ...]] = (
    "failing", "undecided", "warnings", "review", "informational", "waived", "unchanged", "absent", "pass",
)  # fmt: skip

_DRIVE = re.compile(r"[A-Za-z]:[\\/]|[\\/]{2}")


def group_of(statement: Statement) -> Group:
    """What becomes of a statement. A waived one is waived whatever else it is, but where it is gone."""
    if statement.since == "absent":
        return "absent"
    if statement.waived:
        return "waived"
    if statement.kind == "pass":
        return "pass"
    if statement.since == "unchanged":
        return "unchanged"
    if statement.kind == "fail":
        return "failing" if statement.level == "error" else "warnings"
    return "undecided" if statement.kind == "open" else statement.kind


def worst_first(statements: Iterable[Statement]) -> list[Statement]:
    """The statements by group, then by rule, name, place and fingerprint: alike for the same statements."""
    rank = {group: number for number, group in enumerate(GROUPS)}
    return sorted(
        statements,
        key=lambda s: (rank[group_of(s)], s.rule, s.name, s.location.file, s.location.line, s.fingerprint),
    )


def heading(statement: Statement) -> str:
    """`P204 ambiguous-escalation`, or the rule alone where that is its name too."""
    return statement.rule if statement.name in ("", statement.rule) else f"{statement.rule} {statement.name}"


def path_of(file: str) -> str:
    """A file as a format may name it: relative, with slashes. Of an absolute path only the last part: where things lie
    on a machine is nobody's business and no checkout has it."""
    if not file:
        return ""
    slashed = file.replace("\\", "/")
    if slashed.startswith("/") or _DRIVE.match(file):
        return posixpath.basename(slashed.rstrip("/")) or "."
    return posixpath.normpath(slashed)


def place_of(statement: Statement) -> str:
    """`policies/a.cedar:3`, the file alone where there is no line, empty where there is no file."""
    path, line = path_of(statement.location.file), statement.location.line
    return f"{path}:{line}" if path and line > 0 else path


def exit_meaning(told: Told) -> str:
    """The verdict with its first reason, on one line."""
    return f"{told.verdict}: {told.reasons[0]}" if told.reasons else told.verdict
