"""The edit that keeps a policy from erring where something is lacking: `has` tests of what it reads.

A permit then matches what it matched: one that errs permits nothing. A forbid matches where it cannot be evaluated,
too, so that it no longer lets such requests through. Both are proved of each edit before it is suggested.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import cedarpy
from cedarpy import pst

from models.cedar.clauses import Part, conditions_of
from models.cedar.load import policy_set
from models.cedar.policies import Policy, PolicySet
from models.cedar.syntax import walk
from models.cedar.types import RequestEnvironment
from models.cedar.uids import Uid
from models.diagnostics import InputError
from verify import term as t
from verify.checks.common import seek
from verify.edits import NAMED_MAX, edit
from verify.findings import Edit, Suggestion
from verify.query import BUDGETS, Analysis, Case
from verify.term import Term
from verify.variants import variant

GUARDED_MAX = 10
"""Policies that one finding's edits guard: each takes a proof or two. An assumption."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset({"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"})


@dataclass(frozen=True, slots=True)
class _Path:
    """What a policy reads: a variable or a named entity, and attributes one after another."""

    root: str
    attributes: tuple[str, ...] = ()

    def guard(self, tested: Collection[_Path]) -> str:
        """The test that all of it is there, given that other paths are tested."""
        known = max(n for n in range(len(self.attributes)) if n == 0 or _Path(self.root, self.attributes[:n]) in tested)
        base = ".".join((self.root, *self.attributes[:known]))
        return f"{base} has {'.'.join(self.attributes[known:])}"


def guarded(policies: PolicySet, about: Sequence[Policy]) -> Suggestion | None:
    """The edits after which none of these policies errs; None where they are not proved to do what they are to."""
    if len(about) > GUARDED_MAX or any(policy.linked for policy in about):
        return None
    edits: list[Edit] = []
    for policy in about:
        own = _guards(policies, policy)
        if own is None:
            return None
        edits += own
    return Suggestion(tuple(edits), _why(about))


def _why(about: Sequence[Policy]) -> str:
    names = ", ".join(f"`{one.name}`" for one in about[:NAMED_MAX])
    names += f" and {len(about) - NAMED_MAX} more" * (len(about) > NAMED_MAX)
    one = len(about) == 1
    if about[0].effect == "permit":
        return f"Test by `has` what is read: {names} {'permits' if one else 'permit'} the same, without erring."
    instead = "denied, or people are asked," if any(policy.escalation for policy in about) else "denied"
    return (
        f"Test by `has` what is read, and let what is lacking count against the request: it is {instead} instead of "
        f"let through if the other conditions of {names} are met. Every other request is decided as before."
    )


def _guards(policies: PolicySet, policy: Policy) -> tuple[Edit, ...] | None:
    """The edits that guard one policy: of what it reads of entities if that suffices, else of all that it reads."""
    for entities_only in (True, False):
        changes = tuple(_changes(policy, entities_only))
        if changes:
            after = _changed(policies, policy, changes)
            if after is not None and _as_meant(policies, policy, after):
                return tuple(edit(policy, at, at, text) for at, text in changes)
    return None


def _changed(policies: PolicySet, policy: Policy, changes: Iterable[tuple[int, str]]) -> Policy | None:
    """The policy with texts inserted; None where Cedar does not take it."""
    text = policy.text
    for at, inserted in sorted(changes, reverse=True):
        text = text[:at] + inserted + text[at:]
    try:
        cedarpy.policies_to_pst(text)
        if not policies.schema_inferred:
            policy_set(text, policies.schema_text, profile=policies.profile)
    except (ValueError, InputError):
        return None
    (syntax,) = cedarpy.policies_to_pst(text).static_policies.values()
    return replace(policy, text=text, syntax=syntax)


def _as_meant(policies: PolicySet, before: Policy, after: Policy) -> bool:
    """Whether it is proved that a policy never errs any more, and matches as before but where a forbid erred."""
    analysis = Analysis(variant(policies, [(before, None), (after, None)]), BUDGETS["low"], missing=True)
    fails_closed = before.effect == "forbid"

    def otherwise(environment: RequestEnvironment) -> list[Term]:
        old, new = (analysis.matches(environment, index) for index in (0, 1))
        gained = t.and_(new, t.not_(old), analysis.succeeds(environment, 0) if fails_closed else t.TRUE)
        return [t.or_(t.not_(analysis.succeeds(environment, 1)), t.and_(old, t.not_(new)), gained)]

    def shows(case: Case) -> bool:
        old, new = (index in case.matched for index in (0, 1))
        gained = new and not old and not (fails_closed and 0 in case.errored)
        return 1 in case.errored or (old and not new) or gained

    return seek(analysis, analysis.reach(0), otherwise, shows, f"P103 {before.name} guarded").impossible


# --- what to insert ---------------------------------------------------------------------------------------------------


def _changes(policy: Policy, entities_only: bool) -> Iterator[tuple[int, str]]:
    """The texts to insert into a policy's text, with their places in it."""
    tested: set[_Path] = set()
    for part in conditions_of(policy):
        tested |= {path for node in walk(part.clause.expr) for path in _tested(node)}
        read = [path for path in _read(part) if path not in tested and not (entities_only and path.root == "context")]
        if read:
            yield from _inserted(part, [path.guard(tested) for path in read], policy.effect == "forbid")


def _inserted(part: Part, guards: Sequence[str], fails_closed: bool) -> Iterator[tuple[int, str]]:
    """What turns a condition into one that is not evaluated where something is lacking: it is met then, or is not."""
    all_there = " && ".join(guards)
    true_then = fails_closed != part.negated
    expression = part.clause.expr
    loose = isinstance(expression, pst.IfThenElse) or (
        not true_then and isinstance(expression, pst.BinaryOp) and expression.op == "or"
    )
    around = true_then and not part.negated
    before = f"!({all_there}) || " if true_then else f"{all_there} && "
    yield part.start, f"{'(' * around}{before}{'(' * loose}"
    if loose or around:
        yield part.end, f"{')' * loose}{')' * around}"


def _read(part: Part) -> tuple[_Path, ...]:
    """The paths that a condition reads, each once, without those that are part of others, in order."""
    paths = dict.fromkeys(path for node in walk(part.clause.expr) if (path := _path(node)) and path.attributes)
    begun = {_Path(path.root, path.attributes[:n]) for path in paths for n in range(len(path.attributes))}
    return tuple(path for path in paths if path not in begun)


def _tested(node: pst.Expr) -> Iterator[_Path]:
    """The paths that a test of attributes tests."""
    if isinstance(node, pst.HasAttr) and (base := _path(node.base)):
        yield from (_Path(base.root, (*base.attributes, *node.attrs[: n + 1])) for n in range(len(node.attrs)))


def _path(node: pst.Expr) -> _Path | None:
    """What an expression reads; None where it is no path, or has attributes that are not plain names."""
    match node:
        case pst.Var(name):
            return _Path(name)
        case pst.EntityLit(uid):
            return _Path(str(Uid("::".join((*uid.type.namespace, uid.type.basename)), uid.id)))
        case pst.GetAttr(base, name) if _WORD.fullmatch(name) and name not in _RESERVED:
            inner = _path(base)
            return None if inner is None else _Path(inner.root, (*inner.attributes, name))
    return None
