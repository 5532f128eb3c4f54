"""The parts of a policy as written: its scope and the conditions that it needs, each with its place.

Cedar's syntax trees have no positions. The parts are found by their tokens, and what a condition means is what Cedar
reads in its text, so text and meaning cannot fall apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cedarpy
from cedarpy import pst

from models.cedar.places import place_at
from models.cedar.policies import Policy, Span
from models.cedar.source import Token, tokens

_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")

Kind = Literal["principal", "action", "resource", "when", "unless"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a policy: one of the three of its scope, or a condition, which matches only together with all others.

    `start` and `end` count characters of the policy's text. Where `negated`, the policy needs the condition to be
    false: it stands in an `unless`, or behind a `!`.
    """

    kind: Kind
    text: str
    start: int
    end: int
    place: Span
    negated: bool = False

    @property
    def clause(self) -> pst.Clause:
        """What a condition says, as Cedar reads it."""
        text = f"permit(principal, action, resource) when {{ {self.text} }};"
        (policy,) = cedarpy.policies_to_pst(text).static_policies.values()
        (clause,) = policy.clauses
        return pst.Unless(clause.expr) if self.negated else clause


def scope_of(policy: Policy) -> tuple[Part, ...]:
    """What a policy says of the principal, the action and the resource, in this order."""
    stream, opening, closing = _head(policy)
    parts = _split(stream[opening + 1 : closing], ",")
    kinds: tuple[Kind, ...] = ("principal", "action", "resource")
    return tuple(_part(policy, kind, part, False) for kind, part in zip(kinds, parts, strict=False))


def conditions_of(policy: Policy) -> tuple[Part, ...]:
    """The conditions that must all be met for a policy to match, in order.

    A `when` is taken apart at the `&&` outside of brackets, an `unless` at the `||`, for all of its parts must be
    false; so is what stands in brackets as a whole, with or without a `!` before them.
    """
    return tuple(
        _part(policy, kind, some, negated)
        for kind, inner in _clauses(policy)
        for some, negated in _conjuncts(inner, kind == "unless")
    )


def clauses_range(policy: Policy) -> tuple[int, int]:
    """From where to where the clauses of a policy stand in its text; the end of its head twice where it has none."""
    stream, _, closing = _head(policy)
    return stream[closing].end, stream[-2].end


def with_conditions(policy: Policy, kept: Sequence[Part]) -> pst.Template:
    """The policy with these of its conditions alone."""
    return replace(policy.syntax, clauses=tuple(part.clause for part in kept))


def annotation_range(policy: Policy, name: str) -> tuple[int, int] | None:
    """From where to where an annotation stands in a policy's text; None where the policy has none of the name."""
    stream = tuple(tokens(policy.text))
    for at in range(len(stream) - 1):
        if stream[at].text == "@" and stream[at + 1].text == name:
            bare = stream[at + 2].text != "("
            return stream[at].start, stream[at + 1 if bare else at + 4].end
    return None


def effect_offset(policy: Policy) -> int:
    """Where the `permit` or `forbid` of a policy stands in its text."""
    stream, opening, _ = _head(policy)
    return stream[opening - 1].start


def _part(policy: Policy, kind: Kind, some: Sequence[Token], negated: bool) -> Part:
    start, end = some[0].start, some[-1].end
    return Part(kind, policy.text[start:end], start, end, place_at(policy, start), negated)


def _head(policy: Policy) -> tuple[tuple[Token, ...], int, int]:
    """The tokens of a policy, and the positions of the brackets about its scope."""
    stream = tuple(tokens(policy.text))
    effect = next(
        at for at, token in enumerate(stream) if token.text == policy.effect and (at == 0 or stream[at - 1].text != "@")
    )
    return stream, effect + 1, _closing(stream, effect + 1)


def _closing(stream: Sequence[Token], opening: int) -> int:
    """The position of the bracket that closes the one at a position."""
    depth = 0
    for at in range(opening, len(stream)):
        depth += (stream[at].text in _OPENING) - (stream[at].text in _CLOSING)
        if depth == 0:
            return at
    raise AssertionError("Cedar has read the policy, so its brackets are closed")


def _clauses(policy: Policy) -> Iterator[tuple[Kind, Sequence[Token]]]:
    """Each `when` and `unless` with the tokens inside its braces."""
    stream, _, at = _head(policy)
    at += 1
    while stream[at].text in ("when", "unless"):
        end = _closing(stream, at + 1)
        yield ("when" if stream[at].text == "when" else "unless"), stream[at + 2 : end]
        at = end + 1


def _conjuncts(stream: Sequence[Token], negated: bool) -> Iterator[tuple[Sequence[Token], bool]]:
    """The conditions that must all be met for an expression to be true, or false where `negated`."""
    negation = stream[0].text == "!" and len(stream) > 1
    inner = stream[1:] if negation else stream
    if inner[0].text == "(" and _closing(inner, 0) == len(inner) - 1:
        yield from _conjuncts(inner[1:-1], negated != negation)
        return
    parts = _split(stream, "||" if negated else "&&")
    other = _split(stream, "&&" if negated else "||")
    whole = stream[0].text == "if" or len(parts) == 1 or (not negated and len(other) > 1)
    if whole:
        yield stream, negated
        return
    for part in parts:
        yield from _conjuncts(part, negated)


def _split(stream: Sequence[Token], mark: str) -> list[Sequence[Token]]:
    """The stretches between marks outside of brackets."""
    depth, start, found = 0, 0, []
    for at, token in enumerate(stream):
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if depth == 0 and token.text == mark and token.kind == "mark":
            found.append(stream[start:at])
            start = at + 1
    return [part for part in (*found, stream[start:]) if part]
