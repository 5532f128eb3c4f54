"""Changes of a scenario by path: `desks.finance.roster.0.staff` becomes another value before anything is checked.

List items are named by position, and the position after the last one adds an item. `null` takes out what may be left
out, a named part too. A whole part is replaced by giving it anew, and a mapping under a new name adds a part. A changed
scenario is checked as if the file said so, and its digest is that of the changed values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from models import json_schema
from models.diagnostics import QUOTE_WIDTH, Diagnostic, InputError, listed, near, quoted
from models.reading import Document, KeyPath, parse_document

_VALUE = "value"
_OPTION: Final = "--set"


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

    `origin` is where the changes stand in the file; without it they are told as `--set`,
    or as `told_as` says.
    """
    value = deepcopy(document.value)
    told: dict[KeyPath, str | KeyPath] = dict(document.changes)
    faults: list[Diagnostic] = []
    for path, new in changes.items():
        told_at: str | KeyPath = (*origin, path) if origin else _shown(f"{path}={_written(new)}")
        try:
            told[_make(value, path, new)] = told_at
        except _NowhereError as error:
            faults.append(_fault(document, told_at, error.message, error.help))
        except (TypeError, ValueError, RecursionError):
            faults.append(_fault(document, told_at, "not a plain value", "expected what a YAML file can hold"))
    return replace(document, value=value, changes=told, faults=(*document.faults, *faults))


@contextmanager
def told_as(option: str) -> Iterator[None]:
    """Faults of changes are told of another option, which the changes come from."""
    try:
        yield
    except InputError as error:
        raise InputError(*(_told_as(option, fault) for fault in error.diagnostics)) from None


def _told_as(option: str, fault: Diagnostic) -> Diagnostic:
    here = fault.file.startswith(f"{_OPTION} ")
    return replace(fault, file=option + fault.file.removeprefix(_OPTION)) if here else fault


def made(root: Any, changes: Mapping[str, Any]) -> None:
    """Make changes, which are known to lead somewhere, in plain values or in ruamel's round-trip ones."""
    for path, new in changes.items():
        _make(root, path, new)


def leads_nowhere(root: Any, path: str) -> tuple[str, str] | None:
    """What is wrong with a path in plain values, and the help; None where it leads somewhere."""
    try:
        _keys(root, path, grows=False)
    except _NowhereError as error:
        return error.message, error.help
    return None


def _make(root: Any, path: str, new: Any) -> KeyPath:
    keys = _keys(root, path, grows=isinstance(new, dict))
    _put(root, keys, json.loads(json.dumps(new)))
    return keys


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
    return f"{_OPTION} " + quoted(text).strip("`")


def _keys(root: Any, path: str, *, grows: bool) -> KeyPath:
    """The keys of a dotted path. A key that the schema knows need not be in the file; a name must be, unless it
    ends the path of what `grows` a new part."""
    keys: KeyPath = ()
    node, rest = root, path.split(".")
    while rest:
        if grows and len(rest) == 1 and isinstance(node, dict) and _names_parts(json_schema.schema_at(keys, root)):
            return (*keys, rest[0])
        key, rest = _next(root, node, keys, rest)
        keys = (*keys, key)
        node = _below(root, node, keys) if rest else None
    return keys


def _names_parts(node: Mapping[str, Any]) -> bool:
    return node.get("type") == "object" and "properties" not in node


def _below(root: Any, node: Any, keys: KeyPath) -> Any:
    """What a node holds under the last of `keys`; where a file leaves it out, the empty value of its kind."""
    key = keys[-1]
    if isinstance(key, int) or key in node:
        return node[key]
    return [] if json_schema.schema_at(keys, root).get("type") == "array" else {}


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
    """The position of an item; that after the last one where the path ends, which adds an item."""
    text, whole = parts[0], len(parts) == 1
    if text.isascii() and text.isdigit() and len(text) < QUOTE_WIDTH and int(text) < len(items) + whole:
        return int(text)
    help = f"expected an item from 0 to {len(items) - 1}" if items else "the list is empty"
    help += f"; {len(items)} adds one" if whole else ""
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
    """Put a value in its place. None takes a key out that may be left out and may not be null."""
    node = root
    for key, after in pairwise(keys):
        node = node[key] if isinstance(key, int) else node.setdefault(key, [] if isinstance(after, int) else {})
    last = keys[-1]
    if isinstance(last, int) and last == len(node):
        node.append(new)
    elif new is None and isinstance(last, str) and _may_go(json_schema.schema_at(keys[:-1], root), last):
        node.pop(last, None)
    else:
        node[last] = new


def _may_go(parent: Mapping[str, Any], key: str) -> bool:
    options = parent.get("properties", {}).get(key, {}).get("anyOf", ())
    return key not in parent.get("required", ()) and not any(option.get("type") == "null" for option in options)
