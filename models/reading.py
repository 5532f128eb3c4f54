"""YAML text to plain values, with the place of every key and value.

YAML 1.2 with its core schema: `NO` is a text, timestamps stay text, `1_000` is a text. ruamel's round-trip parser gives
the events; the values are built here, because no loader keeps the places of all keys and values and bounds what a
hostile file can ask for. Aliases, merge keys and tags are refused: a scenario says what it means where it says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from models.diagnostics import Diagnostic, InputError, input_error, quoted

FILE_BYTES_MAX: Final = 1_000_000
DEPTH_MAX: Final = 40
NODES_MAX: Final = 50_000
"""Limits on a scenario file: far above any hand-written one (the deepest scenario nests nine levels)."""
DIAGNOSTICS_MAX: Final = 200
"""Faults reported of one file at most."""

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONSTANTS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LINE_BREAK = re.compile("\r\n|\n|\r")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")

KeyPath = tuple[str | int, ...]


class Place(NamedTuple):
    """Where something starts. Lines and columns count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """A file's plain values (None, bool, int, float, str, list, dict) and where they stand.

    `keys` and `values` map a path of keys and list positions to the place of the key and of the value. `faults` are
    what reading itself found wrong, in file order.
    """

    file: str
    lines: tuple[str, ...] = field(repr=False)
    value: Any
    keys: Mapping[KeyPath, Place] = field(repr=False)
    values: Mapping[KeyPath, Place] = field(repr=False)
    faults: tuple[Diagnostic, ...]
    changes: Mapping[KeyPath, str | KeyPath] = field(default_factory=dict, repr=False)
    """Where a value does not stand at its own place in the file, and what set it: a text from outside, or the path of
    a variant's change."""

    def change(self, path: KeyPath) -> str | KeyPath | None:
        """What set the value at `path`, or one above it; None where it stands there."""
        found = (self.changes.get(path[:length]) for length in range(len(path), 0, -1))
        return next((text for text in found if text is not None), None)

    def place(self, path: KeyPath, *, of_key: bool = False) -> Place:
        """The place of the value (or key) at `path`, or of the nearest one above it."""
        for length in range(len(path), 0, -1):
            part = path[:length]
            found = self.keys.get(part) if of_key or length < len(path) else self.values.get(part)
            found = found or self.values.get(part)
            if found:
                return found
        return Place(1, 1)

    def diagnostic(self, path: KeyPath, message: str, help: str = "", *, of_key: bool = False) -> Diagnostic:
        """A fault of the value (or the key) at `path`, or of what set it."""
        text = self.change(path)
        if isinstance(text, str):
            return Diagnostic(message, text, help=help)
        if text is not None:
            return self.at(self.place(text, of_key=True), message, help)
        return self.at(self.place(path, of_key=of_key), message, help)

    def at(self, place: Place, message: str, help: str = "") -> Diagnostic:
        """A fault at a place of the file."""
        return _diagnostic(self.file, self.lines, place, message, help)


def read_document(path: Path) -> Document:
    """Read a YAML file. Faults that leave values readable are in `Document.faults`; others raise `InputError`."""
    return parse_document(read_text(path, FILE_BYTES_MAX), str(path))


def read_text(path: Path, bytes_max: int) -> str:
    """The UTF-8 text of a file of at most `bytes_max` bytes. Raises `InputError`."""
    return decode(read_bytes(path, bytes_max), str(path))


def read_bytes(path: Path, bytes_max: int) -> bytes:
    """The bytes of a regular file of at most `bytes_max` bytes. Raises `InputError`."""
    try:
        if not path.is_file():
            what = "is a folder, expected a file" if path.is_dir() else "not a regular file"
            raise input_error(what if path.exists() else "no such file", str(path))
        with path.open("rb") as stream:
            data = stream.read(bytes_max + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise input_error(f"cannot be read: {reason.lower()}", quoted(str(path)).strip("`")) from None
    if len(data) > bytes_max:
        raise input_error("the file is too large", str(path), f"at most {bytes_max:,} bytes are read")
    return data


def decode(data: bytes, file: str) -> str:
    """UTF-8 text without a byte order mark. Raises `InputError` at the first byte that is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = split_lines(data[: error.start].decode("utf-8-sig", "replace"))
        place = Place(len(lines), len(lines[-1]) + 1)
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        source = (*lines[:-1], lines[-1] + "\N{REPLACEMENT CHARACTER}")
        raise InputError(_diagnostic(file, source, place, message, "save the file as UTF-8")) from None


def split_lines(text: str) -> tuple[str, ...]:
    """Lines as YAML 1.2 counts them; at least one."""
    return tuple(_LINE_BREAK.split(text))


def parse_document(text: str, file: str) -> Document:
    """`read_document` for a text. Raises `InputError` where no values can be read."""
    lines = split_lines(text)
    _refuse_unprintable(text, lines, file)
    builder = _Builder(file, lines)
    try:
        value = builder.document(_events(text))
    except _UnreadableError as error:
        raise InputError(*builder.faults, error.diagnostic) from None
    except MarkedYAMLError as error:
        raise InputError(*builder.faults, _syntax_fault(error, lines, file)) from None
    except (YAMLError, ValueError, OverflowError) as error:  # e.g. an escape beyond Unicode
        raise InputError(*builder.faults, Diagnostic(f"not YAML: {str(error).lower()}", file)) from None
    return Document(file, lines, value, builder.keys, builder.values, tuple(builder.faults))


def _diagnostic(file: str, lines: tuple[str, ...], place: Place, message: str, help: str) -> Diagnostic:
    source = lines[place.line - 1] if place.line <= len(lines) else ""
    return Diagnostic(message, file, place.line, place.column, source, help)


def _refuse_unprintable(text: str, lines: tuple[str, ...], file: str) -> None:
    found = _UNPRINTABLE.search(text)
    if found:
        before = split_lines(text[: found.start()])
        message = f"character U+{ord(found[0]):04X} is not allowed"
        place = Place(len(before), len(before[-1]) + 1)
        raise InputError(_diagnostic(file, lines, place, message, "YAML is printable text; write it as an escape"))


def _syntax_fault(error: MarkedYAMLError, lines: tuple[str, ...], file: str) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    message = (error.problem or error.context or "not YAML").replace("'", "`")
    help = f"{error.context} that starts at line {error.context_mark.line + 1}" if error.context_mark else ""
    if "'\\t'" in (error.problem or ""):
        help = "indent with blanks; YAML allows no tabs there"
    return _diagnostic(file, lines, place, message, help)


def _events(text: str) -> Iterator[Event]:
    events: Iterator[Event] = YAML(typ="rt", pure=True).parse(text)
    return events


class _UnreadableError(Exception):
    """No values can be read beyond this point."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class _Builder:
    """Builds values from events. Owns the limits, the places and the faults of one file."""

    def __init__(self, file: str, lines: tuple[str, ...]) -> None:
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}
        self.faults: list[Diagnostic] = []
        self._file = file
        self._lines = lines
        self._nodes = 0

    def document(self, events: Iterator[Event]) -> Any:
        """The value of the only document of a stream."""
        value: Any = None
        documents = 0
        for event in events:
            match event:
                case StreamStartEvent():
                    pass
                case DocumentStartEvent():
                    documents += 1
                    self._begin_document(event, documents)
                    value = self._value(next(events), events, ())
                case StreamEndEvent():
                    break
        if value is None:
            place = Place(1, 1)
            raise self._unreadable(place, "the file is empty", "`windtunnel new` writes a scenario to start from")
        return value

    def _begin_document(self, event: DocumentStartEvent, number: int) -> None:
        place = _place(event)
        if number > 1:
            raise self._unreadable(place, "a second document starts here", "one scenario a file; drop the `---`")
        if event.version not in (None, (1, 2)):
            raise self._unreadable(place, "not YAML 1.2", "drop the `%YAML` line; scenarios are YAML 1.2")

    def _value(self, event: Event, events: Iterator[Event], path: KeyPath) -> Any:
        place = _place(event)
        self._count(place, path)
        self.values[path] = place
        if isinstance(event, AliasEvent):
            self._fault(place, f"alias {quoted('*' + str(event.anchor))} is not supported", "write the value out here")
            return None
        tag = getattr(event, "ctag", None)  # ruamel declares it on the events that begin a value only
        if tag is not None:
            self._fault(place, f"tag {quoted(str(tag))} is not supported", "drop the tag")
        match event:
            case MappingStartEvent():
                return self._mapping(events, path)
            case SequenceStartEvent():
                return self._sequence(events, path)
            case ScalarEvent():
                return self._scalar(event, place, path)
        raise AssertionError(f"no value starts with {event!r}")  # pragma: no cover

    def _mapping(self, events: Iterator[Event], path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            place = _place(event)
            key = self._key(event, events, place)
            if key is None or self._is_twice(key, found, place, path):
                self._skip(next(events), events)
                continue
            self.keys[(*path, key)] = place
            found[key] = None
            found[key] = self._value(next(events), events, (*path, key))
        return found

    def _key(self, event: Event, events: Iterator[Event], place: Place) -> str | None:
        """The text of a key, or None (and a fault) where it cannot be one."""
        if not isinstance(event, ScalarEvent):
            self._skip(event, events)
            self._fault(place, "a key must be a plain text", "write `name: value`")
            return None
        text = str(event.value)
        if event.ctag is None and event.implicit[0] and text == "<<":
            self._fault(place, "merge key `<<` is not supported", "write the keys out here")
            return None
        if event.ctag is not None or (event.implicit[0] and not isinstance(_resolve(text), str)):
            self._fault(place, f"key {quoted(text)} is not a text", f'quote it: `"{text[:40]}"`')
            return None
        return text

    def _is_twice(self, key: str, found: Mapping[str, Any], place: Place, path: KeyPath) -> bool:
        if key not in found:
            return False
        first = self.keys[(*path, key)]
        message = f"key {quoted(key)} is given twice, first at line {first.line}, column {first.column}"
        self._fault(place, message, "keep one of the two")
        return True

    def _sequence(self, events: Iterator[Event], path: KeyPath) -> list[Any]:
        found: list[Any] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            found.append(self._value(event, events, (*path, len(found))))
        return found

    def _scalar(self, event: ScalarEvent, place: Place, path: KeyPath) -> Any:
        text = str(event.value)
        if event.style == ">":  # ruamel marks where it folded; the file itself can hold no such character
            text = text.replace("\a", "")
        if not event.implicit[0]:
            return self._text(text, place)
        if not text and path in self.keys:  # nothing after the colon: the parser is at the next key by now
            self.values[path] = self.keys[path]
        try:
            return _resolve(text)
        except OverflowError:
            self._fault(place, f"number {quoted(text)} is too large", "a whole number of at most 64 bits")
            return None

    def _text(self, text: str, place: Place) -> str:
        if _SURROGATE.search(text):
            self._fault(place, f"text {quoted(text)} has half a character", "escapes come in pairs, or as `\\U`")
            return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
        return text

    def _skip(self, event: Event, events: Iterator[Event]) -> None:
        """Pass over the rest of a value that begins with `event`."""
        depth = 0
        while True:
            self._count(_place(event), range(depth))
            if isinstance(event, MappingStartEvent | SequenceStartEvent):
                depth += 1
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                depth -= 1
            if depth == 0:
                return
            event = next(events)

    def _count(self, place: Place, depth: KeyPath | range) -> None:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise self._unreadable(place, "the file holds too much", f"at most {NODES_MAX:,} keys and values are read")
        if len(depth) > DEPTH_MAX:
            raise self._unreadable(place, "nested too deep", f"at most {DEPTH_MAX} levels are read")

    def _fault(self, place: Place, message: str, help: str) -> None:
        self.faults.append(_diagnostic(self._file, self._lines, place, message, help))
        if len(self.faults) >= DIAGNOSTICS_MAX:
            raise self._unreadable(place, "too many faults", f"only the first {DIAGNOSTICS_MAX} are shown")

    def _unreadable(self, place: Place, message: str, help: str) -> _UnreadableError:
        return _UnreadableError(_diagnostic(self._file, self._lines, place, message, help))


def _place(event: Event) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _resolve(text: str) -> bool | int | float | str | None:
    """The value of a plain scalar by the YAML 1.2 core schema. Raises OverflowError beyond 64 bits."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _integer(text: str) -> int:
    if len(text) > 64:
        raise OverflowError(text)
    base = 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10
    value = int(text, base)
    if not -(2**63) <= value < 2**63:
        raise OverflowError(text)
    return value
