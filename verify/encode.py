"""Cedar policies in one request environment, as terms.

The encoding follows Cedar's dynamic semantics with all types known: what errors at run time has `ok` false. An entity
that is looked at exists, unless the encoder is told that entities may be missing. A construct that the encoding does
not know raises UnsupportedError; a branch that a constant condition cuts off is not encoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cedarpy import pst

from models.cedar.types import EntityType, RequestEnvironment, Schema
from models.cedar.uids import Uid, parse_uid
from verify import term as t
from verify.languages import pattern
from verify.symbolic import (
    Collection,
    Field,
    Listed,
    Opaque,
    Place,
    Record,
    Result,
    Scalar,
    Stored,
    UnsupportedError,
    Value,
    choose,
    contains,
    contains_all,
    contains_any,
    equal,
    existence,
    is_empty,
    stored,
)
from verify.symbolic import field as field_of
from verify.term import Symbol, Term

CHARACTER_MAX = 0x2FFFF
"""The greatest character of an SMT-LIB string (SMT-LIB theory of strings)."""

_NEVER = Result(t.FALSE, Scalar(t.FALSE))
"""What always errors."""


@dataclass(frozen=True, slots=True)
class Match:
    """When a policy matches, and when evaluating it does not error."""

    matches: Term
    ok: Term


@dataclass(frozen=True)
class Encoder:
    """Encodes policies for one request environment.

    `missing` admits entity stores that lack entities. `context` stands in for the request's own context.
    """

    schema: Schema
    environment: RequestEnvironment
    missing: bool = False
    context: Record | None = None
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
                return _fine(t.string(_checked(value)))
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
        if op not in ("not", "neg", "is_empty"):
            raise UnsupportedError(_EXTENSIONS.get(op, op))
        result = self.expression(argument)
        if op == "not":
            return _negated(result)
        if op == "neg":
            return _guarded(result.ok, t.sub(t.long(0), result.value.term)) if _is_long(result) else _NEVER  # type: ignore[union-attr]
        value = _usable(result.value)
        return Result(result.ok, Scalar(is_empty(value))) if isinstance(value, Listed | Collection) else _NEVER

    def _short_circuit(self, op: pst.BinaryOpName, left: pst.Expr, right: pst.Expr) -> Result:
        first = self.expression(left)
        if not _is_bool(first):
            return _NEVER
        if first.ok is t.FALSE or _truth(first) is t.boolean(op == "or"):
            return first
        if op == "and":
            return _conjoined(first, self.expression(right))
        return _negated(_conjoined(_negated(first), _negated(self.expression(right))))

    def _if(self, condition: pst.Expr, chosen: pst.Expr, otherwise: pst.Expr) -> Result:
        test = self.expression(condition)
        if not _is_bool(test) or test.ok is t.FALSE:
            return _NEVER
        truth = _truth(test)
        if truth.op == "const":
            taken = self.expression(chosen if truth.data else otherwise)
            return Result(t.and_(test.ok, taken.ok), taken.value)
        one, other = self.expression(chosen), self.expression(otherwise)
        ok = t.and_(test.ok, t.ite(truth, one.ok, other.ok))
        if one.ok is t.FALSE or other.ok is t.FALSE:
            return Result(ok, other.value if one.ok is t.FALSE else one.value)
        return Result(ok, choose(truth, one.value, other.value))

    def _binary(self, op: pst.BinaryOpName, left: pst.Expr, right: pst.Expr) -> Result:
        if op in _EXTENSIONS:
            raise UnsupportedError(_EXTENSIONS[op])
        first, second = self.expression(left), self.expression(right)
        ok = t.and_(first.ok, second.ok)
        if ok is t.FALSE:
            return _NEVER
        if op in ("eq", "not_eq"):
            same = equal(first.value, second.value)
            return Result(ok, Scalar(same if op == "eq" else t.not_(same)))
        one, other = _usable(first.value), _usable(second.value)
        match op:
            case "less" | "less_eq" | "greater" | "greater_eq" | "add" | "sub" | "mul":
                return _numeric(op, ok, one, other)
            case "in":
                return self._in(ok, one, other)
            case "get_tag" | "has_tag":
                return self._tag(op, ok, one, other)
        return _set_operation(op, ok, one, other)

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
        value = _usable(base.value)
        if base.ok is t.FALSE or not _has_attributes(value) or (found := self._field(value, name)) is None:
            return _NEVER
        return Result(t.and_(base.ok, found.present), found.value)

    def _has(self, base: Result, path: Sequence[str]) -> Result:
        value = _usable(base.value)
        if base.ok is t.FALSE or not _has_attributes(value):
            return _NEVER
        found = self._field(value, path[0])
        if found is None:
            return Result(base.ok, Scalar(t.FALSE))
        if len(path) == 1:
            return Result(base.ok, Scalar(found.present))
        inner = self._has(Result(t.TRUE, found.value), path[1:])
        return _conjoined(Result(base.ok, Scalar(found.present)), inner)

    def _tag(self, op: str, ok: Term, base: Value, key: Value) -> Result:
        if not _is_entity(base) or not _is_string(key):
            return _NEVER
        entity, name = _entity(base), key
        assert isinstance(name, Scalar)
        type = self._entity_type(entity)
        if type.tags is None:
            return Result(ok, Scalar(t.FALSE)) if op == "has_tag" else _NEVER
        place = Place("tag", type.name, (entity.term, name.term))
        present = t.and_(self._exists(entity), place.leaf("present", t.BOOL))
        if op == "has_tag":
            return Result(ok, Scalar(present))
        return Result(t.and_(ok, present), stored(place, type.tags))

    # --- hierarchy ----------------------------------------------------------------------------------------------------

    def _is(self, base: Result, wanted: str, group: pst.Expr | None) -> Result:
        value = _usable(base.value)
        if not _is_entity(value):
            return _NEVER
        fits = Result(base.ok, Scalar(t.boolean(_entity(value).term.sort.name == wanted)))
        if group is None or _truth(fits) is t.FALSE:
            return fits
        above = self.expression(group)
        return _conjoined(fits, self._in(above.ok, value, _usable(above.value)))

    def _in(self, ok: Term, left: Value, right: Value) -> Result:
        if not _is_entity(left):
            return _NEVER
        entity = _entity(left)
        if _is_entity(right):
            return Result(ok, Scalar(self._is_in(entity, _entity(right))))
        if isinstance(right, Listed):
            if not all(_is_entity(_usable(each)) for each in right.elements):
                return _NEVER
            return Result(ok, Scalar(t.or_(*(self._is_in(entity, _entity(each)) for each in right.elements))))
        if not isinstance(right, Collection) or right.term.sort.element is None:
            return _NEVER
        if right.term.sort.element.kind != "Entity":
            # An empty set has no element of the wrong type.
            return Result(t.and_(ok, is_empty(right)), Scalar(t.FALSE))
        return Result(ok, Scalar(t.not_(t.disjoint(right.term, self._up(entity, right.term.sort.element.name)))))

    def _above(self, entity: Scalar, ancestor: str) -> Symbol | None:
        """The ancestor relation between two types; None where the schema allows none."""
        type = entity.term.sort.name
        if ancestor not in ancestor_types(self.schema, type):
            return None
        return Symbol("above", type, (ancestor,), "value", (entity.term.sort, t.entity_sort(ancestor)), t.BOOL)

    def _up(self, entity: Scalar, ancestor: str) -> Term:
        sort = t.entity_sort(ancestor)
        if self._is_action(entity.term.sort.name):
            if entity.term.op != "const":
                raise UnsupportedError("`in` on an action that is not known", "in")
            uids = map(parse_uid, self._action_groups(str(Uid(entity.term.sort.name, entity.term.data))))
            return t.elements(sort, (t.const(uid.id, sort) for uid in uids if uid.type == ancestor))
        return t.up(entity.term, ancestor, self._above(entity, ancestor))

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
        value = _usable(base.value)
        if not _is_string(value):
            return _NEVER
        language = pattern(elements)
        _checked("".join(language.pieces))
        assert isinstance(value, Scalar)
        return Result(base.ok, Scalar(t.matches(value.term, language)))


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


_EXTENSIONS: Mapping[str, str] = {
    "datetime": "datetime",
    "decimal": "decimal",
    "duration": "duration",
    "ip": "ip",
    "is_ipv4": "isIpv4",
    "is_ipv6": "isIpv6",
    "is_loopback": "isLoopback",
    "is_multicast": "isMulticast",
    "to_date": "toDate",
    "to_time": "toTime",
    "to_milliseconds": "toMilliseconds",
    "to_seconds": "toSeconds",
    "to_minutes": "toMinutes",
    "to_hours": "toHours",
    "to_days": "toDays",
    "is_in_range": "isInRange",
    "offset": "offset",
    "duration_since": "durationSince",
    "decimal_less_than": "lessThan",
    "decimal_less_eq": "lessThanOrEqual",
    "decimal_greater": "greaterThan",
    "decimal_greater_eq": "greaterThanOrEqual",
}
"""Extension functions by cedarpy's names, as Cedar text writes them."""


def _fine(term: Term) -> Result:
    return Result(t.TRUE, Scalar(term))


def _literal(uid: pst.EntityUid) -> Scalar:
    return Scalar(t.const(_checked(uid.id), t.entity_sort(str(uid.type))))


def _checked(text: str) -> str:
    if any(ord(character) > CHARACTER_MAX for character in text):
        raise UnsupportedError(f"a character above U+{CHARACTER_MAX:X}", "\\u")
    return text


def _usable(value: Value) -> Value:
    if isinstance(value, Opaque):
        raise UnsupportedError(value.type)
    return value


def _has_kind(value: Value, kind: str) -> bool:
    return isinstance(value, Scalar) and value.term.sort.kind == kind


def _is_entity(value: Value) -> bool:
    return _has_kind(value, "Entity")


def _is_string(value: Value) -> bool:
    return _has_kind(value, "String")


def _has_attributes(value: Value) -> bool:
    return isinstance(value, Record | Stored) or _is_entity(value)


def _is_bool(result: Result) -> bool:
    return _has_kind(_usable(result.value), "Bool")


def _is_long(result: Result) -> bool:
    return _has_kind(_usable(result.value), "Long")


def _entity(value: Value) -> Scalar:
    assert isinstance(value, Scalar)
    return value


def _truth(result: Result) -> Term:
    """The term of a truth value; what is none is an error, so its value says nothing."""
    return result.value.term if isinstance(result.value, Scalar) and result.value.term.sort == t.BOOL else t.FALSE


def _negated(result: Result) -> Result:
    return Result(result.ok, Scalar(t.not_(_truth(result)))) if _is_bool(result) else _NEVER


def _conjoined(first: Result, second: Result) -> Result:
    """`first && second`, both evaluated to terms already."""
    if not _is_bool(first):
        return _NEVER
    one = _truth(first)
    if not _is_bool(second):
        second = _NEVER
    return Result(t.and_(first.ok, t.or_(t.not_(one), second.ok)), Scalar(t.and_(one, _truth(second))))


def _guarded(ok: Term, number: Term) -> Result:
    """A number that arithmetic made: outside 64 bits it is an error."""
    return Result(t.and_(ok, t.in_range(number)), Scalar(number))


def _numeric(op: str, ok: Term, left: Value, right: Value) -> Result:
    if not (_has_kind(left, "Long") and _has_kind(right, "Long")):
        return _NEVER
    assert isinstance(left, Scalar)
    assert isinstance(right, Scalar)
    a, b = left.term, right.term
    match op:
        case "less":
            return Result(ok, Scalar(t.lt(a, b)))
        case "less_eq":
            return Result(ok, Scalar(t.le(a, b)))
        case "greater":
            return Result(ok, Scalar(t.lt(b, a)))
        case "greater_eq":
            return Result(ok, Scalar(t.le(b, a)))
    return _guarded(ok, t.add(a, b) if op == "add" else t.sub(a, b) if op == "sub" else t.mul(a, b))


def _set_operation(op: str, ok: Term, left: Value, right: Value) -> Result:
    if not isinstance(left, Listed | Collection):
        return _NEVER
    if op == "contains":
        return Result(ok, Scalar(contains(left, right)))
    if not isinstance(right, Listed | Collection):
        return _NEVER
    apply = {"contains_all": contains_all, "contains_any": contains_any}[op]
    return Result(ok, Scalar(apply(left, right)))
