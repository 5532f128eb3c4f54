"""What is wrong with a user's file, where, and what was expected instead."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

EXCERPT_WIDTH = 160
"""Characters of a source line that are shown at most, about the caret."""
QUOTE_WIDTH = 80
"""Characters of the user's input that a message repeats at most."""
_NEAR_WORD = 80
_NEAR_NAMES = 2_000


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
            text, indent = _excerpt(self.source, self.column)
            lines += [gutter + text, " " * len(gutter) + indent + "^"]
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


def quoted(value: object) -> str:
    """User input as a message repeats it: in backticks, on one line, shortened, with no control characters."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = value if isinstance(value, str) else json.dumps(value, default=repr)
    shown = _printable(text[:QUOTE_WIDTH].replace("\n", " "))
    return f"`{shown}{'...' if len(text) > QUOTE_WIDTH else ''}`"


def listed(names: Iterable[str], most: int = 20) -> str:
    """Names in backticks, comma-separated, the first `most` of them."""
    shown = list(islice(names, most + 1))
    tail = [", ..."] if len(shown) > most else []
    return ", ".join(quoted(name) for name in shown[:most]) + "".join(tail)


def near(word: str, names: Iterable[str]) -> str | None:
    """The name that `word` most likely misspells, or None. Bounded: difflib is quadratic in the length of words."""
    import difflib  # only a fault needs it

    if len(word) > _NEAR_WORD:
        return None
    known = {name.casefold(): name for name in islice(names, _NEAR_NAMES) if len(name) <= _NEAR_WORD}
    found = difflib.get_close_matches(word.casefold().replace("_", "-"), known, n=1, cutoff=0.6)
    return known[found[0]] if found else None


def suggestion(word: str, names: Iterable[str], what: str) -> str:
    """A help line about an unknown name: the near one, else the known ones (`what` they are, in the plural)."""
    known = tuple(names)
    close = near(word, known)
    if close is not None:
        return f"did you mean {quoted(close)}?"
    return f"known {what}: {listed(known)}" if known else f"there are no {what}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _excerpt(source: str, column: int) -> tuple[str, str]:
    """The part of a source line about the caret, safe for a terminal, and the blanks that bring the caret under it."""
    begin = max(0, column - 1 - EXCERPT_WIDTH // 2) if len(source) > EXCERPT_WIDTH else 0
    text = _printable(source[begin : begin + EXCERPT_WIDTH])
    return text, "".join(map(_blank, text[: max(column - 1 - begin, 0)]))


def _blank(character: str) -> str:
    """As many blanks as the character takes columns on a terminal."""
    if character == "\t":
        return "\t"
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "


class Problem(NamedTuple):
    """A fault of a scenario, by the keys of the file that lead to it."""

    keys: tuple[str | int, ...]
    message: str
    help: str = ""
    of_key: bool = False
    """The caret stands under the key, not under its value."""
