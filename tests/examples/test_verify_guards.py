"""P103's suggested edits: `has` tests after which nothing errs, permits permit the same, and forbids fail closed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.cedar.decision import evaluated
from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from verify.diff import diff
from verify.findings import Edit, Finding
from verify.query import request
from verify.verify import verify

SCHEMA = """
entity Team in [Team] = { open: Bool };
entity User in [Team] = { tier: Long, boss: User, nick?: User } tags Long;
entity Doc = { owner: User };
action view appliesTo { principal: [User], resource: [Doc], context: { n: Long, m?: Long, cmd: String } };
"""
PERMIT = '@id("base") permit(principal, action, resource);\n'
HEAD = "(principal, action, resource)"


def violated(policies: PolicySet) -> dict[str, Finding]:
    """The findings of P103 by the policies that they name."""
    found = [f for f in verify(policies, checks=["P103"]).findings if f.verdict == "violated"]
    return {policy.name: finding for finding in found for policy in finding.policies}


def applied(text: str, edits: Sequence[Edit]) -> str:
    for edit in sorted(edits, key=lambda one: (one.line, one.column), reverse=True):
        at = sum(len(line) + 1 for line in text.split("\n")[: edit.line - 1]) + edit.column - 1
        assert text.startswith(edit.remove, at)
        text = text[:at] + edit.insert + text[at + len(edit.remove) :]
    return text


def mended(rules: str, schema: str | None, name: str = "rule") -> str:
    """The set after the edits that the finding about a rule suggests."""
    text = PERMIT + rules
    finding = violated(policy_set(text, schema))[name]
    assert finding.suggestion is not None
    return applied(text, finding.suggestion.edits)


CONDITIONS = {
    "absent": ("when { context.n > 5 }", None),
    "absent in unless": ("unless { context.n > 5 }", None),
    "absent beside others": ('when { context.cmd == "x" && context.n > 5 } unless { context.m > 3 || false }', None),
    "absent in a disjunction": ("when { context.n > 5 || context.n < 2 }", None),
    "absent in a negated disjunction": ("when { !(context.n > 5 || context.m < 2) }", None),
    "absent in a chosen branch": ("when { if context.n > 3 then context.n > 5 else context.n < 2 }", None),
    "absent below": ("when { context.a.b.c > 5 }", None),
    "absent on one side of a test": ("when { context has m && context.m > context.n }", None),
    "missing entity": ("when { principal.tier < 3 }", SCHEMA),
    "missing entity in unless": ("unless { principal.tier < 3 || resource.owner == principal }", SCHEMA),
    "missing named entity": ('when { Team::"a".open && context.n > 1 }', SCHEMA),
    "missing entity behind another": ("when { resource.owner.boss.tier > context.n || context.n > 3 }", SCHEMA),
    "missing entity behind an optional one": ("when { principal has nick && principal.nick.tier > 3 }", SCHEMA),
}


@pytest.mark.parametrize("effect", ["permit", "forbid", '@escalate("desk") forbid'])
@pytest.mark.parametrize("case", CONDITIONS)
def test_nothing_errs_after_the_suggested_edits(case: str, effect: str) -> None:
    condition, schema = CONDITIONS[case]
    after = policy_set(mended(f'@id("rule") {effect}{HEAD}\n{condition};', schema), schema)
    assert not violated(after)


@pytest.mark.parametrize("case", CONDITIONS)
def test_a_guarded_permit_permits_the_same(case: str) -> None:
    condition, schema = CONDITIONS[case]
    rule = f'@id("rule") permit{HEAD}\n{condition};'
    before = policy_set(rule, schema)
    suggestion = violated(before)["rule"].suggestion
    assert suggestion is not None
    assert diff(before, policy_set(applied(rule, suggestion.edits), schema)).result == "equivalent"


@pytest.mark.parametrize("case", CONDITIONS)
def test_a_guarded_forbid_matches_the_request_that_it_let_through(case: str) -> None:
    condition, schema = CONDITIONS[case]
    rule = f'@id("rule") forbid{HEAD}\n{condition};'
    text = PERMIT + rule
    before = policy_set(text, schema)
    finding = violated(before)["rule"]
    assert finding.suggestion is not None
    after = policy_set(applied(text, finding.suggestion.edits), schema)
    assert finding.witness is not None
    asked, store = request(finding.witness), finding.witness.entities
    assert evaluated(before, asked, store)[1].keys() == {1}
    matched, errors = evaluated(after, asked, store)
    assert not errors
    assert "denied instead of let through" in finding.suggestion.why
    if schema is not None:  # where every entity is there, nothing is lacking, and nothing changes
        assert diff(before, after).result == "equivalent"
    if case not in ("absent beside others", "missing named entity"):  # there another condition fails
        assert 1 in matched


def test_a_guard_is_put_before_the_condition_that_needs_it() -> None:
    rules = f'@id("rule") forbid{HEAD}\nwhen {{ context.cmd == "x" && principal.boss.tier > 3 }};'
    assert mended(rules, SCHEMA) == PERMIT + rules.replace(
        "principal.boss.tier > 3", "(!(principal has boss.tier) || principal.boss.tier > 3)"
    )
    rules = f'@id("rule") permit{HEAD}\nwhen {{ context.cmd == "x" && principal.boss.tier > 3 }};'
    assert mended(rules, SCHEMA) == PERMIT + rules.replace(
        "principal.boss", "principal has boss.tier && principal.boss"
    )


def test_all_rules_of_a_finding_are_guarded_together() -> None:
    rules = "\n".join(f'@id("r{n}") forbid{HEAD} when {{ principal.tier < {n} }};' for n in range(3))
    assert not violated(policy_set(mended(rules, SCHEMA, "r1"), SCHEMA))


@pytest.mark.parametrize(
    "condition",
    [
        "context.n * 2 > 5",  # an overflow: no `has` mends it
        "principal.tier * 2 > 5",
        'principal.nick || context["odd name"] > 5',  # no plain path
        "(if context.n > 1 then principal else resource.owner).tier > 3",
    ],
)
def test_what_a_guard_does_not_mend_has_no_suggestion(condition: str) -> None:
    schema = SCHEMA if "nick" not in condition else None
    found = violated(policy_set(f'{PERMIT}@id("rule") forbid{HEAD} when {{ {condition} }};', schema))
    assert found["rule"].suggestion is None


def test_a_permit_that_a_guard_would_have_permit_less_is_not_edited() -> None:
    """Where one is not a guest, the owner is not read, so a test of the owner would take a permission away."""
    rule = f'@id("rule") permit{HEAD} unless {{ principal.tier < 3 && resource.owner == principal }};'
    assert violated(policy_set(rule, SCHEMA))["rule"].suggestion is None
