"""A concrete request as conditions on the unknowns of terms: where they hold, a solver has no choice left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from models.cedar.entities import Store, uid_of
from verify import term as t
from verify.eval import Interpretation, Value, evaluate
from verify.findings import Witness
from verify.term import Sort, Symbol, Term, subterms
from verify.world import interpretation


def constant(sort: Sort, value: Any) -> Term:
    """The term of a value, whatever its sort."""
    match sort.kind:
        case "Set":
            assert sort.element is not None
            return t.elements(sort.element, (constant(sort.element, each) for each in sorted(value, key=repr)))
        case "Record":
            fields = dict(value)
            args: list[Term] = []
            for name, inner, _ in sort.fields:
                args += [
                    t.boolean(name in fields),
                    constant(inner, fields[name]) if name in fields else t.default(inner),
                ]
            return t.record(sort, args)
    return t.const(value, sort)


def pinned(parts: Sequence[Term], witness: Witness) -> Iterator[Term]:
    """Every unknown in the parts is what it is in a request; so are the ancestors that `in` may ask for.

    Of what is not there nothing is said but that: no term may depend on it. So nothing is said either of what is read
    by it, such as whether there is a tag that an attribute of a missing entity names: a solver chooses the name.
    """
    meaning, store = interpretation(witness), Store(witness.entities)
    uids = [uid_of(entity["uid"]) for entity in witness.entities]
    for term in subterms(*parts):
        if term.op == "leaf" and _are_there(term.args, meaning):
            args = tuple(evaluate(arg, meaning) for arg in term.args)
            if term.data.role == "present" or _is_there(term.data, args, meaning):
                yield t.same(term, constant(term.sort, meaning(term.data, args)))
        if term.op == "up" and term.data is not None:
            (entity,) = term.args
            low, above = evaluate(entity, meaning), term.data
            for uid in (uid for uid in uids if uid.type == above.path[0]):
                is_above = t.leaf(above, entity, t.const(uid.id, above.parameters[1]))
                yield is_above if uid in store.ancestors(_uid(entity, low)) else t.not_(is_above)


def _are_there(args: Sequence[Term], meaning: Interpretation) -> bool:
    """Whether everything is there that the arguments of an unknown read."""
    leaves = [term for term in subterms(*args) if term.op == "leaf" and term.data.role != "present"]
    return all(_is_there(leaf.data, tuple(evaluate(arg, meaning) for arg in leaf.args), meaning) for leaf in leaves)


def _is_there(symbol: Symbol, args: tuple[Value, ...], meaning: Interpretation) -> bool:
    stored = symbol.kind in ("context", "attribute", "tag")
    return not stored or bool(meaning(replace(symbol, role="present"), args))


def _uid(entity: Term, id: str) -> Any:
    return uid_of({"type": entity.sort.name, "id": id})
