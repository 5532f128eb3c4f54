"""Cedar's own complaints, put in their place.

`cedarpy` says what is wrong with a text but not where. Where a policy does not parse, the place is the first token that
makes a cut-off text fail for another reason than being cut off; where the message quotes a name, it is that name's
token.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import cedarpy

from models.cedar.entities import uid_of
from models.cedar.source import NESTING_MAX, OPERATORS_MAX, Source, Statement, Token, max_nesting, tokens
from models.cedar.types import EntityRefType, RecordType, Schema, SetType, Type
from models.cedar.uids import Uid
from models.diagnostics import Diagnostic

_CUT_OFF = "unexpected end of input"
_QUOTED = re.compile(r"`([^`]*)`|'([^']*)'|: @?(\w+)$")
_KEYWORDS = (
    *("permit", "forbid", "when", "unless", "principal", "action", "resource", "context"),
    *("in", "is", "has", "like", "if", "then", "else", "true", "false"),
    *("contains", "containsAll", "containsAny", "isEmpty", "getTag", "hasTag"),
    *("decimal", "ip", "datetime", "duration"),
)
_SCHEMA_KEYWORDS = (
    *("namespace", "entity", "action", "type", "enum", "tags", "in", "appliesTo", "principal", "resource", "context"),
    *("Bool", "Long", "String", "Set", "decimal", "ipaddr", "datetime", "duration"),
)

POLICY_CHARACTERS_MAX = 50_000
"""The longest policy. An assumption: five times what Amazon Bedrock AgentCore takes (10 KB). Solvers take strings of
65,536 characters."""

POLICIES_MAX = 10_000
"""The policies of one set. An assumption: ten times what an AgentCore engine takes."""


def _complaint(parse: Callable[[str], object], text: str) -> str:
    """What Cedar says against a text; empty where it reads it."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


def _quoted(message: str) -> list[str]:
    """The pieces of the user's text that a message of Cedar's repeats."""
    return ["".join(groups) for groups in _QUOTED.findall(message)]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name nearest to a misspelt one; None where none is near."""
    found = difflib.get_close_matches(name, [k for k in known if k != name], n=1, cutoff=0.75)
    return found[0] if found else None


def near(name: str, known: Iterable[str]) -> str:
    """A help line with the known name nearest to a misspelt one; empty where none is near."""
    found = nearest(name, known)
    return f"did you mean `{found}`?" if found else ""


def too_many(sources: Iterable[Source]) -> list[Diagnostic]:
    """The fault of more policies than a set may have, at the first of these."""
    places = ((source, statement) for source in sources for statement in source.statements)
    beyond = next(itertools.islice(places, POLICIES_MAX, None), None)
    if beyond is None:
        return []
    source, statement = beyond
    return [source.diagnostic(f"the set has more than {POLICIES_MAX:,} policies", statement.start)]


def too_deep(source: Source) -> list[Diagnostic]:
    """Policies that are too large to be worked with, or that `cedarpy` dies of."""
    found = []
    for statement in source.statements:
        if statement.nesting > NESTING_MAX:
            place = statement.start + _too_deep_at(source.slice(statement))
            found.append(source.diagnostic(f"brackets are nested more than {NESTING_MAX} deep", place))
        elif statement.operators > OPERATORS_MAX:
            message = f"one policy has more than {OPERATORS_MAX} operators"
            found.append(source.diagnostic(message, statement.start, "split it into several policies"))
        elif statement.end - statement.start > POLICY_CHARACTERS_MAX:
            message = f"one policy has more than {POLICY_CHARACTERS_MAX:,} characters"
            found.append(source.diagnostic(message, statement.start, "split it into several policies"))
    return found


def _too_deep_at(text: str) -> int:
    """Where the first bracket stands that is nested deeper than may be; 0 where none is."""
    depth = 0
    for token in tokens(text):
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth > NESTING_MAX:
            return token.start
    return 0


def policy_faults(source: Source) -> list[Diagnostic]:
    """One diagnostic for every policy of the file that Cedar does not read."""
    if deep := too_deep(source):
        return deep
    if not _complaint(cedarpy.policies_to_pst, source.text):
        return []
    found = [
        _policy_fault(source, statement, message)
        for statement in source.statements
        if (message := _complaint(cedarpy.policies_to_pst, source.slice(statement)))
    ]
    return found or [source.diagnostic(_complaint(cedarpy.policies_to_pst, source.text), 0)]


def _policy_fault(source: Source, statement: Statement, message: str) -> Diagnostic:
    offset = _fault_offset(source, statement, message)
    run_on = _run_on_string(statement, offset)
    if run_on is not None:
        return source.diagnostic(message, run_on, "this string runs over the end of its line: is its end missing?")
    words = [re.split(r"\W", word)[0] for word in _quoted(message)]
    hint = near(words[0], _KEYWORDS) if words and words[0] not in _KEYWORDS else ""
    return source.diagnostic(message.removeprefix("cedarpy: "), offset, _policy_hint(message, statement) or hint)


def _policy_hint(message: str, statement: Statement) -> str:
    if message == _CUT_OFF and statement.tokens[-1].text != ";":
        return "a policy ends with `;`"
    if message.startswith("'=' is not"):
        return "equality is `==`"
    if message.startswith("expected an entity uid"):
        return 'such as `Action::"refund"`'
    if "nesting exceeds" in message:
        return "split the policy, or replace a long `||` of comparisons by `[...].contains(...)`"
    return ""


def _run_on_string(statement: Statement, before: int) -> int | None:
    """A string over several lines that ends at or before a fault: most likely a missing quote."""
    starts = (t.start for t in statement.tokens if t.kind == "string" and "\n" in t.text and t.start <= before)
    return next(starts, None)


def _fault_offset(source: Source, statement: Statement, message: str) -> int:
    text = source.slice(statement)
    last = statement.tokens[-1]
    if message == _CUT_OFF:
        return last.end - 1
    if message.startswith("integer parse error"):
        return next(t.start for t in statement.tokens if t.kind == "number" and len(t.text) > 18)
    token = _first_bad(statement.tokens, lambda end: _complaint(cedarpy.policies_to_pst, text[: end - statement.start]))
    if token is None or token is last:
        return quoted_offset(statement, message)
    return token.start


def _first_bad(stream: Sequence[Token], complaint_at: Callable[[int], str]) -> Token | None:
    """The first token that a cut-off text cannot end with. A cut before it fails only for being cut off."""
    low, high = 0, len(stream)
    while low < high:
        middle = (low + high) // 2
        if complaint_at(stream[middle].end) in ("", _CUT_OFF):
            low = middle + 1
        else:
            high = middle
    return stream[low] if low < len(stream) else None


def quoted_offset(statement: Statement, message: str) -> int:
    """Where a name that the message quotes stands in the policy; the policy's start where it does not."""
    found = quoted_offset_or_none(statement, message)
    return statement.start if found is None else found


def quoted_offset_or_none(statement: Statement, message: str) -> int | None:
    """Where a name that the message quotes stands in the policy."""
    offsets = (_name_offset(statement.tokens, quoted) for quoted in _quoted(message))
    return next((offset for offset in offsets if offset is not None), None)


def _name_offset(stream: Sequence[Token], quoted: str) -> int | None:
    """A name after `.`, `[` or `has` first, then a name anywhere, then the first word of a quoted expression."""
    name = quoted.strip('"')
    if not name:
        return None
    for before, token in itertools.pairwise(stream):
        if token.content == name and before.text in (".", "[", "has"):
            return token.start
    parts = {name, name.rsplit("::", 1)[-1].strip('"'), re.split(r"[^A-Za-z0-9_]", name)[0]} - {""}
    found = next((token.start for token in stream if token.content in parts), None)
    if found is None and name.startswith("\\"):
        return next((token.start for token in stream if token.kind == "string" and name in token.text), None)
    return found


def clash_offset(source: Source, statement: Statement, message: str, handle: cedarpy.Schema) -> int:
    """Where the part of a policy stands that Cedar's validation says this of; its effect where it is of no one part.

    Each clause is validated on its own, and of a clause each side of its `&&` and `||`.
    """
    words = itertools.pairwise((statement.tokens[0], *statement.tokens))
    effect = next(word for before, word in words if word.text in ("permit", "forbid") and before.text != "@")
    clauses = list(_clauses(statement))
    head = source.text[effect.start : clauses[0][0].start if clauses else statement.end - 1]

    def complains(text: str) -> bool:
        if _complaint(cedarpy.policies_to_pst, text):
            return False
        errors = cedarpy.validate_policies(text, handle).errors
        return any(validation_message(error.error) == message for error in errors)

    for clause in () if complains(f"{head};") else clauses:
        keyword, body = clause[0], clause[2:-1]
        if complains(f"{head} {source.text[keyword.start : clause[-1].end]};"):
            sides = (side for side in _sides(body) if side)
            for side in sides:
                if complains(f"{head} when {{ {source.text[side[0].start : side[-1].end]} }};"):
                    return side[0].start
            return body[0].start if body else keyword.start
    return effect.start


def _clauses(statement: Statement) -> Iterator[tuple[Token, ...]]:
    """The clauses of a policy, each from its `when` or `unless` to its `}`."""
    depth, begin = 0, None
    for position, token in enumerate(statement.tokens):
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth == 0 and token.text in ("when", "unless"):
            begin = position
        elif depth == 0 and token.text == "}" and begin is not None:
            yield statement.tokens[begin : position + 1]
            begin = None


def _sides(body: Sequence[Token]) -> Iterator[tuple[Token, ...]]:
    """What stands between the `&&` and `||` of a condition that no bracket holds."""
    depth, side = 0, list[Token]()
    for token in body:
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth == 0 and token.text in ("&&", "||"):
            yield tuple(side)
            side = []
        else:
            side.append(token)
    yield tuple(side)


def circle(entities: Sequence[Mapping[str, Any]]) -> tuple[int, str] | None:
    """The first entity that is above itself, by position, and how; None where none is found."""
    try:
        above = {uid_of(entity.get("uid")): [*map(uid_of, entity.get("parents") or ())] for entity in entities}
    except ValueError:  # named in a way that only Cedar reads
        return None
    for position, start in enumerate(above):
        came: dict[Uid, Uid] = {}
        pending = [start]
        while pending:
            uid = pending.pop()
            for parent in above.get(uid, ()):
                if parent == start:
                    ring = [uid]
                    while ring[-1] != start:
                        ring.append(came[ring[-1]])
                    return position, " -> ".join(f"`{one}`" for one in [*reversed(ring), start])
                if parent not in came:
                    came[parent] = uid
                    pending.append(parent)
    return None


def schema_faults(source: Source, message: str) -> list[Diagnostic]:
    """Cedar's complaint about a schema, at the token it is about; one for each type that is not known."""
    stream = tuple(tokens(source.text))
    if found := re.search(r"failed to resolve types?: ([\w:, ]+)$", message):
        words = list(dict.fromkeys(found[1].split(", ")))
        return [_schema_fault(source, stream, f"unknown type `{word}`", [word]) for word in words]
    return [_schema_fault(source, stream, message, _quoted(message) or re.findall(r": ([\w:]+)$", message))]


def _schema_fault(source: Source, stream: Sequence[Token], message: str, words: Sequence[str]) -> Diagnostic:
    if message.startswith("error parsing schema: "):
        offset = _syntax_offset(source, stream)
    else:
        offsets = (_name_offset(stream, word) for word in words)
        offset = next((found for found in offsets if found is not None), 0)
    declared = [after.text for word, after in itertools.pairwise(stream) if word.text in ("entity", "type")]
    hint = near(words[0], [*_SCHEMA_KEYWORDS, *declared]) if words else ""
    return source.diagnostic(message.removeprefix("error parsing schema: "), offset, hint)


def _syntax_offset(source: Source, stream: Sequence[Token]) -> int:
    def complaint_at(end: int) -> str:
        message = _complaint(cedarpy.Schema.from_str, source.text[:end])
        return message.removeprefix("error parsing schema: ") if message.startswith("error parsing schema: ") else ""

    token = _first_bad(stream, complaint_at)
    return token.start if token else max(0, len(source.text.rstrip()) - 1)


def schema_too_deep(source: Source) -> bool:
    """Whether `cedarpy` must not be given this schema text."""
    brackets = (t for t in tokens(source.text.replace("<", "[").replace(">", "]")))
    return max_nesting(brackets) > NESTING_MAX


def validation_message(message: str) -> str:
    """Cedar's validation message without the positional id of the policy."""
    return re.sub(r"^for policy `[^`]*`, ", "", message)


def validation_help(message: str, schema: Schema) -> str:
    """The schema's name nearest to one that the message quotes and the schema does not have."""
    known = set(schema_names(schema))
    for quoted in _quoted(message):
        if quoted not in known and (hint := near(quoted, known)):
            return hint
    return ""


def schema_names(schema: Schema) -> Iterator[str]:
    """Every type name, action id and attribute name that a schema declares."""
    for entity in schema.entity_types.values():
        yield entity.name
        yield from _attribute_names(entity.attributes)
    for action in schema.actions.values():
        yield action.uid
        yield from _attribute_names(action.context)


def _attribute_names(typed: Type) -> Iterator[str]:
    match typed:
        case RecordType(attributes):
            for name, attribute in attributes.items():
                yield name
                yield from _attribute_names(attribute.type)
        case SetType(element):
            yield from _attribute_names(element)
        case EntityRefType():
            return
