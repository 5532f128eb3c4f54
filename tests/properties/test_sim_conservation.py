"""Conservation laws over random small scenarios: what must hold of the tables whatever the scenario is."""

from __future__ import annotations

import re
import tempfile
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.load import load
from sim.compile import compile_plan
from sim.engine import Replication, Tables
from sim.plan import Plan
from sim.plans.people import BatchPlan, PeoplePlan, ReviewPlan
from sim.rules import compile_rules

HORIZON = 3600
UNITS = 2
CALL_PRICE, ATTEMPT_COST, HOURLY = 10_000, 250_000, 60_000_000

POLICIES = """\
@id("may") permit (principal, action, resource);
@id("large") @escalate("board") @timeout("9m") forbid (principal, action, resource) when { context.size > 70 };
@id("never") forbid (principal, action, resource) when { context.size > 95 };
"""

LAWS = st.sampled_from(
    ["0s", "20s", "exponential(mean=40s)", "lognormal(median=30s, p95=3m)", "uniform(low=0s, high=1m)"]
)
KINDS = ("wait", "choice", "loop", "sub", "send", "publish")
STEPS = ("s0", "s1", "s2", "s3", "s4")


@st.composite
def steps(draw: st.DrawFn) -> str:
    """Five steps that lead forward, or back once; locks are taken in an order that the other workflow reverses."""
    lines = []
    locked = draw(st.booleans())
    for n, name in enumerate(STEPS):
        onward = [*STEPS[n + 1 :], "out"]
        to = draw(st.sampled_from(onward))
        other = draw(st.sampled_from(onward))
        locks = {1: ", acquire: [key]", 3: ", acquire: [other], release: [other]"}.get(n, "") if locked else ""
        kind = draw(
            st.sampled_from(["task", "asking task", "desk", "wait", "choice", "loop", "sub", "send", "publish"])
        )
        lines.append(f"      {name}: {{{_step(draw, kind, to, other)}{locks}}}")
    lines.append("      out: {kind: end}")
    lines.append("      undo: {kind: task, agent: pool, capability: think, acquire: [key], next: note}")
    lines.append("      note: {kind: desk, desk: people}")
    return "\n".join(lines)


def _step(draw: st.DrawFn, kind: str, to: str, other: str) -> str:
    if kind.endswith("task"):
        capability = draw(st.sampled_from(["think", "call"]))
        action = ", action: 'Action::\"act\"', resource: 'Thing::\"thing\"'" if kind.startswith("asking") else ""
        timeout = draw(st.sampled_from(["", ", timeout: 1m", ", patience: 30s"]))
        tries = ["", ", retry: {attempts: 3, backoff: 20s, jitter: full}, budget: tight", ", retry: framework"]
        retry = draw(st.sampled_from(tries))
        resilience = draw(st.sampled_from(["", "", ", breaker: fuse", ", deadline: 2m"]))
        if "framework" not in retry:  # nobody takes over from one who never gives up
            resilience += draw(st.sampled_from(["", "", ", fallbacks: [{agent: pool, capability: think}]"]))
        leads = f"next: {to}, on-failure: {other}" + (f", on-hand-off: {other}" if capability == "call" else "")
        calls = draw(st.sampled_from(["", "", ", calls-agents: [{agent: pool, capability: think, timeout: 2m}]"]))
        keyed = draw(st.sampled_from(["", ", idempotency-key: true", ", idempotency-key: false"]))
        undo = draw(st.sampled_from(["", ", compensate: undo"]))
        task = f"kind: task, agent: pool, capability: {capability}, {leads}{action}"
        return f"{task}{timeout}{retry}{resilience}{calls}{keyed}{undo}"
    if kind == "desk":
        timeout = draw(st.sampled_from(["", ", timeout: 5m, on-timeout: out", ", patience: 2m"]))
        return f"kind: desk, desk: people, next: {to}{timeout}"
    if kind == "wait":
        return f"kind: wait, duration: '{draw(LAWS)}', next: {to}"
    if kind == "publish":
        timeout = draw(st.sampled_from(["", ", timeout: 3m"]))
        return f"kind: publish, topic: news, site: near, next: {to}, on-failure: {other}{timeout}"
    if kind == "send":
        return f"kind: send, message: word, key: part, lasts: 9m, next: {to}"
    if kind == "sub":
        return f"kind: sub-workflow, workflow: back, next: {to}, on-timeout: {other}"
    if kind == "loop":
        return f"kind: wait, duration: 10s, next: s0, limit: 2, on-limit: {to}"
    return f"kind: choice, arms: [{{when: 'context.size > 50', next: {to}}}], otherwise: {other}"


DRIFTS = ("latency, factor: 3", "format, share: 0.4", "contract, share: 0.4")
TOPICS = (
    "attempts: 3",
    "attempts: 2, capacity: 2, acknowledge-within: 90s",
    "attempts: 3, capacity: 1, when-full: reject, acknowledge-within: 40s",
    "attempts: 1, capacity: 1, when-full: drop-oldest, acknowledge-within: 3m",
)
ROLLOUT = """\
rollouts:
  new:
    of: model
    agent: pool
    capability: think
    at: 5m
    to: {success: 0.3, latency: 0.5, unreadable: 0.2}
    stages: [{share: 0.5, lasts: 10m}]
    roll-back: {errors: 0.4, labels: 5, delay: 1m}
"""
ATTACK = """\
attacks:
  raid:
    agent: pool
    actions: ['Action::"act"', 'Action::"else"']
    resource: Thing::"thing"
    context: {size: 80}
    every: exponential(mean=20s)
    at: 6m
    lasts: 20m
    quarantine: {refused: 9, within: 90s}
"""
WATCHMAN = """\
  guard: {agent: pool, watches: refusals, detector: {kind: page-hinkley, minimum: 5, threshold: 4}, action: quarantine}
"""
OBJECTIVES = """\
objectives:
  calm: {kind: false-alarms, monitor: eye, at-most: 9}
  most: {kind: case-share, within: 5m, at-least: 0.7}
"""
POLICY_ROLLOUT = "  rules: {{of: policies, path: new.cedar, at: 5m, mode: {}, stages: [{{share: 0.5, lasts: 10m}}]{}}}"
WORKFLOW_ROLLOUT = "  other: {of: workflow, workflow: back, to: {workflow: flow}, at: 9m}"
DETECTORS = (
    ("errors", "{kind: cusum, p0: 0.1, p1: 0.5, threshold: 2}"),
    ("latency", "{kind: page-hinkley, minimum: 5, threshold: 20}"),
    ("attribute, attribute: size", "{kind: psi, reference: 5, window: 5}"),
    ("format", "{kind: ks, reference: 5, window: 5}"),
)


TIMES = ("at: 12m, lasts: 8m", "at: 14m, lasts: 30s", "between: exponential(mean=5m), repair: exponential(mean=2m)")
PLATFORM_FAULTS = (
    "kind: crash, agent: pool",
    "kind: crash, agent: pool, replicas: 1",
    "kind: hang, agent: pool",
    "kind: hang, agent: pool, replicas: 1",
    "kind: slowdown, agent: pool, factor: 3",
    "kind: slowdown, endpoint: api, factor: 2",
    "kind: slowdown, link: way, factor: 9",
    "kind: loss, link: way, loss: 0.5",
    "kind: contract-skew, endpoint: api, share: 0.5",
    "kind: contract-skew, topic: news, share: 0.5",
    "kind: load-spike, work: many, factor: 2",
    "kind: absence, desk: people, staff: 1",
    "kind: partition, sites: [near], towards: [far], flapping: {down: 20s, up: 40s}",
)

CHECKS = (
    "vote: {of: 3}",
    "self-check: {sensitivity: 0.8, specificity: 0.9}",
    "guardrail: {sensitivity: 0.8, specificity: 0.9}",
)
FOREVER = "{attempts: unlimited, backoff: 1m, jitter: added}"
LIMITS = ("", "deadline: 10m\n    on-deadline: cancel", "deadline: 5m", "withdrawal: 'exponential(mean=15m)'")
BURSTS = "mmpp, rates: [20/h, 300/h], stays: [10m, 3m]"


REVIEWS = (
    "approves: 0.7",
    "review: {ought: 0.8, sensitivity: 0.9, specificity: 0.7, fatigue: {after: 3, loss: 0.1, rest: 1m}}",
    "review: {ought: unless-wrong, sensitivity: 1, specificity: 0.9, load: {loss: 0.05}, "
    "rubber-stamp: {queue: 1, slope: 0.3, most: 0.8, takes: 2s}}",
)


@st.composite
def scenarios(draw: st.DrawFn) -> str:
    limits = draw(st.sampled_from(["", ", concurrency: 2, rate: 20/min", ", rate: 9/min, retry-after: told"]))
    order = draw(st.sampled_from(["fifo", "priority"]))
    capacity = draw(st.sampled_from(["", ", capacity: 2"]))
    line = draw(st.sampled_from([order, "lifo", "adaptive-lifo, lifo-above: 1"]))
    full = st.sampled_from(["", ", when-full: shed-lowest", ", when-full: block"])
    shed = draw(full) if capacity else ""
    scale = draw(st.sampled_from(["", "autoscale: {most: 4, target: 0.7, every: 30s, start-up: 20s, cool-down: 1m}"]))
    left, left_there = (draw(st.sampled_from(["cancel", "serve", "skip"])) for _ in range(2))
    capped = st.sampled_from(["{}", "{hear.h0: 1}"])
    bulkheads = "{}" if "block" in shed else draw(capped)
    hedge = draw(st.sampled_from(["", "\n        hedge: {after: 3s, most: 2}"]))
    checked = draw(st.sampled_from(["", *(f", {check}" for check in CHECKS)]))
    arrivals = draw(st.sampled_from([f"poisson, rate: {draw(st.integers(20, 200))}/h", BURSTS]))
    limit = draw(st.sampled_from(LIMITS))
    resolution = draw(st.sampled_from(["none", "timeout, timeout: 2m", "abort", "escalate, desk: people"]))
    resolution += draw(st.sampled_from(["", ", no-progress: 4m"]))
    if not resolution.startswith("none"):
        resolution += draw(st.sampled_from(["", ", victim: oldest", ", victim: least-work"]))
    fault = draw(st.sampled_from(["", "{kind: partition, sites: [far], at: 10m, lasts: 9m}"]))
    outage = "{kind: outage, endpoint: api, at: 20m, lasts: 9m, severity: 0.5}" if draw(st.booleans()) else ""
    change = draw(st.sampled_from(["", "success: 0.2", *(f"of: {kind}" for kind in DRIFTS)]))
    drift = change and f"{{kind: drift, agent: pool, capability: think, at: 15m, {change}}}"
    drifting = "{kind: drift, of: input, work: many, attribute: size, at: 14m, to: 'uniform(low=50, high=100)'}"
    fault = draw(st.sampled_from([fault, ", ".join(filter(None, (fault, drifting)))]))
    watches, detector = draw(st.sampled_from(DETECTORS))
    action = draw(st.sampled_from(["alert", "roll-back", "stop", "route, to: people"]))
    rollout = draw(st.sampled_from(["", ROLLOUT]))
    mode = draw(st.sampled_from(["", "canary", "shadow"]))
    rollout += mode and ("" if rollout else "rollouts:\n") + POLICY_ROLLOUT.format(
        mode, ", roll-back: {objective: most, cases: 5}" if mode == "canary" and draw(st.booleans()) else ""
    )
    if draw(st.booleans()):
        rollout = (rollout or "rollouts:\n").rstrip("\n") + "\n" + WORKFLOW_ROLLOUT
    platform = draw(st.lists(st.sampled_from(PLATFORM_FAULTS), max_size=4))
    platform = [kind for kind in platform if arrivals != BURSTS or "load-spike" not in kind]  # bursts have no one rate
    timed = [f"{{{kind}, {draw(st.sampled_from(TIMES))}}}" for kind in platform]
    twice = draw(st.sampled_from(["0", "0.2"]))
    link = "{from: near, to: far, latency: 'uniform(low=0s, high=2s)', loss: 0.1, lost-after: 3s, duplication: TWICE}"
    link = link.replace("TWICE", twice)
    points = draw(st.sampled_from(["", "{site: near}", "{site: near, cache: {for: 2m, stale-for: 5m, entries: 20}}"]))
    durability = draw(
        st.sampled_from(
            [
                "",
                "durability: {kind: none}",
                "durability: {kind: event-sourced, replay: 3s}",
                "durability: {kind: snapshot, every: 2, takes: 1s, restore: 5s}",
            ]
        )
    )
    faults = ", ".join(filter(None, (fault, outage, drift, *timed)))
    bound = draw(st.sampled_from(["", "", "limit: 2", "framework: langgraph-1.2.22"]))
    flow_steps = draw(steps()).replace("retry: framework", f"retry: {'framework' if 'framework' in bound else FOREVER}")
    return f"""\
windtunnel: 1
name: random
start: 2026-01-05T08:30:00Z
horizon: {HORIZON}s
policies: {{path: policies.cedar}}
sites: {{near: {{}}, far: {{}}}}
links: {{way: {link}}}
topics:
  news:
    {{site: far, {draw(st.sampled_from(TOPICS)).replace("attempts", "consumers: {workflow: hear}, attempts", 1)}}}
decision-points: {{{f"at-hand: {points}" if points else ""}}}
decision-point: {{site: {draw(st.sampled_from(["near", "far"]))}, latency: {draw(st.sampled_from(["0s", "1s"]))},
  on-unreachable: {draw(st.sampled_from(["deny", "allow"]))}}}
endpoints:
  api: {{site: far, latency: exponential(mean=5s), price: 0.01 USD{limits}, abandoned: {left_there}}}
agents:
  pool:
    site: near
    replicas: {draw(st.integers(1, 3))}
    principal: 'Agent::"a"'
    queue: {{order: {line}{capacity}{shed}}}
    bulkheads: {bulkheads}
    abandoned: {left}
    {scale}
    capabilities:
      think: {{service: '{draw(LAWS)}', success: "beta(alpha=2, beta=1)", detected: 0.5, cost: 0.25 USD{checked}}}
      call:
        endpoint: api
        calls: {draw(st.integers(1, 3))}
        cost: 0.25 USD{hedge}
        hand-off: {{needed: 0.2, recall: 0.5, false-alarm: 0.1}}
desks:
  people:
    site: near
    roster: [{{days: daily, hours: "08:00-09:00", staff: 2}}, {{days: daily, hours: "09:10-24:00", staff: 1}}]
    service: '{draw(LAWS)}'
    {draw(st.sampled_from(REVIEWS))}
    {draw(st.sampled_from(["", "batch: {size: 2, wait: 90s}"]))}
    bounce-back: 0.3
    cost-per-hour: 60 USD
    queue: {{order: {order}{capacity}}}
chains:
  board: {{levels: [{{desk: people, timeout: 2m}}, {{desk: people, timeout: 3m}}], bounces: 1}}
budgets: {{tight: {{ratio: 0.2, least-per-second: 0.01, window: 5m}}}}
breakers: {{fuse: {{window: 6, least-calls: 3, open: 1m, half-open: 2, counts: [timeout, rejected, crash, wrong]}}}}
locks: {{key: {{key: part}}, other: {{count: {UNITS}}}}}
deadlock: {{resolution: {resolution}}}
workflows:
  flow:
    {bound}
    {durability}
    start: {draw(st.sampled_from(["s0", "both"]))}
    steps:
      both: {{kind: parallel, branches: [left, right], join: s0}}
      left: {{kind: wait, duration: '{draw(LAWS)}', acquire: [key], next: s0}}
      right: {{kind: task, agent: pool, capability: think, next: s0, on-failure: lost}}
      lost: {{kind: end, outcome: failed}}
{flow_steps}
  back:
    start: b0
    steps:
      b0: {{kind: wait, duration: 1m, acquire: [other], next: b1}}
      b1: {{kind: desk, desk: people, acquire: [key], release: [key, other], next: b2}}
      b2: {{kind: publish, topic: news, site: near, next: b3}}
      b3: {{kind: receive, message: word, key: part, timeout: 4m, next: b4, on-timeout: b4}}
      b4: {{kind: send, message: word, key: part}}
  hear:
    start: h0
    steps:
      h0: {{kind: task, agent: pool, capability: think, action: 'Action::"act"', resource: 'Thing::"thing"', next: h1}}
      h1: {{kind: parallel, branches: [h2, h3], join: h4}}
      h2: {{kind: wait, duration: 20s, acquire: [other], next: h4}}
      h3: {{kind: desk, desk: people, acquire: [key], timeout: 2m, next: h4}}
      h4: {{kind: end}}
work:
  many:
    workflow: flow
    {draw(st.sampled_from(["priority: 3", "priority-from: size"]))}
    arrivals: {{kind: {arrivals}}}
    batch: {draw(st.sampled_from(["1", "'values(1=0.6, 3=0.4)'"]))}
    {limit}
    attributes: {{size: "uniform(low=0, high=100)", part: "choice(x=0.5, y=0.5)"}}
  few:
    workflow: back
    arrivals: {{kind: renewal, rate: 20/h, cv: 0}}
    attributes: {{size: 90, part: "choice(x=1)"}}
faults: [{faults}]
monitors:
  eye: {{agent: pool, capability: think, watches: {watches}, detector: {detector}, action: {action}}}
{draw(st.sampled_from(["", WATCHMAN + ATTACK]))}
{rollout}
{OBJECTIVES}
"""


def fly(text: str, seed: int) -> tuple[Plan, Tables]:
    """Run it, with whatever steps of the random ones can be reached; the loader refuses the others."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "policies.cedar").write_text(POLICIES)
        (Path(folder) / "new.cedar").write_text(POLICIES.replace("> 70", "> 40").replace("> 95", "> 85"))
        (Path(folder) / "scenario.yaml").write_text(_reachable(text))
        loaded = load(Path(folder))
    plan = compile_plan(loaded)
    replication = Replication(plan, compile_rules(loaded), seed, 0)
    replication.run()
    return plan, replication.tables("", seed)


def _reachable(text: str) -> str:
    """The text without the steps, and then the parts, that nothing leads to."""
    lines = text.split("\n")
    begin, end = lines.index("    steps:") + 1, lines.index("  back:")
    by_name = {line.split(":")[0].strip(): line for line in lines[begin:end]}
    reached, waiting = set(), [lines[begin - 2].split()[-1]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [other for other in by_name if _names(by_name[name], other)]
    kept = [line for name, line in by_name.items() if name in reached]
    return "\n".join(lines[:begin] + kept + lines[end:])


def _names(line: str, step: str) -> bool:
    body = line.partition("{")[2]
    return any(f"{mark}{step}{after}" in body for mark in (": ", "[", ", ") for after in (",", "}", "]"))


@settings(max_examples=60, deadline=None)
@given(scenarios(), st.integers(0, 5))
def test_conservation(text: str, seed: int) -> None:
    plan, tables = fly(text, seed)
    cases = tables.cases.to_pylist()
    events = tables.events.to_pylist()
    time_moves_forward(events)
    every_case_ends_once_or_is_open(cases, events)
    nothing_happens_to_a_case_before_it_arrives_or_after_it_ended(cases, events)
    servers_are_never_overrun(plan, events)
    a_lock_has_no_more_holders_than_units(events)
    waits_and_work_add_up(events)
    orphans_are_served_once_or_passed_over(events)
    an_open_breaker_lets_nothing_through(events)
    a_case_over_its_limit_of_steps_fails_at_once(cases, events)
    calls_return_once(events)
    messages_are_delivered_in_turn_and_settled_once(plan, events)
    an_effect_comes_once_and_is_repeated_only_without_a_key(events, dict(plan.flows.keyed), plan.names.steps)
    finished_steps_are_undone_once_before_a_bad_end(cases, events)
    workflows_within_others_end_once(cases, events)
    a_message_is_received_once_or_expires(events)
    money_adds_up(cases, events, plan)
    reviews_end_in_their_answers(plan, events)
    nobody_begins_before_a_batch(plan, events)
    figures_agree(cases, events, tables.decisions)
    samples_agree(tables.samples.to_pylist(), events, plan)


@settings(max_examples=15, deadline=None)
@given(scenarios(), st.integers(0, 5))
def test_policies_that_look_on_or_are_the_same_change_nothing(text: str, seed: int) -> None:
    """Whatever the scenario: a shadow leaves every row but its own, and so does a canary of the very same policies, but
    for the name of the set."""
    _, bare = fly(with_policies(text, ""), seed)
    _, shadow = fly(with_policies(text, "path: new.cedar, mode: shadow"), seed)
    _, same = fly(with_policies(text, "path: policies.cedar, mode: canary"), seed)
    own = pc.field("kind").isin(["stage", "enrolled", "shadow-difference"]) & pc.field("place").isin(["rollout:rules"])
    for other in (shadow, same):
        assert other.cases.equals(bare.cases)
        assert other.samples.equals(bare.samples)
        assert others(other, ~own) == others(bare, ~own)
    assert shadow.decisions.equals(bare.decisions)
    assert same.decisions.drop_columns(["policies", "hash"]).equals(bare.decisions.drop_columns(["hash"]))


def with_policies(text: str, rollout: str) -> str:
    """The text with this rollout of policies instead of the one that it has."""
    text = re.sub(r"\n  rules: .*", "", text)
    line = f"  rules: {{of: policies, {rollout}, at: 5m, stages: [{{share: 0.5, lasts: 10m}}]}}\n" if rollout else ""
    text = re.sub(r"rollouts:\n(?!  )", "", text)
    return (
        text.replace("rollouts:\n", "rollouts:\n" + line)
        if "rollouts:\n" in text
        else text + "rollouts:\n" * bool(line) + line
    )


def others(tables: Tables, kept: pc.Expression) -> Rows:
    """The events that are kept, without their numbers."""
    return list(tables.events.filter(kept).drop_columns(["sequence"]).to_pylist())


Rows = list[dict[str, Any]]


def time_moves_forward(events: Rows) -> None:
    times = [row["time"] for row in events]
    assert times == sorted(times)
    assert all(0 <= time < HORIZON * 1_000_000 for time in times)
    assert [row["sequence"] for row in events] == list(range(len(events)))


def every_case_ends_once_or_is_open(cases: Rows, events: Rows) -> None:
    ended = Counter(row["case"] for row in events if row["kind"] == "ended")
    arrived = Counter(row["case"] for row in events if row["kind"] == "arrived")
    for row in cases:
        assert arrived[row["case"]] == 1
        is_open = row["outcome"] in ("in-flight", "stuck")
        assert ended[row["case"]] == (not is_open)
        assert (row["ended"] is None) == is_open


AFTERLIFE = {
    "duplicated",
    "queued",
    "abandoned",
    "started",
    "finished",
    "orphaned",
    "wasted",
    "skipped",
    "shed",
    "hedged",
    "effect",
    "effect-repeated",
    "effect-suppressed",
    "retry-after",
}
"""What may happen to a case after its end, where work of it goes on that nobody waits for."""


def nothing_happens_to_a_case_before_it_arrives_or_after_it_ended(cases: Rows, events: Rows) -> None:
    orphaned = {row["case"] for row in events if row["kind"] == "orphaned"}
    published = {row["case"] for row in events if row["kind"] == "published"}
    first: dict[int, int] = {}
    over: dict[int, int] = {}
    for row in events:
        if row["case"] is None or row["kind"] in ("resolved", "deadlock"):
            continue
        first.setdefault(row["case"], row["sequence"])
        lives_on = row["case"] in orphaned and row["kind"] in AFTERLIFE
        is_message = row["case"] in published and row["kind"] not in ("arrived", "ended")
        assert row["case"] not in over or lives_on or is_message, row
        if row["kind"] == "ended":
            over[row["case"]] = row["sequence"]
    arrivals = {row["case"]: row["sequence"] for row in events if row["kind"] == "arrived"}
    assert first == arrivals


def slots_of(plan: Plan) -> list[tuple[int, int]]:
    """The fewest and the most slots that each pool may have, faults apart."""
    found = [(pool.station.servers, pool.station.servers) for pool in plan.pools]
    for scale in plan.supply.scales:
        found[scale.pool] = scale.least * scale.slots, scale.most * scale.slots
    return found


def servers_are_never_overrun(plan: Plan, events: Rows) -> None:
    """Pools never; a desk only by people who finish what they were at when their shift ended."""
    slots = {f"agent:{name}": most for name, (_, most) in zip(plan.names.pools, slots_of(plan), strict=True)}
    staff = {f"desk:{name}": desk.staffing for name, desk in zip(plan.names.desks, plan.desks, strict=True)}
    busy: Counter[str] = Counter()
    for row in events:
        place = row["place"]
        if row["kind"] == "started" and not place.startswith("endpoint"):
            busy[place] += 1
            on_duty = slots.get(place)
            if on_duty is None:
                on_duty = [count for time, count in staff[place] if time <= row["time"]][-1]
            assert busy[place] <= on_duty
        elif row["kind"] == "finished":
            busy[place] -= 1
            assert busy[place] >= 0


def a_lock_has_no_more_holders_than_units(events: Rows) -> None:
    holders: dict[str, list[int]] = defaultdict(list)
    for row in events:
        if row["kind"] == "locked":
            holders[row["place"]].append(row["case"])
            assert len(holders[row["place"]]) <= (UNITS if row["place"] == "lock:other" else 1)
        elif row["kind"] == "unlocked":
            holders[row["place"]].remove(row["case"])


def calls_return_once(events: Rows) -> None:
    """Whoever returns was called just as long ago; an open call is one at the horizon."""
    called: Counter[tuple[int, int]] = Counter()
    for row in events:
        if row["kind"] == "called":
            called[row["case"], row["time"]] += 1
        elif row["kind"] == "returned":
            at = (row["case"], row["time"] - row["value"])
            assert called[at] > 0
            called[at] -= 1
        elif row["kind"] == "ended":
            assert not any(count for (case, _), count in called.items() if case == row["case"])


def an_effect_comes_once_and_is_repeated_only_without_a_key(
    events: Rows, keyed: dict[int, bool], steps: tuple[str, ...]
) -> None:
    done: Counter[tuple[int, str]] = Counter()
    for row in events:
        if row["kind"].startswith("effect"):
            at = (row["case"], row["place"])
            key = keyed[steps.index(row["place"].removeprefix("step:"))]
            assert (row["kind"] == "effect") == (done[at] == 0)
            assert row["kind"] != ("effect-repeated" if key else "effect-suppressed")
            done[at] += row["kind"] != "effect-suppressed"
            assert row["value"] == done[at]


def messages_are_delivered_in_turn_and_settled_once(plan: Plan, events: Rows) -> None:
    """Published = acknowledged + dead + left, each message once; deliveries number no more than are allowed, the first
    ones in order of publishing; and no more wait for them than there is room for."""
    (topic,) = plan.platform.topics
    published = 0
    deliveries: Counter[int] = Counter()
    settled: set[int] = set()
    first: list[int] = []
    for row in events:
        if row["place"] != "topic:news":
            continue
        if row["kind"] == "published":
            published += 1
            assert row["value"] == published
        elif row["kind"] in ("delivered", "redelivered"):
            assert (row["kind"] == "delivered") == (deliveries[row["value"]] == 0)
            deliveries[row["value"]] += 1
            first += [row["value"]] if row["kind"] == "delivered" else []
            assert row["value"] not in settled
        elif row["kind"] in ("acknowledged", "dead-letter"):
            assert 1 <= row["value"] <= published
            assert row["value"] not in settled
            assert row["kind"] == "dead-letter" or deliveries[row["value"]]
            settled.add(row["value"])
    assert max(deliveries.values(), default=0) <= topic.attempts
    assert first == sorted(first)
    waiting = set(range(1, published + 1)) - deliveries.keys() - settled
    assert topic.capacity < 0 or len(waiting) <= topic.capacity


def waits_and_work_add_up(events: Rows) -> None:
    """Whoever queued started or gave up, at most once, after just the time it says; whoever finished had started."""
    queued: dict[tuple[str, int], list[int]] = defaultdict(list)
    started: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row in events:
        key = (row["place"], row["case"])
        if row["kind"] in ("queued", "held-up"):
            queued[key].append(row["time"])
        elif row["kind"] in ("abandoned", "skipped", "shed", "let-in") and not row["place"].startswith(
            ("lock", "topic")
        ):
            queued[key].remove(row["time"] - row["value"])
        elif row["kind"] == "started":
            since = row["time"] - row["value"]
            if row["value"] or since in queued[key]:
                queued[key].remove(since)
            started[key].append(row["time"])
        elif row["kind"] == "finished":
            started[key].remove(row["time"] - row["value"])


def orphans_are_served_once_or_passed_over(events: Rows) -> None:
    """Each orphan is wasted, skipped or shed once; who was served when it was orphaned is never passed over."""
    open_ones: Counter[tuple[int, str]] = Counter()
    waiting: Counter[tuple[int, str]] = Counter()
    for row in events:
        key = (row["case"], row["place"])
        if row["kind"] == "orphaned":
            open_ones[key] += 1
            waiting[key] += row["value"] is None
        elif row["kind"] in ("wasted", "skipped"):
            assert open_ones[key] > 0
            open_ones[key] -= 1
            assert row["kind"] == "wasted" or waiting[key] > 0
            waiting[key] -= row["kind"] == "skipped"


def a_case_over_its_limit_of_steps_fails_at_once(cases: Rows, events: Rows) -> None:
    """But for one that undoes what it has done before."""
    ends = {row["case"]: (row["ended"], row["outcome"]) for row in cases}
    undone = {row["case"] for row in events if row["kind"] == "compensating"}
    over = {row["case"]: (row["time"], "failed") for row in events if row["kind"] == "step-limit"}
    assert all(ends[case] == end for case, end in over.items() if case not in undone)
    assert all(ends[case][1] in ("failed", "in-flight", "stuck", "aborted") for case in over)


def an_open_breaker_lets_nothing_through(events: Rows) -> None:
    """It opens for a minute at least, closes only from half-open, and refuses only while it is not closed."""
    state, since = "breaker-closed", 0
    follows = {"breaker-closed": {"breaker-open"}, "breaker-open": {"breaker-half-open"}}
    for row in events:
        if row["place"] == "breaker:fuse":
            assert row["kind"] in follows.get(state, {"breaker-open", "breaker-closed"})
            assert state != "breaker-open" or row["time"] >= since + 60_000_000
            state, since = row["kind"], row["time"]
        elif row["kind"] == "attempt-failed" and row["detail"] == "breaker-open":
            assert state != "breaker-closed"


def nobody_begins_before_a_batch(plan: Plan, events: Rows) -> None:
    """What is begun has gathered before, in batches of the size at most, and of less only after the wait.

    Whether what gives up had gathered is not in the log, so `ready` is how many at most have."""
    (batch,) = plan.people.batches
    ready, waiting = 0, 0
    for row in events:
        if row["place"] != "desk:people" or batch is None:
            assert row["kind"] != "gathered"
        elif row["kind"] == "gathered":
            assert row["value"] == batch.size or row["detail"] == "wait"
            assert 0 < row["value"] <= min(batch.size, waiting)
            ready = min(ready + row["value"], waiting)
        elif row["kind"] == "queued":
            waiting += 1
        elif row["kind"] in ("started", "abandoned"):
            waiting -= 1
            assert row["kind"] == "abandoned" or ready > 0
            ready = min(ready, waiting) if row["kind"] == "abandoned" else ready - 1


def reviews_end_in_their_answers(plan: Plan, events: Rows) -> None:
    """What is reviewed has just been finished, in the time that it says, and is answered next; a stamp grants, and
    what is wrong and granted is a wrong approval."""
    reviewed = [n for n, row in enumerate(events) if row["kind"] == "reviewed"]
    for n in reviewed:
        row = events[n]
        same = [(row["time"], row["case"], row["place"])] * 2
        wrong = events[n + 1]["kind"] == "wrong-approval"
        answer = events[n + 1 + wrong]
        assert [(r["time"], r["case"], r["place"]) for r in (answer, events[n + 1])] == same
        assert answer["kind"] == "answered"
        assert wrong == ("wrong" in row["detail"] and answer["value"] == 1)
        assert answer["value"] == 1 or not row["detail"].startswith("stamped")
        finished = [r for r in events[:n] if r["kind"] == "finished" and r["case"] == row["case"]][-1]
        assert (finished["time"], finished["place"], finished["value"]) == (row["time"], row["place"], row["value"])
    kinds = Counter(row["kind"] for row in events)
    assert kinds["wrong-approval"] == sum(events[n + 1]["kind"] == "wrong-approval" for n in reviewed)
    bounced_out = sum(row["kind"] == "bounced" for row in events)
    if any(plan.people.reviews):
        assert len(reviewed) <= kinds["answered"]
        assert len(reviewed) == kinds["answered"] or bounced_out, "only a bounce too many is answered without a review"
    else:
        assert not reviewed


def money_adds_up(cases: Rows, events: Rows, plan: Plan) -> None:
    """Attempts, people's time, and whole calls: what is left over of a case's cost is a number of calls.

    Where answers are voted on, an attempt may cost as many times as much.
    """
    known: Counter[int] = Counter()
    hedged = Counter(row["case"] for row in events if row["kind"] == "hedged")
    for row in events:
        if row["kind"] == "started" and row["place"] == "agent:pool":
            known[row["case"]] += ATTEMPT_COST
        elif row["kind"] == "finished" and row["place"] == "desk:people":
            known[row["case"]] += (row["value"] * HOURLY + 1_800_000_000) // 3_600_000_000
    people = _people(events)
    for row in cases:
        assert row["cost_people"] == people[row["case"]]
        assert row["cost_calls"] % CALL_PRICE == 0 <= row["cost_calls"]
        assert row["cost_tokens"] == 0
        agents = row["cost"] - row["cost_calls"] - row["cost_people"]
        assert agents % ATTEMPT_COST == 0
        assert agents >= known[row["case"]] - people[row["case"]]
        rest = row["cost"] - known[row["case"]]
        assert rest >= 0
        assert rest % CALL_PRICE == 0
        calls = max(c.calls for c in plan.capabilities)
        more = max((quality.answers for quality in plan.supply.quality), default=1) - 1
        paid = CALL_PRICE * (1 + any(link.duplication for link in plan.platform.links))
        assert rest <= (paid * calls + ATTEMPT_COST * more) * row["attempts"] + paid * hedged[row["case"]]


def _people(events: Rows) -> Counter[int]:
    """Of each case, what people's time on it costs."""
    paid: Counter[int] = Counter()
    for row in events:
        if row["kind"] == "finished" and row["place"] == "desk:people":
            paid[row["case"]] += (row["value"] * HOURLY + 1_800_000_000) // 3_600_000_000
    return paid


def figures_agree(cases: Rows, events: Rows, decisions: pa.Table) -> None:
    per_case: dict[str, Counter[int]] = defaultdict(Counter)
    for row in events:
        if row["case"] is not None:
            per_case[row["kind"]][row["case"]] += 1
    attempts = Counter(row["case"] for row in events if row["kind"] == "started" and row["place"] == "agent:pool")
    grants = Counter(row["case"] for row in events if row["kind"] == "answered" and row["value"] == 1)
    for row in cases:
        assert row["attempts"] == attempts[row["case"]]
        assert row["approvals"] == grants[row["case"]]
        assert row["hand_offs"] == per_case["handed-off"][row["case"]]
        assert row["wrong"] == (per_case["attempt-wrong"][row["case"]] > 0)
    open_doors: Counter[tuple[int | None, str, str]] = Counter()
    for row in decisions.to_pylist():
        if row["case"] is None:
            assert row["step"] == "attack:raid"
            if row["enforced"] == "allow" != row["decision"]:
                open_doors[None, row["step"], row["decision"]] += 1
            continue
        if row["enforced"] != row["decision"]:
            # A kept answer is wrong only where it is of other policies.
            assert row["reason"].startswith("unreachable") or (row["reason"] == "cached" and "policies" in row)
        if row["enforced"] == "allow" != row["decision"]:
            open_doors[row["case"], f"step:{row['step']}", row["decision"]] += 1
        size = cases[row["case"]]["attr.size"]
        asks, stops = (40, 85) if row.get("policies") == "new.cedar" else (70, 95)
        if size > stops:
            assert row["decision"] == "deny"
        elif size <= asks:
            assert row["decision"] == "allow"
        else:
            assert row["decision"] == ("allow" if row["approvals"] == "board" else "escalate")
    through = Counter((row["case"], row["place"], row["detail"]) for row in events if row["kind"] == "violation")
    assert through <= open_doors


def samples_agree(samples: Rows, events: Rows, plan: Plan) -> None:
    """Queue and servers of a pool at each sample, counted from the events up to then."""
    for name, (fewest, most) in zip(plan.names.pools, slots_of(plan), strict=True):
        place = f"agent:{name}"
        steps = iter([row for row in events if row["place"] == place] + [{"time": HORIZON * 1_000_000}])
        row, waiting, busy = next(steps), Counter[tuple[int, int]](), 0
        for sample in [sample for sample in samples if sample["place"] == place]:
            while row["time"] <= sample["time"]:
                if row["kind"] == "queued":
                    waiting[row["case"], row["time"]] += 1
                elif row["kind"] in ("started", "abandoned", "skipped", "shed"):
                    waiting -= Counter([(row["case"], row["time"] - row["value"])])
                busy += {"started": 1, "finished": -1}.get(row["kind"], 0)
                row = next(steps)
            assert (sample["queue"], sample["busy"]) == (waiting.total(), busy)
            gone = sum(stop.slots for stop in plan.platform.stops) + sum(raid.slots for raid in plan.change.attacks)
            assert fewest - gone <= sample["capacity"] <= most


def a_message_is_received_once_or_expires(events: Rows) -> None:
    """None is received that was not sent, nobody waits beside one that is kept, and those who wait are told of."""
    kept: Counter[str] = Counter()
    for row in events:
        place = row["place"]
        if row["kind"] == "sent":
            kept[place] += 1
        elif row["kind"] in ("received", "message-expired"):
            kept[place] -= 1
            assert kept[place] >= 0
            assert row["kind"] == "message-expired" or not row["value"] or not kept[place]


def workflows_within_others_end_once(cases: Rows, events: Rows) -> None:
    """None ends that was not begun so long before, and all that were begun have ended where their case completed."""
    begun: dict[tuple[int, str], list[int]] = defaultdict(list)
    inner = {row["place"] for row in events if row["kind"] == "sub-workflow-ended"}
    completed = {row["case"] for row in cases if row["outcome"] == "completed"}
    for row in events:
        if row["place"] in inner and row["kind"] == "entered":
            begun[row["case"], row["place"]].append(row["time"])
        elif row["kind"] == "sub-workflow-ended":
            began = row["time"] - row["value"]
            times = begun[row["case"], row["place"]]
            times.remove(max(time for time in times if time <= began))
    assert not any(times for (case, _), times in begun.items() if case in completed)


def finished_steps_are_undone_once_before_a_bad_end(cases: Rows, events: Rows) -> None:
    """One after the other, none more often than it took effect, and nothing of a case that ends well."""
    outcome = {row["case"]: row["outcome"] for row in cases}
    begun: dict[int, Rows] = defaultdict(list)
    over: Counter[int] = Counter()
    effects: Counter[tuple[int, str]] = Counter()
    undone: Counter[tuple[int, str]] = Counter()
    looked_at = {row["place"] for row in events if row["kind"].startswith("effect")}
    for row in events:
        case, place = row["case"], row["place"]
        if row["kind"] in ("effect", "effect-repeated", "routed"):
            effects[case, place] += 1
        elif row["kind"] == "compensating":
            assert outcome[case] != "completed"
            assert len(begun[case]) == over[case] == row["value"] - 1
            begun[case].append(row)
            undone[case, place] += 1
            assert place not in looked_at or undone[case, place] <= effects[case, place] + _routed(effects, case)
        elif row["kind"] == "compensated":
            over[case] += 1
            assert (begun[case][-1]["place"], begun[case][-1]["time"]) == (place, row["time"] - row["value"])
        elif row["kind"] == "ended":
            assert over[case] == len(begun[case]) or outcome[case] == "completed"


def _routed(effects: Counter[tuple[int, str]], case: int) -> int:
    """Steps of a case that a desk did instead of agents: they take no effect that is looked at."""
    return sum(count for (of, place), count in effects.items() if of == case and place.startswith("monitor:"))


# --- the checks can say no --------------------------------------------------------------------------------------------


PLAIN = """\
windtunnel: 1
name: plain
start: 2026-01-05T08:30:00Z
horizon: 3600s
agents: {pool: {capabilities: {think: {service: 20s, cost: 0.25 USD}}}}
desks:
  people: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 15s, cost-per-hour: 60 USD}
locks: {key: {}}
workflows:
  flow:
    start: s0
    steps:
      s0: {kind: task, agent: pool, capability: think, acquire: [key], next: s1}
      s1: {kind: desk, desk: people, release: [key]}
work:
  many: {workflow: flow, arrivals: {kind: poisson, rate: 90/h}}
"""


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Rows, Rows]:
    folder = tmp_path_factory.mktemp("plain")
    (folder / "scenario.yaml").write_text(PLAIN)
    loaded = load(folder)
    plan = compile_plan(loaded)
    replication = Replication(plan, compile_rules(loaded), 1, 0)
    replication.run()
    tables = replication.tables("", 1)
    return plan, tables.cases.to_pylist(), tables.events.to_pylist()


def without(rows: Rows, kind: str) -> Rows:
    """The rows without the first of a kind."""
    position = next(n for n, row in enumerate(rows) if row["kind"] == kind)
    return rows[:position] + rows[position + 1 :]


def test_a_lost_event_is_noticed(flight: tuple[Plan, Rows, Rows]) -> None:
    plan, cases, events = flight
    servers_are_never_overrun(plan, events)
    with pytest.raises(AssertionError):
        servers_are_never_overrun(plan, [row for row in events if row["kind"] != "finished"])
    with pytest.raises(AssertionError):
        a_lock_has_no_more_holders_than_units(without(events, "unlocked"))
    with pytest.raises(ValueError, match="not in list"):
        waits_and_work_add_up(without(events, "started"))
    with pytest.raises(AssertionError):
        money_adds_up(cases, without(events, "started"), plan)
    with pytest.raises(AssertionError):
        every_case_ends_once_or_is_open(cases, without(events, "ended"))
    with pytest.raises(AssertionError):
        time_moves_forward(without(events, "entered"))


def test_a_case_that_goes_on_over_its_limit_is_noticed(flight: tuple[Plan, Rows, Rows]) -> None:
    _, cases, _ = flight
    over = {"kind": "step-limit", "case": 0, "time": cases[0]["ended"]}
    a_case_over_its_limit_of_steps_fails_at_once([cases[0] | {"outcome": "failed"}], [over])
    with pytest.raises(AssertionError):
        a_case_over_its_limit_of_steps_fails_at_once(cases[:1], [over])


def test_a_second_end_and_lost_money_are_noticed(flight: tuple[Plan, Rows, Rows]) -> None:
    plan, cases, events = flight
    last = next(row for row in reversed(events) if row["kind"] == "ended")
    with pytest.raises(AssertionError):
        nothing_happens_to_a_case_before_it_arrives_or_after_it_ended(cases, [*events, last])
    with pytest.raises(AssertionError):
        money_adds_up([row | {"cost": row["cost"] - 1} for row in cases], events, plan)


def test_work_that_begins_before_its_batch_is_noticed(flight: tuple[Plan, Rows, Rows]) -> None:
    plan = replace(flight[0], people=PeoplePlan(reviews=(None,), batches=(BatchPlan(2, 90),)))
    row = {"case": 0, "place": "desk:people", "time": 9, "value": 1, "detail": ""}
    queued, started = row | {"kind": "queued"}, row | {"kind": "started"}
    gathered = row | {"kind": "gathered", "value": 2, "detail": "size"}
    nobody_begins_before_a_batch(plan, [queued, queued, gathered, started, started])
    for rows in (
        [queued, queued, started],
        [queued, gathered],
        [queued, gathered | {"value": 1}],
        [queued, queued, gathered, started, started, queued, started],
    ):
        with pytest.raises(AssertionError):
            nobody_begins_before_a_batch(plan, rows)
    with pytest.raises(AssertionError):
        nobody_begins_before_a_batch(flight[0], [queued, queued, gathered])


def test_a_review_without_its_answer_is_noticed(flight: tuple[Plan, Rows, Rows]) -> None:
    review = ReviewPlan(1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    plan = replace(flight[0], people=PeoplePlan(reviews=(review,), batches=(None,)))
    row = {"case": 0, "place": "desk:people", "time": 9, "value": 4, "detail": ""}
    finished, reviewed = row | {"kind": "finished"}, row | {"kind": "reviewed", "detail": "stamped, wrong, seat 1"}
    wrong, answered = row | {"kind": "wrong-approval"}, row | {"kind": "answered", "value": 1}
    reviews_end_in_their_answers(plan, [finished, reviewed, wrong, answered])
    for rows in (
        [finished, reviewed, answered],
        [finished, reviewed | {"detail": "right, seat 1"}, wrong, answered],
        [finished, reviewed, answered | {"value": 0}],
        [finished | {"value": 3}, reviewed, wrong, answered],
        [finished, reviewed | {"time": 8}, wrong, answered],
        [finished, reviewed, wrong, answered, answered],
    ):
        with pytest.raises(AssertionError):
            reviews_end_in_their_answers(plan, rows)


def test_a_message_settled_twice_or_delivered_too_often_is_noticed(tmp_path: Path) -> None:
    text = PLAIN.replace("s1: {kind", "s1: {kind: publish, topic: news, next: s2}\n      s2: {kind")
    text = text.replace("locks:", "topics: {news: {capacity: 1, attempts: 2, consumers: {workflow: hear}}}\nlocks:")
    (tmp_path / "scenario.yaml").write_text(text.replace("work:\n", HEARERS + "work:\n", 1))
    plan = compile_plan(load(tmp_path))
    row = {"place": "topic:news", "value": 1}
    published, delivered, again, done, dead = (
        row | {"kind": kind} for kind in ("published", "delivered", "redelivered", "acknowledged", "dead-letter")
    )
    law = messages_are_delivered_in_turn_and_settled_once
    law(plan, [published, delivered, again, done])
    law(plan, [published, row | {"kind": "published", "value": 2}, delivered, dead])
    for wrong in (
        [published, delivered, done, dead],
        [published, delivered, again, again],
        [published, published],
        [published, again],
        [published, done],
        [delivered, done],
        [published, row | {"kind": "published", "value": 2}],
    ):
        with pytest.raises(AssertionError):
            law(plan, wrong)


HEARERS = "  hear: {start: rest, steps: {rest: {kind: wait, duration: 1s}}}\n"


def test_a_lost_return_and_an_effect_done_twice_are_noticed() -> None:
    row = {"case": 0, "place": "step:flow.s0", "time": 5, "value": 0}
    called, returned = row | {"kind": "called"}, row | {"kind": "returned", "time": 9, "value": 4}
    ended = row | {"kind": "ended", "time": 9}
    calls_return_once([called, returned, ended])
    for wrong in ([called, ended], [returned, ended], [called, returned | {"value": 3}]):
        with pytest.raises(AssertionError):
            calls_return_once(wrong)
    orphaned, wasted = row | {"kind": "orphaned"}, row | {"kind": "wasted"}
    orphans_are_served_once_or_passed_over([orphaned, wasted])
    for wrong in ([wasted], [orphaned, wasted, wasted], [orphaned, row | {"kind": "skipped"}]):
        with pytest.raises(AssertionError):
            orphans_are_served_once_or_passed_over(wrong)
    turns = [row | {"place": "breaker:fuse", "kind": f"breaker-{to}"} for to in ("open", "half-open", "closed")]
    turns[1]["time"] = turns[2]["time"] = 60_000_005
    an_open_breaker_lets_nothing_through(turns)
    refused = row | {"kind": "attempt-failed", "detail": "breaker-open"}
    for wrong in ([*turns, refused], turns[1:], [turns[0], turns[2]], [turns[0], turns[1] | {"time": 9}]):
        with pytest.raises(AssertionError):
            an_open_breaker_lets_nothing_through(wrong)
    once, again = row | {"kind": "effect", "value": 1}, row | {"kind": "effect-repeated", "value": 2}
    law = an_effect_comes_once_and_is_repeated_only_without_a_key
    law([once, again], {0: False}, ("flow.s0",))
    for rows, key in (([once, again], True), ([once, once], False), ([again], False)):
        with pytest.raises(AssertionError):
            law(rows, {0: key}, ("flow.s0",))


def test_a_step_undone_out_of_turn_is_noticed() -> None:
    cases = [{"case": 0, "outcome": "failed"}]
    row = {"case": 0, "place": "step:flow.s0", "time": 5, "value": 1}
    effect, undoing = row | {"kind": "effect"}, row | {"kind": "compensating"}
    undone, ended = row | {"kind": "compensated", "time": 9, "value": 4}, row | {"kind": "ended", "time": 9}
    law = finished_steps_are_undone_once_before_a_bad_end
    law(cases, [effect, undoing, undone, ended])
    for wrong in (
        [effect, undoing, ended],
        [effect, undoing, undone | {"value": 3}, ended],
        [effect, undoing, undone, undoing | {"value": 2, "time": 9}, undone | {"value": 0}, ended],
        [effect, undoing, undoing | {"value": 2}, undone, undone, ended],
    ):
        with pytest.raises(AssertionError):
            law(cases, wrong)
    with pytest.raises(AssertionError):
        law([{"case": 0, "outcome": "completed"}], [effect, undoing, undone, ended])


def test_a_workflow_that_never_ends_is_noticed() -> None:
    cases = [{"case": 0, "outcome": "completed"}]
    entered = {"case": 0, "place": "step:flow.s0", "time": 5, "value": 1, "kind": "entered"}
    ended = entered | {"kind": "sub-workflow-ended", "time": 9, "value": 4}
    workflows_within_others_end_once(cases, [entered, ended])
    for wrong in ([ended], [entered, entered, ended], [entered, ended, ended], [entered, ended | {"value": 5}]):
        with pytest.raises((AssertionError, ValueError)):
            workflows_within_others_end_once(cases, wrong)


def test_a_message_received_twice_is_noticed() -> None:
    row = {"case": 0, "place": "message:word[x]", "time": 5, "value": 0}
    sent, received = row | {"kind": "sent"}, row | {"kind": "received"}
    a_message_is_received_once_or_expires([sent, received, sent, row | {"kind": "message-expired"}])
    for wrong in ([received], [sent, received, received], [sent, sent, received | {"value": 4}]):
        with pytest.raises(AssertionError):
            a_message_is_received_once_or_expires(wrong)
