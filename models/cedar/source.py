"""Where things stand in Cedar text.

Cedar's syntax trees carry no positions and `cedarpy` ids are positional (`policy0`, `policy1`, ...), so a small
splitter finds where each policy starts. It knows Cedar's tokens, hence strings and comments, and nothing of the
grammar.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from models.cedar.policies import Span
from models.diagnostics import Diagnostic

NESTING_MAX = 90
"""Brackets inside brackets. `cedarpy` refuses expressions nested above 100, and dies of a stack overflow near 1000."""

OPERATORS_MAX = 1000
"""Operators, member accesses and `if`s in one policy: `cedarpy` dies of a stack overflow on chains of some thousands.
"""

# As in Cedar's own lexer; the last branch takes a stray character, which Cedar then refuses.
_OPEN_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*')
_OTHER = r"""(?P<skip>[\s]+|//[^\n\r]*)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9]+)
    |(?P<mark>::|==|!=|<=|>=|&&|\|\||[^\s])"""
_TOKEN = re.compile(rf'(?P<string>{_OPEN_STRING.pattern}")|{_OTHER}', re.VERBOSE)
_TOKEN_BUT_STRING = re.compile(_OTHER, re.VERBOSE)
_OPERATORS = frozenset({"&&", "||", "+", "-", "*", ".", "[", "!", "if", "has", "when", "unless"})
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `kind` is `string`, `word`, `number` or `mark`; `start` counts characters from the start of the
    text.
    """

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def content(self) -> str:
        """The token as a name: the inside of a string, otherwise the text itself. Escapes are left as they are."""
        return self.text[1:-1] if self.kind == "string" else self.text


def tokens(text: str) -> Iterator[Token]:
    """The tokens of Cedar policy or schema text, without white space and comments."""
    start = 0
    while start < len(text):
        for found in _TOKEN.finditer(text, start):
            if found[0] == '"':
                break
            yield from _token(found)
            start = found.end()
        else:
            return
        # No string that starts inside this open one ends either. To look for the end of each would take for ever.
        broken = _OPEN_STRING.match(text, start)
        assert broken is not None
        for found in _TOKEN_BUT_STRING.finditer(text, start):
            if found.start() >= broken.end():
                break
            yield from _token(found)
            start = found.end()


def _token(found: re.Match[str]) -> Iterator[Token]:
    if found.lastgroup != "skip" and found.lastgroup is not None:
        yield Token(found.lastgroup, found[0], found.start())


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy as written, from its first annotation or keyword to its `;`."""

    tokens: tuple[Token, ...]

    @property
    def start(self) -> int:
        return self.tokens[0].start

    @property
    def end(self) -> int:
        return self.tokens[-1].end

    @property
    def nesting(self) -> int:
        """The greatest number of brackets open at once."""
        return max_nesting(self.tokens)

    @property
    def operators(self) -> int:
        return sum(token.text in _OPERATORS for token in self.tokens)

    def annotation(self, name: str) -> int:
        """Where `@name` starts; the start of the policy where it has none."""
        for mark, word in itertools.pairwise(self.tokens):
            if mark.text == "@" and word.text == name:
                return mark.start
        return self.start


def max_nesting(stream: tuple[Token, ...] | Iterator[Token], opening: frozenset[str] = _OPENING) -> int:
    """The greatest number of brackets open at once."""
    depth = deepest = 0
    for token in stream:
        depth += (token.text in opening) - (token.text in _CLOSING)
        deepest = max(deepest, depth)
    return deepest


@dataclass(frozen=True)
class Source:
    """One file's text, with the lines and policies in it; or a text that stands for what is at a place of a file."""

    file: str
    text: str = field(repr=False)
    line: int = 1
    column: int = 1
    """The place of the text's first character."""
    linked: bool = False
    """Whether the text is a template's with its slots filled."""

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer("\n", self.text))]

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The policies in order; what follows the last `;` counts as one more where it holds any token."""
        found: list[Statement] = []
        pending: list[Token] = []
        for token in tokens(self.text):
            pending.append(token)
            if token.text == ";":
                found.append(Statement(tuple(pending)))
                pending = []
        return (*found, Statement(tuple(pending))) if pending else tuple(found)

    def slice(self, statement: Statement) -> str:
        """The text of one policy."""
        return self.text[statement.start : statement.end]

    def span(self, offset: int) -> Span:
        """The place of a character."""
        line = bisect_right(self._line_starts, offset)
        column = offset - self._line_starts[line - 1] + (self.column if line == 1 else 1)
        return Span(self.file, line + self.line - 1, column)

    def diagnostic(self, message: str, offset: int, help: str = "") -> Diagnostic:
        """A fault at a character of this file."""
        span = self.span(offset)
        start = self._line_starts[span.line - self.line]
        line = self.text[start:].split("\n", 1)[0].rstrip("\r")
        indent = " " * (self.column - 1) if span.line == self.line else ""
        return Diagnostic(message, self.file, span.line, span.column, indent + line, help)
