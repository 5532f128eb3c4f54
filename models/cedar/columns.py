"""Policies over columns of requests: every policy's match and error bit for many requests at once.

What the vectorised evaluator does not know (Cedar's extension types) is left to cedarpy, once for each distinct
request, so `evaluate` answers for every policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cedarpy
import numpy as np
import numpy.typing as npt
from cedarpy import pst

from models.cedar.entities import Store, entities_handle
from models.cedar.evaluation import Evaluator
from models.cedar.faults import too_deep
from models.cedar.policies import PolicySet
from models.cedar.source import Source
from models.cedar.syntax import children, walk
from models.cedar.types import Schema
from models.cedar.uids import parse_uid
from models.cedar.values import Value, to_json, value_of
from models.cedar.vectors import (
    Batch,
    Bits,
    Column,
    Part,
    Path,
    UnsupportedError,
    coded,
    combinations,
    part_codes,
    part_table,
)

Values = Any
"""A constant for every request, or a numpy array with one element for each."""


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Requests as columns.

    `principal`, `action` and `resource` are uid texts `Type::"id"`, one for all or an object array. `context` is
    keyed by attribute path, dotted (`"user.region"`) or as a tuple of names. A value is a bool, int, str, frozenset,
    or anything else in Cedar's JSON; an array is of bools, integers, or objects. A masked array marks the requests
    without the attribute; a path that is not there is absent from all. A record is there when some attribute below it
    is.
    """

    count: int
    principal: Values
    action: Values
    resource: Values
    context: Mapping[str | Path, Values]


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Which policies match which requests, and which error on them: bools, [policy, request]."""

    matched: Bits
    errored: Bits


def evaluate(policies: PolicySet, requests: Requests) -> Matches:
    """Every policy on every request, as Cedar decides it.

    Raises ValueError where a column has the wrong length, a type that Cedar has not, or a text that is no uid.
    """
    syntax = [policy.syntax for policy in policies.policies]
    return _evaluate(syntax, requests, Store(policies.entities), policies.entities, policies.schema)


def _evaluate(
    syntax: Sequence[pst.Template],
    requests: Requests,
    store: Store,
    entities: Sequence[Mapping[str, Any]],
    schema: Schema,
) -> Matches:
    batch = Batch(store, _variables(requests), _context(requests))
    if not requests.count:
        nothing = np.zeros((len(syntax), 0), dtype=np.bool_)
        return Matches(nothing, nothing)
    evaluator = Evaluator(batch)
    matched = np.zeros((len(syntax), requests.count), dtype=np.bool_)
    errored = np.zeros_like(matched)
    left: list[int] = []
    for row, policy in enumerate(syntax):
        try:
            true, false = evaluator.conjunction(_conditions(policy))
        except UnsupportedError:
            left.append(row)
            continue
        matched[row] = true
        errored[row] = ~(true | false)
    if left:
        handle = entities_handle(entities, schema)
        for row, (true, error) in zip(left, _by_cedarpy([syntax[n] for n in left], batch, handle), strict=True):
            matched[row], errored[row] = true, error
    return Matches(matched, errored)


def _conditions(policy: pst.Template) -> Iterator[pst.Expr]:
    """Scope and clauses as expressions, in the order in which Cedar evaluates them."""
    yield from _scope("principal", policy.principal)
    if isinstance(policy.action, pst.ActionEq):
        yield pst.BinaryOp("eq", pst.Var("action"), pst.EntityLit(policy.action.entity))
    elif isinstance(policy.action, pst.ActionIn):
        groups = pst.Set(tuple(pst.EntityLit(uid) for uid in policy.action.entities))
        yield pst.BinaryOp("in", pst.Var("action"), groups)
    yield from _scope("resource", policy.resource)
    for clause in policy.clauses:
        yield clause.expr if isinstance(clause, pst.When) else pst.UnaryOp("not", clause.expr)


def _scope(name: pst.VarName, constraint: pst.PrincipalOrResourceConstraint) -> Iterator[pst.Expr]:
    variable = pst.Var(name)
    match constraint:
        case pst.ScopeEq(pst.EntityUid() as uid):
            yield pst.BinaryOp("eq", variable, pst.EntityLit(uid))
        case pst.ScopeIn(pst.EntityUid() as uid):
            yield pst.BinaryOp("in", variable, pst.EntityLit(uid))
        case pst.ScopeIs(wanted):
            yield pst.Is(variable, wanted, None)
        case pst.ScopeIsIn(wanted, pst.EntityUid() as uid):
            yield pst.Is(variable, wanted, pst.EntityLit(uid))
        case pst.ScopeAny():
            return
        case _:
            raise ValueError("a template that is not linked matches nothing")


# Columns of a batch


def _variables(requests: Requests) -> dict[str, Column]:
    return {
        name: _uid_column(getattr(requests, name), name, requests.count) for name in ("principal", "action", "resource")
    }


def _uid_column(given: Values, name: str, count: int) -> Column:
    texts, codes = _distinct(given, name, count)
    return coded([("entity", parse_uid(text)) for text in texts], codes, np.ones(1, dtype=np.bool_))


def _context(requests: Requests) -> dict[Path, Column]:
    paths = {key if isinstance(key, tuple) else tuple(key.split(".")): given for key, given in requests.context.items()}
    return {path: _value_column(given, ".".join(path), requests.count) for path, given in paths.items()}


def _value_column(given: Values, name: str, count: int) -> Column:
    present: Bits = np.ones(1, dtype=np.bool_)
    if isinstance(given, np.ma.MaskedArray):
        present, given = ~np.ma.getmaskarray(given), given.filled(_filling(given))
    if isinstance(given, np.ndarray) and given.dtype.kind in "biu":
        _check_length(given, name, count)
        if given.dtype.kind == "b":
            return (Part("bool", present, given),)
        if given.dtype.kind == "u" and given.size and int(given.max()) >= 2**63:
            raise ValueError(f"`{name}` holds numbers outside Cedar's 64 bits")
        return (Part("long", present, given.astype(np.int64)),)
    distinct, codes = _distinct(given, name, count)
    return coded([value_of(value) for value in distinct], codes, present)


def _filling(given: np.ma.MaskedArray[Any, Any]) -> Any:
    """A value for the masked places, where it is never seen."""
    return "" if given.dtype.kind in "OU" else 0


def _check_length(given: npt.NDArray[Any], name: str, count: int) -> None:
    if given.shape != (count,):
        raise ValueError(f"`{name}` has shape {given.shape}, expected ({count},)")


def _distinct(given: Values, name: str, count: int) -> tuple[list[Any], npt.NDArray[np.intp]]:
    """The distinct values of a constant or an array of objects, and each request's position among them."""
    if not isinstance(given, np.ndarray):
        return [given], np.zeros(1, dtype=np.intp)
    _check_length(given, name, count)
    if given.dtype.kind not in "OU":
        raise ValueError(f"`{name}` is of type {given.dtype}, and Cedar has no such values")
    listed = given.tolist()
    # Texts are their own key; whatever else there is needs Cedar's idea of equality.
    keys = listed if all(type(value) is str for value in listed) else [value_of(value) for value in listed]
    positions = {key: position for position, key in enumerate(dict.fromkeys(keys))}
    codes = np.fromiter(map(positions.__getitem__, keys), dtype=np.intp, count=count)
    first = dict(zip(reversed(keys), reversed(listed), strict=True))
    return [first[key] for key in positions], codes


# What is left to cedarpy

_VARIABLE = "\0variable"
"""Stands before the request variables, apart from every context path by identity."""


def _by_cedarpy(
    syntax: Sequence[pst.Template], batch: Batch, entities: cedarpy.Entities
) -> Iterator[tuple[Bits, Bits]]:
    """Match and error bits of each policy, by evaluating each distinct request."""
    columns = {(_VARIABLE, name): column for name, column in batch.variables.items()} | dict(batch.context)
    rows, codes = combinations([part_codes(column) for column in columns.values()])
    tables = [part_table(column) for column in columns.values()]
    asked = [
        _request(columns.keys(), [table[code] for table, code in zip(tables, row, strict=True)])
        for row in rows.tolist()
    ]
    permits = {f"policy{n}": _as_permit(policy, f"policy{n}") for n, policy in enumerate(syntax)}
    handle = cedarpy.PolicySet.from_pst(pst.PolicySet(templates={}, static_policies=permits, template_links=()))
    answers = cedarpy.is_authorized_batch(asked, handle, entities)
    for name in permits:
        matched = np.array([name in answer.diagnostics.reasons for answer in answers])
        errored = np.array([_errs(name, answer) for answer in answers])
        yield matched[codes], errored[codes]


def _as_permit(policy: pst.Template, name: str) -> pst.Template:
    return replace(policy, id=name, effect="permit", annotations={})


def _errs(name: str, answer: cedarpy.AuthzResult) -> bool:
    if answer.decision is cedarpy.Decision.NoDecision:
        raise ValueError("; ".join(answer.diagnostics.errors))
    return any(error.startswith(f"error while evaluating policy `{name}`") for error in answer.diagnostics.errors)


def _request(paths: Iterable[Path], values: Iterable[Value | None]) -> dict[str, Any]:
    request: dict[str, Any] = {"context": {}}
    for path, value in zip(paths, values, strict=True):
        if value is None:
            continue
        if path[0] is _VARIABLE:
            request[path[1]] = to_json(value)["__entity"]
            continue
        inner = request["context"]
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = to_json(value)
    return request


# Conditions of workflows


@dataclass(frozen=True, slots=True)
class Condition:
    """A Cedar condition over the context alone. `paths` are the context attributes that it reads, sorted."""

    text: str
    syntax: pst.Template
    paths: tuple[Path, ...]

    def holds(self, requests: Requests) -> Bits:
        """The requests in which it is true; not so where it is false and not so where it errors."""
        true: Bits = _evaluate([self.syntax], requests, Store(()), (), Schema({}, {})).matched[0]
        return true

    def errors(self, requests: Requests) -> Bits:
        """The requests in which it errors."""
        erring: Bits = _evaluate([self.syntax], requests, Store(()), (), Schema({}, {})).errored[0]
        return erring


def condition(text: str) -> Condition:
    """The condition that a text states, in the language of a policy's `when`.

    Raises ValueError with Cedar's message where it does not parse, is more than one condition, or speaks of the
    principal, action or resource.
    """
    # On a line of its own, so that a comment at its end swallows nothing.
    policy = f"permit (principal, action, resource) when {{\n{text}\n}};"
    if deep := too_deep(Source("", policy)):
        raise ValueError(deep[0].message)
    found = tuple(cedarpy.policies_to_pst(policy).static_policies.values())
    if len(found) != 1 or len(found[0].clauses) != 1:
        raise ValueError("expected one condition, such as `context.amount > 500`")
    expression = found[0].clauses[0].expr
    for node in walk(expression):
        if isinstance(node, pst.Var) and node.name != "context":
            raise ValueError(f"a condition reads the context only, not `{node.name}`")
    paths = sorted(set(_paths(expression)))
    longest = (path for path in paths if not any(other != path and other[: len(path)] == path for other in paths))
    return Condition(text, found[0], tuple(longest))


def _paths(expression: pst.Expr) -> Iterator[Path]:
    """The context paths that an expression names, by access or by `has`."""
    path = _path(expression)
    if path is None:
        for inner in children(expression):
            yield from _paths(inner)
    elif path:
        yield path


def _path(expression: pst.Expr) -> Path | None:
    match expression:
        case pst.Var("context"):
            return ()
        case pst.GetAttr(base, name) if (inner := _path(base)) is not None:
            return (*inner, name)
        case pst.HasAttr(base, names) if (inner := _path(base)) is not None:
            return (*inner, *names)
    return None
