"""Only well-formed inputs: ground constraints on every unknown that a formula names.

Numbers have 64 bits, addresses fit their version, entities of a closed type are among its ids, and the ancestors named
form a strict order: nothing is above itself, and what is above an ancestor is above. That is enough, for a model is cut
down to the entities named (`verify.lift`), and those then form a hierarchy by themselves. Where entities may be
missing, those have no ancestors.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from models.cedar.types import Schema
from models.cedar.uids import parse_uid
from verify import term as t
from verify.encode import ancestor_types
from verify.ground import CONSTRAINTS_MAX, known, stored
from verify.symbolic import UnsupportedError, existence
from verify.term import Symbol, Term, subterms


def constraints(parts: Sequence[Term], schema: Schema) -> tuple[Term, ...]:
    """What well-formedness says of the unknowns in the parts. Raises UnsupportedError where it says too much."""
    leaves = [term for term in subterms(*parts) if term.op == "leaf"]
    closed = closed_types(schema)
    above = dict.fromkeys(leaf for leaf in leaves if leaf.data.kind == "above")
    nodes: dict[str, dict[Term, None]] = {}
    for leaf in above:
        for arg in leaf.args:
            nodes.setdefault(arg.sort.name, {})[arg] = None
    order = (*_order(nodes, {leaf.args[0].sort.name for leaf in above}, schema), *_missing(leaves, above))
    ranged = dict.fromkeys((*leaves, *(arg for term in order for arg in subterms(term) if arg.op == "leaf")))
    return (*(found for leaf in ranged if (found := _range(leaf, closed)) is not t.TRUE), *order)


def _missing(leaves: Sequence[Term], above: Iterable[Term]) -> Iterator[Term]:
    """An entity that is not in the store has no ancestors, whichever term says which entity it is."""
    if any(leaf.data.kind == "exists" for leaf in leaves):
        for leaf in above:
            low = leaf.args[0]
            yield t.implies(leaf, t.leaf(existence(low.sort), low))


def closed_types(schema: Schema) -> Mapping[str, tuple[str, ...]]:
    """The entity types whose ids the schema lists, and the action types, with their ids."""
    found: dict[str, tuple[str, ...]] = {
        name: declared.ids for name, declared in schema.entity_types.items() if declared.ids is not None
    }
    for uid in sorted(map(parse_uid, schema.actions)):
        found[uid.type] = (*found.get(uid.type, ()), uid.id)
    return found


def _range(leaf: Term, closed: Mapping[str, tuple[str, ...]]) -> Term:
    if leaf.data.role == "member":
        return t.implies(t.and_(leaf, _is_stored(leaf)), _storable(leaf.args[-1]))
    if leaf.sort in t.NUMBERS and leaf.data.kind != "witness":
        # A witness may lie outside: it stands for an element of a set literal whose evaluation errors.
        return t.implies(_is_stored(leaf), _storable(leaf))
    if leaf.sort == t.IP:
        return t.is_ip(leaf)
    if leaf.sort.kind == "Entity" and leaf.sort.name in closed:
        return t.or_(*(t.eq(leaf, t.const(one, leaf.sort)) for one in closed[leaf.sort.name]))
    return t.TRUE


def _is_stored(leaf: Term) -> Term:
    """Whether a leaf is a part of the request or the store, and not of a set literal whose evaluation errors."""
    return stored(leaf.args[0]) if leaf.data.kind == "content" else t.TRUE


def _storable(value: Term) -> Term:
    """What is stored is a number of 64 bits, or made of such."""
    if value.sort in t.NUMBERS:
        return t.in_range(value)
    if value.sort.kind != "Surrogate":
        return t.TRUE
    if value.op == "const":
        return t.and_(*(t.in_range(each) for each in subterms(known(value)) if each.sort in t.NUMBERS))
    return stored(value)


def _order(nodes: Mapping[str, Mapping[Term, None]], climbing: Collection[str], schema: Schema) -> Iterator[Term]:
    """The ancestor relation is irreflexive and transitive on the entities named.

    Only of types in `climbing` is it asked what is above. The others may have nothing above them: in a model cut down
    to that, what is above the entities asked about is as before, and still what is above an ancestor is above.
    """
    above = {type: sorted(ancestor_types(schema, type) & nodes.keys()) for type in nodes if type in climbing}
    triples = [
        (low, middle, high) for low in above for middle in above[low] if middle in above for high in above[middle]
    ]
    if sum(len(nodes[low]) * len(nodes[middle]) * len(nodes[high]) for low, middle, high in triples) > CONSTRAINTS_MAX:
        raise UnsupportedError("`in` between so many entities", "in")
    for low in above:
        if low in above[low]:
            yield from (t.not_(_above(entity, entity)) for entity in nodes[low])
    for low, middle, high in triples:
        yield from _transitive(nodes[low], nodes[middle], nodes[high])


def _transitive(lows: Mapping[Term, None], middles: Mapping[Term, None], highs: Mapping[Term, None]) -> Iterator[Term]:
    for low in lows:
        for middle in middles:
            if middle is low:
                continue
            for high in highs:
                if high is not middle:
                    climbed = t.and_(_above(low, middle), _above(middle, high))
                    yield t.not_(climbed) if high is low else t.implies(climbed, _above(low, high))


def _above(entity: Term, ancestor: Term) -> Term:
    symbol = Symbol("above", entity.sort.name, (ancestor.sort.name,), "value", (entity.sort, ancestor.sort), t.BOOL)
    return t.leaf(symbol, entity, ancestor)
