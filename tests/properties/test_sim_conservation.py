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
from worlds import ATTEMPT_COST, CALL_PRICE, HORIZON, HOURLY, UNITS, laid, scenarios


def fly(text: str, seed: int) -> tuple[Plan, Tables]:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = laid(Path(folder), text)
    plan = compile_plan(loaded)
    replication = Replication(plan, compile_rules(loaded), seed, 0)
    replication.run()
    return plan, replication.tables("", seed)


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
