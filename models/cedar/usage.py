"""The types that expressions ask of what they read: unification over the uses of each attribute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cedarpy import pst

from models.cedar.uids import Uid

UNKNOWN_ENTITY = "Entity"
"""The type of an entity that the policies read tags of and never name the type of."""


@dataclass(slots=True, eq=False)
class Cell:
    """A type that is still being found out.

    `kind` is a type name of Cedar, `Set`, `Record` or `entity`; empty while nothing is known. Cells that must agree are
    joined: `link` leads to the one that speaks for them. `note` says what had to be chosen.
    """

    kind: str = ""
    types: list[str] = field(default_factory=list)
    element: Cell | None = None
    fields: dict[str, Cell] = field(default_factory=dict)
    note: str = ""
    link: Cell | None = None

    def root(self) -> Cell:
        """The cell that speaks for this one."""
        cell = self
        while cell.link is not None:
            cell = cell.link
        return cell

    def field(self, name: str) -> Cell:
        """The attribute of a record; an unknown type becomes a record by being asked."""
        cell = join(self, Cell("Record"))
        return cell.fields.setdefault(name, Cell())


def join(one: Cell, other: Cell) -> Cell:
    """Makes two cells one. Where their kinds are at odds the first one's stays and the note is noted."""
    pending = [(one, other)]
    while pending:
        first, second = (cell.root() for cell in pending.pop())
        if first is second:
            continue
        if first.kind and second.kind and first.kind != second.kind:
            first.note = first.note or f"is used as {first.kind} and {second.kind}: it is taken as {first.kind}"
            continue
        second.link = first
        first.kind = first.kind or second.kind
        first.note = first.note or second.note
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


class Usage:
    """What a set's expressions ask of entity attributes, tags and hierarchy. `settle` once all expressions are read."""

    def __init__(self) -> None:
        self.attributes: defaultdict[str, dict[str, Cell]] = defaultdict(dict)
        self.tags: dict[str, Cell] = {}
        self.parents: defaultdict[str, set[str]] = defaultdict(set)
        self._later: list[Callable[[], None]] = []
        self._members: list[tuple[Cell, Cell]] = []

    def read(self, expression: pst.Expr, variables: Variables) -> Cell:
        """The type of an expression; what it reads is typed on the way."""
        match expression:
            case pst.Var(name):
                return variables[name]
            case pst.BoolLit():
                return Cell("Bool")
            case pst.LongLit():
                return Cell("Long")
            case pst.StringLit():
                return Cell("String")
            case pst.EntityLit(uid):
                return entity(str(uid.type))
            case pst.GetAttr(base, name):
                return self._attribute(self.read(base, variables), name)
            case pst.HasAttr(base, names):
                self._has(self.read(base, variables), names)
                return Cell("Bool")
            case pst.Like(base):
                join(self.read(base, variables), Cell("String"))
                return Cell("Bool")
            case pst.Is():
                return self._is(expression, variables)
            case pst.IfThenElse(condition, chosen, otherwise):
                join(self.read(condition, variables), Cell("Bool"))
                then = narrowed(condition, variables)
                return join(self.read(chosen, then), self.read(otherwise, variables))
            case pst.Set(elements):
                element = Cell()
                for each in elements:
                    element = join(element, self.read(each, variables))
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
        join(self.read(expression, variables), Cell("Bool"))

    def named_types(self) -> set[str]:
        """The entity types of hierarchy, attributes and tags, actions left out."""
        named = {*self.attributes, *self.tags, *self.parents, *(n for above in self.parents.values() for n in above)}
        cells = [*self.tags.values(), *(cell for fields in self.attributes.values() for cell in fields.values())]
        named.update(name for cell in cells for name in _types_within(cell))
        return {name for name in named if not is_action(name)}

    def settle(self) -> None:
        """Chooses where the uses leave a choice, and reads the hierarchy off `in`."""
        for choose in self._later:
            choose()
        for member, group in self._members:
            if not group.root().kind:
                group = join(group, entity(*member.root().types))
                group.note = "stands after `in`: it is taken as of the type of what stands before"
            groups = group.root().element if group.root().kind == "Set" else group
            if groups is None:
                continue
            if not member.root().kind:
                join(member, entity(*groups.root().types))
            for name in member.root().types:
                self.parents[name].update(groups.root().types)

    def member(self, member: Cell, group: Cell) -> None:
        """Notes that one may be in the other, an entity or a set of them."""
        self._members.append((member, group))

    def _attribute(self, base: Cell, name: str) -> Cell:
        base = base.root()
        if base.kind != "entity":
            return base.field(name)
        cell = Cell()
        for type_name in base.types:
            cell = join(self.attributes[type_name].setdefault(name, Cell()), cell)
        return cell

    def _has(self, base: Cell, names: tuple[str, ...]) -> None:
        for name in names:
            base = self._attribute(base, name)

    def _is(self, expression: pst.Is, variables: Variables) -> Cell:
        base, name = self.read(expression.base, variables), str(expression.entity_type)
        if not isinstance(expression.base, pst.Var):
            join(base, entity(name))
        if expression.in_expr is not None:
            self.member(entity(name), self.read(expression.in_expr, variables))
        return Cell("Bool")

    def _unary(self, expression: pst.UnaryOp, variables: Variables) -> Cell:
        argument = self.read(expression.arg, variables)
        if expression.op == "is_empty":
            join(argument, set_of(Cell()))
            return Cell("Bool")
        operand, result = _UNARY[expression.op]
        join(argument, Cell(operand))
        return Cell(result)

    def _binary(self, expression: pst.BinaryOp, variables: Variables) -> Cell:
        left = self.read(expression.left, variables)
        if expression.op == "and":
            variables = narrowed(expression.left, variables)
        right = self.read(expression.right, variables)
        if expression.op in _BINARY:
            first, second, result = _BINARY[expression.op]
            join(left, Cell(first))
            join(right, Cell(second))
            return Cell(result)
        match expression.op:
            case "eq" | "not_eq":
                _agree(left, right)
            case "less" | "less_eq" | "greater" | "greater_eq":
                both = join(left, right)
                self._later.append(lambda: _or_else(both, "Long"))
            case "in":
                self.member(left, right)
            case "contains":
                join(left, set_of(right))
            case "contains_all" | "contains_any":
                join(join(left, set_of(Cell())), join(right, set_of(Cell())))
            case "has_tag" | "get_tag":
                join(right, Cell("String"))
                tag = self._tag(left)
                return tag if expression.op == "get_tag" else Cell("Bool")
        return Cell("Bool")

    def _tag(self, base: Cell) -> Cell:
        base = join(base, entity())
        if base.kind == "entity" and not base.types:
            base.types.append(UNKNOWN_ENTITY)
        tag = Cell()
        for name in base.types:
            tag = join(self.tags.setdefault(name, Cell()), tag)
        return tag


def _types_within(cell: Cell) -> set[str]:
    """The entity types named anywhere inside a cell."""
    found: set[str] = set()
    visited: set[int] = set()
    pending = [cell]
    while pending:
        cell = pending.pop().root()
        if id(cell) in visited:
            continue
        visited.add(id(cell))
        found.update(cell.types)
        pending += [*cell.fields.values(), *([cell.element] if cell.element else [])]
    return found


def _agree(left: Cell, right: Cell) -> None:
    """Joins the sides of `==`; entities of differing types may be compared, so they stay apart."""
    left, right = left.root(), right.root()
    if left.kind == right.kind == "entity" and left.types and right.types:
        return
    join(left, right)


def _or_else(cell: Cell, kind: str) -> None:
    if not cell.root().kind:
        join(cell, Cell(kind))


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
