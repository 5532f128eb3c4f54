"""Sets of strings as Cedar's `like` makes them: globs, and what not, and and or make of globs.

`like` on one string is kept as one membership in one language. z3 answers a fused membership in milliseconds where it
hangs on the same globs asserted one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from cedarpy import pst

from models.cedar.values import glob


@dataclass(frozen=True)
class Glob:
    """Texts made of the pieces in order, with anything between them. One piece: that text alone."""

    pieces: tuple[str, ...]

    @cached_property
    def _test(self) -> object:
        pattern: list[pst.PatternElem] = []
        for position, piece in enumerate(self.pieces):
            pattern += [pst.Wildcard()] * (position > 0) + [pst.Char(c) for c in piece]
        return glob(pattern)

    def accepts(self, text: str) -> bool:
        """Whether the text is in the language."""
        return self._test(text)  # type: ignore[operator, no-any-return]


@dataclass(frozen=True, slots=True)
class Complement:
    """Every text that is not in the inner language."""

    inner: Language

    def accepts(self, text: str) -> bool:
        return not self.inner.accepts(text)


@dataclass(frozen=True, slots=True)
class Union:
    """Texts of some of the languages."""

    parts: tuple[Language, ...]

    def accepts(self, text: str) -> bool:
        return any(part.accepts(text) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Intersection:
    """Texts of all the languages."""

    parts: tuple[Language, ...]

    def accepts(self, text: str) -> bool:
        return all(part.accepts(text) for part in self.parts)


Language = Glob | Complement | Union | Intersection


def pattern(elements: Sequence[pst.PatternElem]) -> Glob:
    """The language of a `like` pattern; neighbouring wildcards are one."""
    pieces = [""]
    for before, element in zip((None, *elements), elements, strict=False):
        if isinstance(element, pst.Char):
            pieces[-1] += element.value
        elif not isinstance(before, pst.Wildcard):
            pieces.append("")
    return Glob(tuple(pieces))


def complement(language: Language) -> Language:
    """The complement, pushed inwards so that equal languages look equal."""
    match language:
        case Complement(inner):
            return inner
        case Union(parts):
            return intersection(map(complement, parts))
        case Intersection(parts):
            return union(map(complement, parts))
    return Complement(language)


def union(languages: Iterable[Language]) -> Language:
    """The union, flat, each part once."""
    parts = _flat(languages, Union)
    return parts[0] if len(parts) == 1 else Union(parts)


def intersection(languages: Iterable[Language]) -> Language:
    """The intersection, flat, each part once."""
    parts = _flat(languages, Intersection)
    return parts[0] if len(parts) == 1 else Intersection(parts)


def _flat(languages: Iterable[Language], kind: type[Union] | type[Intersection]) -> tuple[Language, ...]:
    flat: dict[Language, None] = {}
    for language in languages:
        flat |= dict.fromkeys(language.parts if isinstance(language, kind) else (language,))
    return tuple(flat)


def characters(language: Language) -> set[str]:
    """Every character that a glob inside the language names."""
    match language:
        case Glob(pieces):
            return set("".join(pieces))
        case Complement(inner):
            return characters(inner)
        case Union(parts) | Intersection(parts):
            return set().union(*map(characters, parts))
