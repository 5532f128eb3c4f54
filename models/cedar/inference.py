"""Schemas for policy sets that come without one, from what the policies do with each thing.

What is inferred, and what is chosen where the policies do not say (requests that are known to be asked, such as by the
steps of a scenario, count as named):

* entity types: every type that a scope, an `is` or a literal names;
* principal and resource types: those that `==` or `is` names for the variable; a policy that names none applies to all
  that the set names; where the set names none, one placeholder type (`Principal`, `Resource`) in the namespace of the
  actions;
* actions: every one named; a policy that names none applies to all; where the set names none, one placeholder action;
* hierarchy: whatever stands left of `in` may be a member of what stands right of it; members of an action group are not
  known, so a group has none;
* attributes and tags: the type at which their uses are well-typed; String where the uses leave it open, with a warning.
  Where they are at odds the schema says the first and the report names the conflict: what is proved with that schema of
  a policy that reads such an attribute is not known to be true. Nothing promises that an attribute is there, so all are
  optional.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from cedarpy import pst

from models.cedar.places import type_place, uid_place
from models.cedar.policies import Policy, Span, TypeConflict
from models.cedar.syntax import walk
from models.cedar.uids import Uid, escape
from models.cedar.usage import Cell, Usage, Variables, entity, is_action, narrowed, uids, within

PRINCIPAL, RESOURCE, ACTION = "Principal", "Resource", "action"
"""Placeholders, where the policies name no principal type, resource type or action."""


Asked = tuple[Uid, Uid, Uid]
"""Principal, action and resource of a request that will be asked, by what is known beside the policies."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One thing that a schema says, and the uses it was inferred from."""

    kind: Literal["entity type", "action", "attribute", "tags"]
    name: str
    """A type, an action's uid, an attribute as `User.age` or `Action::"pay" context.sum`, a type that has tags."""
    type: str
    """Cedar's text for the type of an attribute or of tags; empty for types and actions."""
    uses: tuple[tuple[str, Span], ...]
    """What the policies do with it and where they first do so; none for a placeholder, which no policy names."""

    def __str__(self) -> str:
        uses = ", ".join(f"{use} at {place.file}:{place.line}" for use, place in self.uses)
        kind = f" is {self.type}" if self.type else ""
        return f"{self.kind} `{self.name}`{kind}: {uses or 'a placeholder, no policy names one'}"


@dataclass(frozen=True, slots=True)
class Inferred:
    """A schema in Cedar's text, what each part of it was inferred from, and what was guessed."""

    text: str
    warnings: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()
    """In order of kind (types, actions, attributes, tags) and name."""
    conflicts: tuple[TypeConflict, ...] = ()
    """Attributes of which the schema cannot say what their uses ask for, in order of name."""

    def lines(self) -> tuple[str, ...]:
        """What was inferred from what, conflicts and guesses last, a line each."""
        return (*map(str, self.origins), *(f"conflict: {conflict}" for conflict in self.conflicts), *self.warnings)


def to_json(inferred: Inferred) -> dict[str, Any]:
    """The schema and where it comes from as plain JSON values, `windtunnel.inferred/1`."""
    return {
        "schema": "windtunnel.inferred/1",
        "text": inferred.text,
        "origins": [
            {"kind": one.kind, "name": one.name, "type": one.type, "uses": _uses(one.uses)} for one in inferred.origins
        ],
        "conflicts": [{"attribute": one.attribute, "uses": _uses(one.uses)} for one in inferred.conflicts],
        "warnings": list(inferred.warnings),
    }


def _uses(uses: Sequence[tuple[str, Span]]) -> list[dict[str, Any]]:
    return [{"use": use, "file": place.file, "line": place.line, "column": place.column} for use, place in uses]


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """What the policies name: actions, and the types of entities, of principals and of resources."""

    actions: tuple[Uid, ...]
    entity_types: frozenset[str]
    principals: tuple[str, ...]
    resources: tuple[str, ...]

    def seen(self, variable: str) -> tuple[str, ...]:
        return self.principals if variable == "principal" else self.resources


@dataclass(slots=True)
class _Action:
    """What an action applies to, as far as the policies that can apply to it say."""

    principals: set[str]
    resources: set[str]
    context: Cell


def infer_schema(policies: Sequence[Policy]) -> str:
    """The inferred schema in Cedar's text."""
    return infer(policies).text


def infer(policies: Sequence[Policy], asked: Sequence[Asked] = ()) -> Inferred:
    """The inferred schema, where each part of it comes from, and what was guessed.

    Needs no files: the policies of any set will do, such as of `load_policies(path).policies`. One pass for each policy
    and each action that it can apply to. Requests that are known to be `asked` name their types and actions as policies
    do: a policy that names none applies to them, too. Cedar refuses the text where names clash across namespaces.
    """
    vocabulary = _vocabulary(policies, asked)
    usage = Usage()
    actions = {uid: _Action(set(), set(), Cell("Record")) for uid in vocabulary.actions}
    for policy in policies:
        usage.begin(policy)
        for uid in _actions_of(policy.syntax, vocabulary):
            _read(policy, uid, actions[uid], vocabulary, usage)
    usage.settle()
    printer = _Printer(vocabulary, usage, actions)
    text = printer.text()
    warnings = [*_group_warnings(policies), *printer.warnings]
    named = [*_named_types(policies, printer.types), *_named_actions(policies, vocabulary), *printer.origins]
    return Inferred(
        text,
        tuple(f"inferred schema: {warning}" for warning in warnings),
        tuple(named),
        printer.conflicts,
    )


def _named_types(policies: Sequence[Policy], types: Collection[str]) -> Iterator[Origin]:
    """The entity types with the first policy that names each."""
    first: dict[str, Policy] = {}
    for policy in policies:
        for name in {*_types_tested(policy.syntax), *(uid.type for uid in uids(policy.syntax))}:
            first.setdefault(name, policy)
    for name in sorted(types):
        yield Origin("entity type", name, "", _first_use("named", name, first, type_place))


def _named_actions(policies: Sequence[Policy], vocabulary: _Vocabulary) -> Iterator[Origin]:
    first: dict[Uid, Policy] = {}
    for policy in policies:
        for uid in uids(policy.syntax):
            first.setdefault(uid, policy)
    for uid in vocabulary.actions:
        yield Origin("action", str(uid), "", _first_use("named", uid, first, uid_place))


_Name = TypeVar("_Name", str, Uid)


def _first_use(
    what: str, name: _Name, first: Mapping[_Name, Policy], place: Callable[[Policy, _Name], Span]
) -> tuple[tuple[str, Span], ...]:
    return ((what, place(first[name], name)),) if name in first else ()


def _vocabulary(policies: Sequence[Policy], asked: Sequence[Asked]) -> _Vocabulary:
    named = {uid for policy in policies for uid in uids(policy.syntax)} | {uid for request in asked for uid in request}
    actions = sorted(uid for uid in named if is_action(uid.type))
    types = {uid.type for uid in named if not is_action(uid.type)}
    types |= {name for policy in policies for name in _types_tested(policy.syntax) if not is_action(name)}
    namespace = _usual_namespace([uid.type for uid in actions] or sorted(types))
    return _Vocabulary(
        tuple(actions) or (Uid(f"{namespace}Action", ACTION),),
        frozenset(types),
        _with(_types_of("principal", policies), (principal for principal, _, _ in asked)) or (namespace + PRINCIPAL,),
        _with(_types_of("resource", policies), (resource for _, _, resource in asked)) or (namespace + RESOURCE,),
    )


def _with(types: Sequence[str], asked: Iterable[Uid]) -> tuple[str, ...]:
    return tuple(sorted({*types, *(uid.type for uid in asked)}))


def _usual_namespace(names: Sequence[str]) -> str:
    """The commonest namespace with its `::`, or nothing for the empty one."""
    spaces = Counter(name.rpartition("::")[0] for name in names)
    usual = max(sorted(spaces), key=spaces.__getitem__, default="")
    return f"{usual}::" if usual else ""


def _conditions(policy: pst.Template) -> Iterator[pst.Expr]:
    return (clause.expr for clause in policy.clauses)


def _nodes(policy: pst.Template) -> Iterator[pst.Expr]:
    return (node for condition in _conditions(policy) for node in walk(condition))


def _types_tested(policy: pst.Template) -> Iterator[str]:
    for constraint in (policy.principal, policy.resource):
        if isinstance(constraint, pst.ScopeIs | pst.ScopeIsIn):
            yield str(constraint.entity_type)
    yield from (str(node.entity_type) for node in _nodes(policy) if isinstance(node, pst.Is))


def _types_of(variable: str, policies: Sequence[Policy]) -> tuple[str, ...]:
    """The types that some policy says the variable to be of."""
    scopes = {name for policy in policies for name in _scope_types(policy.syntax, variable)}
    tests = {name for policy in policies for node in _nodes(policy.syntax) for name in _types_said(node, variable)}
    return tuple(sorted(name for name in scopes | tests if not is_action(name)))


def _scope_types(policy: pst.Template, variable: str) -> tuple[str, ...]:
    match policy.principal if variable == "principal" else policy.resource:
        case pst.ScopeEq(pst.EntityUid() as uid):
            return (str(uid.type),)
        case pst.ScopeIs(name) | pst.ScopeIsIn(name):
            return (str(name),)
    return ()


def _types_said(node: pst.Expr, variable: str) -> tuple[str, ...]:
    match node:
        case pst.Is(pst.Var(name), wanted) if name == variable:
            return (str(wanted),)
        case pst.BinaryOp("eq" | "not_eq", pst.Var(name), pst.EntityLit(uid)) if name == variable:
            return (str(uid.type),)
        case pst.BinaryOp("eq" | "not_eq", pst.EntityLit(uid), pst.Var(name)) if name == variable:
            return (str(uid.type),)
    return ()


def _actions_of(policy: pst.Template, vocabulary: _Vocabulary) -> tuple[Uid, ...]:
    match policy.action:
        case pst.ActionEq(uid):
            return (Uid(str(uid.type), uid.id),)
        case pst.ActionIn(entities):
            return tuple(sorted({Uid(str(uid.type), uid.id) for uid in entities}))
    return vocabulary.actions


def _read(policy: Policy, uid: Uid, action: _Action, vocabulary: _Vocabulary, usage: Usage) -> None:
    """Reads one policy for one action."""
    variables: Variables = {"action": entity(uid.type), "context": action.context}
    for name, types in (("principal", action.principals), ("resource", action.resources)):
        own = tuple(kind for kind in _scope_types(policy.syntax, name) if not is_action(kind)) or vocabulary.seen(name)
        types.update(own)
        variables = {**variables, name: entity(*own)}
        constraint = policy.syntax.principal if name == "principal" else policy.syntax.resource
        if isinstance(constraint, pst.ScopeIn | pst.ScopeIsIn) and isinstance(constraint.entity, pst.EntityUid):
            usage.member(variables[name], entity(str(constraint.entity.type)), policy.span)
    for clause in policy.syntax.clauses:
        usage.demand(clause.expr, variables)
        if isinstance(clause, pst.When):
            variables = narrowed(clause.expr, variables)


def _group_warnings(policies: Sequence[Policy]) -> Iterator[str]:
    """An action that stands alone after `in` is most likely a group, and nothing says of what."""
    scopes = (policy.syntax.action for policy in policies)
    alone = {scope.entities[0] for scope in scopes if isinstance(scope, pst.ActionIn) and len(scope.entities) == 1}
    for uid in sorted({Uid(str(uid.type), uid.id) for uid in alone}):
        yield f"the members of the action group {uid} are not known: it has none"


class _Printer:
    """Prints what was found as Cedar schema text, and keeps where it is from and what had to be chosen."""

    def __init__(self, vocabulary: _Vocabulary, usage: Usage, actions: Mapping[Uid, _Action]) -> None:
        self._usage = usage
        self._actions = actions
        self.types = set(vocabulary.entity_types) | usage.named_types()
        for action in actions.values():
            self.types |= action.principals | action.resources
        self.warnings: dict[str, None] = {}
        self.origins: list[Origin] = []
        self._conflicts: dict[tuple[str, int], TypeConflict] = {}
        self._readers_of: dict[int, set[int]] = {}
        self._of = ""
        self._first_reads: dict[int, Span] = {}
        for read in usage.reads:
            self._first_reads.setdefault(id(read.cell.root()), read.at)

    def text(self) -> str:
        """The schema, one block for each namespace."""
        blocks: dict[str, list[str]] = {}
        for name in sorted(self.types):
            blocks.setdefault(name.rpartition("::")[0], []).append(self._entity(name))
        for uid, action in sorted(self._actions.items()):
            blocks.setdefault(uid.type.rpartition("::")[0], []).append(self._action(uid, action))
        return "\n".join(_block(namespace, lines) for namespace, lines in sorted(blocks.items()))

    @property
    def conflicts(self) -> tuple[TypeConflict, ...]:
        """What is at odds, once the text is made; one for each attribute, whatever actions share it."""
        merged: dict[tuple[str, tuple[tuple[str, Span], ...]], frozenset[int]] = {}
        for found in sorted(self._conflicts.values(), key=lambda conflict: conflict.attribute):
            key = found.attribute, found.uses
            merged[key] = merged.get(key, frozenset()) | found.policies
        return tuple(TypeConflict(*key, policies) for key, policies in merged.items())

    def _entity(self, name: str) -> str:
        parents = sorted(parent for parent in self._usage.parents[name] if not is_action(parent))
        member = f" in [{', '.join(parents)}]" if parents else ""
        record = self._record(self._usage.attributes[name], name, ())
        tags = self._usage.tags.get(name)
        if tags is None:
            return f"entity {name.rpartition('::')[2]}{member} = {record};"
        tagged = self._type(tags, f"the tags of {name}", ())
        self._note("tags", name, tagged, tags)
        return f"entity {name.rpartition('::')[2]}{member} = {record} tags {tagged};"

    def _action(self, uid: Uid, action: _Action) -> str:
        name = f'action "{escape(uid.id)}"'
        if not action.principals or not action.resources:
            return f"{name};"
        principals, resources = (", ".join(sorted(types)) for types in (action.principals, action.resources))
        self._of = f"{uid} "
        context = self._record(action.context.root().fields, "context", ())
        self._of = ""
        return f"{name} appliesTo {{ principal: [{principals}], resource: [{resources}], context: {context} }};"

    def _record(self, fields: Mapping[str, Cell], path: str, above: tuple[Cell, ...]) -> str:
        parts = []
        for name, cell in sorted(fields.items()):
            typed = self._type(cell, f"{path}.{name}", above)
            self._note("attribute", f"{path}.{name}", typed, cell)
            parts.append(f'"{escape(name)}"?: {typed}')
        return f"{{{', '.join(parts)}}}"

    def _note(self, kind: Literal["attribute", "tags"], name: str, typed: str, cell: Cell) -> None:
        cell = cell.root()
        read = self._first_reads.get(id(cell))
        uses = tuple((f"used as {use}", place) for use, place in cell.uses.items())
        self.origins.append(Origin(kind, self._of + name, typed, uses or ((("read", read),) if read else ())))

    def _type(self, cell: Cell, path: str, above: tuple[Cell, ...]) -> str:
        cell = cell.root()
        if cell.note:
            self.warnings[f"`{path}` {cell.note}"] = None
        if cell in above:
            return self._taken_as(path, cell, "String")
        if not cell.kind:
            self.warnings[f"nothing says the type of `{path}`: it is taken as String"] = None
            return _name("String")
        if cell.at_odds and cell.kind != "entity":
            self._taken_as(path, cell, cell.kind)
        match cell.kind:
            case "Set":
                return f"Set<{self._type(cell.element or Cell(), f'{path}[]', (*above, cell))}>"
            case "Record":
                return self._record(cell.fields, path, (*above, cell))
            case "entity":
                return self._entity_reference(cell, path)
        return _name(cell.kind)

    def _entity_reference(self, cell: Cell, path: str) -> str:
        types = [name for name in cell.types if not is_action(name)]
        if cell.at_odds or len(types) > 1 or (cell.types and not types):
            return self._taken_as(path, cell, *types[:1])
        if types:
            return types[0]
        self.warnings[f"nothing says the type of `{path}`: it is taken as String"] = None
        return _name("String")

    def _taken_as(self, path: str, cell: Cell, chosen: str = "String") -> str:
        """A type for what no type fits, noted as such."""
        uses = sorted(cell.uses.items(), key=lambda use: use[0] != chosen)
        conflict = TypeConflict(path, tuple(uses), self._readers(cell))
        self._conflicts[path, id(cell)] = conflict
        self.warnings[f"{conflict}: it is taken as {chosen}, and checks of policies that read it are undecided"] = None
        return chosen if chosen in self.types else _name(chosen)

    def _readers(self, cell: Cell) -> frozenset[int]:
        """The policies that read a cell, or something that holds it."""
        if not self._readers_of:
            for read in self._usage.reads:
                for inner in within(read.cell):
                    self._readers_of.setdefault(id(inner), set()).add(read.policy)
        return frozenset(self._readers_of.get(id(cell), ()))


def _name(primitive: str) -> str:
    return f"__cedar::{primitive}"


def _block(namespace: str, lines: Sequence[str]) -> str:
    if not namespace:
        return "\n".join(lines)
    inner = "\n".join(f"  {line}" for line in lines)
    return f"namespace {namespace} {{\n{inner}\n}}"
