"""Markdown for a pull-request comment or the summary of a step, within their lengths.

What comes from files is inert: every mark that Markdown or HTML reads is written as an entity, and names of people,
numbers of issues and addresses are split by an empty comment, so that a comment mentions, links and closes nothing.
Text between backticks is code.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from reports.formats.common import GROUPS, Group, group_of, heading, place_of, worst_first
from reports.statements import Statement, Told
from reports.words import count, listed, printable

COMMENT_BYTES: Final = 65_535
"""GitHub takes a comment of 65,536 characters; bytes in UTF-8 are never fewer than characters."""

ONE_MAX: Final = 4_000
"""Characters of a statement's message or witness that are told. An assumption: what is read in a comment."""

NOTES_MAX: Final = 20
"""Notes that are told. An assumption: what is read in a comment."""

_TITLES: Final[dict[Group, str]] = {
    "failing": "Failing",
    "undecided": "Undecided",
    "warnings": "Warnings",
    "review": "Changes to look at",
    "informational": "For information",
    "waived": "Waived",
    "unchanged": "There before",
    "absent": "Gone since the baseline",
}
_SIGNS: Final = {"pass": "✅", "fail": "❌", "undecided": "❔", "invalid": "❌"}
_MARK = re.compile(r"(?<![A-Za-z0-9])-|-(?![A-Za-z0-9])|[^A-Za-z0-9 ,;:/(.)%'\"?\-\x80-\U0010ffff]")
"""What Markdown may read as more than a character."""
_START = re.compile(r"\A(?: |[0-9]+[.)])")
"""What it reads so at the start of a line: code and lists."""
_SPLIT = re.compile(r"[@#]|(?i:www(?=\.))|:(?=//)|(?i:\bGH(?=-))")


def markdown(told: Told) -> str:
    """The comment."""
    return document(told, COMMENT_BYTES)


def document(told: Told, most_bytes: int) -> str:
    """Verdict, reasons, facts and statements, worst first, in at most so many bytes; what does not fit is counted."""
    head = "".join(_head(told))
    blocks = list(_blocks(told.statements))
    reserve = len(_left_out(len(told.statements)).encode())
    head = _cut(head, most_bytes - reserve)
    size, text = len(head.encode()), [head]
    for number, (block, _) in enumerate(blocks):
        length = len(block.encode())
        if size + length + reserve > most_bytes:
            return "".join(text) + _left_out(sum(holds for _, holds in blocks[number:]))
        text.append(block)
        size += length
    return "".join(text)


def _left_out(number: int) -> str:
    return f"\n_{count(number, 'more statement')} left out: there is no room for them here._\n"


def _cut(head: str, most_bytes: int) -> str:
    """The head of lines that fit."""
    if len(head.encode()) <= most_bytes:
        return head
    kept: list[str] = []
    size = len(b"- ...\n\n")
    for line in head.splitlines(keepends=True):
        size += len(line.encode())
        if size > most_bytes:
            break
        kept.append(line)
    return "".join([*kept, "- ...\n\n"])


def _head(told: Told) -> Iterator[str]:
    yield f"## {_SIGNS.get(told.verdict, '❔')} Windtunnel: {told.verdict}, {inert(told.title)}\n\n"
    yield from (f"- {inert(_short(reason))}\n" for reason in told.reasons)
    numbers = Counter(map(group_of, told.statements))
    counts = [f"{numbers[group]} {_word(group, numbers[group])}" for group in GROUPS if numbers[group]]
    yield f"\nExit code {told.exit_code}. {listed(counts, len(GROUPS)) if counts else 'Nothing is said'}.\n\n"
    notes = [value for name, value in told.facts.items() if name.startswith("note ")]
    facts = {name: value for name, value in told.facts.items() if not name.startswith("note ")}
    if facts:
        values = " · ".join(f"{inert(name)} {_code(_short(value, 200))}" for name, value in facts.items())
        yield f"<sub>{values}</sub>\n\n"
    if notes:
        yield from (f"- {inert(_short(note))}\n" for note in notes[:NOTES_MAX])
        yield f"- {count(len(notes) - NOTES_MAX, 'more note')}\n\n" if len(notes) > NOTES_MAX else "\n"


def _word(group: Group, number: int) -> str:
    words = {"review": "to look at", "informational": "for information", "pass": "passing", "absent": "gone"}
    words |= {"unchanged": "there before", "warnings": "warning" if number == 1 else "warnings"}
    return words.get(group, group)


def _blocks(statements: Iterable[Statement]) -> Iterator[tuple[str, int]]:
    """Pieces of the text that stand whole or not at all, each with how many statements it holds."""
    by_group: dict[Group, list[Statement]] = {}
    for one in worst_first(statements):
        by_group.setdefault(group_of(one), []).append(one)
    for group, some in by_group.items():
        if group == "pass":
            continue
        heading_line = f"### {_TITLES[group]} ({len(some)})\n\n"
        for number, one in enumerate(some):
            yield (heading_line if number == 0 else "") + _told(one), 1
    if passing := by_group.get("pass"):
        names = Counter(map(heading, passing))
        told = [f"{name} ({number})" if number > 1 else name for name, number in sorted(names.items())]
        yield f"### Passing ({len(passing)})\n\n{inert(_short(', '.join(told)))}\n", len(passing)


def _told(statement: Statement) -> str:
    """A list item, its witness folded beneath it."""
    place = place_of(statement)
    where = f" · {_code(place)}" if place else ""
    lines = [f"- **{inert(heading(statement))}**{where} · {_code(statement.fingerprint)}  \n"]
    lines.append(f"  {inert(_short(statement.message))}\n")
    if statement.waived:
        lines.append(f"  <br>Waived: {inert(_short(statement.waived))}\n")
    if statement.detail:
        told = _escaped(_short(printable(statement.detail, keep="\n"))).replace("\n", "\n  ")
        lines.append(f"\n  <details><summary>Details</summary>\n\n  <pre>{told}</pre>\n\n  </details>\n")
    return "".join(lines) + "\n"


def _short(text: str, most: int = ONE_MAX) -> str:
    return text if len(text) <= most else f"{text[:most]} (cut)"


def inert(text: str) -> str:
    """Text that means nothing to Markdown or HTML; what stands between a pair of backticks is code."""
    plain = printable(text)
    start = _START.match(plain)
    if start:
        return f"{start[0][:-1]}&#{ord(start[0][-1])};{_prose(plain[start.end() :])}"
    return _prose(plain)


def _prose(plain: str) -> str:
    parts = plain.split("`")
    if len(parts) % 2 == 0:
        return _entities("`".join(parts))
    return "".join(_code(part) if number % 2 else _entities(part) for number, part in enumerate(parts))


def _code(text: str) -> str:
    return f"<code>{_entities(printable(text))}</code>" if text else "<code></code>"


def _entities(text: str) -> str:
    found, last = [], 0
    for split in _SPLIT.finditer(text):
        found += [_marks(text[last : split.end()]), "<!-- -->"]
        last = split.end()
    return "".join([*found, _marks(text[last:])])


def _marks(text: str) -> str:
    return _MARK.sub(lambda found: f"&#{ord(found[0])};", text)


def _escaped(text: str) -> str:
    """Text within `pre`. A blank line would not end it, a tag would: there is none left."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
