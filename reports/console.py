"""How things look in the terminal: words with symbols, colour on top of them, lines that wrap.

Off a terminal, or with NO_COLOR set, it is plain text. Verdicts are words and symbols, never colour alone. Off a
terminal lines do not wrap, so that a search finds a whole sentence and a path stays one, unless COLUMNS says how wide.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from reports import words

WIDTH_MAX: Final = 100
UNWRAPPED: Final = 100_000
"""Columns off a terminal: no text of a finding is that long."""

_STYLES: Final = {
    "pass": "green", "holds": "green", "fail": "bold red", "violated": "bold red", "undecided": "yellow",
    "warning": "yellow", "info": "dim",
}  # fmt: skip
_SYMBOLS: Final = {
    "pass": "✓", "holds": "✓", "fail": "✗", "violated": "✗", "undecided": "?", "warning": "!", "info": "i",
}  # fmt: skip
_PLAIN_SYMBOLS: Final = _SYMBOLS | {"pass": "+", "holds": "+", "fail": "x", "violated": "x"}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence()


def silence() -> None:
    """Say nothing more on standard output: its reader has gone. The command goes on, and exits with its verdict."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def open_console() -> Console:
    """Standard output: on a terminal no wider than reads well."""
    console = _Console(highlight=False)
    wraps = console.is_terminal or "COLUMNS" in os.environ
    return _Console(highlight=False, width=min(console.width, WIDTH_MAX) if wraps else UNWRAPPED)


def mark(console: Console, word: str) -> Text:
    """A verdict or severity with its symbol."""
    symbols = _SYMBOLS if console.encoding.lower().startswith("utf") else _PLAIN_SYMBOLS
    return Text(f"{symbols[word]} {word}", style=_STYLES[word])


def indented(console: Console, text: str, by: int, style: str = "") -> None:
    """Print text that may be a user's, wrapped behind an indent."""
    console.print(Padding(Text(words.printable(text), style=style), (0, 0, 0, by), expand=False))
