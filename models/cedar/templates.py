"""Templates and their links.

A link fills the slots of a template: `[{"template_id": ..., "link_id": ..., "args": {"?principal": 'User::"anna"'}}]`,
as Cedar's own command line has it. A linked template is written out as the policy that it stands for, named by its
link and standing where the template stands, so that everything else sees plain policies.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.cedar.source import Source, Statement, Token
from models.cedar.uids import escape, parse_uid, unescape
from models.diagnostics import Diagnostic, InputError, quoted, suggestion

LINKS_MAX: Final = 10_000
"""Links that are read. An assumption: ten times the policies that the largest gateways take."""

_SLOTS: Final = ("principal", "resource")


@dataclass(frozen=True, slots=True)
class _Template:
    """A template: the names it goes by, the slots it has, each with the tokens that spell it."""

    source: Source
    statement: Statement
    slots: Mapping[str, tuple[tuple[Token, Token], ...]]


def slots_of(statement: Statement) -> Mapping[str, tuple[tuple[Token, Token], ...]]:
    """The slots in a policy as written: name to the pairs of tokens that spell it. Nothing for a plain policy."""
    found: dict[str, list[tuple[Token, Token]]] = {}
    for mark, word in itertools.pairwise(statement.tokens):
        if mark.text == "?" and word.text in _SLOTS and word.start == mark.end:
            found.setdefault(f"?{word.text}", []).append((mark, word))
    return {slot: tuple(pairs) for slot, pairs in found.items()}


def linked(sources: Sequence[Source], links: Source) -> tuple[Source, ...]:
    """The policies that the links stand for, each as a text that stands where its template stands.

    Raises InputError with every faulty link: an unknown template, a slot that is missing or that the template has not,
    something that is no entity, a name that is taken.
    """
    templates, plain = _policies(sources)
    faults: list[Diagnostic] = []
    made: list[Source] = []
    names: set[str] = set()
    for position, link in enumerate(_links(links)):
        offset = _offset(links, link, position)
        found = _faults(link, templates, plain | names)
        faults += (links.diagnostic(message, offset, help) for message, help in found)
        if not found:
            names.add(link["link_id"])
            made.append(_written_out(templates[link["template_id"]], link))
    if faults:
        raise InputError(*faults)
    return tuple(made)


def _policies(sources: Sequence[Source]) -> tuple[dict[str, _Template], set[str]]:
    """Templates by the names they go by, and the names of plain policies."""
    templates: dict[str, _Template] = {}
    plain: set[str] = set()
    statements = [(source, statement) for source in sources for statement in source.statements]
    for number, (source, statement) in enumerate(statements):
        name = _id(statement) or f"policy{number}"
        if slots := slots_of(statement):
            templates[name] = _Template(source, statement, slots)
        else:
            plain.add(name)
    return templates, plain


def _id(statement: Statement) -> str | None:
    """The value of `@id`."""
    for at, word, _, value in zip(*(statement.tokens[skip:] for skip in range(4)), strict=False):
        if (at.text, word.text, value.kind) == ("@", "id", "string"):
            return unescape(value.content)
    return None


def _links(links: Source) -> list[Any]:
    try:
        found = json.loads(links.text)
    except json.JSONDecodeError as error:
        raise InputError(links.diagnostic(f"not JSON: {error.msg}", error.pos)) from None
    except RecursionError:
        raise InputError(links.diagnostic("values are nested too deeply", 0)) from None
    if not isinstance(found, list) or len(found) > LINKS_MAX:
        help = '`[{"template_id": ..., "link_id": ..., "args": {"?principal": ...}}]`'
        raise InputError(links.diagnostic(f"expected a list of at most {LINKS_MAX:,} links", 0, help))
    return found


def _offset(links: Source, link: Any, position: int) -> int:
    """Where a link is written: at its name, where that can be found."""
    name = link.get("link_id") if isinstance(link, Mapping) else None
    found = links.text.find(json.dumps(name)) if isinstance(name, str) else -1
    braces = itertools.islice((i for i, c in enumerate(links.text) if c == "{"), 2 * position, None)
    return found if found >= 0 else next(braces, 0)


def _faults(link: Any, templates: Mapping[str, _Template], taken: set[str]) -> list[tuple[str, str]]:
    """What is wrong with a link, with help."""
    if not isinstance(link, Mapping) or not all(isinstance(link.get(key), str) for key in ("template_id", "link_id")):
        return [("expected an object with the texts `template_id` and `link_id`, and `args`", "")]
    name, args = link["template_id"], link.get("args")
    faults = []
    if link["link_id"] in taken:
        faults.append((f"the name {quoted(link['link_id'])} is taken", "give each link its own `link_id`"))
    if name not in templates:
        faults.append((f"there is no template {quoted(name)}", suggestion(name, templates, "templates")))
    if not isinstance(args, Mapping):
        return [*faults, ("`args`: expected an object", 'such as `{"?principal": "User::\\"anna\\""}`')]
    slots = templates[name].slots if name in templates else dict.fromkeys(args)
    faults += [(f"the slot `{slot}` is not filled", "") for slot in slots if slot not in args]
    faults += [
        (f"the template has no slot {quoted(slot)}", suggestion(slot, slots, "slots"))
        for slot in args
        if slot not in slots
    ]
    return [*faults, *((f"{quoted(value)} is no entity", 'such as `User::"anna"`') for value in _no_uids(args))]


def _no_uids(args: Mapping[str, Any]) -> list[Any]:
    found = []
    for value in args.values():
        try:
            parse_uid(value if isinstance(value, str) else "")
        except ValueError:
            found.append(value)
    return found


def _written_out(template: _Template, link: Mapping[str, Any]) -> Source:
    """The policy of a link: slots filled, `@id` the link's."""
    statement = template.statement
    cuts = [
        (mark.start, word.end, str(parse_uid(link["args"][slot])))
        for slot, pairs in template.slots.items()
        for mark, word in pairs
    ]
    own = statement.annotation("id")
    name = f'@id("{escape(link["link_id"])}")'
    if _id(statement) is None:
        cuts.append((statement.start, statement.start, f"{name} "))
    else:
        end = next(token.end for token in statement.tokens if token.text == ")" and token.start > own)
        cuts.append((own, end, name))
    text, at = "", statement.start
    for start, end, instead in sorted(cuts):
        text += template.source.text[at:start] + instead
        at = end
    span = template.source.span(statement.start)
    return Source(span.file, text + template.source.text[at : statement.end], span.line, span.column, True)
