"""Compromised agents: what policies say of what they try, and when they are taken out, second by second."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from models.diagnostics import InputError
from models.load import load
from reports.outcomes import assess
from reports.sections import sections
from sim.compile import compile_plan
from sim.detectors import DDM, Cusum, PageHinkley
from sim.engine import Replication, Tables
from sim.rules import compile_rules
from sim.simulate import simulate

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


# --- monitors of requests ---------------------------------------------------------------------------------------------

EYE = "monitors: {{eye: {{agent: pool, watches: refusals, detector: {{{detector}}}, {more}action: {action}}}}}\n"
DETECTORS = {
    "kind: cusum, p0: 0.02, p1: 0.3, threshold: 6": lambda: Cusum(0.02, 0.3, 6.0),
    "kind: ddm": lambda: DDM(30, 3.0),
    "kind: page-hinkley, threshold: 5": lambda: PageHinkley(30, 0.005, 5.0, 0.9999),
}
BUSY = """\
workflows: {flow: {start: job, steps: {job: {kind: task, agent: pool, capability: work, action: 'Action::"pay"',
  resource: 'Account::"any"'}}}}
work: {stream: {workflow: flow, arrivals: {kind: renewal, rate: 1/s, cv: 0},
  attributes: {amount: "uniform(low=0, high=102)"}}}
"""


def patrol(home: Path, eye: str, rule: str = "", replications: int = 1) -> Path:
    """Cases that ask too, of which a few are refused."""
    text = TEXT.format(attacks=HIJACK.format(amount=500, more=rule))
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("workflows", "work:")))
    (home / "scenario.yaml").write_text(text + f"\nreplications: {replications}\n" + BUSY + eye)
    (home / "rules.cedar").write_text(POLICIES)
    return home


def watched(home: Path) -> Tables:
    loaded = load(home)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, 0)
    flight.run()
    return flight.tables("", 1)


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_alarm_comes_where_the_decision_log_raises_it(tmp_path: Path, detector: str) -> None:
    tables = watched(patrol(tmp_path, EYE.format(detector=detector, more="delay: 3s, ", action="quarantine")))
    test, alarms = DETECTORS[detector](), []
    for number, row in enumerate(tables.decisions.to_pylist(), 1):
        if test.update(float(row["enforced"] != "allow")) and row["time"] < 197 * SECOND:
            alarms.append((row["time"] / SECOND + 3, "alarm", number, ""))
    assert story(tables, "alarm") == alarms
    during = [alarm for alarm in alarms if 100 <= alarm[0] < 140]
    at = during[0][0]
    assert story(tables, "quarantined", "quarantine-over") == [
        (at, "quarantined", int((at - 100) * SECOND), ""),
        (140, "quarantine-over", None, ""),
    ]
    assert story(tables, *TRIES)[-1][0] <= at


def test_an_alarm_only_alerts_where_it_says_so(tmp_path: Path) -> None:
    detector = "kind: cusum, p0: 0.02, p1: 0.3, threshold: 6"
    tables = watched(patrol(tmp_path, EYE.format(detector=detector, more="", action="alert")))
    assert story(tables, "alarm")
    assert not story(tables, "quarantined")
    assert len(story(tables, *TRIES)) == 19


def test_a_sample_of_the_requests_is_labelled(tmp_path: Path) -> None:
    always = "kind: cusum, p0: 0.000001, p1: 0.999999, threshold: 0.1"
    eye = EYE.format(detector=always, more="sample: 0.5, ", action="alert")
    home = patrol(tmp_path, eye)
    refused = [row for row in watched(home).decisions.to_pylist() if row["enforced"] != "allow"]
    found = len(story(watched(home), "alarm"))
    assert found == pytest.approx(0.5 * len(refused), abs=4 * (0.25 * len(refused)) ** 0.5)
    assert 0 < found < len(refused)


def test_the_report_tells_how_soon_an_attack_is_noticed(tmp_path: Path) -> None:
    detector = "kind: cusum, p0: 0.02, p1: 0.3, threshold: 6"
    eye = EYE.format(detector=detector, more="", action="quarantine")
    more = "objectives: {none: {kind: count, of: attacks-through, at-most: 0}}\n"
    run = simulate(load(patrol(tmp_path, eye + more, replications=3)), tmp_path / "out", workers=1)
    outcomes = assess(run)
    (attack,) = outcomes.attacks
    (noticed,) = attack.noticed
    events = run.events()
    alarms = events[events["kind"] == "alarm"]
    first = alarms[alarms["time"] >= 100 * SECOND].groupby("replication")["time"].min()
    assert len(first) == 3 - noticed.missed == 3
    assert noticed.delay.estimate == pytest.approx(first.mean() - 100 * SECOND)
    assert noticed.false_alarms.estimate == pytest.approx((alarms["time"] < 100 * SECOND).sum() / 3)
    assert attack.until is not None
    assert attack.until.estimate == pytest.approx(noticed.delay.estimate)
    assert not outcomes.quiet_monitors
    (objective,) = outcomes.objectives
    assert objective.interval.estimate == pytest.approx((events["kind"] == "attack-through").sum() / 3)
    assert "Attacks and their monitors" in [section.title for section in sections(outcomes)]


def test_an_alarm_after_an_attack_has_not_noticed_it(tmp_path: Path) -> None:
    eye = EYE.format(detector="kind: cusum, p0: 0.02, p1: 0.3, threshold: 6", more="delay: 41s, ", action="quarantine")
    run = simulate(load(patrol(tmp_path, eye, replications=3)), tmp_path / "out", workers=1)
    events = run.events()
    alarms = events[(events["kind"] == "alarm") & (events["time"] >= 100 * SECOND)]
    assert set(alarms["replication"]) == {0, 1, 2}
    late = set(alarms["replication"]) - set(alarms[alarms["time"] < 140 * SECOND]["replication"])
    assert late
    (noticed,) = assess(run).attacks[0].noticed
    assert noticed.missed == len(late)
    assert noticed.delay.at_least


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("agent: pool, watches", "agent: pol, watches", "unknown agent `pol`"),
        ("agent: pool, watches: refusals", "agent: pool, capability: work, watches: refusals", "requests of all"),
        ("watches: refusals, ", "", "`watches: errors` needs a capability"),
        ("action: quarantine", "action: stop", "action `stop` needs a capability, and refusals are of the pool"),
        ("attacks:", "attack:", "no attack strikes agent `pool`"),
    ],
)
def test_what_is_wrong_with_a_monitor_of_requests_is_told(tmp_path: Path, good: str, bad: str, message: str) -> None:
    file = patrol(tmp_path, EYE.format(detector="kind: ddm", more="", action="quarantine")) / "scenario.yaml"
    text = file.read_text()
    assert good in text
    text = text.replace(good, bad, 1)
    file.write_text(text if good != "attacks:" else re.sub(r"(?s)attack:.*?(?=replications)", "", text))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert any(found.message.startswith(message) for found in caught.value.diagnostics)


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
