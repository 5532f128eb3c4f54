"""Decisions and approvals: hand-worked timelines, minute by minute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules

MINUTE = 60_000_000

SCENARIO = """\
windtunnel: 1
name: approvals
start: 2026-01-05T00:00:00Z
horizon: {horizon}
policies: {{path: policies.cedar}}
sites: {{here: {{}}, there: {{}}}}
decision-point: {{site: {point_site}, {point}}}
agents:
  payer: {{site: here, principal: 'Agent::"payer"', capabilities: {{pay: {{service: 1m, {pay}}}}}}}
desks:
  clerk: {{site: here, roster: [{{days: daily, hours: "00:00-24:00", staff: 1}}], service: 10m, {clerk}}}
  boss: {{site: there, roster: [{{days: daily, hours: "00:00-24:00", staff: 1}}], service: 2m, {boss}}}
chains:
{chains}
workflows:
  flow:
    start: pay
    steps:
      pay:
        kind: task
        agent: payer
        capability: pay
        action: Action::"pay"
        resource: Till::"till"
        {leads}
work:
  bills: {{workflow: flow, arrivals: {{kind: renewal, rate: 1/h, cv: 0}}, attributes: {{amount: {amount}}}}}
{more}
"""

POLICIES = """\
@id("payers-pay") permit (principal, action == Action::"pay", resource);
@id("large") @escalate("board"){annotations}
forbid (principal, action == Action::"pay", resource) when {{ context.amount > 100 }};
{more}
"""

ONE_LEVEL = "  board: {levels: [{desk: clerk}]}"

DEFAULTS = {
    "horizon": "119m",
    "point_site": "here",
    "point": "latency: 0s",
    "clerk": "approves: 1.0",
    "boss": "approves: 1.0",
    "amount": "500",
    "pay": "success: 1",
    "leads": "",
    "more": "",
}

Flight = Callable[..., Tables]


@pytest.fixture
def fly(tmp_path: Path) -> Flight:
    """Run the one case that arrives at 1:00; chains and further keys as given."""

    def run(chains: str = ONE_LEVEL, policies: str = "", annotations: str = "", **keys: str) -> Tables:
        text = SCENARIO.format(**(DEFAULTS | keys), chains=chains)
        (tmp_path / "scenario.yaml").write_text(text)
        (tmp_path / "policies.cedar").write_text(POLICIES.format(annotations=annotations, more=policies))
        loaded = load(tmp_path)
        replication = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
        replication.run()
        return replication.tables("", 1)

    return run


def story(tables: Tables) -> list[tuple[float, str, str, str]]:
    """(minutes after 1:00, kind, place, detail) of the case, but for its entry and arrival."""
    return [
        (row["time"] / MINUTE - 60, row["kind"], row["place"].partition(":")[2], row["detail"])
        for row in tables.events.to_pylist()
        if row["kind"] not in ("arrived", "entered") and row["case"] == 0
    ]


def decisions(tables: Tables) -> list[tuple[float, str, str, str, str]]:
    return [
        (row["time"] / MINUTE - 60, row["decision"], row["enforced"], row["reason"], row["approvals"])
        for row in tables.decisions.to_pylist()
        if row["case"] == 0
    ]


def case(tables: Tables) -> dict[str, Any]:
    row: dict[str, Any] = tables.cases.to_pylist()[0]
    return row


def test_an_approval_lifts_the_rule_and_the_request_is_decided_again(fly: Flight) -> None:
    tables = fly()
    assert story(tables) == [
        (0, "asked", "clerk", "board"),
        (0, "started", "clerk", ""),
        (10, "finished", "clerk", ""),
        (10, "answered", "clerk", "board: granted"),
        (10, "started", "payer", ""),
        (11, "finished", "payer", ""),
        (11, "ended", "flow.pay", "completed"),
    ]
    assert decisions(tables) == [
        (0, "escalate", "escalate", "large", ""),
        (10, "allow", "allow", "payers-pay", "board"),
    ]
    assert case(tables)["approvals"] == 1


def test_a_denial_ends_it(fly: Flight) -> None:
    tables = fly(clerk="approves: 0.0")
    assert story(tables)[-2:] == [(10, "answered", "clerk", "board: denied"), (10, "ended", "flow.pay", "denied")]
    assert len(decisions(tables)) == 1
    assert case(tables)["approvals"] == 0


def test_a_small_request_asks_nobody(fly: Flight) -> None:
    tables = fly(amount="100")
    assert decisions(tables) == [(0, "allow", "allow", "payers-pay", "")]
    assert case(tables)["outcome"] == "completed"


def test_a_hard_forbid_asks_nobody(fly: Flight) -> None:
    tables = fly(policies='@id("never") forbid (principal, action, resource) when { context.amount > 400 };')
    assert decisions(tables) == [(0, "deny", "deny", "never", "")]
    assert case(tables)["outcome"] == "denied"


def test_a_silent_level_passes_the_ask_on_even_from_under_a_review(fly: Flight) -> None:
    tables = fly("  board: {levels: [{desk: clerk, timeout: 5m}, {desk: boss}]}")
    assert story(tables)[:7] == [
        (0, "asked", "clerk", "board"),
        (0, "started", "clerk", ""),
        (5, "finished", "clerk", ""),
        (5, "asked", "boss", "board"),
        (5, "started", "boss", ""),
        (7, "finished", "boss", ""),
        (7, "answered", "boss", "board: granted"),
    ]


@pytest.mark.parametrize(("key", "outcome"), [("deny", "denied"), ("allow", "completed")])
def test_when_the_last_level_is_silent_the_chain_says_what_counts(fly: Flight, key: str, outcome: str) -> None:
    tables = fly(f"  board: {{levels: [{{desk: clerk, timeout: 5m}}], on-exhausted: {key}}}")
    answer = "granted" if key == "allow" else "denied"
    assert (5, "exhausted", "", f"board: last level, {answer}") in story(tables)
    assert case(tables)["outcome"] == outcome
    assert case(tables)["approvals"] == 0, "nobody approved"


def test_after_the_last_level_the_next_chain_is_asked_once(fly: Flight) -> None:
    chains = (
        "  board: {levels: [{desk: clerk, timeout: 5m}], then: other}\n"
        "  other: {levels: [{desk: boss, timeout: 1m}], then: board, on-exhausted: deny}"
    )
    told = [line for line in story(fly(chains)) if line[1] in ("asked", "exhausted", "ended")]
    assert told == [
        (0, "asked", "clerk", "board"),
        (5, "asked", "boss", "board: other"),
        (6, "exhausted", "", "board: last level, denied"),
        (6, "ended", "flow.pay", "denied"),
    ]


def test_the_rules_timeout_bounds_the_whole_answer(fly: Flight) -> None:
    chains = "  board: {levels: [{desk: clerk, timeout: 5m}, {desk: boss}]}"
    told = story(fly(chains, annotations=' @timeout("6m")'))
    assert told[-3:] == [
        (6, "finished", "boss", ""),
        (6, "exhausted", "", "board: timeout, denied"),
        (6, "ended", "flow.pay", "denied"),
    ]


def test_an_answer_at_the_very_moment_of_the_timeout_counts(fly: Flight) -> None:
    tables = fly(annotations=' @timeout("10m")')
    assert case(tables)["outcome"] == "completed"


def test_a_review_may_send_the_ask_back_down_so_often_and_then_denies(fly: Flight) -> None:
    chains = "  board: {levels: [{desk: clerk, timeout: 5m}, {desk: boss}], bounces: 2}"
    told = [line for line in story(fly(chains, boss="bounce-back: 1.0")) if line[1] in ("asked", "bounced", "answered")]
    assert told == [
        (0, "asked", "clerk", "board"),
        (5, "asked", "boss", "board"),
        (7, "bounced", "boss", "board"),
        (7, "asked", "clerk", "board"),
        (12, "asked", "boss", "board"),
        (14, "bounced", "boss", "board"),
        (14, "asked", "clerk", "board"),
        (19, "asked", "boss", "board"),
        (21, "answered", "boss", "board: denied"),
    ]


def test_the_first_level_does_not_bounce(fly: Flight) -> None:
    assert case(fly(clerk="bounce-back: 1.0"))["outcome"] == "completed"


SECOND_RULE = '@id("risky") @escalate("risk") forbid (principal, action, resource) when { context.amount > 300 };'
TWO_CHAINS = "  board: {levels: [{desk: clerk}]}\n  risk: {levels: [{desk: boss}]}"


def test_every_chain_is_asked_at_once_and_all_must_grant(fly: Flight) -> None:
    tables = fly(TWO_CHAINS, SECOND_RULE)
    told = [line for line in story(tables) if line[1] in ("asked", "answered")]
    assert told == [
        (0, "asked", "clerk", "board"),
        (0, "asked", "boss", "risk"),
        (2, "answered", "boss", "risk: granted"),
        (10, "answered", "clerk", "board: granted"),
    ]
    assert decisions(tables) == [
        (0, "escalate", "escalate", "large,risky", ""),
        (10, "allow", "allow", "payers-pay", "board,risk"),
    ]
    assert case(tables)["approvals"] == 2


def test_the_first_denial_withdraws_the_other_asks(fly: Flight) -> None:
    told = story(fly(TWO_CHAINS, SECOND_RULE, boss="approves: 0.0"))
    assert told[-4:] == [
        (2, "finished", "boss", ""),
        (2, "answered", "boss", "risk: denied"),
        (2, "finished", "clerk", ""),
        (2, "ended", "flow.pay", "denied"),
    ]


def test_a_chain_that_does_not_exist_denies_and_a_desk_that_does_not_never_answers(fly: Flight) -> None:
    nobody = fly("  other: {levels: [{desk: clerk}]}")
    assert [line for line in story(nobody) if line[1] != "ended"] == [
        (0, "exhausted", "", "board: unknown chain, denied")
    ]
    silent = fly("  board: {levels: [{desk: phantom, timeout: 3m}, {desk: boss}]}")
    assert [line for line in story(silent) if line[1] == "asked"] == [
        (0, "asked", "", "board"),
        (3, "asked", "boss", "board"),
    ]
    waiting = fly("  board: {levels: [{desk: phantom}]}")
    assert case(waiting)["outcome"] == "in-flight"


def test_a_full_queue_is_no_answer(fly: Flight) -> None:
    chains = "  board: {levels: [{desk: clerk}, {desk: boss}]}"
    more = "  rush: {workflow: flow, arrivals: {kind: renewal, rate: 1/h, cv: 0}, attributes: {amount: 500}}"
    tables = fly(chains, more=more, clerk="queue: {capacity: 0}")
    told = [
        (row["case"], row["kind"], row["place"])
        for row in tables.events.to_pylist()
        if row["kind"] in ("started", "rejected") and row["place"].startswith("desk")
    ]
    assert told == [(0, "started", "desk:clerk"), (1, "rejected", "desk:clerk"), (1, "started", "desk:boss")]


REST = "\n      rest: {kind: end}"

CUT = "faults: [{kind: partition, sites: [here], at: 50m, lasts: 25m}]"


def test_an_ask_waits_outside_while_a_partition_lies_between(fly: Flight) -> None:
    told = story(fly("  board: {levels: [{desk: boss}]}", more=CUT))
    assert told[:3] == [(0, "asked", "boss", "board"), (15, "started", "boss", ""), (17, "finished", "boss", "")]


def test_a_level_times_out_outside_too(fly: Flight) -> None:
    told = story(fly("  board: {levels: [{desk: boss, timeout: 4m}, {desk: clerk}]}", more=CUT))
    assert [line for line in told if line[1] in ("asked", "started")][:3] == [
        (0, "asked", "boss", "board"),
        (4, "asked", "clerk", "board"),
        (4, "started", "clerk", ""),
    ]
    assert not [line for line in told if line[1] == "started" and line[2] == "boss"]


@pytest.mark.parametrize(
    ("amount", "policy"), [("100", "allow"), ("500", "escalate")], ids=["policy allows", "policy escalates"]
)
@pytest.mark.parametrize("fails", ["deny", "allow"])
def test_an_unreachable_point_fails_closed_or_open(fly: Flight, amount: str, policy: str, fails: str) -> None:
    """The agents are here, the decision point is there, and a partition lies between."""
    point = f"latency: 1s, timeout: 3m, on-unreachable: {fails}"
    tables = fly(point_site="there", point=point, amount=amount, more=CUT)
    assert decisions(tables) == [(3, policy, fails, "unreachable: partition", "")]
    assert case(tables)["outcome"] == ("completed" if fails == "allow" else "denied")


@pytest.mark.parametrize(
    ("pay", "leads", "amount", "fails", "expected"),
    [
        ("success: 1", "", "500", "allow", ["escalate"]),
        ("success: 1", "", "5000", "allow", ["deny"]),
        ("success: 1", "next: rest" + REST.replace("end", "wait, duration: 1m"), "500", "allow", ["escalate"]),
        ("success: 0, detected: 0", "", "500", "allow", ["escalate"]),  # wrong, but it is done
        ("success: 0", "on-failure: rest" + REST, "500", "allow", []),
        ("hand-off: {needed: 1, recall: 1, false-alarm: 0}", "on-hand-off: rest" + REST, "500", "allow", []),
        ("success: 1", "timeout: 30s\n        on-failure: rest" + REST, "500", "allow", []),
        ("success: 1", "", "100", "allow", []),
        ("success: 1", "", "500", "deny", []),
    ],
    ids=["escalated", "denied", "more", "unnoticed wrong", "failed", "handed over", "too slow", "lawful", "closed"],
)  # fmt: skip
def test_a_violation_is_a_step_that_succeeds_against_policy(
    fly: Flight, pay: str, leads: str, amount: str, fails: str, expected: list[str]
) -> None:
    point = f"latency: 1s, timeout: 3m, on-unreachable: {fails}"
    never = '@id("never") forbid (principal, action, resource) when { context.amount > 1000 };'
    keys = {"pay": pay, "leads": leads, "amount": amount}
    tables = fly(ONE_LEVEL, never, point_site="there", point=point, more=CUT, **keys)
    assert [line for line in story(tables) if line[1] == "violation"] == [
        (4, "violation", "flow.pay", policy) for policy in expected
    ]


def test_a_decision_takes_its_latency(fly: Flight) -> None:
    tables = fly(point="latency: 30s, timeout: 1m", amount="100")
    assert decisions(tables) == [(0.5, "allow", "allow", "payers-pay", "")]
    assert case(tables)["ended"] == (60 + 1.5) * MINUTE


def test_a_point_slower_than_its_timeout_is_unreachable(fly: Flight) -> None:
    tables = fly(point="latency: 2m, timeout: 1m", amount="100")
    assert decisions(tables) == [(1, "allow", "deny", "unreachable: timeout", "")]


def test_a_point_in_an_outage_fails_after_its_latency(fly: Flight) -> None:
    outages = "outages: {between: 30m, repair: 10d}"
    tables = fly(point=f"latency: 30s, timeout: 1m, {outages}", amount="100")
    assert decisions(tables) == [(0.5, "allow", "deny", "unreachable: outage", "")]
    half = fly(point=f"latency: 30s, timeout: 1m, {outages}".replace("10d}", "10d, severity: 0}"), amount="100")
    assert decisions(half) == [(0.5, "allow", "allow", "payers-pay", "")]


SCHEMA = """\
entity Agent, Till;
action "pay" appliesTo { principal: [Agent], resource: [Till], context: { amount: Long, approvals?: Set<String> } };
"""


def test_approvals_are_visible_to_policies_where_the_schema_has_them(fly: Flight, tmp_path: Path) -> None:
    """After the board, risk is asked, and not before: the second rule reads `context.approvals`."""
    (tmp_path / "policies.cedarschema").write_text(SCHEMA)
    second = (
        '@id("after") @escalate("risk") forbid (principal, action, resource) when '
        '{ context has approvals && context.approvals.contains("board") };'
    )
    tables = fly(TWO_CHAINS, second)
    assert decisions(tables) == [
        (0, "escalate", "escalate", "large", ""),
        (10, "escalate", "escalate", "after", "board"),
        (12, "allow", "allow", "payers-pay", "board,risk"),
    ]
