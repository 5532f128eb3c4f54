"""Draws of one part are untouched by a change of another, so two variants differ by their change alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.load import load
from sim.chance import Draws
from sim.compile import compile_plan
from sim.engine import Replication
from sim.rules import compile_rules

HEAD = "windtunnel: 1\nname: crn\nstart: 2026-01-05T00:00:00Z\nhorizon: 2000s\n"
ENDPOINT = """\
endpoints:
  api:
    latency: exponential(mean=3s)
    outages: {between: exponential(mean=5m), repair: exponential(mean=2m), severity: "values(0.5=0.5, 1=0.5)"}
"""
POOL = """\
agents:
  own:
    replicas: 1000
    capabilities:
      think: {service: exponential(mean=4s), endpoint: api, calls: 2, success: "beta(alpha=2, beta=1)", detected: 0.7}
"""
FLOW = """\
workflows:
  flow:
    start: think
    steps:
      think: {kind: task, agent: own, capability: think, retry: {attempts: 3, backoff: 2s, jitter: full}, next: rest}
      rest: {kind: wait, duration: exponential(mean=9s), next: again}
      again: {kind: choice, limit: 3, arms: [{share: 0.4, next: think}], on-limit: done, otherwise: done}
      done: {kind: end}
"""
WORK = """\
work:
  main: {workflow: flow, arrivals: {kind: poisson, rate: 20/min}, attributes: {n: "uniform(low=0, high=9)"}}
"""
BASE = HEAD + ENDPOINT + POOL + FLOW + WORK

OTHER_POOL = "  other: {replicas: 2, capabilities: {type: {service: exponential(mean=30s), success: 0.5}}}\n"
OTHER_FLOW = "  second:\n    start: type\n    steps: {type: {kind: task, agent: other, capability: type}}\n"
OTHER_WORK = "  extra: {workflow: second, arrivals: {kind: poisson, rate: 9/min}, attributes: {n: 5}}\n"
CHANGE = """\
faults:
  - {kind: drift, of: latency, agent: other, capability: type, at: 5m, factor: 2}
  - {kind: drift, of: format, agent: other, capability: type, at: 6m, share: 0.3}
  - {kind: drift, of: input, work: extra, attribute: n, at: 7m, to: "uniform(low=0, high=9)"}
monitors:
  eye: {agent: other, capability: type, detector: {kind: adwin}, sample: 0.5, delay: 1m, action: stop}
rollouts:
  new: {of: model, agent: other, capability: type, to: {success: 0.1}, at: 9m, roll-back: {errors: 0.5, labels: 20}}
"""
SHADOW = """\
policies: {path: rules.cedar}
rollouts:
  rules: {of: policies, path: rules.cedar, mode: shadow, at: 5m, stages: [{share: 0.5, lasts: 10m}]}
"""
DESK = """\
policies: {path: policies.cedar}
desks:
  clerk:
    roster: [{days: daily, hours: "00:00-24:00", staff: 3}]
    service: exponential(mean=30s)
    review: {ought: 0.7, sensitivity: 0.9, specificity: 0.8, fatigue: {loss: 0.01}, rubber-stamp: {slope: 0.1}}
    batch: {size: 5, wait: 2m}
chains: {board: {levels: [{desk: clerk}]}}
"""
ASKING_POOL = OTHER_POOL.replace("replicas: 2", "replicas: 2, principal: 'Agent::\"a\"'")
ASKING_FLOW = OTHER_FLOW.replace("capability: type", "capability: type, action: 'Action::\"a\"', resource: 'T::\"t\"'")
FRAMEWORK_FLOW = OTHER_FLOW.replace("capability: type", "capability: type, retry: framework").replace(
    "    start: type", "    framework: langgraph-1.2.22\n    start: type"
)
POLICIES = """\
@id("may") permit (principal, action, resource);
@id("ask") @escalate("board") forbid (principal, action, resource);
"""
SUPPLY_POOL = """\
  third:
    replicas: 2
    autoscale: {most: 9, target: 0.7}
    bulkheads: {third.write: 3}
    queue: {order: adaptive-lifo, lifo-above: 3, capacity: 9, when-full: shed-lowest}
    capabilities:
      write:
        endpoint: third
        hedge: {after: 2s, most: 2}
        service: exponential(mean=30s)
        success: beta(alpha=2, beta=1)
        tokens: {input: exponential(mean=900), output: exponential(mean=90), output-from: size}
        vote: {of: 3}
        self-check: {sensitivity: 0.5, specificity: 0.9}
        guardrail: {sensitivity: 0.5, specificity: 0.9}
"""
SUPPLY_ENDPOINT = """\
  third:
    latency: exponential(mean=2s)
    concurrency: 3
    per-token: {output: 12ms}
    token-rate: 90000/min
    retry-after: told
    load-latency: points(0.5=1, 1=3)
    degradation: {latency: 'points(0=1, 1=3)'}
    outages: {between: exponential(mean=5m), repair: exponential(mean=2m), severity: 0.5}
"""
SUPPLY_FLOW = "  third:\n    start: write\n    steps: {write: {kind: task, agent: third, capability: write}}\n"
SUPPLY_WORK = """\
  third:
    workflow: third
    arrivals: {kind: mmpp, rates: [2/min, 40/min], stays: [3m, 1m]}
    batch: values(1=0.7, 3=0.3)
    priority-from: size
    deadline: exponential(mean=9m)
    on-deadline: cancel
    withdrawal: exponential(mean=20m)
    attributes: {size: "uniform(low=0, high=50)"}
"""
SUPPLY = "".join((HEAD, ENDPOINT, SUPPLY_ENDPOINT, POOL, SUPPLY_POOL, FLOW, SUPPLY_FLOW, WORK, SUPPLY_WORK))
TOPIC = """\
topics: {news: {capacity: 3, consumers: {workflow: hear}, attempts: 4, acknowledge-within: 20s}}
"""
TOPIC_FLOW = """\
  second: {start: tell, steps: {tell: {kind: publish, topic: news}}}
  hear:
    start: think
    steps: {think: {kind: task, agent: other, capability: type, next: rest}, rest: {kind: wait, duration: 9s}}
"""
SAGA_FLOW = """\
  second:
    start: type
    steps:
      type: {kind: task, agent: other, capability: type, compensate: undo, next: within}
      within: {kind: sub-workflow, workflow: inner, next: again}
      again: {kind: task, agent: other, capability: type}
      undo: {kind: task, agent: other, capability: type, next: slowly}
      slowly: {kind: wait, duration: exponential(mean=9s)}
  inner:
    start: rest
    steps:
      rest: {kind: wait, duration: exponential(mean=9s), next: tell}
      tell: {kind: send, message: word, next: hear}
      hear: {kind: receive, message: word, timeout: 5s}
"""
FIRST_WORK = WORK.replace("work:\n", "work:\n" + OTHER_WORK)


def life(folder: Path, text: str, replication: int = 0) -> dict[int, list[tuple[Any, ...]]]:
    """What happens to each case of the stream `main`, by its number in the stream."""
    (folder / "scenario.yaml").write_text(text)
    (folder / "rules.cedar").write_text("permit (principal, action, resource);")
    (folder / "policies.cedar").write_text(POLICIES)
    loaded = load(folder)
    flight = Replication(compile_plan(loaded), compile_rules(loaded), 4, replication)
    flight.run()
    tables = flight.tables("", 4)
    mine = [row for row in tables.cases.to_pylist() if row["work"] == "main"]
    number = {row["case"]: n for n, row in enumerate(mine)}
    lives: dict[int, list[tuple[Any, ...]]] = {n: [(row["arrived"], row["attr.n"])] for n, row in enumerate(mine)}
    for row in tables.events.to_pylist():
        if row["case"] in number:
            if row["kind"] == "enrolled":
                continue
            lives[number[row["case"]]].append((row["time"], row["kind"], row["place"], row["value"], row["detail"]))
    return lives


@pytest.mark.parametrize(
    "changed",
    [
        HEAD + ENDPOINT + POOL + OTHER_POOL + FLOW + OTHER_FLOW + WORK + OTHER_WORK,
        HEAD + ENDPOINT + POOL.replace("agents:\n", "agents:\n" + OTHER_POOL) + FLOW + OTHER_FLOW + FIRST_WORK,
        BASE + "sites: {a: {}}\nlocks: {l: {}}\n",
        HEAD + ENDPOINT + POOL + OTHER_POOL + FLOW + OTHER_FLOW + WORK + OTHER_WORK + CHANGE,
        BASE + SHADOW,
        HEAD + ENDPOINT + POOL + OTHER_POOL + FLOW + FRAMEWORK_FLOW + WORK + OTHER_WORK,
        HEAD + DESK + ENDPOINT + POOL + ASKING_POOL + FLOW + ASKING_FLOW + WORK + OTHER_WORK,
        SUPPLY,
        HEAD + TOPIC + ENDPOINT + POOL + OTHER_POOL + FLOW + TOPIC_FLOW + WORK + OTHER_WORK,
        HEAD + ENDPOINT + POOL + OTHER_POOL + FLOW + SAGA_FLOW + WORK + OTHER_WORK,
    ],
    ids=[
        "a stream, a pool and a workflow more",
        "the same, before the others",
        "parts that nobody uses",
        "drifts, a monitor and a rollout of another pool",
        "policies that look on",
        "a workflow with a framework's defaults",
        "reviews of what another pool does",
        "bursts of cases with limits of their own, for checked answers of a pool that scales",
        "a topic whose consumers another pool has",
        "a workflow that undoes its steps, with another in it",
    ],
)
def test_what_is_added_beside_changes_nothing(tmp_path: Path, changed: str) -> None:
    assert life(tmp_path, changed) == life(tmp_path, BASE)


def test_a_longer_horizon_only_adds(tmp_path: Path) -> None:
    short, long = life(tmp_path, BASE), life(tmp_path, BASE.replace("2000s", "3000s"))
    assert len(long) > len(short)
    for number, events in short.items():
        assert long[number][: len(events)] == events


def test_a_slower_step_shifts_but_leaves_arrivals_and_outages(tmp_path: Path) -> None:
    slow = life(tmp_path, BASE.replace("duration: exponential(mean=9s)", "duration: exponential(mean=18s)"))
    base = life(tmp_path, BASE)
    assert [events[0] for events in slow.values()] == [events[0] for events in base.values()]
    first = [next((e for e in events if e[1] == "finished"), None) for events in base.values()]
    assert first == [next((e for e in events if e[1] == "finished"), None) for events in slow.values()]


def test_replications_and_seeds_differ(tmp_path: Path) -> None:
    assert life(tmp_path, BASE, 0)[0] != life(tmp_path, BASE, 1)[0]
    assert Draws(1, 0).key(1, "a") != Draws(2, 0).key(1, "a") != Draws(1, 1).key(1, "a")  # type: ignore[arg-type]


def test_common_numbers_cut_the_variance_of_a_difference(tmp_path: Path) -> None:
    """Two service times of an M/M/1 queue, compared with common and with independent numbers."""
    queue = HEAD + (
        "agents: {{pool: {{capabilities: {{work: {{service: exponential(mean={mean}ms)}}}}}}}}\n"
        "workflows: {{flow: {{start: s, steps: {{s: {{kind: task, agent: pool, capability: work}}}}}}}}\n"
        "work: {{main: {{workflow: flow, arrivals: {{kind: poisson, rate: 1/s}}}}}}\n"
    )

    def wait(mean: int, replication: int) -> float:
        (tmp_path / "scenario.yaml").write_text(queue.format(mean=mean))
        loaded = load(tmp_path)
        flight = Replication(compile_plan(loaded), compile_rules(loaded), 1, replication)
        flight.run()
        events = flight.tables("", 1).events
        return float(np.mean(events.filter(np.array(events.column("kind").to_pylist()) == "started").column("value")))

    slow = [wait(700, n) for n in range(12)]
    fast = [wait(680, n) for n in range(24)]
    common = np.var([s - f for s, f in zip(slow, fast[:12], strict=True)])
    independent = np.var([s - f for s, f in zip(slow, fast[12:], strict=True)])
    assert independent > 10 * common
