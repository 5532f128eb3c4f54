"""Formulas in the shape that solvers take best: negations inside, known facts used, `like`s of one string together."""

from __future__ import annotations

from collections.abc import Iterable

from verify import term as t
from verify.term import Term, subterms

_ROUNDS_MAX = 8
"""Times that facts found are put to use; what is left after that is left to the solver."""


def simplify(parts: Iterable[Term]) -> tuple[Term, ...]:
    """Parts whose conjunction means the same. `(false,)` where that is plain; nothing where it is plainly true."""
    whole = t.and_(*map(_inwards, parts))
    for _ in range(_ROUNDS_MAX):
        facts = {part: t.TRUE for part in _conjuncts(whole) if part.op not in ("and", "or")}
        facts |= {t.not_(part): t.FALSE for part in facts}
        rest = [part for part in _conjuncts(whole) if part not in facts]
        known = [part for part, value in facts.items() if value is t.TRUE]
        simpler = t.and_(*known, *(substitute(part, facts) for part in rest))
        if simpler is whole:
            break
        whole = simpler
    return _conjuncts(whole)


def _conjuncts(term: Term) -> tuple[Term, ...]:
    return term.args if term.op == "and" else () if term is t.TRUE else (term,)


def _inwards(root: Term) -> Term:
    """The term with `not` on atoms only."""
    plain: dict[Term, Term] = {}
    negated: dict[Term, Term] = {}
    for term in subterms(root):
        if term.op == "not":
            plain[term], negated[term] = negated[term.args[0]], plain[term.args[0]]
        elif term.op in ("and", "or"):
            same, dual = (t.and_, t.or_) if term.op == "and" else (t.or_, t.and_)
            plain[term] = same(*(plain[arg] for arg in term.args))
            negated[term] = dual(*(negated[arg] for arg in term.args))
        else:
            plain[term] = rebuild(term, [plain[arg] for arg in term.args])
            negated[term] = t.not_(plain[term]) if term.sort == t.BOOL else plain[term]
    return plain[root]


def substitute(root: Term, values: dict[Term, Term]) -> Term:
    """The term with some of its subterms replaced."""
    done: dict[Term, Term] = {}
    for term in subterms(root):
        done[term] = values.get(term) or rebuild(term, [done[arg] for arg in term.args])
    return done[root]


def rebuild(term: Term, args: list[Term]) -> Term:
    """The same operation on other arguments, folded again."""
    if tuple(args) == term.args:
        return term
    match term.op:
        case "leaf":
            return t.leaf(term.data, *args)
        case "matches":
            return t.matches(args[0], term.data)
        case "div":
            return t.div(args[0], term.data)
        case "mod":
            return t.mod(args[0], term.data)
        case "makes":
            return t.makes(args[0], term.data)
        case "made":
            return t.made(args[0], term.sort)
        case "cast":
            return t.cast(args[0], term.sort)
        case "record":
            return t.record(term.sort, args)
        case "elements":
            assert term.sort.element is not None
            return t.elements(term.sort.element, args)
        case "up":
            assert term.sort.element is not None
            return t.up(args[0], term.sort.element.name, term.data)
    build = {
        "not": t.not_, "and": t.and_, "or": t.or_, "ite": t.ite, "eq": t.eq, "le": t.le, "add": t.add, "sub": t.sub,
        "mul": t.mul, "union": t.union_, "member": t.member, "subset": t.subset, "disjoint": t.disjoint,
        "is_v6": t.is_v6, "within": t.within, "is_ip": t.is_ip,
    }[term.op]  # fmt: skip
    result: Term = build(*args)  # type: ignore[operator]
    return result
