"""Each policy check on small sets: what it reports, that it stays silent, and that a seeded fault is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.cedar.decision import authorize, decide, matching
from models.cedar.load import policy_set
from models.cedar.policies import PolicySet
from verify.findings import Finding, Witness
from verify.query import request
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
PERMIT = '@id("base") permit(principal, action, resource);\n'


def findings(text: str, check: str, schema: str | None = SCHEMA) -> dict[tuple[str, ...], Finding]:
    """Findings of one check, by the names of the policies."""
    found = verify(policy_set(text, schema), checks=[check]).findings
    return {tuple(policy.name for policy in finding.policies): finding for finding in found}


def verdicts(text: str, check: str, schema: str | None = SCHEMA) -> dict[tuple[str, ...], str]:
    return {names: finding.verdict for names, finding in findings(text, check, schema).items()}


def matched(policies: PolicySet, witness: Witness) -> frozenset[int]:
    return matching(policies, request(witness), witness.entities)[0]


# --- P101, P102 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ("context.amount > 5 && context.amount < 5", "violated"),
        ("context.amount > 5 && context.amount < 7", "holds"),
        ('context.tier like "a*" && context.tier like "*b" && context.tier == "ba"', "violated"),
        ('context.tier like "a*" && context.tier like "*b" && context.tier == "ab"', "holds"),
        ("context.amount + 1 > 9223372036854775807", "violated"),
        ("context.amount + 1 == 9223372036854775807", "holds"),
        ("context has urgent && !(context has urgent)", "violated"),
        ('principal in Team::"a" && Team::"a" in principal', "violated"),
        ('resource.tags.isEmpty() && resource.tags.contains("x")', "violated"),
        ('resource.tags.containsAll(["x", "y"]) && !resource.tags.contains("y")', "violated"),
        ("principal has manager && principal.manager == principal", "holds"),
    ],
)
def test_never_matches(condition: str, verdict: str) -> None:
    text = f'@id("p") permit(principal, action == Action::"refund", resource) when {{ {condition} }};'
    assert verdicts(text, "P101") == {("p",): verdict}


def test_a_policy_of_no_environment_never_matches() -> None:
    written = policy_set('@id("p") permit(principal is Thing, action == Action::"look", resource);')
    (finding,) = verify(replace(written, schema=policy_set("", SCHEMA).schema), checks=["P101"]).findings
    assert finding.verdict == "violated"
    assert "scope" in finding.message


def test_what_can_match_has_a_witness_that_matches() -> None:
    text = '@id("p") permit(principal in Team::"a", action, resource) when { resource.owner.level > 7 };'
    finding = findings(text, "P101")["p",]
    assert finding.witness is not None
    assert matched(policy_set(text, SCHEMA), finding.witness) == {0}
    owner = next(e for e in finding.witness.entities if e["attrs"].get("level", 0) > 7)
    assert owner["attrs"] == {"level": 8}


def test_always_matches() -> None:
    text = """
    @id("vain") permit(principal, action == Action::"look", resource) when { principal.level <= 9223372036854775807 };
    @id("real") permit(principal, action == Action::"look", resource) when { principal.level <= 3 };
    @id("plain") permit(principal, action == Action::"look", resource);
    """
    assert verdicts(text, "P102") == {("vain",): "violated", ("real",): "holds"}


def test_a_condition_that_may_overflow_does_not_always_match() -> None:
    condition = "principal.level + 1 > principal.level"
    text = f'@id("p") permit(principal, action, resource) when {{ {condition} }};'
    assert verdicts(text, "P102") == {("p",): "holds"}


# --- P104, P105 -------------------------------------------------------------------------------------------------------


def test_redundant_by_one_and_by_union() -> None:
    text = """
    @id("low") permit(principal, action == Action::"refund", resource) when { context.amount < 50 };
    @id("high") permit(principal, action == Action::"refund", resource) when { context.amount > 40 };
    @id("gold") permit(principal, action == Action::"refund", resource) when { context.tier == "gold" };
    @id("small") permit(principal, action == Action::"refund", resource) when { context.amount < 5 };
    """
    assert verdicts(text, "P104") == {
        ("low",): "holds",
        ("high",): "holds",
        ("gold", "low", "high"): "violated",
        ("small", "low"): "violated",
    }


def test_a_hole_in_the_union_is_seen() -> None:
    text = """
    @id("low") permit(principal, action == Action::"refund", resource) when { context.amount < 50 };
    @id("high") permit(principal, action == Action::"refund", resource) when { context.amount > 50 };
    @id("gold") permit(principal, action == Action::"refund", resource) when { context.tier == "gold" };
    """
    finding = findings(text, "P104")["gold",]
    assert finding.verdict == "holds"
    assert finding.witness is not None
    assert finding.witness.context["amount"] == 50


ESCALATIONS = """
@id("any") @escalate("desk") @timeout("{any}") @severity("high")
forbid(principal, action == Action::"refund", resource) when {{ context.amount > 10 }};
@id("large") @escalate("{chain}") @timeout("20m") @severity("medium")
forbid(principal, action == Action::"refund", resource) when {{ context.amount > 100 }};
"""


@pytest.mark.parametrize(
    ("other", "chain", "verdict"), [("10m", "desk", True), ("30m", "desk", False), ("10m", "x", False)]
)
def test_an_escalation_is_redundant_only_by_one_as_strict(other: str, chain: str, verdict: bool) -> None:
    found = verdicts(PERMIT + ESCALATIONS.format(any=other, chain=chain), "P104")
    assert (("large", "any") in found) == verdict
    assert (("large",) in found) != verdict


def test_an_escalation_within_a_denial_is_redundant_and_not_the_other_way() -> None:
    text = (
        PERMIT
        + """
    @id("deny") forbid(principal, action == Action::"refund", resource) when { context.amount > 10 };
    @id("ask") @escalate("desk") forbid(principal, action == Action::"refund", resource) when { context.amount > 20 };
    @id("ask-all") @escalate("desk") forbid(principal, action == Action::"refund", resource);
    """
    )
    found = verdicts(text, "P104")
    assert ("deny",) in found
    assert found["ask", "deny"] == "violated"


def test_tiers_permit_each_for_itself() -> None:
    text = """
    @rule_id("a") @tier("hard") permit(principal, action, resource);
    @rule_id("b") @tier("soft") permit(principal, action, resource);
    @rule_id("c") @tier("soft") permit(principal, action == Action::"look", resource);
    """
    found = verify(policy_set(text, SCHEMA, profile="tiered"), checks=["P104"]).findings
    # `a` is the only permit of its tier: without it the tier would have no say, so it is not asked about.
    assert {f.policies[0].name: f.verdict for f in found} == {"b": "holds", "c": "violated"}


def test_overridden_by_union() -> None:
    text = """
    @id("gold") permit(principal, action == Action::"refund", resource) when { context.tier == "gold" };
    @id("rest") permit(principal, action == Action::"refund", resource);
    @id("low") forbid(principal, action, resource is Thing) when { context has amount && context.amount <= 10 };
    @id("gold-high") forbid(principal, action == Action::"refund", resource)
    when { context.amount > 10 && context.tier like "g*" };
    """
    found = verdicts(text, "P105", SCHEMA)
    assert found == {("gold", "low", "gold-high"): "violated", ("rest",): "holds"}


@pytest.mark.parametrize(
    ("soft", "more", "named", "words"),
    [
        ('action == Action::"look"', "", ("a",), "no permit of another tier matches any request of it."),
        ("action", "", None, ""),
        (
            "action",
            '@rule_id("f") @tier("hard") forbid(principal, action == Action::"refund", resource);',
            ("a", "f"),
            "is denied by",
        ),
        (
            'action == Action::"refund"',
            '@rule_id("f") @tier("hard") forbid(principal, action, resource) when { principal.level > 3 };'
            '@rule_id("g") @tier("soft") permit(principal, action, resource) when { principal.level > 5 };',
            None,
            "",
        ),
        (
            'action == Action::"look"',
            '@rule_id("f") @tier("hard") forbid(principal, action, resource) when { principal.level > 3 };'
            '@rule_id("g") @tier("soft") permit(principal, action, resource) when { principal.level > 5 };',
            ("a", "f"),
            "leaves",
        ),
    ],
)
def test_each_tier_has_to_permit(soft: str, more: str, named: tuple[str, ...] | None, words: str) -> None:
    text = f"""
    @rule_id("a") @tier("hard") permit(principal, action == Action::"refund", resource);
    @rule_id("b") @tier("soft") permit(principal, {soft}, resource);
    {more}
    """
    found = verify(policy_set(text, SCHEMA, profile="tiered"), checks=["P105"]).findings
    bad = {tuple(p.name for p in f.policies): f for f in found if f.verdict == "violated" and f.policies[0].name == "a"}
    assert set(bad) == ({named} if named else set())
    if named:
        assert words in bad[named].message


def test_a_forbid_that_escalates_overrides_nothing() -> None:
    text = PERMIT + '@id("ask") @escalate("desk") forbid(principal, action, resource);'
    assert verdicts(text, "P105") == {("base",): "holds"}


def test_a_forbid_that_errs_overrides_nothing_there() -> None:
    text = PERMIT + '@id("f") forbid(principal, action, resource) when { principal.level * 2 == 0 || true };'
    assert verdicts(text, "P105") == {("base",): "holds"}


# --- P106 -------------------------------------------------------------------------------------------------------------

OWNED = """
@id("go") @owner("operations"){permit}
permit(principal, action == Action::"restart", resource) when {{ context.amount > 5 }};
@id("stop") @owner("security"){forbid}
forbid(principal, action == Action::"restart", resource) when {{ context.amount > {n} }};
"""


@pytest.mark.parametrize(
    ("permit", "forbid", "n", "verdict"),
    [
        ("", "", 9, "violated"),
        ("", '@overrides("operations")', 9, None),
        ('@overrides("stop")', "", 9, None),
        ("", '@overrides("fraud")', 9, "violated"),
        ("", '@escalate("desk")', 9, None),
        ("", "", "context.amount", "holds"),
    ],
)
def test_conflict(permit: str, forbid: str, n: object, verdict: str | None) -> None:
    found = verdicts(OWNED.format(permit=permit, forbid=forbid, n=n), "P106")
    assert list(found.values()) == ([verdict] if verdict else [])


def test_a_conflict_names_both_owners_and_a_request() -> None:
    policies = policy_set(OWNED.format(permit="", forbid="", n=9), SCHEMA)
    (finding,) = verify(policies, checks=["P106"]).findings
    assert "operations" in finding.message
    assert "security" in finding.message
    assert finding.witness is not None
    assert finding.witness.context == {"amount": 10, "tier": ""}
    assert matched(policies, finding.witness) == {0, 1}


# --- P201, P202 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rest", "named", "words"),
    [
        (PERMIT + '@id("hard") forbid(principal, action, resource) when {principal.level > 1};', ("hard",), "outright"),
        ('@id("p") permit(principal, action == Action::"look", resource);', (), "no permit"),
        (
            '@id("p") permit(principal, action, resource) when { principal.level < 9 };'
            '@id("hard") forbid(principal, action, resource) when { principal.level < 9 };',
            ("hard",),
            "no permit matches it or",
        ),
    ],
)  # fmt: skip
def test_unreachable_escalation_tells_the_cause(rest: str, named: tuple[str, ...], words: str) -> None:
    ask = '@id("ask") @escalate("desk") forbid(principal, action == Action::"refund", resource)'
    ask += " when { principal.level > 5 };"
    finding = findings(rest + ask, "P201")["ask", *named]
    assert finding.verdict == "violated"
    assert words in finding.message


def test_a_reachable_escalation_has_a_request_that_escalates() -> None:
    text = (
        PERMIT
        + """
    @id("hard") forbid(principal, action == Action::"refund", resource) when { context.amount > 100 };
    @id("ask") @escalate("desk") forbid(principal, action == Action::"refund", resource) when { context.amount > 50 };
    """
    )
    finding = findings(text, "P201")["ask",]
    policies = policy_set(text, SCHEMA)
    assert finding.witness is not None
    assert finding.witness.context["amount"] == 51
    assert decide(policies, matched(policies, finding.witness)).chains == ("desk",)


DEAD_END = (
    PERMIT
    + """
@id("ask") @escalate("desk") forbid(principal, action == Action::"refund", resource) when { context.amount > 50 };
@id("trap") forbid(principal, action == Action::"refund", resource)
when { context has approvals && context.approvals.contains("CHAIN") && context.amount > 70 };
"""
)


def test_a_dead_end_is_followed_into() -> None:
    text = DEAD_END.replace("CHAIN", "desk")
    finding = findings(text, "P202")["ask", "trap"]
    assert finding.verdict == "violated"
    assert finding.witness is not None
    assert finding.witness.approvals == ("desk",)
    assert finding.witness.context["amount"] == 71
    policies = policy_set(text, SCHEMA)
    asked = request(finding.witness)
    assert authorize(policies, asked, finding.witness.entities).outcome == "escalate"
    assert authorize(policies, asked, finding.witness.entities, ["desk"]).outcome == "deny"


def test_a_trap_for_another_chain_is_no_dead_end() -> None:
    assert verdicts(DEAD_END.replace("CHAIN", "other"), "P202") == {("ask",): "holds"}


def test_a_dead_end_in_the_second_round_is_found() -> None:
    text = (
        DEAD_END.replace("CHAIN", "board")
        + """
    @id("second") @escalate("board") forbid(principal, action == Action::"refund", resource)
    when { context has approvals && context.approvals.contains("desk") };
    """
    )
    found = findings(text, "P202")
    assert found["ask", "trap"].witness.approvals == ("board", "desk")  # type: ignore[union-attr]


def test_without_approvals_in_the_context_every_approval_helps() -> None:
    schema = SCHEMA.replace(", approvals?: Set<String>", "")
    ask = '@id("ask") @escalate("desk") forbid(principal, action, resource) when { principal.level > 3 };'
    finding = findings(PERMIT.replace(";", " when { principal.level < 9 };") + ask, "P202", schema)["ask",]
    assert finding.verdict == "holds"
    assert finding.proof is not None
    assert finding.proof.checked_by == "cvc5"


# --- P204 -------------------------------------------------------------------------------------------------------------

PAIR = (
    PERMIT
    + """
@id("a") @escalate("{chain}") @timeout("{t}") @severity("{s}")
forbid(principal, action == Action::"refund", resource) when {{ context.amount > {n} }};
@id("b") @escalate("desk") @timeout("10m") @severity("medium")
forbid(principal, action == Action::"refund", resource) when {{ context.tier == "gold" }};
"""
)


@pytest.mark.parametrize(
    ("chain", "t", "s", "words"),
    [
        ("desk", "5m", "medium", "time-outs"),
        ("desk", "10m", "high", "severities"),
        ("board", "10m", "medium", "chains"),
    ],
)
def test_rules_that_disagree(chain: str, t: str, s: str, words: str) -> None:
    finding = findings(PAIR.format(chain=chain, t=t, s=s, n=5), "P204")["a", "b"]
    assert finding.verdict == "violated"
    assert words in finding.message


def test_rules_that_agree_or_never_meet() -> None:
    agreeing = PAIR.format(chain="desk", t="10m", s="medium", n=5)
    assert verdicts(agreeing, "P204") == {("a",): "holds", ("b",): "holds"}
    apart = PAIR.format(chain="board", t="5m", s="high", n='5 && context.tier != "gold" && 0 < 1')
    assert verdicts(apart, "P204") == {("a",): "holds", ("b",): "holds"}


def test_a_dead_severity_and_a_dead_timeout_by_union() -> None:
    rule = '@id("{}") @escalate("desk") @timeout("{}") @severity("{}") '
    rule += 'forbid(principal, action == Action::"refund", resource) when {{ {} }};'
    text = PERMIT + "\n".join([
        rule.format("low", "5m", "high", "context.amount < 50"),
        rule.format("high", "6m", "high", "context.amount > 40"),
        rule.format("gold", "9m", "low", 'context.tier == "gold"'),
    ])  # fmt: skip
    found = [f for f in verify(policy_set(text, SCHEMA), checks=["P204"]).findings if f.verdict == "violated"]
    dead = [f for f in found if "can never apply" in f.message]
    assert [tuple(p.name for p in f.policies) for f in dead] == [("gold", "low", "high")]
    assert '`@timeout("9m")` can never apply' in dead[0].message
    assert '`@severity("low")` can never apply' in dead[0].message
    assert ("low", "high") in {tuple(p.name for p in f.policies) for f in found}


def test_a_masked_rule_is_not_said_to_disagree() -> None:
    masked = PAIR.format(chain="board", t="5m", s="high", n=5) + (
        '@id("hard") forbid(principal, action == Action::"refund", resource) when { context.tier == "gold" };'
    )
    assert not [names for names, verdict in verdicts(masked, "P204").items() if verdict == "violated"]


# --- seeded faults ----------------------------------------------------------------------------------------------------

SOUND = """
@id("look") permit(principal, action == Action::"look", resource);
@id("refund") @owner("care") permit(principal, action == Action::"refund", resource) when { context.amount <= 500 };
@id("restart") @owner("ops") permit(principal, action == Action::"restart", resource) when { context.tier != "gold" };
@id("cap") @owner("risk") forbid(principal, action == Action::"refund", resource) when { context.amount > 500 };
@id("ask") @escalate("desk") @timeout("10m") @severity("medium")
forbid(principal, action == Action::"refund", resource) when { context.amount > 100 && context.amount <= 300 };
@id("ask-more") @escalate("desk") @timeout("5m") @severity("high")
forbid(principal, action == Action::"refund", resource) when { context.amount > 300 };
"""

MUTANTS = [
    ("flipped operators", "amount > 100 && context.amount <= 300", "amount < 100 && context.amount >= 300", "P101"),
    ("flipped operator", "amount > 500", "amount < 501", "P105"),
    ("flipped operator", "context.amount <= 300", "context.amount >= 300", "P204"),
    ("dropped clause", "context.amount > 100 && context.amount <= 300", "context.amount > 100", "P204"),
    ("dropped clause", "when { context.amount > 500 }", "", "P201"),
    ("dropped clause", "when { context.amount > 500 }", "", "P106"),
    ("weakened clause", "context.amount > 300 }", "context.amount > 300 || context.amount <= 300 }", "P102"),
    ("swapped effect", '@owner("care") permit', '@owner("care") forbid', "P201"),
    ("computed before compared", "amount > 500", "amount * 2 > 1000", "P103"),
    ("dropped annotation", '@escalate("desk") @timeout("5m")', "", "P104"),
]  # fmt: skip


def test_the_sound_set_has_no_violation() -> None:
    findings = verify(policy_set(SOUND, SCHEMA)).findings
    assert {f.verdict for f in findings if f.severity != "info"} == {"holds"}


@pytest.mark.parametrize(("fault", "old", "new", "check"), MUTANTS, ids=[f"{m[0]} {m[3]}" for m in MUTANTS])
def test_a_seeded_fault_is_noticed_by_its_check(fault: str, old: str, new: str, check: str) -> None:
    assert SOUND.count(old) == 1
    found = verify(policy_set(SOUND.replace(old, new), SCHEMA)).findings
    assert check in {f.check for f in found if f.verdict == "violated"}, fault
