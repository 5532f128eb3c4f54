"""Compromised agents: what policies say of what they try, and when they are taken out, second by second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from models.diagnostics import InputError
from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.rules import compile_rules

SECOND = 1_000_000

Flight = Callable[..., Tables]

POLICIES = """\
@id("read") permit(principal == Agent::"one", action == Action::"read", resource);
@id("pay-little") permit(principal == Agent::"one", action == Action::"pay", resource) when { context.amount < 100 };
@id("never-wire") forbid(principal, action == Action::"wire", resource);
"""
ACTIONS = ('Action::"read"', 'Action::"wire"', 'Action::"pay"', 'Action::"drop"')
TEXT = """\
windtunnel: 1
name: x
start: 2026-01-05T00:00:00Z
horizon: 200s
policies: {{path: rules.cedar}}
agents: {{pool: {{replicas: 2, concurrency: 2, principal: 'Agent::"one"', capabilities: {{work: {{service: 3s}}}}}}}}
workflows: {{flow: {{start: job, steps: {{job: {{kind: task, agent: pool, capability: work}}}}}}}}
work: {{stream: {{workflow: flow, arrivals: {{kind: renewal, rate: 1/s, cv: 0}}}}}}
{attacks}
"""
HIJACK = """\
attacks:
  hijack:
    agent: pool
    actions: ['Action::"read"', 'Action::"wire"', 'Action::"pay"', 'Action::"drop"']
    resource: Account::"any"
    context: {{amount: {amount}}}
    every: 2s
    at: 100s
    lasts: 40s
    {more}
"""


@pytest.fixture
def fly(tmp_path: Path) -> Flight:
    def run(amount: int = 500, more: str = "", attacks: str | None = None) -> Tables:
        told = HIJACK.format(amount=amount, more=more) if attacks is None else attacks
        (tmp_path / "scenario.yaml").write_text(TEXT.format(attacks=told))
        (tmp_path / "rules.cedar").write_text(POLICIES)
        loaded = load(tmp_path)
        flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
        flight.run()
        return flight.tables("", 1)

    return run


def story(tables: Tables, *kinds: str) -> list[tuple[Any, ...]]:
    return [
        (row["time"] / SECOND, row["kind"], row["value"], row["detail"])
        for row in tables.events.to_pylist()
        if row["kind"] in kinds
    ]


TRIES = ("attack-stopped", "attack-through")


def test_policies_answer_each_try_and_the_tries_end_with_the_attack(fly: Flight) -> None:
    tries = story(fly(), *TRIES)
    assert [line[0] for line in tries] == [102 + 2 * n for n in range(19)]
    assert [line[1:] for line in tries[:4]] == [
        ("attack-through", 1, 'Action::"read": allow by read'),
        ("attack-stopped", 2, 'Action::"wire": deny by never-wire'),
        ("attack-stopped", 3, 'Action::"pay": deny by not permitted'),
        ("attack-stopped", 4, 'Action::"drop": deny by not permitted'),
    ]


@pytest.mark.parametrize("amount", [50, 500])
def test_what_gets_through_is_what_cedar_allows(fly: Flight, amount: int) -> None:
    found = {line[3].split(": ")[0]: line[1] == "attack-through" for line in story(fly(amount), *TRIES)}
    for action in ACTIONS:
        request = {"principal": 'Agent::"one"', "action": action, "resource": 'Account::"any"'}
        answer = cedarpy.is_authorized({**request, "context": {"amount": amount}}, POLICIES, [])
        assert found[action] == answer.allowed


def test_the_agent_is_taken_out_at_the_refusal_that_fills_the_rule(fly: Flight) -> None:
    tables = fly(more="quarantine: {refused: 4, within: 10s}")
    # Refused at 104, 106, 108, 112: the fourth is 8 s after the first.
    assert story(tables, "quarantined", "quarantine-over") == [
        (112, "quarantined", 12 * SECOND, ""),
        (140, "quarantine-over", None, ""),
    ]
    assert story(tables, *TRIES)[-1][0] == 112
    # Three agents' worth of work for two slots: a queue builds up, and goes when the other two are back.
    waits = {line[0]: line[2] for line in story(tables, "started")}
    assert max(wait for at, wait in waits.items() if at <= 112) == 0
    assert waits[140] > 5 * SECOND
    tables = fly(more="quarantine: {refused: 4, within: 7s}")
    assert not story(tables, "quarantined")


def test_an_attack_changes_no_case_as_long_as_nobody_is_taken_out(fly: Flight) -> None:
    bare, attacked = fly(attacks=""), fly()
    assert attacked.cases.equals(bare.cases)
    mine = [{**row, "sequence": 0, "hash": ""} for row in attacked.decisions.to_pylist() if row["case"] is not None]
    assert mine == [{**row, "sequence": 0, "hash": ""} for row in bare.decisions.to_pylist()]


# --- the decision point -----------------------------------------------------------------------------------------------

SITES = "sites: {here: {}, away: {}}\n"


def at_site(attacks: str, point: str, more: str) -> str:
    """The scenario with its agents at a site and the decision point at another."""
    text = TEXT.format(attacks=attacks).replace("agents: {pool: {", "agents: {pool: {site: here, ")
    return text + SITES + f"decision-point: {{site: away, timeout: 3s{point}}}\n" + more


def log(tables: Tables) -> list[tuple[Any, ...]]:
    rows = [row for row in tables.decisions.to_pylist() if row["step"] == "attack:hijack"]
    assert not [row for row in rows if row["case"] is not None]
    return [(r["time"] / SECOND, r["action"][9:-1], r["decision"], r["enforced"], r["reason"]) for r in rows]


@pytest.fixture
def raid(tmp_path: Path) -> Callable[..., Tables]:
    def run(point: str = "", more: str = "", amount: int = 500, rule: str = "") -> Tables:
        attacks = HIJACK.format(amount=amount, more=rule)
        (tmp_path / "scenario.yaml").write_text(at_site(attacks, point, more))
        (tmp_path / "rules.cedar").write_text(POLICIES)
        loaded = load(tmp_path)
        flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
        flight.run()
        return flight.tables("", 1)

    return run


def test_every_try_stands_in_the_decision_log(raid: Callable[..., Tables]) -> None:
    tables = raid(", latency: 500ms")
    assert log(tables)[:3] == [
        (102.5, "read", "allow", "allow", "read"),
        (104.5, "wire", "deny", "deny", "never-wire"),
        (106.5, "pay", "deny", "deny", "not permitted"),
    ]
    assert [line[0] for line in story(tables, *TRIES)] == [row[0] for row in log(tables)]


@pytest.mark.parametrize("fails", ["deny", "allow"])
def test_a_partition_fails_closed_or_lets_it_through(raid: Callable[..., Tables], fails: str) -> None:
    cut = "faults: [{kind: partition, sites: [away], at: 103s, lasts: 4s}]\n"
    tables = raid(f", on-unreachable: {fails}", cut)
    # Asked at 104 and 106, given up three seconds later.
    reason = "unreachable: partition"
    assert [row for row in log(tables) if row[4] == reason] == [
        (107, "wire", "deny", fails, reason),
        (109, "pay", "deny", fails, reason),
    ]
    late = [line for line in story(tables, *TRIES, "violation") if line[0] in (107, 109)]
    if fails == "allow":
        assert late == [
            (107, "attack-through", 2, f'Action::"wire": allow by {reason}'),
            (107, "violation", None, "deny"),
            (109, "attack-through", 3, f'Action::"pay": allow by {reason}'),
            (109, "violation", None, "deny"),
        ]
    else:
        assert {line[1] for line in late} == {"attack-stopped"}


def test_an_outage_strikes_a_share_of_the_tries(raid: Callable[..., Tables]) -> None:
    outages = ", on-unreachable: allow, outages: {between: 1ms, repair: 1000s, severity: 0.5}"
    rows = log(raid(outages))
    struck = [row for row in rows if row[4] == "unreachable: outage"]
    assert 4 <= len(struck) <= 15
    assert {row[3] for row in struck} == {"allow"}


def test_a_cache_answers_a_try_it_has_heard(raid: Callable[..., Tables]) -> None:
    point = "decision-points: {near: {site: here, cache: {for: 9s, stale-for: 20s}}}\n"
    cut = "faults: [{kind: partition, sites: [away], at: 105s, lasts: 95s}]\n"
    tables = raid("", point + cut)
    # `read` and `wire` were asked before the cut, at 102 and 104: good till 111 and 113, stale till 131 and 133. They
    # come when the central one is given up.
    told = [(line[0], line[1], line[2]) for line in story(tables, "cached", "stale-decision")]
    assert told == [
        (110, "cached", 8 * SECOND),
        (112, "cached", 8 * SECOND),
        (118, "stale-decision", 16 * SECOND),
        (120, "stale-decision", 16 * SECOND),
        (126, "stale-decision", 24 * SECOND),
        (128, "stale-decision", 24 * SECOND),
    ]
    answered = {row[0]: row[1:] for row in log(tables)}
    assert answered[121] == ("read", "allow", "allow", "read")
    assert answered[109] == ("pay", "deny", "deny", "unreachable: partition")


def test_answers_on_their_way_at_the_quarantine_are_told_and_no_more(raid: Callable[..., Tables]) -> None:
    # Those asked at 104, 106 and 108 are refused by 110.999; the one asked at 110 is on its way then.
    tables = raid(", latency: 2999ms, on-unreachable: deny", "", 500, "quarantine: {refused: 3, within: 10s}")
    assert [line[0] for line in story(tables, "quarantined")] == [110.999]
    assert [line[0] for line in story(tables, *TRIES)] == [104.999, 106.999, 108.999, 110.999, 112.999]


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("agent: pool\n    actions", "agent: poll\n    actions", "unknown agent `poll`"),
        ("lasts: 40s", "lasts: 0s", "`lasts` is zero"),
        ("at: 100s", "at: 300s", "the attack comes after the end of the run"),
        ("policies: {path: rules.cedar}\n", "", "an attack needs policies"),
        (", principal: 'Agent::\"one\"'", "", "agent `pool` has no `principal`, so it cannot ask for an action"),
        ("'Action::\"wire\"'", "'Action::\"read\"'", 'action `Action::"read"` is named twice'),
    ],
)
def test_what_is_wrong_with_an_attack_is_told(tmp_path: Path, good: str, bad: str, message: str) -> None:
    text = TEXT.format(attacks=HIJACK.format(amount=1, more=""))
    assert good in text
    (tmp_path / "scenario.yaml").write_text(text.replace(good, bad, 1))
    (tmp_path / "rules.cedar").write_text(POLICIES)
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert message in [found.message for found in caught.value.diagnostics]
