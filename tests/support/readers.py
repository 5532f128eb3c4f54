"""Readers of what CI systems read, written from what they do: GitHub's runner, and Markdown as a page.

They are stricter than the real ones where those differ by version, so that what is inert here is inert there.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import NamedTuple

import html5lib
from markdown_it import MarkdownIt


class Command(NamedTuple):
    name: str
    properties: dict[str, str]
    message: str


def obeyed(line: str) -> Command | None:
    """What a runner makes of a line: a command where it starts with `::`, or has `##[` anywhere (the older form)."""
    start = line.lstrip()
    if start.startswith("::") and (end := start.find("::", 2)) > 0:
        name, _, rest = start[2:end].partition(" ")
        pairs = (pair.partition("=") for pair in rest.split(",") if "=" in pair)
        return Command(name, {k.strip(): _decoded(v) for k, _, v in pairs}, _decoded(start[end + 2 :]))
    if (at := line.find("##[")) >= 0 and "]" in line[at:]:
        return Command(line[at + 3 : line.find("]", at)].partition(" ")[0], {}, line[line.find("]", at) + 1 :])
    return None


def _decoded(text: str) -> str:
    for code, plain in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, plain)
    return text


OURS = {"code", "br", "sub", "details", "summary", "pre", "h2", "h3", "ul", "li", "p", "strong", "em", "hr"}
MENTION = re.compile(r"@\w|#\d|GH-\d|https?://|www\.|ftp://", re.IGNORECASE)


def shown(text: str) -> ET.Element:
    """The page that a reader of CommonMark with tables and strikethrough makes of Markdown."""
    page = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    return html5lib.parse(page, treebuilder="etree", namespaceHTMLElements=False).find("body")


def texts(node: ET.Element, code: bool = False) -> Iterator[str]:
    """The texts that a page's reader looks for mentions in: each text node by itself, not those in code."""
    if node.tag in ("code", "pre") and not code:
        return
    yield node.text or ""
    for child in node:
        if isinstance(child.tag, str):
            yield from texts(child, code)
        yield child.tail or ""


def harmless(text: str) -> None:
    page = shown(text)
    tags = {node.tag for node in page.iter() if isinstance(node.tag, str)} - {"body"}
    assert tags <= OURS
    assert all(not node.attrib for node in page.iter() if isinstance(node.tag, str))
    assert not [found for node in texts(page) for found in MENTION.findall(node)]
