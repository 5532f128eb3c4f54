"""The request of a witness as a sentence: what the deciding clauses speak of, and nothing that a reader obeys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports.html import environment
from reports.witness import FIELDS_TOLD, VALUE_TOLD, story
from verify.findings import Clause, Finding, Location, Witness

WITNESS = Witness(
    'Fleet::Agent::"a"',
    'Fleet::Action::"pay out"',
    'Shop::"main"',
    {"amount": 900, "by": {"card": True, "bank": ""}, "note": "x"},
    (
        {"uid": {"type": "Fleet::Agent", "id": "a"}, "attrs": {}, "parents": [{"type": "Fleet::Team", "id": "one"}]},
        {"uid": {"type": "Shop", "id": "main"}, "attrs": {}, "parents": [{"type": "Region", "id": "eu"}]},
    ),
    ("finance",),
)
FINDING = Finding("P205", "unguarded-risk", "error", "violated", (), "m", Location("a.cedar", 1), WITNESS)


def clause(text: str) -> Clause:
    return Clause("true", "p", "a.cedar", 1, 1, text)


def test_it_tells_what_the_clauses_speak_of() -> None:
    because = (clause("context.amount > 500"), clause("context.by.card || principal.name == context2.note"))
    who, how = 'Agent "a" in Team "one" asks for "pay out" on Shop "main"', "with amount 900 and by.card true"
    assert story(replace(FINDING, because=because)) == f"{who} {how} approved by finance."


def test_without_such_clauses_it_tells_what_comes_first() -> None:
    many = replace(WITNESS, context={f"f{n}": "y" * 500 for n in range(9)}, entities=(), approvals=())
    told = story(replace(FINDING, witness=many))
    assert told.startswith('Agent "a" asks for "pay out" on Shop "main" with f0 "y')
    assert told.count("f") - told.count("for") == FIELDS_TOLD
    assert len(told) < 100 + FIELDS_TOLD * (VALUE_TOLD + 9)
    assert story(replace(FINDING, witness=None)) == ""


def test_with_no_context_it_speaks_of_none() -> None:
    plain = replace(WITNESS, context={}, entities=(), approvals=())
    assert story(replace(FINDING, witness=plain)) == 'Agent "a" asks for "pay out" on Shop "main".'


@pytest.mark.parametrize("text", ["<b>", "{{ 7*7 }}", "`</code><i>`", "\u202e\x1b[31m"])
def test_hostile_names_are_inert(text: str) -> None:
    hostile = replace(WITNESS, principal=text, action=text, resource=text, context={text: text}, approvals=(text,))
    template = environment("USD").from_string("{{ finding | as_story }}")
    page = template.render(finding=replace(FINDING, witness=hostile))
    assert "<" not in page
    assert "49" not in page
    assert page.isprintable()
