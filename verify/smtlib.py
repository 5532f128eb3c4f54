"""The one printer of SMT-LIB 2.6 scripts. What it prints is what the solvers get and what a finding's digest is of.

Entities are numbers: a reference says nothing but which entity it is, and integers are what both solvers reason about
fastest. Every entity that a formula names has a constant of its own number. Every application of a function gets a
name, so a model is a value for each name.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from verify.languages import Complement, Glob, Intersection, Language, Union
from verify.term import Sort, Symbol, Term, subterms

Model = Mapping[str, bool | int | str]
"""The value that a solver gives to each name."""


@dataclass(frozen=True)
class Script:
    """A script. `names` has the name of every unknown in it, `numbers` the number of every entity that it names."""

    text: str
    names: Mapping[Term, str]
    numbers: Mapping[tuple[str, str], int]

    @cached_property
    def sha256(self) -> str:
        """Digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def script(parts: Sequence[Term], title: str) -> Script:
    """The script that asserts the parts, which are without sets. `title` is told in a comment."""
    terms = list(subterms(*parts))
    numbers = _numbers(terms)
    names = _names(terms)
    lines = [f"; {_comment(title)}", "(set-logic ALL)"]
    lines += [f"(define-fun {_uid(*uid)} () Int {number})" for uid, number in numbers.items()]
    lines += _declarations(terms)
    texts: dict[Term, str] = {}
    uses = Counter(arg for term in terms for arg in term.args)
    for term in terms:
        text = _text(term, texts)
        if term in names and term.args:
            lines += [f"(declare-const {names[term]} {_sort(term.sort)})", f"(assert (= {names[term]} {text}))"]
            text = names[term]
        elif uses[term] > 1 and term.args:
            name = f"t{len(texts)}"
            lines.append(f"(define-fun {name} () {_sort(term.sort)} {text})")
            text = name
        texts[term] = text
    lines += [f"(assert {texts[part]})" for part in parts]
    return Script("\n".join([*lines, "(check-sat)", ""]), names, numbers)


def _numbers(terms: Sequence[Term]) -> dict[tuple[str, str], int]:
    uids = sorted({(term.sort.name, term.data) for term in terms if term.op == "const" and term.sort.kind == "Entity"})
    first = {type: position for position, (type, _) in reversed(list(enumerate(uids)))}
    return {uid: position - first[uid[0]] for position, uid in enumerate(uids)}


def _names(terms: Sequence[Term]) -> dict[Term, str]:
    leaves = [term for term in terms if term.op == "leaf"]
    return {leaf: f"v{n}" if leaf.args else symbol_name(leaf.data) for n, leaf in enumerate(leaves)}


def _declarations(terms: Sequence[Term]) -> Iterator[str]:
    symbols = {symbol_name(term.data): term.data for term in terms if term.op == "leaf"}
    for name, symbol in sorted(symbols.items()):
        parameters = " ".join(map(_sort, symbol.parameters))
        yield f"(declare-fun {_quoted(name)} ({parameters}) {_sort(symbol.sort)})"


def symbol_name(symbol: Symbol) -> str:
    """The name of an unknown; different unknowns have different names."""
    parts = (symbol.owner, *symbol.path) if symbol.owner else symbol.path
    words = (symbol.kind, "/".join(map(_escaped, parts)), "" if symbol.role == "value" else symbol.role)
    return " ".join(word for word in words if word)


def _escaped(name: str) -> str:
    """A name with nothing in it that SMT-LIB forbids in a quoted symbol or that separates the parts of a name."""
    text = "".join(c if c.isascii() and c.isprintable() and c not in "|\\%/ " else f"%{ord(c):x}." for c in name)
    return text or "%"  # no other name reads so


def _quoted(name: str) -> str:
    return name if name.isalnum() else f"|{name}|"


def _uid(type: str, id: str) -> str:
    return f'|{type}::"{_escaped(id)}"|'


def _comment(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


def _sort(sort: Sort) -> str:
    return {"Bool": "Bool", "Long": "Int", "String": "String", "Entity": "Int"}[sort.kind]


_OPERATORS = {
    "not": "not",
    "and": "and",
    "or": "or",
    "ite": "ite",
    "eq": "=",
    "le": "<=",
    "add": "+",
    "sub": "-",
    "mul": "*",
}


def _text(term: Term, texts: Mapping[Term, str]) -> str:
    args = " ".join(texts[arg] for arg in term.args)
    if term.op == "const":
        return _constant(term)
    if term.op == "leaf":
        name = _quoted(symbol_name(term.data))
        return f"({name} {args})" if args else name
    if term.op == "matches":
        return f"(str.in_re {args} {regex(term.data)})"
    return f"({_OPERATORS[term.op]} {args})"


def _constant(term: Term) -> str:
    match term.sort.kind:
        case "Bool":
            return "true" if term.data else "false"
        case "Long":
            return str(term.data) if term.data >= 0 else f"(- {-term.data})"
        case "Entity":
            return _uid(term.sort.name, term.data)
    return string_literal(term.data)


def string_literal(text: str) -> str:
    """A string literal: plain ASCII as it is, everything else as an escape."""
    return (
        '"'
        + "".join('""' if c == '"' else c if " " <= c <= "~" and c != "\\" else f"\\u{{{ord(c):x}}}" for c in text)
        + '"'
    )


def regex(language: Language) -> str:
    """A language as a regular expression."""
    match language:
        case Glob(pieces):
            return _glob(pieces)
        case Complement(inner):
            return f"(re.comp {regex(inner)})"
        case Union(parts):
            return f"(re.union {' '.join(map(regex, parts))})"
        case Intersection(parts):
            return f"(re.inter {' '.join(map(regex, parts))})"


def _glob(pieces: Sequence[str]) -> str:
    parts = [f"(str.to_re {string_literal(pieces[0])})"] if pieces[0] or len(pieces) == 1 else []
    for piece in pieces[1:]:
        parts.append("re.all")
        if piece:
            parts.append(f"(str.to_re {string_literal(piece)})")
    return parts[0] if len(parts) == 1 else f"(re.++ {' '.join(parts)})"
