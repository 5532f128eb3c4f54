"""Where names stand in a policy: Cedar's syntax trees have no positions, so its tokens are matched to its nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from cedarpy import pst

from models.cedar.policies import Policy, Span
from models.cedar.source import Token, tokens
from models.cedar.syntax import children
from models.cedar.uids import Uid, escape, unescape

_BEFORE_LITERALS = frozenset({"if", "then", "else", "in", "is", "has", "like", "when", "unless"})
"""Words after which `[` begins a set; after other words, `)` and `]` it reads an attribute."""


def place_at(policy: Policy, offset: int) -> Span:
    """The place of a character of a policy's text."""
    before = policy.text[:offset]
    lines = before.count("\n")
    column = len(before) - before.rfind("\n") if lines else policy.span.column + offset
    return Span(policy.span.file, policy.span.line + lines, column)


def uid_place(policy: Policy, uid: Uid) -> Span:
    """Where a policy names an entity first; its start where it writes the id in another way."""
    return _sequence_place(policy, (*_name_tokens(uid.type), "::", f'"{escape(uid.id)}"'))


def type_place(policy: Policy, name: str) -> Span:
    """Where a policy names an entity type first."""
    return _sequence_place(policy, _name_tokens(name))


def uid_offsets(policy: Policy, uid: Uid) -> tuple[tuple[int, int], ...]:
    """From where to where the id of an entity stands in a policy's text, quotes included, wherever it is named."""
    return tuple(
        (named[-1].start, named[-1].end)
        for named in _sequences(policy, (*_name_tokens(uid.type), "::", f'"{escape(uid.id)}"'))
    )


def attribute_places(policy: Policy) -> Mapping[int, Span]:
    """Where each access and test of an attribute stands, by the `id` of its node in `policy.syntax`.

    The nodes of one name in order are the tokens of that name in order. Where their numbers differ (Cedar expands
    `has a.b`), all of them are placed at the first token.
    """
    offsets = _attribute_offsets(tuple(tokens(policy.text)))
    nodes: defaultdict[str, list[pst.Expr]] = defaultdict(list)
    for clause in policy.syntax.clauses:
        for node in _after_their_parts(clause.expr):
            if isinstance(node, pst.GetAttr):
                nodes[node.attr].append(node)
            elif isinstance(node, pst.HasAttr):
                for name in node.attrs:
                    nodes[name].append(node)
    found: dict[int, Span] = {}
    for name, same in nodes.items():
        at = offsets.get(name) or [0]
        at = at if len(at) == len(same) else at[:1] * len(same)
        for node, offset in zip(same, at, strict=True):
            found.setdefault(id(node), place_at(policy, offset))
    return found


def _name_tokens(name: str) -> tuple[str, ...]:
    first, *rest = name.split("::")
    return (first, *(part for one in rest for part in ("::", one)))


def _sequence_place(policy: Policy, wanted: Sequence[str]) -> Span:
    return place_at(policy, next((found[0].start for found in _sequences(policy, wanted)), 0))


def _sequences(policy: Policy, wanted: Sequence[str]) -> Iterator[Sequence[Token]]:
    """Where these tokens stand one after another, and not as the end of a longer name."""
    stream = tuple(tokens(policy.text))
    texts = [token.text for token in stream]
    for n in range(len(stream)):
        if texts[n : n + len(wanted)] == list(wanted) and "::" not in texts[max(n - 1, 0) : n]:
            yield stream[n : n + len(wanted)]


def _attribute_offsets(stream: Sequence[Token]) -> Mapping[str, list[int]]:
    """The offsets of tokens that name an attribute, by the name."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for position, (before, token) in enumerate(pairwise(stream), 1):
        if token.kind not in ("word", "string"):
            continue
        if before.text in (".", "has") or (before.text == "[" and _reads(stream[position - 2])):
            found[_unquoted(token)].append(token.start)
    return found


def _reads(token: Token) -> bool:
    return token.text in (")", "]", "}") or (token.kind == "word" and token.text not in _BEFORE_LITERALS)


def _unquoted(token: Token) -> str:
    try:
        return unescape(token.content) if token.kind == "string" else token.text
    except ValueError:
        return token.content


def _after_their_parts(expression: pst.Expr) -> Iterator[pst.Expr]:
    """The nodes of an expression in the order in which they are finished: what is accessed before the access."""
    pending, found = [expression], []
    while pending:
        node = pending.pop()
        found.append(node)
        pending += children(node)
    return reversed(found)
