"""P305 and the file of invariants: what they say of the first decision, and that they are never deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.cedar.decision import authorize
from models.cedar.load import load_policies, policy_set
from models.diagnostics import InputError
from models.load import load
from verify.findings import Finding
from verify.query import request
from verify.verify import verify
from windtunnel.cli import exit_code

SCHEMA = """
entity User = { tier: Long };
entity Account;
action wire, view appliesTo {
  principal: [User], resource: [Account], context: { amount: Long, approvals?: Set<String> }
};
"""
RULES = """
@id("base") permit(principal, action, resource);
@id("ask") @escalate("finance") forbid(principal, action == Action::"wire", resource) when { context.amount > 100 };
@id("limit") forbid(principal, action == Action::"view", resource) when { context.amount > 1000 };
"""


def judged(invariants: str, rules: str = RULES, schema: str | None = SCHEMA) -> list[Finding]:
    return list(verify(policy_set(rules, schema, invariants=invariants), checks=["P305"]).findings)


def asserted(effect: str, action: str, condition: str) -> str:
    return f'@invariant("it") {effect}(principal, action == Action::"{action}", resource) when {{ {condition} }};'


@pytest.mark.parametrize(
    ("effect", "action", "condition", "verdict"),
    [
        ("forbid", "wire", "context.amount > 100", "holds"),
        ("forbid", "wire", "context.amount > 99", "violated"),
        ("forbid", "view", "context.amount > 1000", "holds"),
        ("forbid", "view", "context.amount > 999", "violated"),
        ("permit", "wire", "true", "holds"),
        ("permit", "view", "context.amount <= 1000", "holds"),
        ("permit", "view", "context.amount <= 1001", "violated"),
    ],
)
def test_an_invariant_holds_up_to_the_very_value(effect: str, action: str, condition: str, verdict: str) -> None:
    (finding,) = judged(asserted(effect, action, condition))
    assert (finding.verdict, finding.severity) == (verdict, "error")


@pytest.mark.parametrize(
    ("effect", "action", "condition", "outcome", "rule"),
    [("forbid", "wire", "context.amount > 50", "allow", "base"), ("permit", "view", "true", "deny", "limit")],
)
def test_a_broken_invariant_has_a_request_and_names_who_decides_it(
    effect: str, action: str, condition: str, outcome: str, rule: str
) -> None:
    (finding,) = judged(asserted(effect, action, condition))
    assert [name.name for name in finding.policies] == ["it", rule]
    assert finding.location.file == "<invariants>"
    assert finding.witness is not None
    policies = policy_set(RULES, SCHEMA)
    assert authorize(policies, request(finding.witness), finding.witness.entities).outcome == outcome


def test_nobody_has_approved_when_an_invariant_is_asked() -> None:
    trusting = RULES.replace(
        "when { context.amount > 100 }",
        'when { context.amount > 100 } unless { context has approvals && context.approvals.contains("finance") }',
    )
    assert trusting != RULES
    (finding,) = judged(asserted("forbid", "wire", "context.amount > 100"), trusting)
    assert finding.verdict == "holds"
    seen = 'context.amount > 100 && context has approvals && context.approvals.contains("finance")'
    (finding,) = judged(asserted("forbid", "wire", seen), trusting)
    assert "asserts nothing" in finding.message


def test_an_invariant_that_matches_nothing_is_no_silent_success() -> None:
    (finding,) = judged(asserted("forbid", "wire", "context.amount > 5 && context.amount < 3"))
    assert (finding.verdict, finding.severity) == ("violated", "warning")
    assert "asserts nothing" in finding.message


def test_an_invariant_that_errs_says_so() -> None:
    (finding,) = judged(asserted("forbid", "wire", "context.amount * 10 > 5000"))
    assert (finding.verdict, finding.severity) == ("violated", "warning")
    assert "errs" in finding.message
    assert finding.witness is not None


def test_the_mark_of_an_invariant_on_a_deployed_rule_is_told() -> None:
    rules = RULES + '@id("lost") @invariant("never") forbid(principal, action == Action::"view", resource);'
    (finding,) = verify(policy_set(rules, SCHEMA), checks=["P305"]).findings
    assert (finding.verdict, finding.severity) == ("violated", "warning")
    assert "is deployed" in finding.message


@pytest.mark.parametrize(("tier", "verdict"), [("hard", "holds"), ("soft", "holds"), ("", "violated")])
def test_tiers_decide_as_they_do_when_deployed(tier: str, verdict: str) -> None:
    rule = f'@rule_id("r") {f"@tier({chr(34)}{tier}{chr(34)})" if tier else ""} forbid(principal, action, resource)'
    rules = '@rule_id("h") @tier("hard") permit(principal, action, resource);' + (
        rule + " when { context.amount > 3 };" if tier else ""
    )
    policies = policy_set(rules, SCHEMA, profile="tiered", invariants=asserted("forbid", "view", "context.amount > 3"))
    (finding,) = verify(policies, checks=["P305"]).findings
    assert finding.verdict == verdict


def test_a_schema_is_inferred_from_rules_and_invariants_together() -> None:
    (finding,) = judged(asserted("forbid", "audit", "context.depth > 3"), schema=None)
    assert finding.verdict == "violated"
    assert finding.witness is not None
    assert finding.witness.action == 'Action::"audit"'


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.cedar").write_text(RULES)
    (tmp_path / "bank.cedarschema").write_text(SCHEMA)
    (tmp_path / "invariants.cedar").write_text(asserted("forbid", "wire", "context.amount > 100"))
    return tmp_path


def test_the_file_beside_the_policies_is_asserted_and_not_deployed(folder: Path) -> None:
    policies = load_policies(folder)
    assert [policy.name for policy in policies.policies] == ["base", "ask", "limit"]
    assert policies.invariants is not None
    assert [policy.name for policy in policies.invariants.policies] == ["base", "ask", "limit", "it"]
    assert "invariant" not in policies.text
    assert len(policies.matcher.to_pst().static_policies) == 3
    assert [f.verdict for f in verify(policies, checks=["P305"]).findings] == ["holds"]


def test_a_file_has_its_own_beside_it(folder: Path) -> None:
    (folder / "rules.invariants.cedar").write_text(asserted("forbid", "wire", "context.amount > 1"))
    policies = load_policies(folder / "rules.cedar", schema=folder / "bank.cedarschema")
    assert [f.verdict for f in verify(policies, checks=["P305"]).findings] == ["violated"]
    assert len(load_policies(folder).policies) == 3


def test_a_named_file_replaces_the_one_beside_and_neither_is_deployed(folder: Path) -> None:
    other = folder / "safety.cedar"
    other.write_text(asserted("permit", "view", "true"))
    policies = load_policies(folder, invariants=other)
    assert len(policies.policies) == 3
    assert [f.verdict for f in verify(policies, checks=["P305"]).findings] == ["violated"]


def test_invariants_cannot_be_named_as_the_policies(folder: Path) -> None:
    with pytest.raises(InputError, match="not policies to deploy"):
        load_policies(folder / "invariants.cedar")


def test_every_fault_of_the_file_is_told_in_its_place(folder: Path) -> None:
    (folder / "invariants.cedar").write_text(
        "permit(principal, action, resource);\n"
        '@invariant("") permit(principal, action, resource);\n'
        '@invarient("a") permit(principal, action, resource);\n'
        '@invariant("b") @escalate("x") forbid(principal, action, resource);\n'
        '@invariant("b") forbid(principal, action, resource);\n'
        '@invariant("c") forbid(principal == ?principal, action, resource);\n'
    )
    with pytest.raises(InputError) as caught:
        load_policies(folder)
    told = {(fault.line, fault.message.split(":")[0].split("`")[0].strip()) for fault in caught.value.diagnostics}
    assert {line for line, _ in told} == {1, 2, 3, 4, 5, 6}
    assert all(fault.file.endswith("invariants.cedar") for fault in caught.value.diagnostics)
    assert any("did you mean `@invariant`" in fault.help for fault in caught.value.diagnostics)


def test_invariants_are_validated_against_the_schema(folder: Path) -> None:
    (folder / "invariants.cedar").write_text(asserted("forbid", "wire", "context.amuont > 3"))
    with pytest.raises(InputError, match="amuont"):
        load_policies(folder)


def test_faults_of_rules_and_invariants_are_told_at_once(folder: Path) -> None:
    (folder / "rules.cedar").write_text(RULES + '@id("base") permit(principal, action, resource);')
    (folder / "invariants.cedar").write_text("permit(principal, action, resource);")
    with pytest.raises(InputError) as caught:
        load_policies(folder)
    assert {Path(fault.file).name for fault in caught.value.diagnostics} == {"rules.cedar", "invariants.cedar"}


def test_an_empty_file_is_told(folder: Path) -> None:
    (folder / "invariants.cedar").write_text("// nothing yet\n")
    policies = load_policies(folder)
    assert any("no invariant" in warning for warning in policies.warnings)
    assert not verify(policies, checks=["P305"]).findings


def test_the_command_line_names_a_file_and_exits_with_its_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "elsewhere").mkdir()
    broken = folder / "elsewhere" / "safety.cedar"
    broken.write_text(asserted("forbid", "wire", "context.amount > 1"))
    assert exit_code(["verify", str(folder), "--invariants", str(broken), "--format", "json"]) == 1
    assert '"P305"' in capsys.readouterr().out
    assert exit_code(["verify", str(folder)]) == 0
    assert exit_code(["verify", str(broken), "--invariants", str(broken)]) == 2
    assert "not policies to deploy" in capsys.readouterr().err


SCENARIO = """
windtunnel: 1
name: bank
start: 2026-03-25T10:00:00Z
horizon: 1d
policies: {{path: rules.cedar, schema: bank.cedarschema{more}}}
agents:
  payer: {{capabilities: {{act: {{service: 1s}}}}}}
workflows:
  payment:
    start: pay
    steps:
      pay: {{kind: task, agent: payer, capability: act}}
work:
  payments: {{workflow: payment, arrivals: {{kind: poisson, rate: 1/h}}}}
desks:
  d: {{roster: [{{days: daily, hours: "00:00-24:00", staff: 1}}], service: 5m}}
chains:
  finance: {{levels: [{{desk: d}}]}}
"""


def test_a_scenario_names_its_invariants_and_they_are_among_its_inputs(folder: Path) -> None:
    (folder / "scenario.yaml").write_text(SCENARIO.format(more=", invariants: invariants.cedar"))
    loaded = load(folder)
    assert "invariants.cedar" in loaded.inputs
    assert loaded.policies is not None
    assert [f.verdict for f in verify(loaded.policies, loaded, checks=["P305"]).findings] == ["holds"]


def test_a_scenario_that_names_no_such_file_is_told_so(folder: Path) -> None:
    (folder / "scenario.yaml").write_text(SCENARIO.format(more=", invariants: invariant.cedar"))
    with pytest.raises(InputError, match="did you mean"):
        load(folder)
