"""Random small scenarios that have nearly every part there is, for laws that hold whatever the scenario is."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from models.load import LoadedScenario, load

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


def laid(folder: Path, text: str) -> LoadedScenario:
    """A scenario in a folder with its policies, without the steps that nothing leads to: the loader refuses those."""
    (folder / "policies.cedar").write_text(POLICIES)
    (folder / "new.cedar").write_text(POLICIES.replace("> 70", "> 40").replace("> 95", "> 85"))
    (folder / "scenario.yaml").write_text(_reachable(text))
    return load(folder)


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
