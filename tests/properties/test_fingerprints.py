"""A finding is known by the same fingerprint wherever its rule goes, and no two findings by the same one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.cedar.load import load_policies, policy_set
from models.cedar.source import tokens
from reports.fingerprints import PATTERN, fingerprint, fingerprints
from reports.json import from_json
from verify.diff import diff
from verify.findings import Findings
from verify.json import to_json
from verify.verify import verify

SCHEMA = """
entity A; entity B;
action pay, read appliesTo { principal: [A], resource: [B], context: { n: Long, m?: Long } };
"""
PAY = 'principal is A, action == Action::"pay", resource is B'
RULES = (
    f'@id("pay") permit({PAY});',
    f'@id("again") permit({PAY}) when {{ context.n > 3 }};',
    f'@id("never") permit({PAY}) when {{ context.n > 3 && context.n < 2 }};',
    f'@id("ask") @escalate("people") @timeout("5m") forbid({PAY}) when {{ context.n > 10 }};',
    f'@id("rush") @escalate("people") @timeout("2m") forbid({PAY}) when {{ context.n < 12 }};',
    f'@id("slow") @escalate("people") @timeout("9m") forbid({PAY}) when {{ context.n > 11 && context.n < 90 }};',
    f'@id("errs") forbid({PAY}) when {{ context.n * 2 > 90 }};',
    f"permit({PAY}) when {{ context.n > 30 }};",
    f"permit({PAY}) when {{ context.n > 31 }};",
    f"forbid({PAY}) when {{ context.n > 300 && context.n < 3 }};",
)


def verified(text: str) -> Findings:
    return verify(policy_set(text, SCHEMA), None, effort="low")


def violated(found: Findings) -> set[tuple[str, str]]:
    known = fingerprints(found.findings)
    return {(f.check, one) for f, one in zip(found.findings, known, strict=True) if f.verdict == "violated"}


def laid_out(text: str, seed: int) -> str:
    """The same tokens with other blanks, line breaks and comments between them."""
    chance = random.Random(seed)
    return "".join(token.text + chance.choice((" ", "\n", "  \n\t", " // a note\n", "\r\n ")) for token in tokens(text))


@pytest.fixture(scope="module")
def as_written() -> set[tuple[str, str]]:
    found = violated(verified("\n".join(RULES)))
    assert {check for check, _ in found} >= {"P101", "P103", "P104", "P204", "P107"}
    return found


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(RULES), seed=st.integers(0, 2**32))
def test_moving_and_laying_out_rules_changes_no_fingerprint(order: Sequence[str], seed: int) -> None:
    plain = verified("\n".join(sorted(order)))
    moved = verified(laid_out("\n".join(order), seed))
    assert violated(moved) == violated(plain)


def test_another_order_is_the_order_as_written(as_written: set[tuple[str, str]]) -> None:
    assert violated(verified("\n".join(reversed(RULES)))) == as_written


def test_files_may_have_any_names(tmp_path: Path, as_written: set[tuple[str, str]]) -> None:
    for number, names in enumerate((("a.cedar", "b.cedar"), ("zz.cedar", "old rules.cedar"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "x.cedarschema").write_text(SCHEMA)
        for name, some in zip(names, (RULES[:5], RULES[5:]), strict=True):
            (folder / name).write_text("\n\n".join(some))
        assert violated(verify(load_policies(folder), None, effort="low")) == as_written


@pytest.mark.parametrize("index", range(len(RULES)))
def test_another_name_or_another_text_of_a_nameless_rule_is_another_finding(
    index: int, as_written: set[tuple[str, str]]
) -> None:
    rule = RULES[index]
    other = rule.replace('@id("', '@id("other-') if "@id" in rule else rule.replace("context.n > 3", "context.n > 4")
    changed = violated(verified("\n".join((*RULES[:index], other, *RULES[index + 1 :]))))
    gone, new = as_written - changed, changed - as_written
    if rule.startswith('@id("pay")'):  # it is found nothing wrong with
        assert not gone
    else:
        assert gone
        assert {check for check, _ in gone} == {check for check, _ in new}


def test_no_two_findings_share_a_fingerprint() -> None:
    text = "\n".join((*RULES, RULES[-1], RULES[-1]))  # rules that are alike to the letter, and have no name
    found = verified(text)
    known = fingerprints(found.findings)
    assert len(set(known)) == len(known)
    assert all(PATTERN.fullmatch(one) for one in known)


def test_another_verdict_and_another_scenario_are_other_statements() -> None:
    found = verified("\n".join(RULES)).findings
    turned = [replace(one, verdict="undecided") for one in found if one.verdict != "undecided"]
    kept = [one for one in found if one.verdict != "undecided"]
    assert set(fingerprints(turned)).isdisjoint(fingerprints(kept))
    assert set(fingerprints(found, "one")).isdisjoint(fingerprints(found, "two"))


def test_a_change_is_known_by_its_environments() -> None:
    old = f'@id("a") permit({PAY}) when {{ context.n < 9 }};'
    wide = '@id("a") permit(principal is A, action, resource is B);'
    read = '@id("a") permit(principal is A, action == Action::"read", resource is B);'
    beside = f'@id("b") permit({PAY}) when {{ context.n < 9 }};'

    def allowed(new: str) -> set[tuple[str, str]]:
        found = diff(policy_set(old, SCHEMA), policy_set(new, SCHEMA), effort="low").findings
        return {(check, known) for check, known in violated(found) if check == "D401"}

    assert allowed(f"// moved\n\n{laid_out(wide, 1)}") == allowed(wide) != set()
    assert allowed(read)
    assert allowed(read).isdisjoint(allowed(wide))  # one action of the two
    assert allowed(beside + read.replace('"a"', '"c"')).isdisjoint(allowed(read))  # another rule


def test_findings_read_again_have_the_same_fingerprints() -> None:
    found = verified("\n".join(RULES))
    assert fingerprints(from_json(to_json(found)).findings) == fingerprints(found.findings)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_the_parts_of_a_fingerprint_do_not_run_together(one: list[str], other: list[str]) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)
