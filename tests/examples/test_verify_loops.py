"""P203: how often one request asks, and approvals that are escalated in a circle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from models.cedar.decision import authorize
from models.cedar.load import policy_set
from models.load import load
from verify.findings import Finding
from verify.query import request
from verify.verify import verify

# --- within one request -----------------------------------------------------------------------------------------------

SCHEMA = """
entity Agent; entity Thing;
action pay appliesTo { principal: [Agent], resource: [Thing], context: { amount: Long, approvals?: Set<String> } };
"""


def stairs(chains: Sequence[str]) -> str:
    """Rules of which each asks once the one before has approved."""
    rules = ['@id("base") permit(principal, action, resource);']
    for number, chain in enumerate(chains):
        seen = f' && context has approvals && context.approvals.contains("{chains[number - 1]}")' if number else ""
        rules.append(
            f'@id("r{number}") @escalate("{chain}") forbid(principal, action, resource) '
            f"when {{ context.amount > {number}{seen} }};"
        )
    return "\n".join(rules)


def rounds(text: str) -> Finding:
    (finding,) = verify(policy_set(text, SCHEMA), checks=["P203"]).findings
    return finding


@pytest.mark.parametrize(("chains", "times"), [(["a"], 1), (["a", "b"], 2), (["a", "b", "c"], 3), (["a", "a"], 1)])
def test_rounds_are_counted(chains: list[str], times: int) -> None:
    text = stairs(chains)
    finding = rounds(text)
    assert finding.verdict == "holds"
    assert ("at most" in finding.message) == (times > 1)
    assert ("once" if times == 1 else f"{times} times") in finding.message
    if times > 1:
        assert finding.witness is not None
        policies, granted = policy_set(text, SCHEMA), set[str]()
        for _ in range(times):
            decision = authorize(policies, request(finding.witness), finding.witness.entities, granted)
            assert decision.outcome == "escalate"
            granted |= {*decision.chains}
        assert authorize(policies, request(finding.witness), finding.witness.entities, granted).outcome == "allow"


def test_rules_that_cannot_meet_in_a_row_ask_once() -> None:
    text = stairs(["a", "b"]).replace("context.amount > 1 &&", "context.amount < 0 &&")
    assert "once" in rounds(text).message


def test_a_set_that_asks_nobody_has_no_such_finding() -> None:
    assert not verify(policy_set("permit(principal, action, resource);", SCHEMA), checks=["P203"]).findings


# --- approving as a request -------------------------------------------------------------------------------------------

GATED = """
entity Role;
entity Person in [Role];
entity Thing;
entity Case = { amount: Long, asker: Person };
action pay appliesTo { principal: [Person], resource: [Thing] };
action approve appliesTo { principal: [Person], resource: [Case] };
"""
SCENARIO = """
windtunnel: 1
name: gates
start: 2026-03-25T10:00:00Z
horizon: 1d
policies: {path: rules.cedar}
agents:
  payer: {capabilities: {act: {service: 1s}}}
desks:
  x: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 5m, people: 'principal in Role::"x"'}
  y: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 5m, people: 'principal in Role::"y"'}
  z: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 5m}
chains:
  x: {levels: [{desk: x}]}
  y: {levels: [{desk: y}]}
  z: {levels: [{desk: z}]}
approvals: {action: 'Action::"approve"', by-asker: principal == resource.asker}
workflows:
  payment: {start: pay, steps: {pay: {kind: task, agent: payer, capability: act}}}
work:
  payments: {workflow: payment, arrivals: {kind: poisson, rate: 1/h}}
"""
PAY = '@id("pay") @escalate("x") forbid(principal, action == Action::"pay", resource);'


def ask(chain: str, role: str, more: str = "") -> str:
    """A rule by which approvals by a role ask a chain."""
    return (
        f'@id("{role}-{chain}") @escalate("{chain}") forbid(principal in Role::"{role}", action == Action::"approve", '
        f"resource) {more};"
    )


Circles = Callable[..., dict[tuple[str, ...], Finding]]


@pytest.fixture
def circles(tmp_path: Path) -> Circles:
    def judged(*rules: str) -> dict[tuple[str, ...], Finding]:
        base = '@id("base") permit(principal, action, resource);'
        (tmp_path / "rules.cedar").write_text("\n".join((base, PAY, *rules)))
        (tmp_path / "rules.cedarschema").write_text(GATED)
        (tmp_path / "scenario.yaml").write_text(SCENARIO)
        loaded = load(tmp_path)
        found = verify(loaded.policies, loaded, checks=["P203"]).findings
        return {tuple(p.name for p in f.policies): f for f in found if f.policies[0].location.file == "scenario.yaml"}

    return judged


ONE_ROLE = """
@id("one") forbid(principal, action == Action::"approve", resource)
when { principal in Role::"x" && principal in Role::"y" };
"""


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([], {("x",): None}),
        ([ask("y", "x"), ONE_ROLE], {("x",): None, ("y",): None}),
        ([ask("y", "x")], {("x",): None, ("y", "x-y"): "warning"}),  # who has both roles asks their own
        ([ask("x", "x")], {("x", "x-x"): "error"}),
        ([ask("x", "x", "when { resource.amount > 5 }")], {("x", "x-x"): "warning"}),
        ([ask("y", "x"), ask("x", "y"), ONE_ROLE], {("x", "y", "x-y"): "error"}),
        ([ask("y", "x"), ask("y", "y"), ONE_ROLE], {("x",): None, ("y", "y-y"): "error"}),
        ([ask("x", "x", "when { resource.amount > 5 && resource.amount < 5 }")], {("x",): None}),
        ([ask("x", "x", "when { principal == resource.asker }")], {("x",): None}),
        ([ask("x", "x"), 'forbid(principal, action == Action::"approve", resource);'], {("x",): None}),
    ],
)
def test_circles_of_approvals(circles: Circles, rules: list[str], told: dict[tuple[str, ...], str | None]) -> None:
    found = circles(*rules)
    assert {
        names: finding.severity if finding.verdict == "violated" else None for names, finding in found.items()
    } == told


def test_the_approval_shown_is_escalated_to_the_next_chain(circles: Circles, tmp_path: Path) -> None:
    finding = circles(ask("y", "x"), ask("x", "y"), ONE_ROLE)["x", "y", "x-y"]
    assert "`x` to `y` to `x`" in finding.message
    loaded = load(tmp_path)
    assert loaded.policies is not None
    assert finding.witness is not None
    decision = authorize(loaded.policies, request(finding.witness), finding.witness.entities)
    assert decision.outcome == "escalate"
    assert "y" in decision.chains


def test_who_approves_is_told_or_nothing_is_said(circles: Circles) -> None:
    assert set(circles(ask("z", "x"), ask("z", "z"))) == {("x",)}
