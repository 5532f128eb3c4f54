"""What a run accounts for: throughput against queueing theory, compliance and rules against the rows of the log."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.diagnostics import InputError
from models.load import load
from models.units import DAY, HOUR
from reports.intervals import Sample
from reports.outcomes import Outcomes, assess
from sim.run import Run, open_run
from sim.simulate import simulate

ROOT = Path(__file__).parents[2]
HEAD = """\
windtunnel: 1
name: accounts
start: 2026-01-05T00:00:00Z
"""
LOSS = (
    HEAD
    + """\
horizon: 6h
warm-up: 30m
replications: 12
agents: {pool: {replicas: 2, queue: {capacity: 1}, capabilities: {work: {service: exponential(mean=60s)}}}}
workflows: {flow: {start: job, steps: {job: {kind: task, agent: pool, capability: work}}}}
work: {w: {workflow: flow, arrivals: {kind: poisson, rate: 2.4/min}}}
objectives:
  out: {kind: throughput, at-least: 1/min}
  lost: {kind: throughput, work: w, outcomes: [failed], at-least: 1/d}
  all: {kind: throughput, outcomes: [completed, failed], at-least: 100/s}
"""
)
POLICED = (
    HEAD
    + """\
horizon: 2d
replications: 4
policies: {path: policies.cedar}
decision-point:
  on-unreachable: allow
  outages: {between: exponential(mean=3h), repair: exponential(mean=20m), severity: "values(0.5=0.5, 1=0.5)"}
agents: {pool: {replicas: 9, principal: 'Agent::"a"', capabilities: {work: {service: 1m}}}}
desks: {people: {roster: [{days: daily, hours: "00:00-24:00", staff: 3}], service: 1m}}
chains: {board: {levels: [{desk: people}]}}
workflows:
  flow:
    start: job
    steps: {job: {kind: task, agent: pool, capability: work, action: 'Action::"act"', resource: 'T::"t"'}}
work:
  few: {workflow: flow, arrivals: {kind: poisson, rate: 6/h}, attributes: {size: "uniform(low=0, high=100)"}}
  many: {workflow: flow, arrivals: {kind: poisson, rate: 12/h}, attributes: {size: "uniform(low=0, high=100)"}}
objectives:
  kept: {kind: compliance, at-least: 0.999}
  kept-few: {kind: compliance, work: few, at-least: 0.5}
"""
)
POLICIES = """\
@id("may") permit (principal, action, resource);
@id("large") forbid (principal, action, resource) when { context.size > 70 };
@id("larger") forbid (principal, action, resource) when { context.size > 85 };
@id("odd") @escalate("board") forbid (principal, action, resource) when { context.size > 40 && context.size < 60 };
"""


def flown(folder: Path, text: str) -> tuple[Run, Outcomes]:
    (folder / "policies.cedar").write_text(POLICIES)
    (folder / "scenario.yaml").write_text(text)
    run = open_run(simulate(load(folder), folder / "run", workers=1).folder)
    return run, assess(run)


def sample(outcomes: Outcomes, name: str) -> list[float]:
    found: Sample = next(objective.sample for objective in outcomes.objectives if objective.name == name)
    assert found.low == found.high
    return list(found.low)


def near(values: list[float], truth: float) -> bool:
    """Whether the mean of independent values is within four standard errors of the truth: it misses once in 500."""
    mean = sum(values) / len(values)
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    return abs(mean - truth) < 4 * error


# --- throughput -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loss(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Outcomes]:
    return flown(tmp_path_factory.mktemp("loss"), LOSS)


def test_throughput_is_that_of_a_loss_system(loss: tuple[Run, Outcomes]) -> None:
    """M/M/2/3, 2.4 arrivals and services of 1 a minute: states as 1, 2.4, 2.88, 3.456; the last turns cases away."""
    blocked = 3.456 / (1 + 2.4 + 2.88 + 3.456)
    rates = {name: [60 * value for value in sample(loss[1], name)] for name in ("out", "lost")}
    assert near(rates["out"], 2.4 * (1 - blocked))
    assert near(rates["lost"], 2.4 * blocked)
    assert not near(rates["out"], 2.4 * (1 - blocked) * 1.1), "a tenth more is refused"
    assert not near(rates["lost"], 2.4 * blocked * 0.8), "a fifth less is refused"


def test_throughput_counts_what_ends_after_the_warm_up(loss: tuple[Run, Outcomes]) -> None:
    run, outcomes = loss
    seconds = (run.scenario.horizon - run.scenario.warm_up) / 1e6
    rows = run.cases().to_dict("records")
    for name, kinds in (("out", ["completed"]), ("lost", ["failed"]), ("all", ["completed", "failed"])):
        counted = Counter(
            r["replication"] for r in rows if r["outcome"] in kinds and r["ended"] >= run.scenario.warm_up
        )
        assert sample(outcomes, name) == pytest.approx([counted[n] / seconds for n in range(12)])
    early = [r for r in rows if not r["measured"] and r["ended"] >= run.scenario.warm_up]
    assert early, "cases that arrived in the warm-up and ended after it are among them"


def test_throughput_is_judged_and_told_in_its_unit(loss: tuple[Run, Outcomes]) -> None:
    told = {objective.name: objective for objective in loss[1].objectives}
    assert [told[name].verdict for name in ("out", "lost", "all")] == ["pass", "pass", "fail"]
    assert "the rate at which cases are completed is 9" in told["out"].sentence
    assert told["out"].sentence.endswith("the objective is at least 60/h.")
    assert "at least 100/s" in told["all"].sentence


def test_littles_law_holds_of_the_pool(loss: tuple[Run, Outcomes]) -> None:
    """The time integral of how many are at the pool, from its events, is the sum of the times they spend there."""
    run, _ = loss
    events = run.events()
    pool = events[(events["replication"] == 0) & (events["place"] == "agent:pool")]
    step = {"queued": 1, "started": 0, "finished": -1}
    inside, area, last = 0, 0, 0
    queued: set[int] = set()
    for row in pool.to_dict("records"):
        area += inside * (row["time"] - last)
        last = row["time"]
        if row["kind"] == "started" and row["case"] not in queued:
            inside += 1
        if row["kind"] == "queued":
            queued.add(row["case"])
        inside += step.get(row["kind"], 0)
    cases = run.cases()
    mine = cases[(cases["replication"] == 0) & (cases["outcome"] != "failed")]
    ended = mine["ended"].fillna(last).clip(upper=last)
    assert area == (ended - mine["arrived"].clip(upper=last)).sum()


# --- costs ------------------------------------------------------------------------------------------------------------

COSTS = (
    HEAD
    + """\
horizon: 1d
replications: 2
endpoints:
  api: {latency: 1s, price: 0.01 USD, price-per-million: {input: 3 USD, output: 15 USD}}
agents:
  bot:
    capabilities:
      draft:
        service: 1s
        endpoint: api
        calls: 2
        cost: 0.25 USD
        tokens: {input: 100, output: 10}
        guardrail: {sensitivity: 1, specificity: 1, cost: 0.002 USD}
desks: {clerk: {roster: [{days: daily, hours: "00:00-24:00", staff: 1}], service: 90s, cost-per-hour: 60 USD}}
workflows:
  flow:
    start: draft
    steps:
      draft: {kind: task, agent: bot, capability: draft, next: read}
      read: {kind: desk, desk: clerk}
work: {w: {workflow: flow, arrivals: {kind: trace, file: two.csv, column: t}}}
FAULTS
"""
)
DEARER = "faults: [{kind: drift, of: cost, agent: bot, capability: draft, at: 1h, factor: 3}]"


@pytest.mark.parametrize(("faults", "factor"), [("", 1), (DEARER, 3)])
def test_costs_are_told_by_what_they_are_paid_for(tmp_path: Path, faults: str, factor: int) -> None:
    """One case before and one after the drift. Attempt 0.25, guardrail 0.002; two calls of 0.01, each with tokens for
    0.0003 and 0.00015; 90 s of a clerk are 1.5. The drift makes attempts and calls dearer, not tokens and people."""
    (tmp_path / "two.csv").write_text("t\n0\n7200\n")
    _, outcomes = flown(tmp_path, COSTS.replace("FAULTS", faults))
    (cost,) = outcomes.costs
    agents = 2 * 2_000 + 250_000 + factor * 250_000
    calls = 20_000 + factor * 20_000
    assert dict(cost.spent) == {p: 2 * n for p, n in zip(
        ("agents", "calls", "tokens", "people"), (agents, calls, 2 * 900, 2 * 1_500_000), strict=True
    )}  # fmt: skip
    parts = (cost.agents, cost.calls, cost.tokens, cost.people)
    assert [part.estimate for part in parts] == pytest.approx([agents / 2e6, calls / 2e6, 0.0009, 1.5])
    assert cost.total.estimate == pytest.approx(sum(part.estimate for part in parts))


@pytest.fixture(scope="module", params=["claims-multi-region", "incident-desk", "refund-desk"])
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Outcomes]:
    """A shipped scenario, two replications of two days."""
    loaded = load(ROOT / "scenarios" / request.param)
    scenario = loaded.scenario.model_copy(update={"horizon": 2 * DAY, "warm_up": 6 * HOUR, "faults": ()})
    folder = tmp_path_factory.mktemp("shipped") / "run"
    run = open_run(simulate(replace(loaded, scenario=scenario), folder, replications=2, workers=1).folder)
    return run, assess(run)


def test_parts_of_costs_add_up_to_the_case_tables_total(shipped: tuple[Run, Outcomes]) -> None:
    run, outcomes = shipped
    cases = run.cases()
    for cost, work in zip(outcomes.costs, outcomes.work, strict=True):
        assert sum(spent for _, spent in cost.spent) == cases[cases["work"] == cost.work]["cost"].sum()
        assert all(spent >= 0 for _, spent in cost.spent)
        assert cost.total == work.cost
    events = run.events()
    desks = {f"desk:{name}": desk.cost_per_hour.micros for name, desk in run.scenario.desks.items()}
    served = events[(events["kind"] == "finished") & events["place"].isin(desks)]
    hour = 3_600_000_000
    people = sum((int(v) * desks[p] + hour // 2) // hour for p, v in zip(served["place"], served["value"], strict=True))
    assert people == sum(dict(cost.spent)["people"] for cost in outcomes.costs)


# --- compliance and rules ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def policed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Outcomes]:
    return flown(tmp_path_factory.mktemp("policed"), POLICED)


def shares(rows: list[dict[str, Any]]) -> list[float]:
    every, kept = (
        Counter(r["replication"] for r in rows),
        Counter(r["replication"] for r in rows if r["decision"] == r["enforced"]),
    )
    return [kept[n] / every[n] for n in range(4)]


def test_compliance_is_the_share_of_decisions_enforced_as_policy_says(policed: tuple[Run, Outcomes]) -> None:
    run, outcomes = policed
    rows = run.decisions().to_dict("records")
    works = {(c["replication"], c["case"]): c["work"] for c in run.cases().to_dict("records")}
    assert sample(outcomes, "kept") == pytest.approx(shares(rows))
    assert 0.5 < outcomes.compliance.as_policy_says.estimate < 1
    assert outcomes.compliance.as_policy_says.estimate == pytest.approx(sum(shares(rows)) / 4)
    few = [r for r in rows if works[r["replication"], r["case"]] == "few"]
    assert 0 < len(few) < len(rows)
    assert sample(outcomes, "kept-few") == pytest.approx(shares(few))
    assert [objective.verdict for objective in outcomes.objectives] == ["fail", "pass"]


def test_what_each_rule_decided_is_what_the_log_says(policed: tuple[Run, Outcomes]) -> None:
    run, outcomes = policed
    counted: Counter[tuple[str, str]] = Counter()
    shared: Counter[str] = Counter()
    for row in run.decisions().to_dict("records"):
        rules = row["reason"].split(",")
        counted.update((rule, row["enforced"]) for rule in rules)
        shared.update(rule for rule in rules if len(rules) > 1)
    assert shared["large"] == shared["larger"] > 0, "who is larger is large"
    assert {rule.rule for rule in outcomes.rules} == {rule for rule, _ in counted} >= {"may", "large", "larger", "odd"}
    for rule in outcomes.rules:
        found = {"allow": rule.allowed, "deny": rule.denied, "escalate": rule.escalated}
        for enforced, interval in found.items():
            assert interval.estimate == pytest.approx(counted[rule.rule, enforced] / 4)
        assert rule.decisions.estimate == pytest.approx(sum(i.estimate for i in found.values()))
        assert rule.shared.estimate == pytest.approx(shared[rule.rule] / 4)


def test_a_run_that_keeps_to_policy_passes_no_further_than_its_cases_show(tmp_path: Path) -> None:
    """Without a miss in n cases the bound is the exact one, (alpha / 2) ^ (1 / n)."""
    text = POLICED.replace('severity: "values(0.5=0.5, 1=0.5)"', "severity: 0")
    run, outcomes = flown(tmp_path, text)
    interval = next(objective.interval for objective in outcomes.objectives if objective.name == "kept-few")
    rows = run.decisions().to_dict("records")
    works = {(c["replication"], c["case"]): c["work"] for c in run.cases().to_dict("records")}
    cases = {(r["replication"], r["case"]) for r in rows if works[r["replication"], r["case"]] == "few"}
    assert len(cases) < sum(works[r["replication"], r["case"]] == "few" for r in rows)
    assert (interval.estimate, interval.low) == (1.0, pytest.approx(0.025 ** (1 / len(cases))))


@pytest.mark.parametrize(
    ("good", "bad", "message", "help"),
    [
        ("at-least: 1/min", "at-least: 1", "`1` is not a rate", "`40/h`"),
        ("work: w, out", "work: v, out", "unknown work `v`", "`w`"),
        ("outcomes: [failed]", "outcomes: []", "no outcome is named", "at least one"),
        ("outcomes: [failed]", "outcomes: [failed, failed]", "outcome `failed` is named twice", "once"),
        (
            "kind: throughput, at-least: 1/min",
            "kind: compliance, at-least: 0.9",
            "no policies decide",
            "add `policies`",
        ),
    ],
)
def test_objectives_that_cannot_be_judged(tmp_path: Path, good: str, bad: str, message: str, help: str) -> None:
    assert LOSS.count(good) == 1
    (tmp_path / "scenario.yaml").write_text(LOSS.replace(good, bad))
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    told = [(fault.message, fault.help) for fault in caught.value.diagnostics]
    assert any(message in fault and help in (advice or "") for fault, advice in told), told


def test_objectives_read_as_they_were_dumped(tmp_path: Path) -> None:
    for text in (LOSS, POLICED):
        (tmp_path / "policies.cedar").write_text(POLICIES)
        (tmp_path / "scenario.yaml").write_text(text)
        scenario = load(tmp_path).scenario
        assert type(scenario).model_validate_json(json.dumps(scenario.dump())) == scenario
