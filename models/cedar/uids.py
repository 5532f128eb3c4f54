"""Entity and action uids as text: `Shop::Action::"view"`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|x([0-7][0-9a-fA-F])|(.)|$)", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\", '"': '"', "'": "'"}
_ESCAPED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", "\\": "\\\\", '"': '\\"'}
_UID = re.compile(r'([A-Za-z_][A-Za-z0-9_]*(?:::[A-Za-z_][A-Za-z0-9_]*)*)::"((?:\\.|[^"\\])*)"', re.DOTALL)


class Uid(NamedTuple):
    """An entity: full type name and id."""

    type: str
    id: str

    def __str__(self) -> str:
        return f'{self.type}::"{escape(self.id)}"'


def unescape(text: str) -> str:
    """The string that the inside of a Cedar string literal stands for. Raises ValueError on an unknown escape."""

    def replace(found: re.Match[str]) -> str:
        if code := found[1] or found[2]:
            return chr(int(code, 16))
        if found[3] not in _PLAIN:
            raise ValueError(f"unknown escape `{found[0]}`")
        return _PLAIN[found[3]]

    return _ESCAPE.sub(replace, text)


def escape(text: str) -> str:
    """The inside of a Cedar string literal for a string; control characters become escapes."""
    return "".join(_ESCAPED[c] if c in _ESCAPED else c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


@lru_cache(maxsize=4096)
def parse_uid(text: str) -> Uid:
    """The uid that `Type::"id"` names. Raises ValueError where the text is not one."""
    found = _UID.fullmatch(text)
    if not found:
        raise ValueError(f'expected an entity uid such as `Shop::User::"anna"`, got {text[:80]!r}')
    return Uid(found[1], unescape(found[2]))
