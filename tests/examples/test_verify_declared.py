"""The checks of a scenario's requests: each says yes and no, with the witness or the reason that was worked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from models.cedar.decision import authorize
from models.load import load
from verify.findings import Finding
from verify.query import request
from verify.verify import verify

SCHEMA = """
entity Role;
entity Agent in [Role] = { level: Long };
entity Person in [Role];
entity Thing = { secret: Bool };
entity Case = { asker: Person, approvers: Set<Person> };
action pay, look appliesTo {
  principal: [Agent], resource: [Thing],
  context: { amount: Long, kind: String, place: String, tool?: String, approvals?: Set<String> }
};
action approve appliesTo { principal: [Person], resource: [Case], context: {} };
"""
BASE: dict[str, Any] = {
    "windtunnel": 1,
    "name": "declared",
    "start": "2026-03-25T10:00:00Z",
    "horizon": "1d",
    "policies": {"path": "rules.cedar", "schema": "rules.cedarschema", "entities": "entities.json"},
    "sites": {"hall": {"region": "eu"}, "cloud": {"region": "us"}},
    "endpoints": {"model": {"site": "cloud", "latency": "1s"}},
    "agents": {
        "payer": {"site": "hall", "principal": 'Agent::"payer"', "capabilities": {"act": {"service": "1s"}}},
        "helper": {"site": "cloud", "principal": 'Agent::"helper"', "capabilities": {"act": {"service": "1s"}}},
    },
    "desks": {
        "board": {
            "site": "hall",
            "roster": [{"days": "daily", "hours": "00:00-24:00", "staff": 1}],
            "service": "5m",
        }
    },
    "chains": {"board": {"levels": [{"desk": "board"}]}},
    "workflows": {
        "w": {
            "start": "s",
            "steps": {
                "s": {
                    "kind": "task", "agent": "payer", "capability": "act",
                    "action": 'Action::"pay"', "resource": 'Thing::"t"',
                }
            },
        }
    },
    "work": {
        "w": {
            "workflow": "w",
            "arrivals": {"kind": "poisson", "rate": "1/h"},
            "attributes": {"amount": "uniform(low=1, high=100)", "kind": "choice(a=0.5, b=0.5)", "place": "x"},
        }
    },
}  # fmt: skip
STEP = ("workflows", "w", "steps", "s")
ENTITIES = """[
  {"uid": {"type": "Agent", "id": "payer"}, "attrs": {"level": 3}, "parents": [{"type": "Role", "id": "payers"}]},
  {"uid": {"type": "Agent", "id": "helper"}, "attrs": {"level": 1}, "parents": []}
]"""
PAY = '@id("pay") permit(principal, action == Action::"pay", resource);\n'
ASK = (
    '@id("ask") @escalate("board") forbid(principal, action == Action::"pay", resource) when { context.amount > 50 };\n'
)


def changed(value: Any, path: tuple[str, ...], new: Any) -> Any:
    """A copy of nested mappings with one place changed; None takes the key away."""
    if not path:
        return new
    head, *rest = path
    copy = dict(value)
    copy[head] = changed(copy.get(head, {}), tuple(rest), new)
    return {key: one for key, one in copy.items() if one is not None}


class Check:
    """Findings of one check on a scenario in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loaded: Any = None

    def __call__(
        self,
        check: str,
        rules: str,
        changes: Mapping[tuple[str, ...], Any],
        entities: str = ENTITIES,
        schema: str = SCHEMA,
    ) -> list[Finding]:
        whole: Any = BASE
        for path, new in changes.items():
            whole = changed(whole, path, new)
        for name, text in (("rules.cedar", rules), ("rules.cedarschema", schema), ("entities.json", entities)):
            (self.folder / name).write_text(text)
        with (self.folder / "scenario.yaml").open("w") as file:
            YAML().dump(whole, file)
        self.loaded = load(self.folder)
        return [f for f in verify(self.loaded.policies, self.loaded, checks=[check]).findings if f.check == check]

    def verdicts(self, *given: Any) -> dict[str, str]:
        """Verdicts by the first element of each finding; violated ones go first."""
        found = sorted(self(*given), key=lambda f: f.verdict == "violated")
        return {f.policies[0].name: f.verdict for f in found}

    def outcome(self, finding: Finding) -> str:
        """What becomes of a finding's witness, by cedarpy."""
        assert finding.witness is not None
        decision = authorize(self.loaded.policies, request(finding.witness), finding.witness.entities)
        return decision.outcome


@pytest.fixture
def check(tmp_path: Path) -> Check:
    return Check(tmp_path)


# --- P205 -------------------------------------------------------------------------------------------------------------


def risk(when: str | None, *actions: str) -> dict[tuple[str, ...], Any]:
    declared = {"when": when, "actions": [f'Action::"{action}"' for action in actions]}
    return {("risks", "r"): {key: value for key, value in declared.items() if value}}


@pytest.mark.parametrize(
    ("when", "verdict"),
    [
        ("context.amount > 50", "holds"),
        ("context.amount > 49", "violated"),
        ("context.amount + 1 > 51", "holds"),  # an overflow counts as risky, and is above 50
        ("context.amount - 1 > 49", "violated"),  # an overflow counts as risky, and is below
        ("principal.level > 7 && context.amount == 51", "holds"),
        ("principal.level > 7", "violated"),
        ("false", "holds"),
    ],
)
def test_a_risk_is_guarded_where_every_such_request_is_denied_or_escalated(
    check: Check, when: str, verdict: str
) -> None:
    (finding,) = check("P205", PAY + ASK, risk(when, "pay"))
    assert finding.verdict == verdict
    assert finding.severity == "error"
    if verdict == "violated":
        assert check.outcome(finding) == "allow"
        assert [ref.name for ref in finding.policies] == ["r", "pay"]
        assert "`pay` (rules.cedar:1) permits it" in finding.message
        assert finding.environment == 'Agent, Action::"pay", Thing'


def test_a_risk_is_about_its_actions_only(check: Check) -> None:
    rules = PAY + ASK + '@id("look") permit(principal, action == Action::"look", resource);'
    assert check.verdicts("P205", rules, risk("context.amount > 50", "pay")) == {"r": "holds"}
    assert check.verdicts("P205", rules, risk("context.amount > 50", "pay", "look")) == {"r": "violated"}
    assert check.verdicts("P205", rules, risk(None, "look")) == {"r": "violated"}


def test_approvals_that_a_request_brings_along_guard_nothing(check: Check) -> None:
    rules = (
        PAY + '@id("ask") @escalate("board") forbid(principal, action == Action::"pay", resource)\n'
        'unless { context has approvals && context.approvals.contains("board") };'
    )
    assert check.verdicts("P205", rules, risk("context.amount > 50", "pay")) == {"r": "holds"}


def test_a_risk_that_speaks_of_approvals_sees_none(check: Check) -> None:
    when = 'context has approvals && context.approvals.contains("board")'
    assert check.verdicts("P205", PAY, risk(when, "pay")) == {"r": "holds"}
    assert check.verdicts("P205", PAY, risk(f"!({when})", "pay")) == {"r": "violated"}


def test_an_entity_that_a_condition_reads_is_in_every_store(check: Check) -> None:
    reads = risk('context.amount <= Agent::"boss".level && Agent::"boss".level < 3', "pay")
    rules = PAY + '@id("no") forbid(principal, action == Action::"pay", resource) when { context.amount <= 5 };'
    check("P205", rules, reads)
    every = verify(check.loaded.policies, check.loaded).findings  # that `pay` permits shows a request without a boss
    assert [f.verdict for f in every if f.check == "P205"] == ["holds"]


# --- P206, P207 -------------------------------------------------------------------------------------------------------

APPROVALS: dict[tuple[str, ...], Any] = {
    ("approvals",): {
        "action": 'Action::"approve"',
        "by-asker": "principal == resource.asker",
        "again": "resource.approvers.contains(principal)",
    },
    ("desks", "board", "people"): 'principal in Role::"board"',
}
APPROVE = '@id("approve") permit(principal in Role::"board", action == Action::"approve", resource)'


@pytest.mark.parametrize(
    ("unless", "asker", "again"),
    [
        ("", "violated", "violated"),
        ("unless { principal == resource.asker }", "holds", "violated"),
        ("unless { resource.approvers.contains(principal) }", "violated", "holds"),
        ("unless { principal == resource.asker || resource.approvers.contains(principal) }", "holds", "holds"),
        ("when { resource.approvers.contains(principal) }", "violated", "violated"),
    ],
)
def test_who_asked_or_approved_before_must_not_approve(check: Check, unless: str, asker: str, again: str) -> None:
    findings = {f.policies[0].name: f for f in check("P206", PAY + ASK + f"{APPROVE} {unless};", APPROVALS)}
    assert {name: f.verdict for name, f in findings.items()} == {"by-asker": asker, "again": again}
    for finding in findings.values():
        if finding.verdict == "violated":
            assert check.outcome(finding) == "allow"
            assert "`approve` (rules.cedar:3) permits it" in finding.message


def test_the_asker_of_a_violation_is_the_approver(check: Check) -> None:
    finding = next(f for f in check("P206", PAY + ASK + APPROVE + ";", APPROVALS) if f.policies[0].name == "by-asker")
    assert finding.witness is not None
    case = next(e for e in finding.witness.entities if e["uid"]["type"] == "Case")
    asker = case["attrs"]["asker"]["__entity"]
    assert f'{asker["type"]}::"{asker["id"]}"' == finding.witness.principal


def test_an_approval_that_asks_somebody_else_is_no_approval_by_one_person(check: Check) -> None:
    again = (
        '@id("second") @escalate("board") forbid(principal, action == Action::"approve", resource)\n'
        "when { principal == resource.asker || resource.approvers.contains(principal) };"
    )
    rules = f"{PAY}{ASK}{APPROVE};\n{again}"
    assert check.verdicts("P206", rules, APPROVALS) == {"by-asker": "holds", "again": "holds"}


@pytest.mark.parametrize(
    ("rule", "verdict", "reason"),
    [
        (f"{APPROVE};", "holds", ""),
        (f"{APPROVE.replace('board', 'bored')};", "holds", ""),  # one may be in both roles
        ('permit(principal == Person::"p", action == Action::"approve", resource) unless '
         '{ principal in Role::"board" };', "violated", "no permit matches any such request"),
        ("", "violated", "no permit matches any such request"),
        (f"{APPROVE} when {{ principal == resource.asker }};", "violated", "no permit matches any such request"),
        (f'{APPROVE};\n@id("stop") forbid(principal, action, resource is Case);', "violated",
         "`stop` (rules.cedar:4) denies every such request"),
        (f'{APPROVE};\n@id("four") @escalate("board") forbid(principal, action, resource is Case);', "violated",
         "every such request that is not denied is escalated"),
    ],
)  # fmt: skip
def test_the_people_of_a_desk_may_approve_or_it_is_said_why_not(
    check: Check, rule: str, verdict: str, reason: str
) -> None:
    (finding,) = check("P207", PAY + ASK + rule, APPROVALS)
    assert finding.policies[0].name == "board"
    assert finding.verdict == verdict
    assert reason in finding.message
    if verdict == "holds":
        assert check.outcome(finding) == "allow"


def test_people_that_nobody_can_be_are_barred(check: Check) -> None:
    nobody = {("desks", "board", "people"): 'principal in Role::"board" && false'}
    (finding,) = check("P207", f"{PAY}{ASK}{APPROVE};", {**APPROVALS, **nobody})
    assert finding.verdict == "violated"
    assert "no principal that the schema lets approve is one of them" in finding.message


def test_only_desks_that_a_policy_asks_are_looked_at(check: Check) -> None:
    assert check("P207", f"{PAY}{APPROVE};", APPROVALS) == []


def test_an_entity_that_one_of_many_conditions_reads_is_in_the_store(check: Check) -> None:
    schema = SCHEMA.replace("entity Person in [Role];", "entity Person in [Role] = { level: Long };")
    many = " && ".join(f"principal.level != {number}" for number in range(1, 15))
    people = {**APPROVALS, ("desks", "board", "people"): f'principal.level <= Person::"chief".level && {many}'}
    assert check.verdicts("P207", PAY + ASK + APPROVE + ";", people, ENTITIES, schema) == {"board": "holds"}


# --- P301 -------------------------------------------------------------------------------------------------------------


def data(**more: Any) -> dict[tuple[str, ...], Any]:
    asked = {"actions": ['Action::"pay"']} if more else {}
    return {("data", "secrets"): {"regions": ["eu"], **asked, **more}}


SECRET = data(when="resource.secret", within='context.place == "eu"')
STAY = '@id("stay") forbid(principal, action, resource is Thing) when { resource.secret && context.place != "eu" };\n'


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        (PAY, "violated"),
        (PAY + STAY, "holds"),
        (PAY + STAY.replace('!= "eu"', '== "us"'), "violated"),
        (PAY + STAY.replace("forbid", '@escalate("board") forbid'), "violated"),
        (PAY.replace(");", ') when { context.place == "eu" };'), "holds"),
    ],
)
def test_data_stays_where_no_request_that_takes_it_out_is_ever_allowed(check: Check, rules: str, verdict: str) -> None:
    finding = next(f for f in check("P301", rules, SECRET) if f.witness or f.proof)
    assert finding.verdict == verdict
    if verdict == "violated":
        assert finding.witness is not None
        assert finding.witness.context["place"] != "eu"
        assert finding.witness.approvals == (("board",) if "escalate" in rules else ())
        assert check.outcome(finding) == ("escalate" if "escalate" in rules else "allow")


def test_a_condition_that_may_err_does_not_keep_data_in(check: Check) -> None:
    rules = PAY.replace(");", ") when { context.amount > 0 };")
    when = data(when="context.amount > 0", within="context.amount + 1 > 0")
    assert "violated" in check.verdicts("P301", rules, when).values()
    when = data(when="context.amount > 0", within="context.amount - 1 >= 0")
    assert next(f.verdict for f in check("P301", rules, when) if f.proof) == "holds"


def test_whoever_works_on_a_step_that_names_a_class_is_in_its_regions(check: Check) -> None:
    handled = {**data(), (*STEP, "data"): ["secrets"]}
    assert check.verdicts("P301", PAY, handled) == {"secrets": "holds"}
    (finding,) = check("P301", PAY, {**handled, ("agents", "payer", "site"): "cloud"})
    assert finding.verdict == "violated"
    assert [ref.name for ref in finding.policies] == ["secrets", "payer", "w.s"]
    assert "The agent `payer` handles data of the class `secrets`" in finding.message
    assert "and is in `us`, not in `eu`" in finding.message


def test_an_endpoint_that_is_called_handles_the_data_too(check: Check) -> None:
    handled = {**data(), (*STEP, "data"): ["secrets"], ("agents", "payer", "capabilities", "act", "endpoint"): "model"}
    (finding,) = check("P301", PAY, handled)
    assert finding.verdict == "violated"
    assert finding.policies[1].name == "model"
    uncalled = {**handled, ("agents", "payer", "capabilities", "act", "calls"): 0}
    assert check.verdicts("P301", PAY, uncalled) == {"secrets": "holds"}


def test_who_may_be_asked_to_approve_sees_the_data(check: Check) -> None:
    handled = {**data(), (*STEP, "data"): ["secrets"], ("desks", "board", "site"): "cloud"}
    assert check.verdicts("P301", PAY, handled) == {"secrets": "holds"}
    (finding,) = check("P301", PAY + ASK, handled)
    assert finding.verdict == "violated"
    assert "The desk `board` may be asked to approve data of the class" in finding.message
    never = ASK.replace("amount > 50", "amount > 100")  # the step draws 1 to 100
    assert check.verdicts("P301", PAY + never, handled) == {"secrets": "holds"}


def test_a_step_whose_request_may_be_of_the_class_handles_it_unnamed(check: Check) -> None:
    away = {("agents", "payer", "site"): "cloud"}
    stay = {**data(when='context.kind == "a"', within='context.kind == "a"'), **away}
    assert "violated" in check.verdicts("P301", PAY, stay).values()
    never = {**data(when='context.kind == "c"', within='context.kind == "c"'), **away}
    assert [f.verdict for f in check("P301", PAY, never)] == ["holds"]


def test_a_place_that_is_not_told_is_undecided(check: Check) -> None:
    unplaced = {**data(when='context.kind == "a"', within='context.kind == "a"'), ("agents", "payer", "site"): None}
    finding = next(f for f in check("P301", PAY, unplaced) if f.verdict == "undecided")
    assert "the agent `payer`, which is at no site that is told" in finding.message


# --- P302 -------------------------------------------------------------------------------------------------------------


def test_what_no_step_uses_is_too_much(check: Check) -> None:
    exact = '@id("pay") permit(principal == Agent::"payer", action == Action::"pay", resource == Thing::"t");\n'
    assert check.verdicts("P302", exact, {}) == {"payer": "holds", "helper": "holds"}
    look = exact + '@id("look") permit(principal == Agent::"helper", action == Action::"look", resource);'
    (finding,) = (f for f in check("P302", look, {}) if f.verdict == "violated")
    assert finding.severity == "warning"
    assert [ref.name for ref in finding.policies] == ["helper", 'Action::"look"', "look"]
    assert "which no step asks for" in finding.message
    assert check.outcome(finding) == "allow"


def test_another_resource_than_the_steps_is_too_much(check: Check) -> None:
    (finding,) = (f for f in check("P302", PAY.replace("principal", 'principal == Agent::"payer"'), {}) if f.witness)
    assert "otherwise than `w.s` does" in finding.message
    assert finding.witness is not None
    assert finding.witness.resource != 'Thing::"t"'


def test_another_constant_than_the_steps_is_too_much(check: Check) -> None:
    exact = '@id("pay") permit(principal == Agent::"payer", action == Action::"pay", resource == Thing::"t")'
    told = {(*STEP, "context"): {"tool": "card"}}
    assert check.verdicts("P302", f"{exact};", told)["payer"] == "violated"
    card = f'{exact} when {{ context has tool && context.tool == "card" }};'
    assert check.verdicts("P302", card, told)["payer"] == "holds"


def test_what_needs_an_approval_is_not_too_much(check: Check) -> None:
    rules = PAY.replace("principal", 'principal == Agent::"helper"') + ASK.replace("context.amount > 50", "true")
    assert check.verdicts("P302", rules, {})["helper"] == "holds"


def test_an_agent_is_as_the_scenarios_entities_have_it(check: Check) -> None:
    role = PAY.replace("principal", 'principal in Role::"payers"')
    assert check.verdicts("P302", role, {})["helper"] == "holds"
    assert check.verdicts("P302", role, {}, "[]")["helper"] == "violated"
    level = PAY.replace(");", ") when { principal.level > 1 };")
    assert check.verdicts("P302", level, {})["helper"] == "holds"
    assert check.verdicts("P302", level.replace("> 1", ">= 1"), {})["helper"] == "violated"


def test_an_attribute_that_a_given_entity_lacks_has_no_value(check: Check) -> None:
    """Of a type whose ids are listed not even a value that is never read may be another id."""
    schema = SCHEMA.replace("{ level: Long }", '{ level: Long, kind?: Kind };\nentity Kind enum ["x", "y"]')
    rules = PAY.replace(");", ') when { if principal has kind then principal.kind == Kind::"x" else true };')
    assert check.verdicts("P303", rules, {}, ENTITIES, schema) == {"w.s": "holds"}
    assert check.verdicts("P302", rules, {}, ENTITIES, schema) == {"payer": "violated", "helper": "violated"}


PARENT = {("agents", "helper", "parent"): "payer"}


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        (PAY, "holds"),
        (PAY.replace("principal", 'principal == Agent::"payer"'), "holds"),
        (PAY.replace("principal", 'principal == Agent::"helper"'), "violated"),
        (PAY + '@id("no") forbid(principal == Agent::"payer", action, resource);', "violated"),
        (PAY + '@id("no") forbid(principal == Agent::"helper", action, resource);', "holds"),
        (PAY + '@id("no") @escalate("board") forbid(principal == Agent::"payer", action, resource);', "violated"),
        (PAY + ASK, "holds"),
        (PAY.replace(");", ") when { principal.level < 2 };"), "violated"),
        (PAY.replace(");", ") when { principal.level > 0 };"), "holds"),
    ],
)
def test_a_child_may_do_nothing_that_its_parent_may_not(check: Check, rules: str, verdict: str) -> None:
    findings = check("P302", rules, PARENT)
    (finding,) = (f for f in findings if [ref.name for ref in f.policies][:2] == ["helper", "payer"])
    assert finding.verdict == verdict
    if verdict == "violated":
        assert finding.witness is not None
        assert finding.witness.principal == 'Agent::"helper"'
        assert check.outcome(finding) == "allow"


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (PAY + '@id("no") forbid(principal == Agent::"payer", action, resource);', "`no` (rules.cedar:2) denies it"),
        (PAY.replace("principal", 'principal == Agent::"helper"'), "no permit matches"),
    ],
)
def test_why_the_parent_is_denied_is_told(check: Check, rules: str, why: str) -> None:
    (finding,) = (
        f for f in check("P302", rules, PARENT) if [ref.name for ref in f.policies][:2] == ["helper", "payer"]
    )
    assert finding.message.endswith(f"permits it, and the parent is denied, for {why}.")


def test_a_child_that_asks_fewer_than_its_parent_does_more(check: Check) -> None:
    two = PAY + ASK + '@id("more") @escalate("cfo") forbid(principal == Agent::"payer", action, resource);'
    findings = check("P302", two, {**PARENT, ("chains", "cfo"): {"levels": [{"desk": "board"}]}})
    (finding,) = (f for f in findings if [ref.name for ref in f.policies][:2] == ["helper", "payer"])
    assert finding.verdict == "violated"
    assert "the parent has to ask" in finding.message


# --- P303 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "verdict", "reason"),
    [
        (PAY, "holds", ""),
        (PAY + ASK, "holds", ""),
        (PAY + ASK.replace("> 50", "> 0"), "holds", ""),
        ("", "violated", "no permit matches any such request"),
        (PAY.replace("principal", 'principal == Agent::"helper"'), "violated", "no permit matches any such request"),
        (PAY.replace("principal", 'principal in Role::"payers"'), "holds", ""),
        (PAY.replace("principal", 'principal in Role::"other"'), "violated", "no permit matches any such request"),
        (PAY.replace(");", ") when { principal.level == 3 };"), "holds", ""),
        (PAY.replace(");", ") when { principal.level == 4 };"), "violated", "no permit matches any such request"),
        (PAY.replace(");", ") when { context.amount > 99 };"), "holds", ""),
        (PAY.replace(");", ") when { context.amount > 100 };"), "violated", "no permit matches any such request"),
        (PAY.replace(");", ') when { context.kind == "b" };'), "holds", ""),
        (PAY.replace(");", ') when { context.kind == "c" };'), "violated", "no permit matches any such request"),
        (PAY.replace(");", ") when { resource.secret };"), "holds", ""),  # the scenario does not give the thing
        (PAY + '@id("no") forbid(principal is Agent, action == Action::"pay", resource) when { context.amount < 200 };',
         "violated", "`no` (rules.cedar:2) denies every such request"),
        (PAY + ASK.replace("> 50", "> 0").replace("board", "bord"), "violated",
         "it has to be approved by the chain `bord`, which does not exist"),
        (PAY + ASK.replace("> 50", "> 0") + '@id("trap") forbid(principal, action, resource) '
         'when { context has approvals && context.approvals.contains("board") };', "violated",
         "it is escalated, and denied once everyone asked has approved"),
    ],
)  # fmt: skip
def test_a_step_may_be_taken_or_it_is_said_why_not(check: Check, rules: str, verdict: str, reason: str) -> None:
    (finding,) = check("P303", rules, {})
    assert finding.policies[0].name == "w.s"
    assert finding.verdict == verdict
    assert reason in finding.message
    if verdict == "holds":
        assert check.outcome(finding) in ("allow", "escalate")
    else:
        line = (check.folder / "scenario.yaml").read_text().splitlines()[finding.location.line - 1]
        assert line.strip() == "s:"


def test_what_a_step_does_not_put_into_the_context_is_absent(check: Check) -> None:
    rules = PAY.replace(");", ') when { context has tool && context.tool == "card" };')
    assert check.verdicts("P303", rules, {}) == {"w.s": "violated"}
    assert check.verdicts("P303", rules, {(*STEP, "context"): {"tool": "card"}}) == {"w.s": "holds"}
    assert check.verdicts("P303", rules, {(*STEP, "context"): {"tool": "cash"}}) == {"w.s": "violated"}


def test_any_stream_of_work_that_may_take_a_step_suffices(check: Check) -> None:
    rules = PAY.replace(");", ") when { context.amount == 500 };")
    arrivals = {"kind": "poisson", "rate": "1/d"}
    other = {"workflow": "w", "arrivals": arrivals, "attributes": {"amount": 500, "kind": "choice(a=1)", "place": "x"}}
    assert check.verdicts("P303", rules, {}) == {"w.s": "violated"}
    assert check.verdicts("P303", rules, {("work", "v"): other}) == {"w.s": "holds"}


# --- what is not asked ------------------------------------------------------------------------------------------------


def test_checks_that_have_nothing_to_ask_say_why(check: Check) -> None:
    check("P205", PAY + ASK, {})
    told = verify(check.loaded.policies, check.loaded).checked["not_asked"]
    assert told.keys() == {"P205", "P206", "P207", "P301"}
    assert told["P205"] == "the scenario declares no `risks`"
    alone = verify(check.loaded.policies).checked["not_asked"]
    assert alone.keys() == {"P205", "P206", "P207", "P301", "P302", "P303"}


def test_what_is_not_told_of_approvals_is_said(check: Check) -> None:
    check("P206", f"{PAY}{ASK}{APPROVE};", {("approvals",): {"action": 'Action::"approve"'}})
    told = verify(check.loaded.policies, check.loaded).checked["not_asked"]
    assert told["P206"] == "`approvals` does not say `by-asker` and `again`"
    assert told["P207"] == "who approves is not told, by `people`, of `board`"


# --- mutants ----------------------------------------------------------------------------------------------------------

CLEAN_RULES = """
@id("pay") permit(principal == Agent::"payer", action == Action::"pay", resource == Thing::"t");
@id("ask") @escalate("board") forbid(principal, action == Action::"pay", resource) when { context.amount > 50 };
@id("stay") forbid(principal, action == Action::"pay", resource) when { resource.secret && context.place != "x" };
@id("approve") permit(principal in Role::"board", action == Action::"approve", resource)
unless { principal == resource.asker || resource.approvers.contains(principal) };
"""
CLEAN: dict[tuple[str, ...], Any] = {
    **risk("context.amount > 50", "pay"),
    **APPROVALS,
    **data(when="resource.secret", within='context.place == "x"'),
    **PARENT,
    (*STEP, "data"): ["secrets"],
}
DECLARED = ("P205", "P206", "P207", "P301", "P302", "P303")


def violated(check: Check, rules: str) -> set[str]:
    return {one for one in DECLARED if any(f.verdict != "holds" for f in check(one, rules, CLEAN))}


def test_nothing_is_violated_before_a_mutation(check: Check) -> None:
    assert violated(check, CLEAN_RULES) == set()
    assert all(check(one, CLEAN_RULES, CLEAN) for one in DECLARED)


@pytest.mark.parametrize(
    ("before", "after", "noticed"),
    [
        ("context.amount > 50", "context.amount < 50", {"P205"}),  # a flipped operator
        ("context.amount > 50", "context.amount > 500", {"P205"}),  # a slip of the pen
        ('@escalate("board") forbid', "permit", {"P205", "P302"}),  # a swapped effect
        ("principal == resource.asker || ", "", {"P206"}),  # a dropped clause
        (" || resource.approvers.contains(principal)", "", {"P206"}),
        ("unless { principal == resource.asker", "when { principal == resource.asker", {"P206", "P207"}),
        ("unless { principal ==", 'unless { principal in Role::"board" || principal ==', {"P207"}),
        (' && context.place != "x"', "", set()),  # stricter, and the step's place is x
        ('!= "x"', '== "y"', {"P301"}),
        ('@id("stay") forbid', '@id("stay") @escalate("board") forbid', {"P301"}),
        (', resource == Thing::"t"', ", resource", {"P302"}),
        ('== Agent::"payer"', '== Agent::"helper"', {"P302", "P303"}),
        ("permit(principal ==", "forbid(principal ==", {"P303"}),
    ],
)
def test_seeded_mutants_are_noticed(check: Check, before: str, after: str, noticed: set[str]) -> None:
    assert before in CLEAN_RULES
    rules = CLEAN_RULES.replace(before, after, 1)
    assert violated(check, rules) == noticed
