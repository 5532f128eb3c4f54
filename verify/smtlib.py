"""The one printer of SMT-LIB 2.6 scripts. What it prints is what the solvers get and what a finding's digest is of.

Entities are numbers: a reference says nothing but which entity it is, and integers are what both solvers reason about
fastest. Every entity that a formula names has a constant of its own number. Every application of a function gets a
name, so a model is a value for each name.

SMT-LIB's characters end at U+2FFFF, and have the surrogates, which no text of Cedar's has. Characters beyond that a
formula names are printed as surrogates: policies compare characters and do nothing else with them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from verify.eval import Value
from verify.languages import Complement, Glob, Intersection, Language, Union, characters
from verify.literals import Ip
from verify.symbolic import UnsupportedError
from verify.term import Sort, Symbol, Term, subterms

CHARACTER_MAX = 0x2FFFF
"""The greatest character of an SMT-LIB string (SMT-LIB theory of strings)."""

SURROGATES = range(0xD800, 0xE000)
"""Characters of SMT-LIB that are none of Unicode text."""

Model = Mapping[str, bool | int | str]
"""The value that a solver gives to each name."""


@dataclass(frozen=True)
class Script:
    """A script. `names` has the name of every unknown in it, `numbers` the number of every entity that it names.

    `beyond` has the surrogate that stands for each character above U+2FFFF, `composites` the sets and records that are
    named as elements of sets, by sort and number.
    """

    text: str
    names: Mapping[Term, str]
    numbers: Mapping[tuple[str, str], int]
    beyond: Mapping[str, str] = field(default_factory=dict)
    composites: Mapping[tuple[Sort, int], Value] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """Digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def script(parts: Sequence[Term], title: str) -> Script:
    """The script that asserts the parts, which are without sets. `title` is told in a comment.

    Raises UnsupportedError where the parts name more characters above U+2FFFF than there are surrogates, or make
    extension values of what is no literal.
    """
    terms = list(subterms(*parts))
    numbers = _numbers(terms)
    names = _names(terms)
    beyond = _beyond(terms)
    composites = _composites(terms)
    lines = [f"; {_comment(title)}", "(set-logic ALL)"]
    lines += _ADDRESSES if any(term.sort.kind == "Ip" for term in terms) else ()
    lines += [f"(define-fun {_uid(*uid)} () Int {number})" for uid, number in numbers.items()]
    lines += _declarations(terms)
    texts: dict[Term, str] = {}
    uses = Counter(arg for term in terms for arg in term.args)
    for term in terms:
        text = str(composites[term]) if term in composites else _text(term, texts, beyond)
        if term in names and term.args:
            lines += [f"(declare-const {names[term]} {_sort(term.sort)})", f"(assert (= {names[term]} {text}))"]
            text = names[term]
        elif uses[term] > 1 and term.args:
            name = f"t{len(texts)}"
            lines.append(f"(define-fun {name} () {_sort(term.sort)} {text})")
            text = name
        texts[term] = text
    lines += [f"(assert {texts[part]})" for part in parts]
    values = {(term.sort, number): term.data for term, number in composites.items()}
    return Script("\n".join([*lines, "(check-sat)", ""]), names, numbers, beyond, values)


def _composites(terms: Sequence[Term]) -> dict[Term, int]:
    """A number for each constant that is a set or a record."""
    found = [term for term in terms if term.op == "const" and term.sort.kind == "Surrogate"]
    return {term: number for number, term in enumerate(found)}


def _beyond(terms: Sequence[Term]) -> dict[str, str]:
    named: set[str] = set()
    for term in terms:
        if term.op == "matches":
            named |= characters(term.data)
        elif term.op == "const" and term.sort.kind == "String":
            named |= set(term.data)
    beyond = sorted(character for character in named if ord(character) > CHARACTER_MAX)
    if len(beyond) > len(SURROGATES):
        raise UnsupportedError(f"so many characters above U+{CHARACTER_MAX:X}")
    return dict(zip(beyond, map(chr, SURROGATES), strict=False))


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
    return sort.kind if sort.kind in ("Bool", "String", "Ip") else "Int"


_ADDRESSES = (
    "(define-sort Ip () (_ BitVec 137)) ; version, 128 bits of address, prefix; of an IPv4 address the low 32 bits",
    "(define-fun ip.v6 ((a Ip)) Bool (= ((_ extract 136 136) a) #b1))",
    "(define-fun ip.address ((a Ip)) (_ BitVec 128) ((_ extract 135 8) a))",
    "(define-fun ip.prefix ((a Ip)) (_ BitVec 8) ((_ extract 7 0) a)) ; counted from the first of the 128 bits",
    "(define-fun ip.mask ((a Ip)) (_ BitVec 128)"
    " (bvshl (bvnot (_ bv0 128)) (bvsub (_ bv128 128) ((_ zero_extend 120) (ip.prefix a)))))",
    "(define-fun ip.fits ((a Ip)) Bool (and (bvule (ip.prefix a) (_ bv128 8))"
    " (or (ip.v6 a) (and (bvuge (ip.prefix a) (_ bv96 8)) (= ((_ extract 127 32) (ip.address a)) (_ bv0 96))))))",
    "(define-fun ip.within ((a Ip) (b Ip)) Bool (and (= (ip.v6 a) (ip.v6 b)) (bvuge (ip.prefix a) (ip.prefix b))"
    " (= (bvand (bvxor (ip.address a) (ip.address b)) (ip.mask b)) (_ bv0 128))))",
)
"""Addresses as bit vectors: comparing two prefixes is a mask then, which both solvers take in some 50 ms at worst."""


def bits(ip: Ip) -> int:
    """The bit vector of an address, as a number. Inverse of `ip_of`."""
    return (ip.v6 << 136) | (ip.address << 8) | (ip.prefix if ip.v6 else ip.prefix + 96)


def ip_of(number: int) -> Ip:
    """The address of a bit vector."""
    v6 = bool(number >> 136)
    prefix = number & 0xFF
    return Ip(v6, number >> 8 & (1 << 128) - 1, prefix if v6 else prefix - 96)


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
    "is_v6": "ip.v6",
    "within": "ip.within",
    "is_ip": "ip.fits",
}


def _text(term: Term, texts: Mapping[Term, str], beyond: Mapping[str, str]) -> str:
    args = " ".join(texts[arg] for arg in term.args)
    if term.op == "const":
        return _constant(term, beyond)
    if term.op == "leaf":
        name = _quoted(symbol_name(term.data))
        return f"({name} {args})" if args else name
    if term.op == "matches":
        return f"(str.in_re {args} {regex(term.data, beyond)})"
    if term.op in ("made", "makes"):
        raise UnsupportedError("an extension value made of what is no literal")
    if term.op == "cast":
        return args
    if term.op in ("div", "mod"):
        return f"({term.op} {args} {term.data})"
    return f"({_OPERATORS[term.op]} {args})"


def _constant(term: Term, beyond: Mapping[str, str]) -> str:
    match term.sort.kind:
        case "Bool":
            return "true" if term.data else "false"
        case "String":
            return string_literal(_printable(term.data, beyond))
        case "Entity":
            return _uid(term.sort.name, term.data)
        case "Ip":
            return f"(_ bv{bits(term.data)} 137)"
    return str(term.data) if term.data >= 0 else f"(- {-term.data})"


def _printable(text: str, beyond: Mapping[str, str]) -> str:
    return "".join(beyond.get(character, character) for character in text)


def string_literal(text: str) -> str:
    """A string literal: plain ASCII as it is, everything else as an escape."""
    return (
        '"'
        + "".join('""' if c == '"' else c if " " <= c <= "~" and c != "\\" else f"\\u{{{ord(c):x}}}" for c in text)
        + '"'
    )


def regex(language: Language, beyond: Mapping[str, str]) -> str:
    """A language as a regular expression."""
    match language:
        case Glob(pieces):
            return _glob([_printable(piece, beyond) for piece in pieces])
        case Complement(inner):
            return f"(re.comp {regex(inner, beyond)})"
        case Union(parts):
            return f"(re.union {' '.join(regex(part, beyond) for part in parts)})"
        case Intersection(parts):
            return f"(re.inter {' '.join(regex(part, beyond) for part in parts)})"


def _glob(pieces: Sequence[str]) -> str:
    parts = [f"(str.to_re {string_literal(pieces[0])})"] if pieces[0] or len(pieces) == 1 else []
    for piece in pieces[1:]:
        parts.append("re.all")
        if piece:
            parts.append(f"(str.to_re {string_literal(piece)})")
    return parts[0] if len(parts) == 1 else f"(re.++ {' '.join(parts)})"
