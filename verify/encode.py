"""Cedar policies in one request environment, as terms.

The encoding follows Cedar's dynamic semantics with all types known: what errors at run time has `ok` false. An entity
that is looked at exists, unless the encoder is told that entities may be missing. What the encoding does not know
raises UnsupportedError; a branch that a constant condition cuts off is not encoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cedarpy import pst

from models.cedar.types import EntityType, RequestEnvironment, Schema
from models.cedar.uids import Uid, parse_uid
from verify import extensions
from verify import term as t
from verify.languages import pattern
from verify.symbolic import (
    NEVER,
    Collection,
    Field,
    Listed,
    Place,
    Record,
    Result,
    Scalar,
    Stored,
    UnsupportedError,
    Value,
    applied,
    as_term,
    contains,
    contains_all,
    contains_any,
    equal,
    existence,
    guarded,
    is_empty,
    joined,
    stored,
)
from verify.symbolic import field as field_of
from verify.term import Sort, Symbol, Term

PATTERN_MAX = 5_000
"""Characters and wildcards of one pattern. An assumption: far above what policies have, and still seconds to solve."""


@dataclass(frozen=True, slots=True)
class Match:
    """When a policy matches, and when evaluating it does not error."""

    matches: Term
    ok: Term


@dataclass(frozen=True)
class Encoder:
    """Encodes policies for one request environment.

    `missing` admits entity stores that lack entities. `context` stands in for the request's own context. `concrete`
    admits extension values made of texts that are no literals: such terms can be evaluated, but not given to a solver.
    """

    schema: Schema
    environment: RequestEnvironment
    missing: bool = False
    context: Record | None = None
    concrete: bool = False
    _groups: dict[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def variables(self) -> Mapping[str, Value]:
        """The request variables."""
        action = parse_uid(self.environment.action)
        return {
            "principal": self._request_entity("principal", self.environment.principal),
            "action": Scalar(t.const(action.id, t.entity_sort(action.type))),
            "resource": self._request_entity("resource", self.environment.resource),
            "context": self.context or self.own_context,
        }

    @cached_property
    def own_context(self) -> Stored:
        """The context of the request."""
        return Stored(Place("context", "", ()), self.schema.actions[self.environment.action].context)

    def _request_entity(self, name: str, type: str) -> Scalar:
        return Scalar(Place(name, "", ()).leaf("value", t.entity_sort(type)))

    # --- policies -----------------------------------------------------------------------------------------------------

    def match(self, policy: pst.Template) -> Match:
        """When the policy matches. Raises UnsupportedError."""
        result = self.scope(policy)
        for clause in policy.clauses:
            result = self._and(result, clause)
        return Match(t.and_(result.ok, _truth(result)), result.ok)

    def scope(self, policy: pst.Template) -> Result:
        """The scope of a policy; it cannot error."""
        principal = self._constraint("principal", policy.principal)
        resource = self._constraint("resource", policy.resource)
        return Result(t.TRUE, Scalar(t.and_(self._action(policy.action), principal, resource)))

    def _and(self, before: Result, clause: pst.Clause) -> Result:
        if _truth(before) is t.FALSE:
            return before
        result = self.expression(clause.expr)
        return _conjoined(before, result if isinstance(clause, pst.When) else _negated(result))

    def _action(self, constraint: pst.ActionConstraint) -> Term:
        action = self.variables["action"]
        match constraint:
            case pst.ActionEq(uid):
                return equal(action, _literal(uid))
            case pst.ActionIn(entities):
                return t.or_(*(self._is_in(_entity(action), _literal(uid)) for uid in entities))
        return t.TRUE

    def _constraint(self, name: str, constraint: pst.PrincipalOrResourceConstraint) -> Term:
        variable = _entity(self.variables[name])
        match constraint:
            case pst.ScopeEq(pst.EntityUid() as uid):
                return equal(variable, _literal(uid))
            case pst.ScopeIn(pst.EntityUid() as uid):
                return self._is_in(variable, _literal(uid))
            case pst.ScopeIs(wanted):
                return t.boolean(variable.term.sort.name == str(wanted))
            case pst.ScopeIsIn(wanted, pst.EntityUid() as uid):
                fits = variable.term.sort.name == str(wanted)
                return self._is_in(variable, _literal(uid)) if fits else t.FALSE
            case pst.ScopeAny():
                return t.TRUE
        raise UnsupportedError("a template that is not linked", "?")

    # --- expressions --------------------------------------------------------------------------------------------------

    def expression(self, expression: pst.Expr) -> Result:
        """An expression's value and when it does not error. Raises UnsupportedError."""
        match expression:
            case pst.BoolLit(value):
                return _fine(t.boolean(value))
            case pst.LongLit(value):
                return _fine(t.long(value))
            case pst.StringLit(value):
                return _fine(t.string(value))
            case pst.EntityLit(uid):
                return Result(t.TRUE, _literal(uid))
            case pst.Var(name):
                return Result(t.TRUE, self.variables[name])
            case pst.UnaryOp(op, argument):
                return self._unary(op, argument)
            case pst.BinaryOp("and" | "or" as op, left, right):
                return self._short_circuit(op, left, right)
            case pst.BinaryOp(op, left, right):
                return self._binary(op, left, right)
            case pst.IfThenElse(condition, chosen, otherwise):
                return self._if(condition, chosen, otherwise)
            case pst.GetAttr(base, name):
                return self._attribute(self.expression(base), name)
            case pst.HasAttr(base, path):
                return self._has(self.expression(base), path)
            case pst.Like(base, elements):
                return self._like(self.expression(base), elements)
            case pst.Is(base, wanted, group):
                return self._is(self.expression(base), str(wanted), group)
            case pst.Set(elements):
                return self._set(elements)
            case pst.Record(fields):
                results = {name: self.expression(each) for name, each in fields.items()}
                ok = t.and_(*(result.ok for result in results.values()))
                return Result(ok, Record({name: Field(t.TRUE, result.value) for name, result in results.items()}))
        raise UnsupportedError(type(expression).__name__)

    def _set(self, elements: Sequence[pst.Expr]) -> Result:
        results = [self.expression(each) for each in elements]
        return Result(t.and_(*(result.ok for result in results)), Listed(tuple(result.value for result in results)))

    def _unary(self, op: pst.UnaryOpName, argument: pst.Expr) -> Result:
        result = self.expression(argument)
        return _after(result.ok, applied(lambda value: self._operator(op, value), result.value))

    def _operator(self, op: pst.UnaryOpName, value: Value) -> Result:
        match op, value:
            case "not", Scalar(term) if term.sort == t.BOOL:
                return _fine(t.not_(term))
            case "neg", Scalar(term) if term.sort == t.LONG:
                return guarded(t.sub(t.long(0), term))
            case "is_empty", Listed() | Collection():
                return _fine(is_empty(value))
        return extensions.unary(op, value.term, concrete=self.concrete) if isinstance(value, Scalar) else NEVER

    def _short_circuit(self, op: pst.BinaryOpName, left: pst.Expr, right: pst.Expr) -> Result:
        first = _as_bool(self.expression(left))
        if first.ok is t.FALSE or _truth(first) is t.boolean(op == "or"):
            return first
        if op == "and":
            return _conjoined(first, self.expression(right))
        return _negated(_conjoined(_negated(first), _negated(self.expression(right))))

    def _if(self, condition: pst.Expr, chosen: pst.Expr, otherwise: pst.Expr) -> Result:
        test = _as_bool(self.expression(condition))
        if test.ok is t.FALSE:
            return NEVER
        truth = _truth(test)
        if truth.op == "const":
            return _after(test.ok, self.expression(chosen if truth.data else otherwise))
        return _after(test.ok, joined(truth, self.expression(chosen), self.expression(otherwise)))

    def _binary(self, op: pst.BinaryOpName, left: pst.Expr, right: pst.Expr) -> Result:
        first, second = self.expression(left), self.expression(right)
        ok = t.and_(first.ok, second.ok)
        if ok is t.FALSE:
            return NEVER
        if op in ("eq", "not_eq"):
            same = equal(first.value, second.value)
            return Result(ok, Scalar(same if op == "eq" else t.not_(same)))
        functions = {"in": self._in, "get_tag": self._get_tag, "has_tag": self._has_tag}
        apply = functions.get(op) or (lambda one, other: _operation(op, one, other))
        return _after(ok, applied(apply, first.value, second.value))

    # --- attributes and tags ------------------------------------------------------------------------------------------

    def _entity_type(self, entity: Scalar) -> EntityType:
        name = entity.term.sort.name
        return self.schema.entity_types.get(name, EntityType(name))

    def _exists(self, entity: Scalar) -> Term:
        if not self.missing or self._is_action(entity.term.sort.name):
            return t.TRUE
        return t.leaf(existence(entity.term.sort), entity.term)

    def _is_action(self, type: str) -> bool:
        return type not in self.schema.entity_types and type.split("::")[-1] == "Action"

    def _field(self, base: Value, name: str) -> Field | None:
        """An attribute of a record or of an entity; None where there can be none."""
        if isinstance(base, Record | Stored):
            return field_of(base, name)
        entity = _entity(base)
        type = self._entity_type(entity)
        found = field_of(Stored(Place("attribute", type.name, (entity.term,)), type.attributes), name)
        return None if found is None else Field(t.and_(self._exists(entity), found.present), found.value)

    def _attribute(self, base: Result, name: str) -> Result:
        def found(value: Value) -> Result:
            one = self._field(value, name) if _has_attributes(value) else None
            return NEVER if one is None else Result(one.present, one.value)

        return _after(base.ok, applied(found, base.value))

    def _has(self, base: Result, path: Sequence[str]) -> Result:
        def found(value: Value) -> Result:
            if not _has_attributes(value):
                return NEVER
            one = self._field(value, path[0])
            if one is None:
                return _fine(t.FALSE)
            if len(path) == 1:
                return _fine(one.present)
            return _conjoined(_fine(one.present), self._has(Result(t.TRUE, one.value), path[1:]))

        return _after(base.ok, applied(found, base.value))

    def _tag(self, base: Value, key: Value) -> tuple[Place, EntityType] | None:
        """Where a tag is kept; None where there can be none."""
        type = self._entity_type(_entity(base))
        assert isinstance(key, Scalar)
        return None if type.tags is None else (Place("tag", type.name, (_entity(base).term, key.term)), type)

    def _tag_present(self, base: Value, place: Place) -> Term:
        return t.and_(self._exists(_entity(base)), place.leaf("present", t.BOOL))

    def _has_tag(self, base: Value, key: Value) -> Result:
        if not _is_entity(base) or not _is_string(key):
            return NEVER
        tag = self._tag(base, key)
        return _fine(t.FALSE if tag is None else self._tag_present(base, tag[0]))

    def _get_tag(self, base: Value, key: Value) -> Result:
        if not _is_entity(base) or not _is_string(key) or (tag := self._tag(base, key)) is None:
            return NEVER
        place, type = tag
        assert type.tags is not None
        return Result(self._tag_present(base, place), stored(place, type.tags))

    # --- hierarchy ----------------------------------------------------------------------------------------------------

    def _is(self, base: Result, wanted: str, group: pst.Expr | None) -> Result:
        def fits(value: Value) -> Result:
            return _fine(t.boolean(_entity(value).term.sort.name == wanted)) if _is_entity(value) else NEVER

        first = _after(base.ok, applied(fits, base.value))
        if group is None or _truth(first) is t.FALSE:
            return first
        above = self.expression(group)
        return _conjoined(first, _after(above.ok, applied(self._in, base.value, above.value)))

    def _in(self, left: Value, right: Value) -> Result:
        if not _is_entity(left):
            return NEVER
        entity = _entity(left)
        if _is_entity(right):
            return _fine(self._is_in(entity, _entity(right)))
        if isinstance(right, Listed):
            return self._in_listed(entity, right.elements)
        if not isinstance(right, Collection) or right.term.sort.element is None:
            return NEVER
        if right.term.sort.element.kind != "Entity":
            # An empty set has no element of the wrong type.
            return Result(is_empty(right), Scalar(t.FALSE))
        return _fine(t.not_(t.disjoint(right.term, self._up(entity, right.term.sort.element.name))))

    def _in_listed(self, entity: Scalar, elements: Sequence[Value]) -> Result:
        def one(value: Value) -> Result:
            return _fine(self._is_in(entity, _entity(value))) if _is_entity(value) else NEVER

        results = [applied(one, each) for each in elements]
        return Result(t.and_(*(result.ok for result in results)), Scalar(t.or_(*map(_truth, results))))

    def _above(self, entity: Scalar, ancestor: str) -> Symbol | None:
        """The ancestor relation between two types; None where the schema allows none."""
        type = entity.term.sort.name
        if ancestor not in ancestor_types(self.schema, type):
            return None
        return Symbol("above", type, (ancestor,), "value", (entity.term.sort, t.entity_sort(ancestor)), t.BOOL)

    def _up(self, entity: Scalar, ancestor: str) -> Term:
        type = entity.term.sort.name
        if not self._is_action(type):
            return t.up(entity.term, ancestor, self._above(entity, ancestor))
        sort = t.entity_sort(ancestor)
        if entity.term.op == "const":
            return t.elements(sort, self._groups_of(entity.term.data, type, sort))
        found = t.elements(sort, [entity.term] if entity.term.sort == sort else [])
        for id in (uid.id for uid in map(parse_uid, self.schema.actions) if uid.type == type):
            groups = t.elements(sort, self._groups_of(id, type, sort))
            is_it = t.eq(entity.term, t.const(id, entity.term.sort))
            found = t.union_(found, t.ite(is_it, groups, t.elements(sort, ())))
        return found

    def _groups_of(self, id: str, type: str, sort: Sort) -> Iterator[Term]:
        """The groups of a type that an action is in."""
        uids = map(parse_uid, sorted(self._action_groups(str(Uid(type, id)))))
        return (t.const(uid.id, sort) for uid in uids if uid.type == sort.name)

    def _is_in(self, entity: Scalar, ancestor: Scalar) -> Term:
        """`entity in ancestor`."""
        if self._is_action(entity.term.sort.name):
            return t.member(ancestor.term, self._up(entity, ancestor.term.sort.name))
        same = equal(entity, ancestor)
        symbol = self._above(entity, ancestor.term.sort.name)
        if symbol is None:
            return same
        return t.or_(same, t.and_(self._exists(entity), t.leaf(symbol, entity.term, ancestor.term)))

    def _action_groups(self, uid: str) -> frozenset[str]:
        """An action and every group it is in."""
        if uid not in self._groups:
            action = self.schema.actions.get(uid)
            above = [self._action_groups(parent) for parent in action.parents] if action else []
            self._groups[uid] = frozenset({uid}).union(*above)
        return self._groups[uid]

    def _like(self, base: Result, elements: Sequence[pst.PatternElem]) -> Result:
        if len(elements) > PATTERN_MAX:
            raise UnsupportedError("`like` with so long a pattern", "like")
        fits, text = as_term(base.value, t.STRING)
        return Result(t.and_(base.ok, fits), Scalar(t.matches(text, pattern(elements))))


def ancestor_types(schema: Schema, type: str) -> frozenset[str]:
    """The types that an ancestor of an entity may be of."""
    found: set[str] = set()
    pending = [type]
    while pending:
        declared = schema.entity_types.get(pending.pop())
        for parent in declared.parents if declared else ():
            if parent not in found:
                found.add(parent)
                pending.append(parent)
    return frozenset(found)


def _fine(term: Term) -> Result:
    return Result(t.TRUE, Scalar(term))


def _after(ok: Term, result: Result) -> Result:
    """A result that another one comes before."""
    return Result(t.and_(ok, result.ok), result.value)


def _literal(uid: pst.EntityUid) -> Scalar:
    return Scalar(t.const(uid.id, t.entity_sort(str(uid.type))))


def _has_kind(value: Value, kind: str) -> bool:
    return isinstance(value, Scalar) and value.term.sort.kind == kind


def _is_entity(value: Value) -> bool:
    return _has_kind(value, "Entity")


def _is_string(value: Value) -> bool:
    return _has_kind(value, "String")


def _has_attributes(value: Value) -> bool:
    return isinstance(value, Record | Stored) or _is_entity(value)


def _entity(value: Value) -> Scalar:
    assert isinstance(value, Scalar)
    return value


def _truth(result: Result) -> Term:
    """The term of a truth value; what is none is an error, so its value says nothing."""
    return as_term(result.value, t.BOOL)[1]


def _as_bool(result: Result) -> Result:
    """A result that errs where it is no truth value."""
    fits, term = as_term(result.value, t.BOOL)
    return Result(t.and_(result.ok, fits), Scalar(term))


def _negated(result: Result) -> Result:
    one = _as_bool(result)
    return Result(one.ok, Scalar(t.not_(_truth(one))))


def _conjoined(first: Result, second: Result) -> Result:
    """`first && second`, both evaluated to terms already."""
    one, other = _as_bool(first), _as_bool(second)
    ok = t.and_(one.ok, t.or_(t.not_(_truth(one)), other.ok))
    return Result(ok, Scalar(t.and_(_truth(one), _truth(other))))


def _operation(op: pst.BinaryOpName, left: Value, right: Value) -> Result:
    """An operation other than equality and those on entities."""
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        one, other = left.term, right.term
        return extensions.binary(op, one, other) if op in extensions.BINARY else _numeric(op, one, other)
    return _set_operation(op, left, right)


_ORDERED = (t.LONG, t.DATETIME, t.DURATION)


def _numeric(op: str, left: Term, right: Term) -> Result:
    if left.sort != right.sort or left.sort not in _ORDERED:
        return NEVER
    match op:
        case "less":
            return _fine(t.lt(left, right))
        case "less_eq":
            return _fine(t.le(left, right))
        case "greater":
            return _fine(t.lt(right, left))
        case "greater_eq":
            return _fine(t.le(right, left))
    if left.sort != t.LONG or op not in ("add", "sub", "mul"):
        return NEVER
    return guarded({"add": t.add, "sub": t.sub, "mul": t.mul}[op](left, right))


def _set_operation(op: str, left: Value, right: Value) -> Result:
    if not isinstance(left, Listed | Collection):
        return NEVER
    if op == "contains":
        return _fine(contains(left, right))
    if op not in ("contains_all", "contains_any") or not isinstance(right, Listed | Collection):
        return NEVER
    return _fine((contains_all if op == "contains_all" else contains_any)(left, right))
