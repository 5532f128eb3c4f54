"""Random policies that are well typed under a schema: strict validation accepts them, with every operator of Cedar.

A writer knows at each place which request environments are left there and which optional attributes and tags a guard
has shown to be present. A `wild` writer breaks types and guards now and then: for what errs at run time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from models.cedar.types import (
    BoolType,
    EntityRefType,
    ExtensionType,
    LongType,
    RecordType,
    RequestEnvironment,
    Schema,
    SetType,
    StringType,
    Type,
)
from models.cedar.uids import parse_uid
from random_schemas import PIECES, World, quoted

BOOL, LONG, STRING = BoolType(), LongType(), StringType()
DECIMAL, IP, DATETIME, DURATION = (ExtensionType(n) for n in ("decimal", "ipaddr", "datetime", "duration"))
SCALARS: tuple[Type, ...] = (BOOL, LONG, LONG, STRING, STRING, DECIMAL, IP, DATETIME, DURATION)
CONSTRUCTORS = {"decimal": "decimal", "ipaddr": "ip", "datetime": "datetime", "duration": "duration"}
PATHS_DEPTH = 3


@dataclass(frozen=True)
class Where:
    """What is known at a place: the environments left, and the guarded expressions with their types."""

    environments: tuple[RequestEnvironment, ...]
    known: tuple[tuple[str, str], ...] = ()
    """Guarded expressions, and the type of each as `repr`: `Writer.types` has the type."""


@dataclass(frozen=True)
class Path:
    """A readable expression and its type."""

    text: str
    type: Type


def member(text: str, name: str) -> str:
    """An attribute of an expression, as Cedar writes it."""
    return f"{text}.{name}" if name in ("a", "b", "c", "ok") else f"{text}[{quoted(name)}]"


def name_in_has(name: str) -> str:
    return name if name in ("a", "b", "c") else quoted(name)


def uid(type: str, id: str) -> str:
    return f"{type}::{quoted(id)}"


def ancestors(schema: Schema, type: str) -> frozenset[str]:
    """The entity types that an entity of a type may be in, its own among them."""
    found, pending = {type}, [type]
    while pending:
        news = set(schema.entity_types[pending.pop()].parents) - found
        found |= news
        pending += news
    return frozenset(found)


class Writer:
    """Writes policies and expressions of one world."""

    def __init__(self, world: World, chance: random.Random, wild: float = 0.0) -> None:
        self.world, self.schema, self.chance, self.wild = world, world.schema, chance, wild
        self.types: dict[str, Type] = {}
        self.readable = cache(self._readable)

    def pick(self, *choices: str) -> str:
        return self.chance.choice(choices)

    def maybe(self, share: float) -> bool:
        return self.chance.random() < share

    # --- policies -----------------------------------------------------------------------------------------------------

    def policy(self, depth: int = 3, annotations: str = "", effect: str = "") -> str:
        """A policy with up to three clauses."""
        where, scope = self.scope()
        count = self.chance.choice((0, 1, 1, 1, 1, 2, 3))
        clauses = "".join(
            f" {self.pick('when', 'when', 'unless')} {{ {self.bool(depth, where)} }}" for _ in range(count)
        )
        return f"{annotations}{effect or self.pick('permit', 'forbid')} ({scope}){clauses};"

    def scope(self) -> tuple[Where, str]:
        """A scope that fits some environment, and what is left of them."""
        left = self.schema.environments()
        goal = self.chance.choice(left)
        parts = []
        for variable in ("principal", "action", "resource"):
            narrowed, text = self._action(goal) if variable == "action" else self._entity(variable, goal)
            left = tuple(e for e in left if getattr(e, variable) in narrowed)
            parts.append(text)
        return Where(left), ", ".join(parts)

    def _entity(self, variable: str, goal: RequestEnvironment) -> tuple[frozenset[str], str]:
        own = getattr(goal, variable)
        above = self.chance.choice(sorted(ancestors(self.schema, own)))
        group = uid(above, self.chance.choice(self.world.ids(above)))
        below = frozenset(type for type in self.schema.entity_types if above in ancestors(self.schema, type))
        match self.chance.randrange(7):
            case 0:
                return frozenset({own}), f"{variable} == {uid(own, self.chance.choice(self.world.ids(own)))}"
            case 1 | 2:
                return frozenset({own}), f"{variable} is {own}"
            case 3:
                return frozenset({own}), f"{variable} is {own} in {group}"
            case 4:
                return below, f"{variable} in {group}"
        return frozenset(self.schema.entity_types), variable

    def _action(self, goal: RequestEnvironment) -> tuple[frozenset[str], str]:
        above = self.chance.choice(sorted(self.groups(goal.action)))
        others = self.chance.sample(self._alike(above), self.chance.randint(0, 1))
        match self.chance.randrange(6):
            case 0 | 1:
                return frozenset({goal.action}), f"action == {goal.action}"
            case 2:
                return self._under(above), f"action in {above}"
            case 3:
                under = self._under(above).union(*map(self._under, others))
                return under, f"action in [{', '.join((above, *others))}]"
        return frozenset(self.schema.actions), "action"

    def groups(self, action: str) -> frozenset[str]:
        """An action and the groups it is in."""
        return frozenset({action}).union(*map(self.groups, self.schema.actions[action].parents))

    def _under(self, group: str) -> frozenset[str]:
        return frozenset(action for action in self.schema.actions if group in self.groups(action))

    def _alike(self, action: str) -> list[str]:
        """The actions and groups of the same namespace: those that one list can hold."""
        return [one for one in sorted(self.schema.actions) if parse_uid(one).type == parse_uid(action).type]

    # --- what can be read ---------------------------------------------------------------------------------------------

    def _readable(self, where: Where) -> tuple[Path, ...]:
        """Every expression that needs no guard: variables, their required attributes, what guards have shown."""
        starts = [Path(text, self.types[type]) for text, type in where.known]
        for variable in ("principal", "resource"):
            types = {getattr(environment, variable) for environment in where.environments}
            if len(types) == 1:
                starts.append(Path(variable, EntityRefType(*types)))
        starts += self._context(where)
        return tuple(self._descend(starts, PATHS_DEPTH))

    def _context(self, where: Where) -> Iterator[Path]:
        """The context where all environments have the same; else its common attributes."""
        contexts = [self.schema.actions[e.action].context for e in where.environments]
        first = contexts[0]
        if all(context == first for context in contexts):
            yield Path("context", first)
            return
        for name, attribute in first.attributes.items():
            if attribute.required and all(context.attributes.get(name) == attribute for context in contexts):
                yield Path(member("context", name), attribute.type)

    def attributes(self, type: Type) -> RecordType:
        """The attributes of what a type stands for; none for scalars and sets."""
        if isinstance(type, EntityRefType):
            return self.schema.entity_types[type.name].attributes
        return type if isinstance(type, RecordType) else RecordType()

    def _descend(self, paths: Sequence[Path], depth: int) -> Iterator[Path]:
        yield from paths
        if not depth:
            return
        for path in paths:
            inner = [
                Path(member(path.text, name), attribute.type)
                for name, attribute in self.attributes(path.type).attributes.items()
                if attribute.required
            ]
            yield from self._descend(inner, depth - 1)

    def guards(self, where: Where) -> list[tuple[str, Path]]:
        """Guards that can be written here, each with what it shows to be there."""
        found: list[tuple[str, Path]] = []
        for path in self.readable(where):
            for name, attribute in self.attributes(path.type).attributes.items():
                if not attribute.required or self.wild:
                    text = f"{path.text} has {name_in_has(name)}"
                    found.append((text, Path(member(path.text, name), attribute.type)))
        return found

    def guard(self, where: Where) -> tuple[str, Path] | None:
        """A guard: an optional attribute, one inside another, or a tag."""
        guards = self.guards(where)
        tagged = [p for p in self._entities(where) if self.schema.entity_types[p.type.name].tags is not None]  # type: ignore[union-attr]
        if tagged and (not guards or self.maybe(0.25)):
            base = self.chance.choice(tagged)
            assert isinstance(base.type, EntityRefType)
            type = self.schema.entity_types[base.type.name].tags
            assert type is not None
            key = self.expression(STRING, 0, where)
            return f"{base.text}.hasTag({key})", Path(f"{base.text}.getTag({key})", type)
        if not guards:
            return None
        text, path = self.chance.choice(guards)
        inner = [n for n in self.attributes(path.type).attributes if n in ("a", "b", "c")]
        if inner and not text.endswith('"') and self.maybe(0.5):
            name = self.chance.choice(inner)
            deeper = self.attributes(path.type).attributes[name].type
            return f"{text}.{name}", Path(member(path.text, name), deeper)
        return text, path

    def _entities(self, where: Where) -> list[Path]:
        found = [path for path in self.readable(where) if isinstance(path.type, EntityRefType)]
        literals = (self._entity_literal(type) for type in self.schema.entity_types)
        return [*found, *(Path(text, EntityRefType(text.rpartition("::")[0])) for text in literals)]

    def _entity_literal(self, type: str) -> str:
        return uid(type, self.chance.choice(self.world.ids(type)))

    def _knowing(self, where: Where, path: Path) -> Where:
        self.types[repr(path.type)] = path.type
        return replace(where, known=(*where.known, (path.text, repr(path.type))))

    # --- expressions --------------------------------------------------------------------------------------------------

    def expression(self, type: Type, depth: int, where: Where) -> str:
        """An expression of a type; what is compound stands in brackets."""
        if self.wild and self.maybe(self.wild):
            type = self.chance.choice((*SCALARS, *(path.type for path in self.readable(where))))
            if self.maybe(0.2):
                return "[]"
        if isinstance(type, BoolType) and depth:
            return f"({self.bool(depth - 1, where)})"
        options = [lambda: self.leaf(type, where)]
        if depth:
            options += [lambda: self._chosen(type, depth - 1, where), lambda: self._guarded(type, depth - 1, where)]
            options += self._compound(type, depth - 1, where) * 3
        return self.chance.choice(options)()

    def leaf(self, type: Type, where: Where) -> str:
        """A constant or something that is read."""
        reads = [path.text for path in self.readable(where) if path.type == type]
        if self.wild and self.maybe(0.2):
            reads = [path.text for _, path in self.guards(where) if path.type == type] or reads
        if reads and (not self.literal_of(type) or self.maybe(0.65)):
            return self.chance.choice(reads)
        return self.literal(type, where)

    def literal_of(self, type: Type) -> bool:
        """Whether a literal can have a type: a record with optional attributes has none."""
        match type:
            case RecordType(attributes):
                return all(one.required and self.literal_of(one.type) for one in attributes.values())
            case SetType(element):
                return self.literal_of(element)
        return True

    def literal(self, type: Type, where: Where) -> str:
        palette = self.world.palette
        match type:
            case BoolType():
                return self.pick("true", "false")
            case LongType():
                number = palette.long(self.chance)
                return f"({number})" if number < 0 else str(number)
            case StringType():
                return quoted(self.chance.choice(palette.strings))
            case ExtensionType(name):
                constant = quoted(self.chance.choice(palette.extensions[name]))
                made_of = self.leaf(STRING, where) if self.wild and self.maybe(0.1) else constant
                return f"{CONSTRUCTORS[name]}({made_of})"
            case EntityRefType(name):
                return self._entity_literal(name)
            case SetType(element):
                return f"[{', '.join(self.leaf(element, where) for _ in range(self.chance.randint(1, 3)))}]"
            case RecordType(attributes):
                fields = (f"{quoted(name)}: {self.leaf(one.type, where)}" for name, one in attributes.items())
                return f"{{{', '.join(fields)}}}"

    def _chosen(self, type: Type, depth: int, where: Where) -> str:
        one, other = (self.expression(type, depth, where) for _ in range(2))
        return f"(if {self.bool(depth, where)} then {one} else {other})"

    def _guarded(self, type: Type, depth: int, where: Where) -> str:
        guard = self.guard(where)
        if guard is None:
            return self.leaf(type, where)
        text, path = guard
        there = path.text if path.type == type else self.expression(type, depth, self._knowing(where, path))
        return f"(if {text} then {there} else {self.expression(type, depth, where)})"

    def _compound(self, type: Type, depth: int, where: Where) -> list[Callable[[], str]]:
        def of(wanted: Type) -> str:
            return self.expression(wanted, depth, where)

        match type:
            case LongType():
                return [
                    lambda: f"({of(LONG)} {self.pick('+', '-')} {of(LONG)})",
                    lambda: f"({of(LONG)} * {self.pick('2', '-3', '0', '-1')})",
                    lambda: f"({of(LONG) if self.maybe(0.1) else self.pick('2', '1000')} * {of(LONG)})",
                    lambda: f"(-({of(LONG)}))",
                    lambda: f"{of(DURATION)}.{self.unit()}()",
                ]
            case ExtensionType("datetime"):
                return [lambda: f"{of(DATETIME)}.offset({of(DURATION)})", lambda: f"{of(DATETIME)}.toDate()"]
            case ExtensionType("duration"):
                return [
                    lambda: f"{of(DATETIME)}.durationSince({of(DATETIME)})", lambda: f"{of(DATETIME)}.toTime()",
                ]  # fmt: skip
            case SetType(element) if self.literal_of(element):
                return [lambda: f"[{', '.join(of(element) for _ in range(self.chance.randint(1, 3)))}]"]
            case RecordType(attributes) if self.literal_of(type) and attributes:
                return [lambda: f"{{{', '.join(f'{quoted(n)}: {of(one.type)}' for n, one in attributes.items())}}}"]
        return [lambda: f'{{"a": {of(type)}, "ok": {of(BOOL)}}}.a']

    def unit(self) -> str:
        return self.pick("toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays")

    # --- truth values -------------------------------------------------------------------------------------------------

    def bool(self, depth: int, where: Where) -> str:
        """A truth value; where there are several environments it often tells them apart first."""
        if depth <= 0:
            return self.atom(0, where)
        d = depth - 1
        forms = (
            lambda: self.atom(d, where), lambda: self.atom(d, where), lambda: self.atom(d, where),
            lambda: f"({self.bool(d, where)}) && ({self.bool(d, where)})",
            lambda: f"({self.bool(d, where)}) || ({self.bool(d, where)})",
            lambda: f"!({self.bool(d, where)})",
            lambda: f"if {self.bool(d, where)} then {self.bool(d, where)} else {self.bool(d, where)}",
            lambda: self._under_guard(d, where), lambda: self._under_guard(d, where),
            lambda: f"{self.pick('false', 'true')} {self.pick('&&', '||')} ({self.bool(d, where)})",
        )  # fmt: skip
        if len(set(where.environments)) > 1 and self.maybe(0.4):
            return self._narrowed(d, where)
        return self.chance.choice(forms)()

    def _under_guard(self, depth: int, where: Where) -> str:
        guard = self.guard(where)
        if guard is None:
            return self.atom(depth, where)
        text, path = guard
        inside = self._knowing(where, path)
        if self.maybe(0.25):
            return f"if {text} then {self.bool(depth, inside)} else {self.bool(depth, where)}"
        focus = self.about(path, depth, inside) if self.maybe(0.7) else self.bool(depth, inside)
        return f"{text} && ({focus})"

    def _narrowed(self, depth: int, where: Where) -> str:
        variable = self.pick("principal", "action", "resource")
        chosen = getattr(self.chance.choice(where.environments), variable)
        left = replace(where, environments=tuple(e for e in where.environments if getattr(e, variable) == chosen))
        test = f"action == {chosen}" if variable == "action" else f"{variable} is {chosen}"
        return f"{test} && ({self.bool(depth, left)})"

    def atom(self, depth: int, where: Where) -> str:
        """A truth value about something: half the time about something that is read."""
        paths = self.readable(where)
        if paths and self.maybe(0.6):
            return self.about(self.chance.choice(paths), depth, where)
        actions = sorted(self.schema.actions)
        match self.chance.randrange(9):
            case 0:
                alike = self._alike(self.chance.choice(actions))
                return f"action in [{', '.join(self.chance.sample(alike, min(2, len(alike))))}]"
            case 1:
                return f"action {self.pick('==', 'in', '!=')} {self.chance.choice(actions)}"
            case 2:
                guard = self.guard(where)
                return guard[0] if guard else self.leaf(BOOL, where)
        type = self.chance.choice((*SCALARS, *(EntityRefType(name) for name in self.schema.entity_types)))
        return self.about(Path(self.expression(type, depth, where), type), depth, where)

    def about(self, path: Path, depth: int, where: Where) -> str:
        """A truth value about an expression, by its type."""

        depth = self.chance.choice((0, depth))

        def of(wanted: Type) -> str:
            return self.expression(wanted, depth, where)

        text, type = path.text, path.type
        equality = f"{text} {self.pick('==', '!=')} {of(type)}"
        order = self.pick("<", "<=", ">", ">=")
        match type:
            case BoolType():
                return self.pick(text, f"!{text}", equality)
            case ExtensionType("duration") if self.maybe(0.3):
                return f"{text}.{self.unit()}() {order} {self.pick('0', '1', '(-1)', self.leaf(LONG, where))}"
            case LongType() if self.maybe(0.3):
                step = self.pick("0", "1", "(-1)", self.leaf(LONG, where))
                return f"{text} {self.pick('+', '-')} {step} {order} {of(type)}"
            case LongType() | ExtensionType("datetime" | "duration"):
                sides = (text, of(type)) if self.maybe(0.7) else (of(type), text)
                return self.pick(equality, *(f"{sides[0]} {order} {sides[1]}",) * 3)
            case StringType():
                return self.pick(equality, *(f"{text} like {self.glob()}",) * 2)
            case ExtensionType("decimal"):
                function = self.pick("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual")
                return self.pick(equality, *(f"{text}.{function}({of(type)})",) * 3)
            case ExtensionType():
                test = self.pick("isIpv4", "isIpv6", "isLoopback", "isMulticast")
                return self.pick(equality, f"{text}.{test}()", *(f"{text}.isInRange({of(type)})",) * 3)
            case EntityRefType(name):
                return self.pick(equality, *self._hierarchy(text, name, depth, where))
            case SetType(element):
                tests = [f"{text}.isEmpty()", *self._memberships(text, type, element, depth, where)]
                return self.pick(equality, *tests)
        return equality

    def _hierarchy(self, text: str, type: str, depth: int, where: Where) -> Iterator[str]:
        above = EntityRefType(self.chance.choice(sorted(ancestors(self.schema, type))))
        any_type = self.chance.choice(sorted(self.schema.entity_types))
        yield f"{text} in {self.expression(above, depth, where)}"
        yield f"{text} in {self.leaf(above, where)}"
        yield f"{text} in {self.expression(SetType(above), depth, where)}"
        yield f"{text} is {self.pick(type, type, any_type)}"
        yield f"{text} is {self.pick(type, type, any_type)} in {self.leaf(above, where)}"
        if self.schema.entity_types[type].tags is not None:
            yield f"{text}.hasTag({self.expression(STRING, depth, where)})"

    def _memberships(self, text: str, type: Type, element: Type, depth: int, where: Where) -> Iterator[str]:
        has_elements = self.literal_of(element) or any(path.type == element for path in self.readable(where))
        if has_elements:
            yield f"{text}.contains({self.expression(element, depth, where)})"
        other = self.expression(type, depth, where)
        yield f"{text}.{self.pick('containsAll', 'containsAny')}({other})"
        yield f"{other}.{self.pick('containsAll', 'containsAny')}({text})"

    def glob(self) -> str:
        """A pattern near the strings of the world: a constant with parts replaced by wildcards, or some pieces."""
        if self.maybe(0.5):
            pieces = [self.pick("*wild*", *PIECES) for _ in range(self.chance.randint(0, 4))]
        else:
            constant = self.chance.choice(self.world.palette.strings)
            pieces = ["*wild*" if self.maybe(0.4) else character for character in constant]
        return '"' + "".join("*" if p == "*wild*" else quoted(p)[1:-1].replace("*", r"\*") for p in pieces) + '"'
