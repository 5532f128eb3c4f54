"""Random Cedar schemas, and the constants that policies and stores of one world share.

Policies compare with constants of a palette, and stores hold values of the same palette: its constants and their
neighbours. So both sides of a comparison are met often.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cedarpy

from models.cedar.schema import parse_schema
from models.cedar.types import Schema

LONG_MAX, LONG_MIN = 2**63 - 1, -(2**63)

LONGS = (0, 1, 5, 100, -7, 2**31, 2**62, 3_037_000_500, LONG_MAX, LONG_MIN)
STRINGS = ("", "a", "b", "ab", "ba", "aab", "a*b", "é", "aé", "a\n", 'q"', "b\\", "a.env", "a😀", "A")
PIECES = ("a", "b", "ab", "*", "é", ".env", "\\", '"', "😀", "\n")
EXTENSIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "decimal": (
        ("0.0", "0.0001", "-0.0001", "-1.5"),
        ("1.5", "1.50", "1.4999", "1.5001", "01.5"),
        ("922337203685477.5807", "922337203685477.5806"),
        ("-922337203685477.5808", "-922337203685477.5807"),
    ),
    "datetime": (
        ("1970-01-01", "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.001Z"),
        ("2024-02-29", "2024-02-29T12:00:00Z", "2024-02-29T23:59:59.999Z", "2024-03-01", "2024-03-01T01:00:00+0100"),
        ("2023-02-28T23:00:00-0500", "2023-03-01T04:00:00Z"),
        ("1582-10-15", "9999-12-31T23:59:59.999Z", "0001-01-01"),
    ),
    "duration": (
        ("0ms", "1ms", "-1ms", "-999ms", "999ms"),
        ("1s", "-1001ms", "1001ms", "59m", "1h", "60m"),
        ("23h59m", "1d", "-1d", "-25h", "1d1ms"),
        ("9223372036854775807ms", "-9223372036854775808ms", "9223372036854775ms"),
    ),
    "ipaddr": (
        ("127.0.0.1", "127.255.255.255", "128.0.0.0", "126.255.255.255", "127.0.0.0/7"),
        ("10.0.0.1", "10.0.0.0/8", "10.0.0.1/24", "10.0.1.0/24", "10.0.0.1/32", "0.0.0.0/0"),
        ("224.0.0.1", "239.255.255.255/4", "240.0.0.0", "255.255.255.255", "224.0.0.0/3"),
        ("::1", "::", "::/0", "::2", "::1/127", "::7f00:1"),
        ("ff00::", "ff02::1/16", "fe80::1", "FE80::/10", "1:2:3:4:5:6:7:8"),
    ),
}
"""Texts of extension values, those that lie beside or inside each other together."""
NAMES = ("a", "b", "c", "d e", "if", "ü")
IDS = ("a", "b", "c d", 'q"', "é", "*", "\\")


def quoted(text: str) -> str:
    """A text as Cedar writes it."""
    return json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True)
class Palette:
    """The constants of one world. Longs come as centres; the numbers beside them are in it too."""

    longs: tuple[int, ...]
    strings: tuple[str, ...]
    extensions: dict[str, tuple[str, ...]]
    ids: tuple[str, ...]

    def long(self, chance: random.Random) -> int:
        near = chance.choice(self.longs) + chance.choice((0, 0, 0, 1, -1))
        return min(max(near, LONG_MIN), LONG_MAX)


def palette(chance: random.Random) -> Palette:
    """A few constants of every kind: few enough to meet."""
    return Palette(
        (chance.choice((0, 1, LONG_MAX, LONG_MIN)), *chance.sample(LONGS, 2)),
        tuple(chance.sample(STRINGS, 4)),
        {name: tuple(itertools.chain(*chance.sample(near, 2))) for name, near in EXTENSIONS.items()},
        tuple(chance.sample(IDS, 3)),
    )


@dataclass(frozen=True)
class World:
    """A schema and its constants."""

    text: str
    schema: Schema
    handle: cedarpy.Schema
    palette: Palette

    def ids(self, type: str) -> tuple[str, ...]:
        """The ids that entities of a type have in this world."""
        closed = self.schema.entity_types[type].ids
        return self.palette.ids if closed is None else closed


def read_world(text: str, constants: Palette) -> World:
    """The world of a schema text, written by hand or by chance."""
    handle = cedarpy.Schema.from_str(text)
    return World(text, parse_schema(str(handle)), handle, constants)


def world(chance: random.Random) -> World:
    """A random schema that has a request environment."""
    return read_world(_Writer(chance).text(), palette(chance))


class _Writer:
    """Writes a schema: namespaces, a common type, entity types with hierarchy and tags, actions with groups."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.spaces = chance.choice((("",), ("",), ("Shop",), ("", "Shop::Back"), ("Shop", "Shop::Back")))
        names = chance.sample(("User", "Team", "Doc", "Box", "Org"), chance.randint(2, 4))
        self.types = [self._placed(name) for name in names]
        self.closed = [self._placed("Kind")] if chance.random() < 0.4 else []
        self.shared = ""

    def maybe(self, share: float) -> bool:
        return self.chance.random() < share

    def _placed(self, name: str) -> str:
        space = self.chance.choice(self.spaces)
        return f"{space}::{name}" if space else name

    def text(self) -> str:
        lines: dict[str, list[str]] = {space: [] for space in self.spaces}
        if self.maybe(0.5):
            shared = self.record(1, least=1)
            space = self.spaces[0]
            lines[space].append(f"type Shared = {shared};")
            self.shared = f"{space}::Shared" if space else "Shared"
        for name in self.closed:
            lines[_space(name)].append(f'entity {_base(name)} enum ["a", "b", "c"];')
        for name in self.types:
            lines[_space(name)].append(self.entity(name))
        for space, line in self.actions():
            lines[space].append(line)
        return "\n".join(_block(space, found) for space, found in lines.items())

    def type(self, depth: int) -> str:
        """A type; below `depth` it is a scalar."""
        scalars = ("Bool", "Long", "Long", "String", "String", *EXTENSIONS, "entity", "entity")
        chosen = self.chance.choice((*scalars, "set", "set", "record", "record") if depth else scalars)
        match chosen:
            case "entity":
                return str(self.chance.choice(self.types + self.closed))
            case "set":
                return f"Set<{self.type(depth - 1)}>"
            case "record":
                return self.shared if self.shared and self.maybe(0.6) else self.record(depth - 1)
        return str(chosen)

    def record(self, depth: int, least: int = 0, optional: float = 0.35) -> str:
        names = self.chance.sample(NAMES, self.chance.randint(least, 3))
        optional = self.chance.choice((0.0, optional))  # only a record without optional attributes can be a literal
        fields = (f"{quoted(name)}{'?' * self.maybe(optional)}: {self.type(depth)}" for name in names)
        return f"{{{', '.join(fields)}}}"

    def entity(self, name: str) -> str:
        above = [other for other in self.types if self.maybe(0.35)]
        parents = f" in [{', '.join(above)}]" if above else ""
        names = self.chance.sample(NAMES, self.chance.randint(0, 4))
        fields = (f"{quoted(one)}{'?' * self.maybe(0.4)}: {self.type(2)}" for one in names)
        tags = f" tags {self.type(1)}" if self.maybe(0.4) else ""
        return f"entity {_base(name)}{parents} = {{{', '.join(fields)}}}{tags};"

    def actions(self) -> Iterator[tuple[str, str]]:
        """Groups first, so that an action can be in any group."""
        groups: list[str] = []
        for id in ("all", "some of")[: self.chance.randint(0, 2)]:
            space = self.chance.choice(self.spaces)
            yield space, f"action {quoted(id)}{self._within(groups, 0.8)};"
            groups.append(f'{space}::Action::"{id}"' if space else f'Action::"{id}"')
        for id in ("view", "edit it", "x")[: self.chance.randint(1, 3)]:
            principals = self.chance.sample(self.types, min(len(self.types), self.chance.choice((1, 1, 2))))
            resources = self.chance.sample(self.types, min(len(self.types), self.chance.choice((1, 1, 2))))
            names = self.chance.sample(NAMES, self.chance.randint(1, 4))
            fields = ", ".join(f"{quoted(one)}{'?' * self.maybe(0.35)}: {self.type(2)}" for one in names)
            applies = f"principal: [{', '.join(principals)}], resource: [{', '.join(resources)}]"
            line = f"action {quoted(id)}{self._within(groups)} appliesTo {{{applies}, context: {{{fields}}}}};"
            yield self.chance.choice(self.spaces), line

    def _within(self, groups: Sequence[str], share: float = 0.4) -> str:
        chosen = [group for group in groups if self.maybe(share)]
        return f" in [{', '.join(chosen)}]" if chosen else ""


def _space(name: str) -> str:
    return name.rpartition("::")[0]


def _base(name: str) -> str:
    return name.rpartition("::")[2]


def _block(space: str, lines: Sequence[str]) -> str:
    inside = "\n".join(lines)
    return f"namespace {space} {{\n{inside}\n}}" if space else inside


Json = dict[str, Any]
