"""Outcomes of real runs against plain loops over their tables."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.units import DAY
from reports.frames import by_replication, frame
from reports.outcomes import Outcomes, assess
from reports.tables import read_tables
from sim.run import Run
from windtunnel import api

ROOT = Path(__file__).parents[2]
REPLICATIONS = 3


@pytest.fixture(scope="module", params=["incident-desk", "refund-desk"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / request.param
    return api.simulate(api.load(ROOT / "scenarios" / request.param), folder, replications=REPLICATIONS, workers=1)


@pytest.fixture(scope="module")
def outcomes(run: Run) -> Outcomes:
    return assess(run)


@pytest.fixture(scope="module")
def events(run: Run) -> list[dict[str, Any]]:
    return run.events().to_dict("records")


def of(events: list[dict[str, Any]], kind: str, place: str | None = None) -> Iterator[dict[str, Any]]:
    return (e for e in events if e["kind"] == kind and (place is None or e["place"] == place))


def mean(found: Any) -> float:
    return sum(1 for _ in found) / REPLICATIONS


def test_decisions_are_counted_by_rule(run: Run, outcomes: Outcomes) -> None:
    rows = run.decisions().to_dict("records")
    expected = Counter((d["action"], d["decision"], d["enforced"], d["reason"]) for d in rows)
    found = {(c.action, c.decision, c.enforced, c.reason): c.count for c in outcomes.compliance.by_rule}
    assert found == dict(expected)
    assert [c.count for c in outcomes.compliance.by_rule] == sorted(expected.values(), reverse=True)
    assert outcomes.compliance.allowed.estimate == pytest.approx(mean(d for d in rows if d["enforced"] == "allow"))
    slipped = [d for d in rows if d["enforced"] == "allow" != d["decision"]]
    assert outcomes.compliance.failed_open.estimate == pytest.approx(mean(slipped))


def test_cases_are_counted_by_outcome(run: Run, outcomes: Outcomes) -> None:
    rows = [c for c in run.cases().to_dict("records") if c["measured"]]
    for work in outcomes.work:
        mine = [c for c in rows if c["work"] == work.name]
        assert work.cases == len(mine)
        assert {o: n for o, n in work.by_outcome if n} == dict(Counter(c["outcome"] for c in mine))
        ended = [c for c in mine if c["outcome"] not in ("in-flight", "stuck")]
        days = (run.scenario.horizon - run.scenario.warm_up) / DAY
        assert work.throughput.estimate == pytest.approx(len(ended) / REPLICATIONS / days)
        each = [[c["cost"] for c in ended if c["replication"] == r] for r in range(REPLICATIONS)]
        expected = sum(sum(costs) / len(costs) / 1e6 for costs in each) / REPLICATIONS
        assert work.cost.estimate == pytest.approx(expected)


def test_hand_offs_without_need_are_those_of_the_log(
    run: Run, outcomes: Outcomes, events: list[dict[str, Any]]
) -> None:
    needless = {(e["replication"], e["case"]) for e in of(events, "handed-off") if e["detail"] == "not needed"}
    rows = [c for c in run.cases().to_dict("records") if c["measured"]]
    for work in outcomes.work:
        shares = []
        for r in range(REPLICATIONS):
            mine = [c for c in rows if c["work"] == work.name and c["replication"] == r]
            shares.append(sum((r, c["case"]) in needless for c in mine) / len(mine))
        assert work.needless_hand_off.estimate == pytest.approx(sum(shares) / REPLICATIONS)


def test_deadlocks_and_their_rings_are_those_of_the_log(outcomes: Outcomes, events: list[dict[str, Any]]) -> None:
    found = list(of(events, "deadlock"))
    assert outcomes.deadlock.found == len(found)
    assert outcomes.deadlock.count.estimate == pytest.approx(len(found) / REPLICATIONS)
    assert sum(ring.count for ring in outcomes.deadlock.rings) == len(found)
    for ring in outcomes.deadlock.rings:
        logged = next(e for e in found if (e["replication"], e["time"]) == (ring.replication, ring.time))
        members = json.loads(logged["detail"])["ring"]
        assert [m.case for m in ring.members] == [m["case"] for m in members]
        assert [m.waits for m in ring.members] == [m["waits-for"] for m in members]
        for member, following in zip(ring.members, ring.members[1:] + ring.members[:1], strict=True):
            assert member.waits in following.holds


Spans = list[tuple[int, float]]
"""When each began, and its length, us."""


def asked_and_held(run: Run, mine: list[dict[str, Any]]) -> tuple[Spans, Spans, int]:
    """What one replication's log tells of a lock, read row by row: waits, holds, the longest queue. One that had
    not ended at the horizon is as long as the rest of the run."""
    queues: dict[str, list[tuple[int, int]]] = defaultdict(list)
    taken: dict[str, int] = {}
    waited, held, longest = [], [], 0
    for e in mine:
        place, joined = e["place"], (e["case"], e["time"] - e["value"])
        if e["kind"] == "blocked":
            queues[place].append((e["case"], e["time"]))
            longest = max(longest, len(queues[place]))
        elif e["kind"] in ("locked", "abandoned"):
            waited.append((int(joined[1]), e["value"]))
            if joined in queues[place]:
                queues[place].remove(joined)
        if e["kind"] == "locked":
            taken[place] = e["time"]
        elif e["kind"] == "unlocked":
            held.append((taken[place], e["time"] - taken.pop(place)))
    horizon = run.scenario.horizon
    waited += [(since, horizon - since) for queue in queues.values() for _, since in queue]
    held += [(since, horizon - since) for since in taken.values()]
    begin = run.scenario.warm_up
    return [s for s in waited if s[0] >= begin], [s for s in held if s[0] >= begin], longest


def test_locks_are_those_of_the_log(run: Run, outcomes: Outcomes, events: list[dict[str, Any]]) -> None:
    assert [lock.name for lock in outcomes.locks] == list(run.scenario.locks)
    for lock in outcomes.locks:
        mine = [e for e in events if e["place"].partition("[")[0] == f"lock:{lock.name}"]
        waits, p95s, holds, shares, most = [], [], [], [], []
        for r in range(REPLICATIONS):
            waited, held, longest = asked_and_held(run, [e for e in mine if e["replication"] == r])
            lengths = sorted(length for _, length in waited)
            waits.append(sum(lengths) / len(lengths))
            p95s.append(lengths[math.ceil(0.95 * len(lengths) - 1e-9) - 1])
            shares.append(sum(length > 0 for length in lengths) / len(lengths))
            holds.append(sum(length for _, length in held) / len(held))
            most.append(longest)
        assert lock.acquisitions.estimate == pytest.approx(mean(of(mine, "locked")))
        assert lock.wait_mean.estimate == pytest.approx(sum(waits) / REPLICATIONS)
        assert lock.wait_p95.estimate == pytest.approx(sum(p95s) / REPLICATIONS)
        assert lock.waited.estimate == pytest.approx(sum(shares) / REPLICATIONS)
        assert lock.hold_mean.estimate == pytest.approx(sum(holds) / REPLICATIONS)
        assert lock.longest_queue.estimate == pytest.approx(sum(most) / REPLICATIONS)
        assert lock.deadlocks.estimate == pytest.approx(mean(e for e in of(events, "deadlock") if named(e, lock.name)))


def named(deadlock: dict[str, Any], lock: str) -> bool:
    members = json.loads(deadlock["detail"])["ring"]
    places = {place for m in members for place in (*m["holds"], m["waits-for"])}
    return any(place.partition("[")[0] == f"lock:{lock}" for place in places)


def test_drift_is_timed_from_its_onset(run: Run, outcomes: Outcomes, events: list[dict[str, Any]]) -> None:
    for drift in outcomes.drift:
        alarms = list(of(events, "alarm", f"monitor:{drift.monitor}"))
        undone = list(of(events, "rolled-back", f"monitor:{drift.monitor}"))
        delays, harms = [], []
        for r in range(REPLICATIONS):
            after = [e["time"] for e in alarms if e["replication"] == r and e["time"] >= drift.onset]
            stopped = [e["time"] for e in undone if e["replication"] == r and e["time"] >= drift.onset]
            delays.append(min(after, default=run.scenario.horizon) - drift.onset)
            until = min(stopped or [run.scenario.horizon])
            harms.append(
                sum(
                    e["replication"] == r and drift.onset <= e["time"] < until
                    for e in of(events, "attempt-wrong", f"agent:{drift.agent}")
                    if _capability(run, events, e) == drift.capability
                )
            )
        assert drift.delay.estimate == pytest.approx(sum(delays) / REPLICATIONS)
        assert drift.harm.estimate == pytest.approx(sum(harms) / REPLICATIONS)
        assert drift.false_alarms.estimate == pytest.approx(mean(e for e in alarms if e["time"] < drift.onset))


def _capability(run: Run, events: list[dict[str, Any]], wrong: dict[str, Any]) -> str:
    """The capability of the step that the attempt's case entered last."""
    pool = wrong["place"].removeprefix("agent:")
    if len(run.scenario.agents[pool].capabilities) == 1:
        return next(iter(run.scenario.agents[pool].capabilities))
    steps = {
        f"step:{w}.{s}": step.capability
        for w, workflow in run.scenario.workflows.items()
        for s, step in workflow.steps.items()
        if step.kind == "task" and step.agent == pool
    }
    mine = (e for e in events if e["kind"] == "entered" and e["replication"] == wrong["replication"])
    before = [
        e for e in mine if e["case"] == wrong["case"] and e["sequence"] < wrong["sequence"] and e["place"] in steps
    ]
    return steps[before[-1]["place"]]


def _sought(events: list[dict[str, Any]], chain: str) -> int:
    """First asks of a chain, case by case: one that follows a bounce of the case is the same approval's."""
    sought, sent_back = 0, set()
    for e in events:
        case = e["replication"], e["case"]
        if e["kind"] == "bounced" and e["detail"] == chain:
            sent_back.add(case)
        elif e["kind"] == "asked" and e["detail"] == chain:
            sought += e["value"] == 1 and case not in sent_back
            sent_back.discard(case)
    return sought


def test_approvals_are_counted_by_chain(outcomes: Outcomes, events: list[dict[str, Any]]) -> None:
    for chain in outcomes.escalation:
        for level in chain.levels:
            detail = chain.chain if level.chain == chain.chain else f"{chain.chain}: {level.chain}"
            asked = (e for e in of(events, "asked", f"desk:{level.desk}") if e["detail"] == detail)
            assert level.asked.estimate == pytest.approx(mean(e for e in asked if e["value"] == level.level))
        for answer, found in (("granted", chain.granted), ("denied", chain.denied)):
            expected = mean(e for e in of(events, "answered") if e["detail"] == f"{chain.chain}: {answer}")
            assert found.estimate == pytest.approx(expected)
        vain = [e for e in of(events, "exhausted") if e["detail"].startswith(f"{chain.chain}: ")]
        assert chain.unanswered.estimate == pytest.approx(mean(vain))
        sought = _sought(events, chain.chain)
        assert chain.sought.estimate == pytest.approx(sought / REPLICATIONS)
        ended = chain.granted.estimate + chain.denied.estimate + chain.unanswered.estimate
        assert chain.left.estimate == pytest.approx(sought / REPLICATIONS - ended)
    assert sum(level.asked.estimate for chain in outcomes.escalation for level in chain.levels) == pytest.approx(
        mean(of(events, "asked"))
    )


def test_faults_hold_the_failures_of_their_windows(run: Run, outcomes: Outcomes, events: list[dict[str, Any]]) -> None:
    failed = list(of(events, "attempt-failed"))
    for fault in outcomes.resilience:
        begun = [
            (e["replication"], e["time"], min(e["time"] + e["value"], run.scenario.horizon))
            for e in of(events, fault.kind, fault.place)
        ]
        inside = [
            e for e in failed if any(r == e["replication"] and begin <= e["time"] < end for r, begin, end in begun)
        ]
        assert fault.failed.estimate == pytest.approx(mean(inside))
    assert {f.place for f in outcomes.resilience} == {
        e["place"] for k in ("outage", "partition") for e in of(events, k)
    }


def test_loads_agree_with_the_samples(run: Run, outcomes: Outcomes) -> None:
    """Busy time from the log against the independent samples of busy people, over staffed time from the samples."""
    samples = run.samples()
    for desk in outcomes.people:
        here = samples[(samples["place"] == f"desk:{desk.name}") & (samples["time"] >= run.scenario.warm_up)]
        sampled = here["busy"].sum() / here["capacity"].sum()
        assert desk.load.estimate == pytest.approx(sampled, abs=0.06)


def test_served_items_are_the_starts_of_the_log(outcomes: Outcomes, events: list[dict[str, Any]]) -> None:
    for desk in outcomes.people:
        assert desk.served.estimate == pytest.approx(mean(of(events, "started", f"desk:{desk.name}")))


def test_a_million_events_are_assessed_from_categories(run: Run) -> None:
    """Grouping works on codes, not on texts: what keeps a large run to seconds."""
    tables = read_tables(run)
    assert str(tables.events["kind"].dtype) == str(tables.events["place"].dtype) == "category"
    assert str(tables.events["case"].dtype) == "int64"


def test_frames_hold_the_same_figures(run: Run, outcomes: Outcomes) -> None:
    objectives = frame(outcomes.objectives).set_index("name")
    each = by_replication(outcomes.objectives)
    for o in outcomes.objectives:
        assert objectives.loc[o.name, "interval_low"] == o.interval.low
        assert objectives.loc[o.name, "verdict"] == o.verdict
        assert tuple(each.loc[each["objective"] == o.name, "low"]) == o.sample.low
    assert len(frame(outcomes.people)) == len(run.scenario.desks)
    assert list(frame(outcomes.compliance.by_rule)["count"]) == [c.count for c in outcomes.compliance.by_rule]
