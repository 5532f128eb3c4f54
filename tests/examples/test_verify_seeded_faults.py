"""Seeded faults: a set of rules in which every check holds, and each slip is noticed by its check."""

from __future__ import annotations

from functools import cache

import pytest

from models.cedar.load import policy_set
from verify.diff import diff
from verify.findings import Finding
from verify.verify import verify

SCHEMA = """
entity Team in [Team];
entity Agent in [Team] = { level: Long };
entity Doc = { secret: Bool };
action read, pay appliesTo {
  principal: [Agent], resource: [Doc], context: { amount: Long, tool?: String, approvals?: Set<String> }
};
"""
RULES = """
@id("read") @owner("data") permit(principal, action == Action::"read", resource)
when { !resource.secret || principal.level > 2 };
@id("secret") @owner("data") forbid(principal, action == Action::"read", resource)
when { resource.secret } unless { principal.level > 2 };
@id("pay") @owner("till") permit(principal, action == Action::"pay", resource)
when { context.amount >= 0 };
@id("less than nothing") @owner("till") forbid(principal, action == Action::"pay", resource)
when { context.amount < 0 };
@id("board") @owner("till") @escalate("board") @timeout("15m") @severity("high")
forbid(principal, action == Action::"pay", resource)
when { context.amount >= 100 && context.amount < 1000 };
@id("chair") @owner("till") @escalate("chair") @timeout("5m") @severity("high")
forbid(principal, action == Action::"pay", resource)
when { context.amount >= 1000 };
@id("shell") @owner("guard") @overrides("data") forbid(principal in Team::"out", action == Action::"read", resource)
when { context has tool && context.tool like "sh *" };
"""
INVARIANTS = """
@invariant("large payments are asked about") forbid(principal, action == Action::"pay", resource)
when { context.amount > 500 };
@invariant("small payments go through") permit(principal, action == Action::"pay", resource)
when { context.amount >= 0 && context.amount < 100 };
"""
NEW = {
    "copy": """@id("copy") permit(principal, action == Action::"pay", resource) when { context.amount > 9 };""",
    "half": """@id("half") @owner("data") permit(principal in Team::"out", action == Action::"read", resource)
        when { resource.secret } unless { principal.level > 2 };""",
    "trap": """@id("trap") forbid(principal, action == Action::"pay", resource)
        when { context has approvals && context.approvals.contains("board") && context.amount > 900 };""",
    "dead": """@id("dead") @escalate("board") @timeout("1h") forbid(principal, action == Action::"pay", resource)
        when { context.amount == 500 };""",
}
SLIPS = [
    # A comparison of the wrong way, a conjunct that contradicts, a type that the action does not know.
    ("P101", "chair", "context.amount >= 1000", "context.amount >= 1000 && context.amount < 1000"),
    ("P101", "board", "context.amount < 1000", "context.amount < 100"),
    ("P101", "shell", "context has tool && context.tool", "!(context has tool) && context has tool && context.tool"),
    # A condition that is no restriction any more.
    ("P102", "board", ">= 100 && context.amount < 1000", ">= 100 || context.amount < 1000"),
    ("P102", "read", "|| principal.level > 2", "|| principal.level > 2 || principal.level <= 2"),
    ("P102", "less than nothing", "context.amount < 0", "context.amount < 0 || context.amount > -1"),
    # Arithmetic that overflows.
    ("P103", "board", "context.amount >= 100 &&", "context.amount * 2 >= 200 &&"),
    ("P103", "less than nothing", "context.amount < 0", "context.amount + 1 < 1"),
    ("P103", "pay", "context.amount >= 0", "-context.amount <= 0"),
    # Another rule says the same, alone or with others; a scope or a condition that was meant to narrow is gone.
    ("P104", "copy", "", NEW["copy"]),
    ("P104", "chair", "context.amount < 0", "context.amount < 0 || context.amount > 700"),
    ("P104", "shell", "{ resource.secret } unless { principal.level > 2 }", "{ resource.secret || context has tool }"),
    # Forbids that leave a permit nothing: all of it, one effect swapped, a negation dropped.
    ("P105", "half", "", NEW["half"]),
    ("P105", "pay", "when { context.amount < 0 }", "when { context.amount > -1 }"),
    ("P105", "read", "when { resource.secret } unless { principal.level > 2 }", ""),
    # An owner's rule against another's: the declared precedence is gone, the owner is another, the effect is swapped.
    ("P106", "read", '@overrides("data") ', ""),
    (
        "P106",
        "read",
        '"secret") @owner("data")',
        '"secret") @owner("till")',
        "unless { principal.level > 2",
        "unless { false",
    ),
    ("P106", "pay", '@owner("till") @escalate("chair") @timeout("5m") @severity("high")', '@owner("guard")'),
    # A gap: a bound off by one, a dropped rule's worth.
    ("P107", 'Action::"pay"', "context.amount < 0", "context.amount < -1"),
    ("P107", 'Action::"pay"', "when { context.amount >= 0 }", "when { context.amount > 0 }"),
    ("P107", 'Action::"read"', "unless { principal.level > 2 }", "unless { principal.level > 1 }"),
    # Misspelt words.
    ("P108", "board", '@timeout("15m")', '@timeot("15m")'),
    ("P108", "chair", '@escalate("chair")', '@escalte("chair")'),
    ("P109", "shell", '@overrides("data")', '@overrides("dta")'),
    # Nobody is ever asked: a hard forbid before, no permit beneath.
    ("P201", "chair", "context.amount < 0", "context.amount < 0 || context.amount >= 1000"),
    ("P201", "board", "when { context.amount >= 0 }", "when { context.amount >= 1000 || context.amount < 100 }"),
    ("P201", "board", '@escalate("chair") @timeout("5m") @severity("high")', '@note("x")', ">= 1000", ">= 100"),
    # An approval that leads nowhere.
    ("P202", "board", "", NEW["trap"]),
    ("P202", "chair", "", NEW["trap"].replace('"board"', '"chair"')),
    # Rules that match together and disagree, a value that never applies.
    ("P204", "board", "context.amount < 1000", "context.amount <= 1000"),
    ("P204", "dead", "", NEW["dead"]),
    ("P204", "board", "context.amount >= 1000", "context.amount >= 999"),
    # Assertions.
    ("P305", "large payments are asked about", "context.amount < 1000", "context.amount < 500"),
    ("P305", "large payments are asked about", "context.amount >= 1000", "context.amount > 1000"),
    ("P305", "small payments go through", "context.amount < 0", "context.amount < 1"),
    ("P305", "small payments go through", "when { context.amount >= 0 }", "when { context.amount > 0 }"),
]
CHANGES = [
    ("D401", "pay", "context.amount < 0", "context.amount < -1", "{ context.amount >= 0 }", "{ context.amount >= -1 }"),
    ("D401", "shell", "sh *", "sh * *"),
    ("D401", "read", "!resource.secret ||", "true ||", "unless { principal.level > 2 }", "unless { true }"),
    ("D402", "secret", "unless { principal.level > 2 }", "unless { principal.level > 3 }"),
    ("D402", "shell", 'principal in Team::"out"', "principal"),
    ("D403", "board", "context.amount >= 100 &&", "context.amount >= 99 &&"),
    ("D404", "board", "context.amount >= 100 &&", "context.amount > 100 &&"),
    (
        "D404",
        "chair",
        'forbid(principal, action == Action::"pay", resource)\nwhen { context.amount >= 1000 }',
        'forbid(principal, action == Action::"pay", resource)\nwhen { context.amount > 1000 }',
    ),
    ("D406", "board", '@timeout("15m")', '@timeout("30m")'),
    ("D406", "chair", '@escalate("chair")', '@escalate("chairs")'),
]
POLICY_CHECKS = sorted({slip[0] for slip in SLIPS})


def judged(rules: str) -> tuple[Finding, ...]:
    return verify(policy_set(rules, SCHEMA, invariants=INVARIANTS), checks=POLICY_CHECKS).findings


@cache
def before() -> tuple[Finding, ...]:
    return judged(RULES)


def slipped(rules: str, *edits: str) -> str:
    """The rules with each part replaced, once; or with a rule added, where there is no part to replace."""
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        if not old:
            rules += new
            continue
        assert rules.count(old) == 1, old
        rules = rules.replace(old, new)
    return rules


def about(findings: tuple[Finding, ...], check: str, name: str) -> set[str]:
    """The verdicts of a check about a rule, or about what stands for it."""
    return {
        f.verdict
        for f in findings
        if f.check == check and (name in f.message or name in {ref.name for ref in f.policies}) and _grave(f)
    }


def _grave(finding: Finding) -> bool:
    """What is told of stores that lack entities, P103 says of every rule that reads one."""
    return finding.check != "P103" or "not in the store" not in finding.message


def test_nothing_is_wrong_before() -> None:
    assert {(f.check, f.message) for f in before() if f.verdict != "holds" and _grave(f)} == set()
    assert {f.check for f in before()} == set(POLICY_CHECKS) - {"P103"} | {"P103"}


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: f"{slip[0]} {slip[1]}")
def test_a_slip_is_noticed_by_its_check(slip: tuple[str, ...]) -> None:
    check, name, *edits = slip
    assert "violated" in about(judged(slipped(RULES, *edits)), check, name)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]} {change[1]}")
def test_a_slip_is_noticed_by_diff(change: tuple[str, ...]) -> None:
    check, name, *edits = change
    old, new = policy_set(RULES, SCHEMA), policy_set(slipped(RULES, *edits), SCHEMA)
    assert "violated" in about(diff(old, new).findings.findings, check, name)


def test_a_slip_that_changes_nothing_is_proved_to() -> None:
    new = slipped(RULES, "context.amount >= 100 &&", "context.amount > 99 &&")
    found = diff(policy_set(RULES, SCHEMA), policy_set(new, SCHEMA)).findings.findings
    assert {(f.check, f.verdict) for f in found} == {("D405", "holds")}
