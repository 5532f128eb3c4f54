"""The catalogue and its page say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from models.cedar.load import policy_set
from models.load import load
from verify.catalogue import CATALOGUE
from verify.checks.silence import CHECKS
from verify.verify import verify

PAGE = (Path(__file__).parents[2] / "docs" / "checks.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]


def test_every_check_has_a_section_with_its_name_question_and_severity() -> None:
    told = {section.split("\n", 1)[0]: section for section in SECTIONS}
    assert told.keys() == {f"{check.id} {check.name}" for check in CATALOGUE.values()}
    for check in CATALOGUE.values():
        section = told[f"{check.id} {check.name}"]
        assert f"*{check.question}* {check.severity.capitalize()}." in section.replace("\n", " ")


def test_every_section_says_what_violated_means_and_how_to_mend() -> None:
    for section in SECTIONS:
        assert "Violated" in section
        assert "Mend:" in section


def test_later_checks_are_not_in_the_catalogue() -> None:
    later = PAGE.rsplit("## Later", 1)[1]
    assert not CATALOGUE.keys() & set(re.findall(r"\b[PDEW]\d{3}\b", later))


SCHEMA = """
entity User = { age: Long };
entity Thing;
action refund, pay, view, restart, bash appliesTo {
  principal: [User], resource: [Thing],
  context: { amount: Long, tier: String, command: String, approvals: Set<String> }
};
"""


def _section(check: str) -> str:
    return next(section for section in SECTIONS if section.startswith(check))


EXAMPLES = {section[:4]: found[1] for section in SECTIONS if (found := re.search(r"```cedar\n(.*?)```", section, re.S))}


def test_every_policy_check_has_an_example() -> None:
    assert EXAMPLES.keys() == {check for check in CATALOGUE if check.startswith("P")}


DECLARED = {check: found[1] for check in EXAMPLES if (found := re.search(r"```yaml\n(.*?)```", _section(check), re.S))}


@pytest.mark.parametrize("check", sorted(EXAMPLES.keys() - DECLARED.keys()))
def test_the_example_of_a_check_violates_it(check: str) -> None:
    beneath = '@id("base") permit(principal, action, resource);' if check.startswith("P2") else ""
    policies = (
        policy_set('@id("base") permit(principal, action, resource);', SCHEMA, invariants=EXAMPLES[check])
        if check == "P305"
        else policy_set(EXAMPLES[check] + beneath, SCHEMA)
    )
    findings = verify(policies, checks=[check]).findings
    assert "violated" in {finding.verdict for finding in findings if finding.check == check}


SCENARIO = """
windtunnel: 1
name: examples
start: 2026-03-25T10:00:00Z
horizon: 1d
policies: {path: rules.cedar}
sites: {hall: {region: eu}}
agents:
  payer: {site: hall, principal: 'Agent::"payer"', capabilities: {act: {service: 1s}}}
desks:
  board: {site: hall, roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 5m}
chains:
  board: {levels: [{desk: board}]}
workflows:
  payment:
    start: pay
    steps:
      pay: {kind: task, agent: payer, capability: act, action: 'Action::"pay"', resource: 'Thing::"t"'}
work:
  payments: {workflow: payment, arrivals: {kind: poisson, rate: 1/h}, attributes: {amount: 5, place: eu}}
"""
DECLARED_SCHEMA = """
entity Role;
entity Agent;
entity Person in [Role];
entity Thing = { health: Bool };
entity Case = { asker: Person, approvers: Set<Person>, urgent: Bool };
action pay, look appliesTo { principal: [Agent], resource: [Thing], context: { amount: Long, place: String } };
action approve appliesTo { principal: [Person], resource: [Case], context: {} };
"""


def _merged(one: Any, other: Any) -> Any:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    return {**one, **{key: _merged(one.get(key), value) for key, value in other.items()}}


def test_the_checks_of_a_scenario_have_an_example_of_its_part() -> None:
    assert DECLARED.keys() == {*CHECKS, "P203"}


@pytest.mark.parametrize("check", DECLARED)
def test_the_example_of_a_scenarios_check_violates_it(check: str, tmp_path: Path) -> None:
    yaml = YAML(typ="safe", pure=True)
    whole = _merged(yaml.load(SCENARIO), yaml.load(DECLARED[check]))
    whole["start"] = "2026-03-25T10:00:00Z"  # ruamel makes a moment of it
    with (tmp_path / "scenario.yaml").open("w") as file:
        YAML().dump(whole, file)
    (tmp_path / "rules.cedar").write_text(EXAMPLES[check])
    (tmp_path / "rules.cedarschema").write_text(DECLARED_SCHEMA)
    loaded = load(tmp_path)
    findings = verify(loaded.policies, loaded, checks=[check]).findings
    assert "violated" in {finding.verdict for finding in findings if finding.check == check}
