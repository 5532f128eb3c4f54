"""A page as Markdown: what its HTML says, word for word, without its drawings. Each has a table beside it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_SPACES: Final = re.compile(r"\s+")
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>|#~!])")
_LEFT_OUT: Final = frozenset({"head", "style", "svg", "nav", "title"})
_VOID: Final = frozenset({"meta", "br", "col", "hr", "img", "link", "path", "use", "wbr"})
_HEADINGS: Final = {f"h{level}": "#" * level for level in range(1, 7)}
_BLOCKS: Final = frozenset({"p", "li", "dt", "dd", "caption", "figcaption", "summary", "pre", *_HEADINGS})


def page_markdown(html: str) -> str:
    """The Markdown of a page of ours."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return "\n\n".join(reader.blocks) + "\n"


def escaped(text: str) -> str:
    """A text that says in Markdown what it says: no character of it is markup, and it stays on one line."""
    return _MARKUP.sub(r"\\\1", _SPACES.sub(" ", text).strip())


class _Reader(HTMLParser):
    """Reads our own pages, whose elements are closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[str] = []
        self._hidden = 0  # how deep within what is left out
        self._text: list[str] = []
        self._cells: list[str] = []
        self._rows: list[list[str]] = []
        self._list: list[str] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            self._text.append(" " * (tag == "br"))
            return
        if self._hidden:
            self._hidden += 1
            return
        if tag in _LEFT_OUT or dict(attributes).get("class") == "skip":
            self._hidden = 1
            return
        self._text.append("(" if tag == "small" else "")
        match tag:
            case "table":
                self._rows = []
            case "tr":
                self._cells = []
            case "ul" | "ol" | "dl":
                self._list = []
            case "td" | "th":
                self._text = []
        if tag in _BLOCKS:
            self._text = []

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self._hidden:
            self._hidden -= 1
            return
        self._text.append(")" if tag == "small" else "")
        text = escaped("".join(self._text))
        match tag:
            case "td" | "th":
                self._cells.append(text)
                self._text = []
            case "tr":
                self._rows.append(self._cells)
            case "table":
                self._add(_table(self._rows))
            case "li" if self._list is not None:
                self._list.append(f"- {text}")
            case "dt" if self._list is not None:
                self._list.append(f"- {text}: ")
            case "dd" if self._list:
                self._list[-1] += text
            case "ul" | "ol" | "dl":
                self._add("\n".join(self._list or ()))
                self._list = None
            case _ if tag in _BLOCKS:
                self._add(_block(tag, text))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._text.append(data)

    def _add(self, block: str) -> None:
        if block.strip():
            self.blocks.append(block)


def _block(tag: str, text: str) -> str:
    if not text:
        return ""
    if tag in _HEADINGS:
        return f"{_HEADINGS[tag]} {text}"
    return f"**{text}**" if tag in ("figcaption", "summary") else text


def _table(rows: list[list[str]]) -> str:
    width = max(map(len, rows), default=0)
    if not width:
        return ""
    # A head that spans rows is told in the first of them: the others are filled from the left.
    head, *body = [[*[""] * (width - len(row)), *row] for row in rows]
    lines = [head, ["---"] * width, *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
