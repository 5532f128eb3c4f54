"""A concrete request and entity store, as an interpretation of terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.cedar.entities import Store, uid_of
from models.cedar.uids import Uid, parse_uid
from verify.eval import Interpretation, Value
from verify.findings import Witness
from verify.literals import Ip, of_json, parse
from verify.term import CONSTRUCTORS, Sort, Symbol, set_sort

_ABSENT = object()


def default(sort: Sort) -> Value:
    """A value of a sort, for unknowns that nothing is said of."""
    plain = {"Bool": False, "String": "", "Entity": "", "Ip": Ip(False, 0, 32), "Set": frozenset()}
    return plain.get(sort.kind, 0)


def interpretation(witness: Witness) -> Interpretation:
    """What every unknown is in a concrete request. An attribute that is not there has a default that no term uses."""
    store = Store(witness.entities)
    request = {"principal": parse_uid(witness.principal).id, "resource": parse_uid(witness.resource).id}

    def value(symbol: Symbol, args: tuple[Value, ...]) -> Value:
        if symbol.kind in request:
            return request[symbol.kind]
        uid = Uid(symbol.owner, args[0]) if args else None
        if symbol.kind == "exists":
            return uid in store
        if symbol.kind == "above":
            return uid is not None and Uid(symbol.path[0], args[1]) in store.ancestors(uid)
        held = _held(symbol, args, uid, store, witness.context)
        if symbol.role == "present":
            return held is not _ABSENT
        if symbol.role == "member":
            return held is not _ABSENT and args[-1] in _python(held, set_sort(symbol.parameters[-1]))
        return default(symbol.sort) if held is _ABSENT else _python(held, symbol.sort)

    return value


def _held(symbol: Symbol, args: tuple[Value, ...], uid: Uid | None, store: Store, context: Mapping[str, Any]) -> object:
    """The stored value in Cedar's JSON, or `_ABSENT`."""
    if uid is not None and uid not in store:
        return _ABSENT
    match symbol.kind:
        case "context":
            return _inside(context, symbol.path)
        case "attribute":
            assert uid is not None
            return _inside(store.attributes(uid), symbol.path)
        case "tag":
            assert uid is not None
            return _inside(store.tags(uid), (args[1], *symbol.path))
    raise AssertionError(f"`{symbol.kind}` is no part of a request")


def _inside(value: object, path: Sequence[str]) -> object:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return _ABSENT
        value = value[name]
    return value


def _python(held: object, sort: Sort) -> Value:
    if sort.kind == "Entity":
        assert isinstance(held, Mapping)
        return uid_of(held).id
    if sort in CONSTRUCTORS:
        return parse(CONSTRUCTORS[sort], held) if isinstance(held, str) else of_json(held)
    if sort.kind == "Set":
        assert sort.element is not None
        assert isinstance(held, list | tuple | frozenset | set)
        return frozenset(_python(each, sort.element) for each in held)
    if sort.kind == "Record":
        assert isinstance(held, Mapping)
        return frozenset((name, _python(held[name], inner)) for name, inner, _ in sort.fields if name in held)
    return held
