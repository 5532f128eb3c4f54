"""The catalogue and its page say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.cedar.load import policy_set
from verify.catalogue import CATALOGUE
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
EXAMPLES = {section[:4]: found[1] for section in SECTIONS if (found := re.search(r"```cedar\n(.*?)```", section, re.S))}


def test_every_policy_check_has_an_example() -> None:
    assert EXAMPLES.keys() == {check for check in CATALOGUE if check.startswith("P")}


@pytest.mark.parametrize("check", EXAMPLES)
def test_the_example_of_a_check_violates_it(check: str) -> None:
    beneath = '@id("base") permit(principal, action, resource);' if check.startswith("P2") else ""
    findings = verify(policy_set(EXAMPLES[check] + beneath, SCHEMA), checks=[check]).findings
    assert "violated" in {finding.verdict for finding in findings if finding.check == check}
