"""Terms rebuilt: with subterms replaced, and with globs taken for unknown truth values."""

from __future__ import annotations

from collections.abc import Sequence

from verify import term as t
from verify.languages import Complement, Glob, Intersection, Language, Union
from verify.term import Symbol, Term, subterms


def without_globs(parts: Sequence[Term]) -> tuple[Term, ...]:
    """The parts with an unknown truth value of each text for each glob: what contradicts itself then, does anyway."""
    tests = {term: _unknown(term.args[0], term.data) for term in subterms(*parts) if term.op == "matches"}
    return tuple(substitute(part, tests) for part in parts)


def _unknown(text: Term, language: Language) -> Term:
    match language:
        case Glob(pieces):
            return t.leaf(Symbol("flag", "glob", pieces, "value", (t.STRING,), t.BOOL), text)
        case Complement(inner):
            return t.not_(_unknown(text, inner))
        case Union(parts):
            return t.or_(*(_unknown(text, part) for part in parts))
        case Intersection(parts):
            return t.and_(*(_unknown(text, part) for part in parts))


def globs_in(parts: Sequence[Term]) -> int:
    """How many globs the parts test, each counted once for each text."""
    found: set[tuple[Term, Glob]] = set()
    for term in subterms(*parts):
        if term.op == "matches":
            found |= {(term.args[0], glob) for glob in _globs(term.data)}
    return len(found)


def _globs(language: Language) -> tuple[Glob, ...]:
    match language:
        case Glob():
            return (language,)
        case Complement(inner):
            return _globs(inner)
        case Union(parts) | Intersection(parts):
            return tuple(glob for part in parts for glob in _globs(part))


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
