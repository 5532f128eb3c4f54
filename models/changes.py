"""Changes of a scenario by path: `desks.finance.roster.0.staff` becomes another value before anything is checked.

A changed scenario is checked as if the file said so, and its digest is that of the changed values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from models import json_schema
from models.diagnostics import QUOTE_WIDTH, Diagnostic, InputError, listed, near, quoted
from models.reading import Document, KeyPath, parse_document

_VALUE = "value"


def parse_changes(texts: Iterable[str]) -> dict[str, Any]:
    """The changes of texts `path=value`, whose value is YAML on one line. Raises InputError with every fault."""
    changes: dict[str, Any] = {}
    faults: list[Diagnostic] = []
    for text in texts:
        path, equals, value = text.partition("=")
        try:
            if not equals or not path:
                raise InputError(Diagnostic("not a change", "", help="expected `path=value`, such as `horizon=2d`"))
            if path in changes:
                raise InputError(Diagnostic(f"{quoted(path)} is set twice", "", help="keep one of the two"))
            changes[path] = _parsed(value)
        except InputError as error:
            faults += [Diagnostic(fault.message, _shown(text), help=fault.help) for fault in error.diagnostics]
    if faults:
        raise InputError(*faults)
    return changes


def parse_value(text: str, shown: str) -> Any:
    """The value of a text, which is YAML on one line. Raises InputError that names `shown`."""
    try:
        return _parsed(text)
    except InputError as error:
        raise InputError(*(Diagnostic(fault.message, shown, help=fault.help) for fault in error.diagnostics)) from None


def _parsed(text: str) -> Any:
    document = parse_document(f"{_VALUE}: {text}", "")
    if document.faults:
        raise InputError(*document.faults)
    if not isinstance(document.value, dict) or list(document.value) != [_VALUE]:
        raise InputError(Diagnostic("more than one value", "", help="one value on one line, such as `[a, b]`"))
    return document.value[_VALUE]


def changed(document: Document, changes: Mapping[str, Any], origin: KeyPath | None = None) -> Document:
    """The document with the changes made, in their order. A path that leads nowhere is among its faults.

    `origin` is where the changes stand in the file; without it they are told as `--set`.
    """
    value = deepcopy(document.value)
    told: dict[KeyPath, str | KeyPath] = dict(document.changes)
    faults: list[Diagnostic] = []
    for path, new in changes.items():
        told_at: str | KeyPath = (*origin, path) if origin else _shown(f"{path}={_written(new)}")
        try:
            keys = _keys(value, path)
            _put(value, keys, json.loads(json.dumps(new)))
            told[keys] = told_at
        except _NowhereError as error:
            faults.append(_fault(document, told_at, error.message, error.help))
        except (TypeError, ValueError, RecursionError):
            faults.append(_fault(document, told_at, "not a plain value", "expected what a YAML file can hold"))
    return replace(document, value=value, changes=told, faults=(*document.faults, *faults))


def _fault(document: Document, at: str | KeyPath, message: str, help: str) -> Diagnostic:
    if isinstance(at, str):
        return Diagnostic(message, at, help=help)
    return document.at(document.place(at, of_key=True), message, help)


class _NowhereError(Exception):
    """A path leads nowhere."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.message = message
        self.help = help


def _written(new: Any) -> str:
    if isinstance(new, str):
        return new
    return "" if new is None else json.dumps(new, default=repr)


def _shown(text: str) -> str:
    return "--set " + quoted(text).strip("`")


def _keys(root: Any, path: str) -> KeyPath:
    """The keys of a dotted path. A key that the schema knows need not be in the file; a name must be."""
    keys: KeyPath = ()
    node, rest = root, path.split(".")
    while rest:
        key, rest = _next(root, node, keys, rest)
        keys = (*keys, key)
        node = node[key] if isinstance(key, int) else node.get(key, {})
    return keys


def _next(root: Any, node: Any, keys: KeyPath, parts: list[str]) -> tuple[str | int, list[str]]:
    """The key that a path goes on with, and what is left of the path. Names may hold dots: the longest one is meant."""
    if isinstance(node, list):
        return _position(node, keys, parts), parts[1:]
    if not isinstance(node, dict):
        raise _NowhereError(f"there is nothing below {quoted(_dotted(keys))}", f"it holds {quoted(node)}")
    for length in range(len(parts), 0, -1):
        if (key := ".".join(parts[:length])) in node:
            return key, parts[length:]
    known = dict.fromkeys((*json_schema.schema_at(keys, root).get("properties", {}), *node))
    if parts[0] in known:
        return parts[0], parts[1:]
    raise _NowhereError(f"there is no {quoted(_dotted((*keys, parts[0])))}", _near_path(keys, parts, known))


def _position(items: list[Any], keys: KeyPath, parts: list[str]) -> int:
    text = parts[0]
    if text.isascii() and text.isdigit() and len(text) < QUOTE_WIDTH and int(text) < len(items):
        return int(text)
    help = f"expected an item from 0 to {len(items) - 1}" if items else "the list is empty"
    raise _NowhereError(f"there is no {quoted(_dotted((*keys, text)))}", help)


def _near_path(keys: KeyPath, parts: list[str], known: Iterable[str]) -> str:
    names = tuple(known)
    close = near(parts[0], names)
    if close is not None:
        return f"did you mean {quoted(_dotted((*keys, close, *parts[1:])))}?"
    return f"known here: {listed(names)}" if names else "nothing is known here"


def _dotted(keys: KeyPath) -> str:
    return ".".join(map(str, keys))


def _put(root: Any, keys: KeyPath, new: Any) -> None:
    for key in keys[:-1]:
        root = root[key] if isinstance(key, int) else root.setdefault(key, {})
    root[keys[-1]] = new
