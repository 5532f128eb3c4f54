"""Why a finding is what it is: the clauses that decide, the sentence, and an edit after which the finding is gone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from verify.diff import diff
from verify.explain import Questions
from verify.findings import Edit, Finding
from verify.verify import verify

SCHEMA = """
entity Team in [Team];
entity Agent in [Team] = { level: Long, manager?: Agent };
entity Thing = { owner: Agent, tags: Set<String> };
action refund, restart appliesTo {
  principal: [Agent], resource: [Thing],
  context: { amount: Long, tier: String, urgent?: Bool, approvals?: Set<String> }
};
action look appliesTo { principal: [Agent], resource: [Thing], context: {} };
"""
SCOPE = '(principal, action == Action::"refund", resource)'
BASE = f'@id("base") permit{SCOPE};\n'


def violated(text: str, check: str, policies: PolicySet | None = None) -> list[Finding]:
    whole = policies or policy_set(text, SCHEMA, file="rules.cedar")
    found = verify(whole, checks=[check]).findings
    return [finding for finding in found if finding.check == check and finding.verdict == "violated"]


def clauses(finding: Finding) -> list[tuple[str, str, int, str]]:
    return [(clause.role, clause.policy, clause.line, clause.text) for clause in finding.because]


def applied(text: str, edits: Sequence[Edit]) -> str:
    """The text with the edits made, the last first so that places stay."""
    for edit in sorted(edits, key=lambda one: (one.line, one.column), reverse=True):
        lines = text.split("\n")
        at = sum(len(line) + 1 for line in lines[: edit.line - 1]) + edit.column - 1
        assert text.startswith(edit.remove, at)
        text = text[:at] + edit.insert + text[at + len(edit.remove) :]
    return text


# --- what is proved ---------------------------------------------------------------------------------------------------


def test_conditions_that_no_request_meets_together_are_singled_out() -> None:
    text = f"""@id("mid") permit{SCOPE}
when {{ context has urgent && context.urgent
  && context.amount > 500 && context.tier == "gold" }}
unless {{ context.tier == "iron" || context.amount >= 100 }};"""
    (finding,) = violated(text, "P101")
    assert clauses(finding) == [
        ("never-together", "mid", 3, "context.amount > 500"),
        ("never-together", "mid", 4, "context.amount >= 100"),
    ]
    assert [clause.negated for clause in finding.because] == [False, True]
    assert finding.because[0].column == 6
    assert (
        finding.reason == "`context.amount > 500` (line 3) and not `context.amount >= 100` (line 4) cannot both hold."
    )


@pytest.mark.parametrize(
    "conditions",
    [
        ["context.amount > 5", "context.amount < 7", "context.amount != 6"],
        ['context.tier like "a*"', 'context.tier like "*b"', 'context.tier == "ba"', "context.amount > 0"],
        ["principal.level > 3", "context.amount == principal.level", "context.amount < 2", "principal has manager"],
        ["false", "context.amount > 5"],
    ],
)
def test_of_the_conditions_told_none_can_go(conditions: list[str]) -> None:
    (finding,) = violated(f'@id("p") permit{SCOPE} when {{ {" && ".join(conditions)} }};', "P101")
    told = [clause.text for clause in finding.because]
    assert set(told) <= set(conditions)
    assert violated(f'@id("p") permit{SCOPE} when {{ {" && ".join(told)} }};', "P101")
    for one in told:
        fewer = [other for other in told if other != one] or ["true"]
        assert not violated(f'@id("p") permit{SCOPE} when {{ {" && ".join(fewer)} }};', "P101")


def test_what_a_forbid_covers_is_told_by_the_clauses_of_both() -> None:
    text = f"""{BASE}@id("large") @escalate("finance") forbid{SCOPE}
when {{ context.amount > 500 && context.tier == "gold" }};
@id("cap") forbid{SCOPE} when {{ context.amount > 100 }} unless {{ context.amount < 50 }};"""
    (finding,) = violated(text, "P201")
    assert clauses(finding) == [
        ("whenever", "large", 3, "context.amount > 500"),
        ("then", "cap", 4, "context.amount > 100"),
        ("then", "cap", 4, "context.amount < 50"),
    ]
    assert finding.reason == (
        "Whenever `context.amount > 500` (line 3) is true, `cap` matches: `context.amount > 100` (line 4) is true and "
        "`context.amount < 50` (line 4) is false then."
    )


def test_a_cover_without_conditions_says_so() -> None:
    text = f'@id("gold") permit{SCOPE} when {{ context.tier == "gold" }};\n@id("no") forbid{SCOPE};'
    (finding,) = violated(text, "P105")
    assert finding.because == ()
    assert finding.reason == "`no` matches every request of its scope: it has no condition."


def test_a_union_that_covers_is_told_rule_by_rule() -> None:
    text = f"""@id("low") permit{SCOPE} when {{ context.amount < 50 }};
@id("high") permit{SCOPE} when {{ context.amount >= 50 }};
@id("gold") permit{SCOPE} when {{ context.tier == "gold" }};"""
    (finding,) = violated(text, "P104")
    assert clauses(finding) == [("then", "low", 1, "context.amount < 50"), ("then", "high", 2, "context.amount >= 50")]
    assert "`low`, where `context.amount < 50` (line 1) is true; or `high`" in finding.reason


def test_an_escalation_that_no_permit_lies_beneath_is_told_by_what_the_permits_lack() -> None:
    text = f"""@id("small") permit{SCOPE} when {{ context.amount < 100 }};
@id("large") @escalate("finance") forbid{SCOPE} when {{ context.tier == "gold" && context.amount > 500 }};"""
    (finding,) = violated(text, "P201")
    assert clauses(finding) == [("whenever", "large", 2, "context.amount > 500")]
    assert finding.reason == "Whenever `context.amount > 500` (line 2) is true, no permit matches."


def test_where_no_question_is_left_all_conditions_are_told_and_the_verdict_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = f'@id("p") permit{SCOPE} when {{ principal has manager && context.amount > 5 && context.amount < 3 }};'
    (few,) = violated(text, "P101")
    monkeypatch.setattr(Questions.__init__, "__defaults__", (0,))
    (all_,) = violated(text, "P101")
    assert [len(few.because), len(all_.because)] == [2, 3]
    assert (few.message, few.proof, few.id) == (all_.message, all_.proof, all_.id)


def test_a_deployed_invariant_is_not_said_to_be_contradictory() -> None:
    (finding,) = violated(f'{BASE}@id("f") @invariant("x") forbid{SCOPE} when {{ context.amount > 5 }};', "P305")
    assert (finding.because, finding.reason) == ((), "")


# --- what a witness shows ---------------------------------------------------------------------------------------------


def test_on_a_witness_each_clause_is_true_or_false_as_cedar_says() -> None:
    text = f"""@id("pay") @owner("a") permit{SCOPE} when {{ context.amount > 9 }} unless {{ context.tier == "iron" }};
@id("stop") @owner("law") forbid{SCOPE} when {{ context.amount > 90 }};"""
    (finding,) = violated(text, "P106")
    assert clauses(finding) == [
        ("true", "pay", 1, "context.amount > 9"),
        ("false", "pay", 1, 'context.tier == "iron"'),
        ("true", "stop", 2, "context.amount > 90"),
    ]


def test_the_clause_that_errs_is_named() -> None:
    text = f'@id("cap") forbid{SCOPE} when {{ context.tier == "gold" && context.amount * 100 > 50000 }};'
    (finding,) = violated(text, "P103")
    assert clauses(finding) == [("errs", "cap", 1, "context.amount * 100 > 50000")]


def test_permits_that_nearly_match_are_told_by_the_clause_that_fails() -> None:
    text = f"""@id("base") permit{SCOPE} when {{ context has urgent }}
unless {{ context has approvals && context.approvals.contains("board") }};
@id("large") @escalate("board") forbid{SCOPE} when {{ context.amount > 500 }};"""
    (finding,) = violated(text, "P202")
    assert clauses(finding) == [
        ("true", "large", 3, "context.amount > 500"),
        ("true", "base", 2, 'context has approvals && context.approvals.contains("board")'),
    ]
    assert "`base` does not match" in finding.reason


def test_a_forbid_that_leaves_a_risky_request_alone_is_told_by_the_clause_that_fails() -> None:
    invariants = f"""@invariant("no-large") forbid{SCOPE} when {{ context.amount > 400 }};"""
    text = f"""{BASE}@id("large") @escalate("board") forbid{SCOPE} when {{ context.amount > 500 }};
@id("other") forbid(principal, action == Action::"restart", resource) when {{ context.amount > 500 }};"""
    (finding,) = violated("", "P305", policy_set(text, SCHEMA, invariants=invariants))
    assert clauses(finding) == [
        ("true", "no-large", 1, "context.amount > 400"),
        ("false", "large", 2, "context.amount > 500"),
    ]
    assert "`large` does not match: `context.amount > 500`" in finding.reason


# --- edits ------------------------------------------------------------------------------------------------------------

EDITED = {
    "P101": f'{BASE}@id("p") permit{SCOPE}\nwhen {{ context.amount > 5 }} unless {{ context.amount > 3 }};',
    "P102": f'@id("p") permit{SCOPE} when {{ context.amount > 5 || true }} // why\n unless {{ false }};',
    "P104": f'{BASE}@id("p") permit{SCOPE} when {{ context.amount > 5 }};',
    "P105": f'@id("p") permit{SCOPE} when {{ context.amount > 5 }};\n@id("f") forbid{SCOPE};',
    "P106": f'@id("p") @owner("a") permit{SCOPE};\n@owner("b") @id("f") forbid{SCOPE} when {{ context.amount > 5 }};',
    "P108": f'{BASE}@escalat("desk") @tiemout("5m") @id("f") forbid{SCOPE} when {{ context.amount > 5 }};',
    "P109": f'@owner("shop") {BASE}@owner("law") @overrides("shoop") @id("f") forbid{SCOPE};',
    "P201": f'{BASE}@id("f") forbid{SCOPE};\n@id("e") @escalate("desk") forbid{SCOPE} when {{ context.amount > 5 }};',
    "P204": f"""{BASE}@id("wide") @escalate("desk") @timeout("5m") forbid{SCOPE} when {{ context.amount > 5 }};
@id("narrow") @escalate("desk") @timeout("10m") @severity("low") forbid{SCOPE} when {{ context.amount > 50 }};""",
    "P305": f'{BASE}@id("f") @invariant("never") forbid{SCOPE} when {{ context.amount > 5 }};',
}
"""A set for each check that suggests edits."""
CHANGING = {"P108"}
"""Checks whose edits change decisions: they make a rule do what its author wrote it for."""


@pytest.mark.parametrize("check", EDITED)
def test_the_finding_is_gone_after_the_suggested_edits(check: str) -> None:
    (finding,) = violated(EDITED[check], check)
    assert finding.suggestion is not None
    after = applied(EDITED[check], finding.suggestion.edits)
    assert finding.id not in {other.id for other in violated(after, check)}


@pytest.mark.parametrize("check", sorted(EDITED.keys() - CHANGING))
def test_the_suggested_edits_change_no_decision(check: str) -> None:
    (finding,) = violated(EDITED[check], check)
    assert finding.suggestion is not None
    before = policy_set(EDITED[check], SCHEMA)
    after = policy_set(applied(EDITED[check], finding.suggestion.edits), SCHEMA)
    assert diff(before, after).result == "equivalent"


def test_a_misspelt_entity_is_spelt_as_the_one_given() -> None:
    text = '@id("p") permit(principal in Team::"finanse", action, resource) when { principal in Team::"finanse" };'
    entities = [{"uid": {"type": "Team", "id": "finance"}, "attrs": {}, "parents": []}]
    policies = policy_set(text, SCHEMA, entities)
    (finding,) = violated("", "P109", policies)
    assert finding.suggestion is not None
    after = applied(text, finding.suggestion.edits)
    assert after == text.replace("finanse", "finance")
    assert not violated("", "P109", policy_set(after, SCHEMA, entities))


def test_a_conflict_with_a_forbid_that_overrides_others_keeps_those() -> None:
    text = f'@id("p") @owner("shop") permit{SCOPE};\n@owner("law") @overrides("p2, p3") @id("f") forbid{SCOPE};\n'
    text += f'@id("p2") permit{SCOPE};\n@id("p3") permit{SCOPE};'
    (finding,) = violated(text, "P106")
    assert finding.suggestion is not None
    assert [edit.insert for edit in finding.suggestion.edits] == ['@overrides("p2, p3, shop")']


def test_the_only_permit_of_a_tier_is_not_to_be_deleted() -> None:
    text = f"""@tier("hard") @id("all") permit{SCOPE};
@tier("soft") @id("none") permit{SCOPE} when {{ context.amount > 5 && context.amount < 3 }};"""
    (finding,) = violated("", "P101", policy_set(text, SCHEMA, profile="tiered"))
    assert finding.because
    assert finding.suggestion is None


def test_a_spelling_with_which_the_set_would_not_load_is_not_suggested() -> None:
    text = f'{BASE}@escalate("desk") @tiemout("soon") @id("f") forbid{SCOPE} when {{ context.amount > 5 }};'
    (finding,) = violated(text, "P108")
    assert finding.suggestion is None


def test_a_linked_template_is_explained_and_not_edited() -> None:
    text = '@id("t") permit(principal == ?principal, action, resource)\nwhen { false };'
    links = '[{"template_id": "t", "link_id": "one", "args": {"?principal": "Agent::\\"a\\""}}]'
    (finding,) = violated("", "P101", policy_set(text, SCHEMA, links=links))
    assert clauses(finding) == [("never-together", "one", 2, "false")]
    assert finding.suggestion is None
