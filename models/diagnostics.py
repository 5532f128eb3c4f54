"""What is wrong with a user's file, where, and what was expected instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault. Lines and columns count from 1; 0 where the fault has no place in the file."""

    message: str
    file: str
    line: int = 0
    column: int = 0
    source: str = ""
    """The source line, without its line break."""
    help: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        lines = [f"{place}: {self.message}"]
        if self.source:
            gutter = f"{self.line:>5} | "
            lines += [gutter + self.source, " " * len(gutter) + " " * (self.column - 1) + "^"]
        if self.help:
            lines.append(f"  help: {self.help}")
        return "\n".join(lines)


class InputError(Exception):
    """A user's input cannot be used. Carries every fault found, in file order; exit code 2."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(map(str, diagnostics)))
        self.diagnostics = diagnostics


def input_error(message: str, file: str, help: str = "") -> InputError:
    """An `InputError` about a whole file."""
    return InputError(Diagnostic(message, file, help=help))
