"""Verdicts that were once wrong, each on the smallest set that showed it."""

from __future__ import annotations

import pytest

from models.cedar.load import policy_set
from verify.findings import Finding, Witness
from verify.grafts import grafted, known
from verify.query import BUDGETS, Analysis
from verify.verify import verify

NUMBERS = """
entity User; entity Doc;
action read appliesTo {
    principal: User, resource: Doc,
    context: { n: Long, c: Bool, ls: Set<Long>, r: { x: Long } },
};
"""
APPROVALS = """
entity User; entity Doc;
action read appliesTo { principal: User, resource: Doc, context: { approvals: Set<String> } };
"""


def found(text: str, schema: str, check: str, profile: str = "windtunnel") -> dict[str, Finding]:
    said = verify(policy_set(text, schema, profile=profile), checks=[check])  # type: ignore[arg-type]
    return {finding.policies[0].name: finding for finding in said.findings}


def test_an_overflowing_element_of_a_set_literal_does_not_cut_requests_away() -> None:
    text = """
    @id("f") @owner("x") forbid(principal, action, resource) when {
        (context.c && context.n > 9223372036854775806) || (if context.c then [context.n + 1] else [1]).isEmpty()
    };
    @id("r") @owner("y") permit(principal, action, resource);
    """
    assert found(text, NUMBERS, "P101")["f"].verdict == "holds"
    assert found(text, NUMBERS, "P106")["r"].verdict == "violated"
    sometimes = """@id("p") permit(principal, action, resource)
    when { !(if context.c then [context.n + 1] else [1]).isEmpty() };"""
    assert found(sometimes, NUMBERS, "P102")["p"].verdict == "holds"  # it errors where the sum overflows


@pytest.mark.parametrize(
    "condition",
    [
        "context.n < 9223372036854775807 || !(context.ls.contains(context.n + 1))",
        "!([-(context.n), -(context.r.x)] == context.ls)",
        "context.n == -9223372036854775808",
    ],
)
def test_stored_numbers_and_smaller_witnesses_keep_to_64_bits(condition: str) -> None:
    text = f'@id("p") permit(principal, action, resource) when {{ {condition} }};'
    assert found(text, NUMBERS, "P101")["p"].verdict == "holds"
    assert found(text, NUMBERS, "P102")["p"].verdict == "holds"


def test_a_rule_that_first_asks_in_a_later_round_can_ask_in_vain() -> None:
    text = """
    @id("p") permit(principal, action, resource);
    @id("e1") @escalate("a") forbid(principal, action, resource);
    @id("e2") @escalate("b") forbid(principal, action, resource) when { context.approvals.contains("a") };
    @id("f") forbid(principal, action, resource) when { context.approvals.contains("b") };
    """
    dead_ends = found(text, APPROVALS, "P202")
    assert {name: finding.verdict for name, finding in dead_ends.items()} == {"e1": "violated", "e2": "violated"}
    witness = dead_ends["e2"].witness
    assert witness is not None
    assert witness.approvals == ("a", "b")


def test_approvals_that_nobody_was_asked_for_reach_no_escalation() -> None:
    text = """
    @id("p") permit(principal, action, resource);
    @id("e1") @escalate("a") forbid(principal, action, resource) when { context.approvals.contains("a") };
    @id("e2") @escalate("b") forbid(principal, action, resource) when { context.approvals.contains("nobody") };
    """
    unreachable = found(text, APPROVALS, "P201")
    assert {name: finding.verdict for name, finding in unreachable.items()} == {"e1": "violated", "e2": "violated"}
    assert found(text, APPROVALS, "P204") == {}


def test_the_only_permit_of_a_tier_is_never_called_redundant() -> None:
    text = """
    @id("H") @tier("hard") permit(principal, action, resource);
    @id("S") @tier("soft") permit(principal, action, resource) when { context.c && context.n > 0 };
    @id("B") permit(principal, action, resource) when { context.c };
    """
    assert "S" not in found(text, NUMBERS, "P104", "tiered")


def test_many_globs_over_one_string_are_decided() -> None:
    """z3 alone spends minutes on one of these questions and its resource limit does not stop it."""
    schema = "entity U; entity D; action go appliesTo { principal: U, resource: D, context: { s: String } };"
    words = ["rm", "git", "push", "env", "curl", "sudo", "drop", "key", "token", "ssh", "chmod", "dd", "kill"]

    def rule(number: int) -> str:
        likes = [f'context.s like "*{words[(number + i) % 13]}*{words[(number * 3 + i * 5) % 13]}*"' for i in range(9)]
        barred = [f'!(context.s like "{words[(number * 2 + i) % 13]}*")' for i in range(4)]
        condition = f"({' || '.join(likes)}) && {' && '.join(barred)}"
        return f'@id("f{number}") forbid(principal, action, resource) when {{ {condition} }};'

    text = '@id("all") permit(principal, action, resource);\n' + "\n".join(map(rule, range(6)))
    said = verify(policy_set(text, schema), effort="low")
    assert not [finding for finding in said.findings if finding.verdict == "undecided"]


@pytest.mark.parametrize("reading", ["context == principal.before", r'context["approv\u{61}ls"].contains("a")'])
def test_a_rule_may_see_approvals_without_naming_them(reading: str) -> None:
    schema = APPROVALS.replace("entity User;", "entity User = { n: Long, before: { approvals: Set<String> } };")
    text = f"""
    @id("p") permit(principal, action, resource);
    @id("e") @escalate("a") forbid(principal, action, resource);
    @id("f") forbid(principal, action, resource) when {{ {reading} && principal.n > 5 }};
    """
    assert found(text, schema, "P202")["e"].verdict == "violated"


def test_a_request_put_together_of_two_never_has_an_entity_above_itself() -> None:
    """One witness has the principal below a team, another above it: both together are no store."""
    schema = "entity Team in [Team]; action view appliesTo { principal: Team, resource: Team, context: { n: Long } };"
    text = """
    @id("above") @owner("a") permit(principal, action, resource) when { Team::"b" in principal && context.n > 3 };
    @id("below") @owner("b") forbid(principal, action, resource) when { principal in Team::"b" && context.n > 1 };
    @id("apart") @owner("c") forbid(principal, action, resource)
    when { principal in Team::"b" && principal != Team::"b" };
    """
    said = verify(policy_set(text, schema))
    (conflict,) = (finding for finding in said.findings if finding.check == "P106")
    assert [policy.name for policy in conflict.policies] == ["above", "below"]


def test_a_request_put_together_of_two_that_share_entities_lacks_no_attribute() -> None:
    """What a schema requires was dropped of an entity that both witnesses had as one object."""
    schema = """
    entity User = { level: Long }; entity Doc;
    action read appliesTo { principal: User, resource: Doc, context: { n: Long, m: Long } };
    """
    text = """
    permit(principal, action, resource) when { context.n > 5 };
    permit(principal, action, resource) when { context.m > 5 };
    """
    user = {"uid": {"type": "User", "id": "u"}, "attrs": {"level": 3}, "parents": []}
    doc = {"uid": {"type": "Doc", "id": "d"}, "attrs": {}, "parents": []}
    one, other = (
        Witness('User::"u"', 'Action::"read"', 'Doc::"d"', context, (doc, user))
        for context in ({"n": 6, "m": 0}, {"n": 0, "m": 6})
    )
    analysis = Analysis(policy_set(text, schema), BUDGETS["low"])
    (environment,) = analysis.policies.schema.environments()
    both = grafted([analysis.matches(environment, index) for index in (0, 1)], [known(one), known(other)])
    assert both == Witness('User::"u"', 'Action::"read"', 'Doc::"d"', {"m": 6, "n": 6}, (doc, user))
