"""The types that expressions ask of what they read: unification over the uses of each attribute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from cedarpy import pst

from models.cedar.places import attribute_places
from models.cedar.policies import Policy, Span
from models.cedar.syntax import children
from models.cedar.uids import Uid

UNKNOWN_ENTITY = "Entity"
"""The type of an entity that the policies read tags of and never name the type of."""


@dataclass(slots=True, eq=False)
class Cell:
    """A type that is still being found out.

    `kind` is a type name of Cedar, `Set`, `Record` or `entity`; empty while nothing is known. Cells that must agree are
    joined: `link` leads to the one that speaks for them. `note` says what had to be chosen. `uses` are the types that
    some use asks for, with the place of the first such use; `at_odds` where one type cannot be all of them.
    """

    kind: str = ""
    types: list[str] = field(default_factory=list)
    element: Cell | None = None
    fields: dict[str, Cell] = field(default_factory=dict)
    note: str = ""
    uses: dict[str, Span] = field(default_factory=dict)
    at_odds: bool = False
    link: Cell | None = None

    def root(self) -> Cell:
        """The cell that speaks for this one."""
        cell = self
        while cell.link is not None:
            cell = cell.link
        return cell

    def field(self, name: str, at: Span | None = None) -> Cell:
        """The attribute of a record; an unknown type becomes a record by being asked."""
        cell = join(self, Cell("Record"), at)
        return cell.fields.setdefault(name, Cell())

    def seen(self, at: Span | None) -> None:
        """Notes the place of the first use that asks for what the cell is."""
        if at is not None:
            for name in self.types if self.kind == "entity" else filter(None, [self.kind]):
                self.uses.setdefault(name, at)


def join(one: Cell, other: Cell, at: Span | None = None) -> Cell:
    """Makes two cells one, for a use at a place. Where their kinds are at odds, each keeps its own and notes both."""
    pending = [(one, other)]
    while pending:
        first, second = (cell.root() for cell in pending.pop())
        if first is second:
            continue
        first.seen(at)
        second.seen(at)
        if first.kind and second.kind and first.kind != second.kind:
            _at_odds(first, second)
            continue
        second.link = first
        first.kind = first.kind or second.kind
        first.note = first.note or second.note
        first.at_odds |= second.at_odds
        first.uses = {**second.uses, **first.uses}
        first.types += [name for name in second.types if name not in first.types]
        if first.element and second.element:
            pending.append((first.element, second.element))
        first.element = first.element or second.element
        for name, inner in second.fields.items():
            if name in first.fields:
                pending.append((first.fields[name], inner))
            else:
                first.fields[name] = inner
    return one.root()


def _at_odds(first: Cell, second: Cell) -> None:
    """Two cells that one use takes for one, and that cannot be: each is used as the other as well."""
    first.at_odds = second.at_odds = True
    for cell, other in ((first, second.uses), (second, dict(first.uses))):
        for name, place in other.items():
            cell.uses.setdefault(name, place)


def entity(*types: str) -> Cell:
    """A cell of an entity of one of these types."""
    return Cell("entity", list(types))


def set_of(element: Cell) -> Cell:
    """A cell of a set."""
    return Cell("Set", element=element)


# Operand kinds, then the result.
_UNARY: Mapping[str, tuple[str, str]] = {
    "not": ("Bool", "Bool"),
    "neg": ("Long", "Long"),
    "decimal": ("String", "decimal"),
    "datetime": ("String", "datetime"),
    "duration": ("String", "duration"),
    "ip": ("String", "ipaddr"),
    **dict.fromkeys(("is_ipv4", "is_ipv6", "is_loopback", "is_multicast"), ("ipaddr", "Bool")),
    "to_date": ("datetime", "datetime"),
    "to_time": ("datetime", "duration"),
    **dict.fromkeys(("to_milliseconds", "to_seconds", "to_minutes", "to_hours", "to_days"), ("duration", "Long")),
}
_DECIMAL_COMPARISONS = ("decimal_less_than", "decimal_less_eq", "decimal_greater", "decimal_greater_eq")
_BINARY: Mapping[str, tuple[str, str, str]] = {
    **dict.fromkeys(("and", "or"), ("Bool", "Bool", "Bool")),
    **dict.fromkeys(("add", "sub", "mul"), ("Long", "Long", "Long")),
    "is_in_range": ("ipaddr", "ipaddr", "Bool"),
    "offset": ("datetime", "duration", "datetime"),
    "duration_since": ("datetime", "datetime", "duration"),
    **dict.fromkeys(_DECIMAL_COMPARISONS, ("decimal", "decimal", "Bool")),
}

Variables = Mapping[str, Cell]


class Read(NamedTuple):
    """One access of an attribute, of tags or of the whole context by a policy."""

    policy: int
    cell: Cell
    at: Span


class Usage:
    """What a set's expressions ask of entity attributes, tags and hierarchy.

    `begin` each policy before its expressions are read; `settle` once all are.
    """

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self._policy = -1
        self._start = Span("", 0, 0)
        self._places: dict[int, Span] = {}
        self._places_of: dict[int, dict[int, Span]] = {}
        self.attributes: defaultdict[str, dict[str, Cell]] = defaultdict(dict)
        self.tags: dict[str, Cell] = {}
        self.parents: defaultdict[str, set[str]] = defaultdict(set)
        self._later: list[Callable[[], None]] = []
        self._members: list[tuple[Cell, Cell, Span]] = []

    def begin(self, policy: Policy) -> None:
        """Says whose expressions are read from now on."""
        if policy.index not in self._places_of:
            self._places_of[policy.index] = dict(attribute_places(policy))
        self._policy, self._start, self._places = policy.index, policy.span, self._places_of[policy.index]

    def read(self, expression: pst.Expr, variables: Variables) -> Cell:
        """The type of an expression; what it reads is typed on the way."""
        at = self._place(expression)
        match expression:
            case pst.Var(name):
                return self._noted(variables[name], at) if name == "context" else variables[name]
            case pst.BoolLit():
                return Cell("Bool")
            case pst.LongLit():
                return Cell("Long")
            case pst.StringLit():
                return Cell("String")
            case pst.EntityLit(uid):
                return entity(str(uid.type))
            case pst.GetAttr(base, name):
                return self._attribute(self._base(base, variables), name, at)
            case pst.HasAttr(base, names):
                self._has(self._base(base, variables), names, at)
                return Cell("Bool")
            case pst.Like(base):
                join(self.read(base, variables), Cell("String"), at)
                return Cell("Bool")
            case pst.Is():
                return self._is(expression, variables)
            case pst.IfThenElse(condition, chosen, otherwise):
                join(self.read(condition, variables), Cell("Bool"), self._place(condition))
                then = narrowed(condition, variables)
                return join(self.read(chosen, then), self.read(otherwise, variables), at)
            case pst.Set(elements):
                element = Cell()
                for each in elements:
                    element = join(element, self.read(each, variables), at)
                return set_of(element)
            case pst.Record(fields):
                return Cell("Record", fields={name: self.read(each, variables) for name, each in fields.items()})
            case pst.UnaryOp():
                return self._unary(expression, variables)
            case pst.BinaryOp():
                return self._binary(expression, variables)
            case _:
                raise ValueError(f"a slot of a template that is not linked: {expression}")

    def demand(self, expression: pst.Expr, variables: Variables) -> None:
        """Reads an expression that must be a bool."""
        join(self.read(expression, variables), Cell("Bool"), self._place(expression))

    def _place(self, expression: pst.Expr) -> Span:
        """Where an expression stands: its first access of an attribute, else the start of the policy."""
        pending, found = [expression], self._start
        while pending:
            node = pending.pop()
            if id(node) in self._places:
                found = self._places[id(node)]
                break
            pending += reversed(list(children(node)))
        self._places[id(expression)] = found
        return found

    def _noted(self, cell: Cell, at: Span) -> Cell:
        self.reads.append(Read(self._policy, cell, at))
        return cell

    def _base(self, expression: pst.Expr, variables: Variables) -> Cell:
        """What an attribute is read of. To read an attribute of the context is not to read all of it."""
        return variables[expression.name] if isinstance(expression, pst.Var) else self.read(expression, variables)

    def named_types(self) -> set[str]:
        """The entity types of hierarchy, attributes and tags, actions left out."""
        named = {*self.attributes, *self.tags, *self.parents, *(n for above in self.parents.values() for n in above)}
        cells = [*self.tags.values(), *(cell for fields in self.attributes.values() for cell in fields.values())]
        named.update(name for cell in cells for inner in within(cell) for name in inner.types)
        return {name for name in named if not is_action(name)}

    def settle(self) -> None:
        """Chooses where the uses leave a choice, and reads the hierarchy off `in`."""
        for choose in self._later:
            choose()
        for member, group, at in self._members:
            if not group.root().kind:
                group = join(group, entity(*member.root().types), at)
                group.note = "stands after `in`: it is taken as of the type of what stands before"
            groups = group.root().element if group.root().kind == "Set" else group
            if groups is None:
                continue
            if not member.root().kind:
                join(member, entity(*groups.root().types), at)
            for name in member.root().types:
                self.parents[name].update(groups.root().types)

    def member(self, member: Cell, group: Cell, at: Span) -> None:
        """Notes that one may be in the other, an entity or a set of them."""
        self._members.append((member, group, at))

    def _attribute(self, base: Cell, name: str, at: Span) -> Cell:
        base = base.root()
        if base.kind != "entity":
            return self._noted(base.field(name, at), at)
        cell = Cell()
        for type_name in base.types:
            cell = join(self.attributes[type_name].setdefault(name, Cell()), cell, at)
        return self._noted(cell, at)

    def _has(self, base: Cell, names: tuple[str, ...], at: Span) -> None:
        for name in names:
            base = self._attribute(base, name, at)

    def _is(self, expression: pst.Is, variables: Variables) -> Cell:
        base, name = self.read(expression.base, variables), str(expression.entity_type)
        at = self._place(expression)
        if not isinstance(expression.base, pst.Var):
            join(base, entity(name), at)
        if expression.in_expr is not None:
            self.member(entity(name), self.read(expression.in_expr, variables), at)
        return Cell("Bool")

    def _unary(self, expression: pst.UnaryOp, variables: Variables) -> Cell:
        argument, at = self.read(expression.arg, variables), self._place(expression)
        if expression.op == "is_empty":
            join(argument, set_of(Cell()), at)
            return Cell("Bool")
        operand, result = _UNARY[expression.op]
        join(argument, Cell(operand), at)
        return Cell(result)

    def _binary(self, expression: pst.BinaryOp, variables: Variables) -> Cell:
        left = self.read(expression.left, variables)
        if expression.op == "and":
            variables = narrowed(expression.left, variables)
        right = self.read(expression.right, variables)
        at = self._place(expression)
        if expression.op in _BINARY:
            first, second, result = _BINARY[expression.op]
            join(left, Cell(first), self._place(expression.left))
            join(right, Cell(second), self._place(expression.right))
            return Cell(result)
        match expression.op:
            case "eq" | "not_eq":
                _agree(left, right, at)
            case "less" | "less_eq" | "greater" | "greater_eq":
                both = join(left, right, at)
                self._later.append(lambda: _number(both, at))
            case "in":
                self.member(left, right, at)
            case "contains":
                join(left, set_of(right), at)
            case "contains_all" | "contains_any":
                join(join(left, set_of(Cell()), at), join(right, set_of(Cell()), at), at)
            case "has_tag" | "get_tag":
                join(right, Cell("String"), self._place(expression.right))
                tag = self._tag(left, at)
                return tag if expression.op == "get_tag" else Cell("Bool")
        return Cell("Bool")

    def _tag(self, base: Cell, at: Span) -> Cell:
        base = join(base, entity(), at)
        if base.kind == "entity" and not base.types:
            base.types.append(UNKNOWN_ENTITY)
        tag = Cell()
        for name in base.types:
            tag = join(self.tags.setdefault(name, Cell()), tag, at)
        return self._noted(tag, at)


def within(cell: Cell) -> Iterator[Cell]:
    """A cell, and all cells inside it, each once, as the roots that speak for them."""
    visited: set[int] = set()
    pending = [cell]
    while pending:
        cell = pending.pop().root()
        if id(cell) not in visited:
            visited.add(id(cell))
            yield cell
            pending += [*cell.fields.values(), *([cell.element] if cell.element else [])]


def _agree(left: Cell, right: Cell, at: Span) -> None:
    """Joins the sides of `==`. Entities of differing types may be compared: they stay apart, the use is noted."""
    left, right = left.root(), right.root()
    if left.kind == right.kind == "entity" and left.types and right.types:
        left.seen(at)
        right.seen(at)
        if set(left.types).isdisjoint(right.types):
            _at_odds(left, right)
        return
    join(left, right, at)


def _number(cell: Cell, at: Span) -> None:
    """Takes what is only compared with `<` for a number, unless something says more."""
    if not cell.root().kind:
        cell.root().note = "is only compared: it is taken as Long, and could be a datetime or a duration"
        join(cell, Cell("Long"), at)


def narrowed(condition: pst.Expr, variables: Variables) -> Variables:
    """The variables where a condition holds: `principal is User` leaves only users."""
    match condition:
        case pst.BinaryOp("and", left, right):
            return narrowed(right, narrowed(left, variables))
        case pst.Is(pst.Var(name), wanted):
            return {**variables, name: entity(str(wanted))}
        case pst.BinaryOp("eq", pst.Var(name), pst.EntityLit(uid)) if name != "context":
            return {**variables, name: entity(str(uid.type))}
    return variables


def is_action(type_name: str) -> bool:
    """Whether a type is an action type: Cedar's are all called `Action`, in some namespace."""
    return type_name.rsplit("::", 1)[-1] == "Action"


def uids(policy: pst.Template) -> set[Uid]:
    """Every uid that a policy names."""
    return {Uid(str(uid.type), uid.id) for uid in pst.entity_uids(policy)}
